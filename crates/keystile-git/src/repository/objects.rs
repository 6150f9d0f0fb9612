//! Where a repository's objects lie, and where its history is cut off.

use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice as _};

use super::Location;
use super::discovery::read_small;
use crate::coverage::{Gap, GapKind};
use crate::object::ObjectId;

/// Every directory that objects are read from: its own first, then alternates, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectDirectories {
    /// Those that exist.
    pub directories: Vec<PathBuf>,
}

/// git itself gives up behind five links of alternates (`odb.c`); whoever has more has a loop or a mistake.
const MAX_ALTERNATE_DEPTH: u32 = 5;

/// `info/alternates` and `shallow` are a line for each entry.
const MAX_LIST_BYTES: u64 = 64 << 20;

impl ObjectDirectories {
    pub(super) fn read(location: &Location, common_dir: &Path, gaps: &mut Vec<Gap>) -> Self {
        let own = location.object_directory.clone().unwrap_or_else(|| common_dir.join("objects"));
        let mut directories = Vec::new();
        add(&own, 0, &mut directories, gaps);
        for alternate in &location.alternate_object_directories {
            add(alternate, 1, &mut directories, gaps);
        }
        Self { directories }
    }

    pub(super) fn have_promisor_pack(&self) -> bool {
        self.directories.iter().any(|directory| {
            let Ok(entries) = directory.join("pack").read_dir() else { return false };
            entries.flatten().any(|entry| entry.file_name().as_encoded_bytes().ends_with(b".promisor"))
        })
    }
}

fn add(directory: &Path, depth: u32, directories: &mut Vec<PathBuf>, gaps: &mut Vec<Gap>) {
    let mut gap = |what: &Path, detail: String| {
        gaps.push(Gap { kind: GapKind::MissingAlternate, what: what.display().to_string(), detail });
    };
    let real = match directory.canonicalize() {
        Ok(real) if real.is_dir() => real,
        Ok(_) => return gap(directory, "is not a directory".to_owned()),
        Err(error) => {
            return gap(directory, format!("can't be opened ({error}); objects that only it holds are missing"));
        }
    };
    if directories.contains(&real) {
        return;
    }
    directories.push(real.clone());
    let list = real.join("info/alternates");
    if list.symlink_metadata().is_err() {
        return;
    }
    if depth >= MAX_ALTERNATE_DEPTH {
        return gap(&list, format!("is not followed: alternates are nested more than {MAX_ALTERNATE_DEPTH} deep"));
    }
    let text = match read_small(&list, MAX_LIST_BYTES) {
        Ok(text) => text,
        Err(error) => return gap(&list, format!("can't be read ({error}); objects of its alternates are missing")),
    };
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
        let path = unquote(line);
        // Relative to the object directory that names it (`gitrepository-layout(5)`).
        add(&real.join(path.to_path_lossy()), depth + 1, directories, gaps);
    }
}

/// A line in double quotes is quoted as in C (git's `unquote_c_style`).
fn unquote(line: &[u8]) -> BString {
    let Some(inner) = line.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else { return line.into() };
    let mut plain = BString::default();
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'a') => plain.push(7),
            Some(b'b') => plain.push(8),
            Some(b't') => plain.push(b'\t'),
            Some(b'n') => plain.push(b'\n'),
            Some(b'v') => plain.push(11),
            Some(b'f') => plain.push(12),
            Some(b'r') => plain.push(b'\r'),
            Some(digit @ b'0'..=b'3') => {
                let mut value = digit - b'0';
                for _ in 0..2 {
                    if let Some(digit @ b'0'..=b'7') = bytes.peek().copied() {
                        value = value << 3 | (digit - b'0');
                        bytes.next();
                    }
                }
                plain.push(value);
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}

/// The commits that a shallow clone ends at (`shallow`, one id a line).
pub(super) fn shallow(common_dir: &Path, hash: gix_hash::Kind, gaps: &mut Vec<Gap>) -> Vec<ObjectId> {
    let path = common_dir.join("shallow");
    if path.symlink_metadata().is_err() {
        return Vec::new();
    }
    let mut gap = |detail: String| {
        gaps.push(Gap { kind: GapKind::ShallowBoundary, what: path.display().to_string(), detail });
    };
    let text = match read_small(&path, MAX_LIST_BYTES) {
        Ok(text) => text,
        Err(error) => {
            gap(format!("can't be read ({error}); which commits the history is cut off at is not known"));
            return Vec::new();
        }
    };
    let mut ids = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        match ObjectId::from_hex(line.trim()) {
            Ok(id) if id.kind() == hash => ids.push(id),
            _ => gap(format!("line {} is not an object id", number + 1)),
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquotes_paths_as_git_quotes_them() {
        for (line, expected) in [
            (&b"/plain path"[..], &b"/plain path"[..]),
            (b"\"/with\\\"quote\"", b"/with\"quote"),
            (b"\"/tab\\tnewline\\n\"", b"/tab\tnewline\n"),
            (b"\"/\\303\\244\"", "/\u{e4}".as_bytes()),
            (b"\"/open", b"\"/open"),
        ] {
            assert_eq!(unquote(line), expected.as_bstr());
        }
    }
}
