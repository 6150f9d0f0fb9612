//! The object directories of a repository: its own, and those that `info/alternates` names, in the
//! order in which git looks into them.
//!
//! Rules as in git's `object-file.c` and `gitrepository-layout`: one path a line, `#` begins a
//! comment, `"` a path quoted as in C, a relative path is relative to the object directory that names
//! it, chains end after five steps. `GIT_ALTERNATE_OBJECT_DIRECTORIES` does not count, as for
//! libgit2, which answers everything else: what a repository holds must not depend on who asks.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::coverage::{Gap, GapKind};

/// How long a chain of alternates may be (`link_alt_odb_entries` in git).
const MAX_DEPTH: usize = 5;

/// `objects` and the directories that it leads to, each once; what is wrong with them goes to `gaps`.
pub(crate) fn directories(objects: &Path, gaps: &mut Vec<Gap>) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let mut seen = Vec::new();
    follow(objects, 0, &mut directories, &mut seen, gaps);
    directories
}

fn follow(objects: &Path, depth: usize, directories: &mut Vec<PathBuf>, seen: &mut Vec<PathBuf>, gaps: &mut Vec<Gap>) {
    let mut gap = |what: String, detail: String| gaps.push(Gap { kind: GapKind::MissingAlternate, what, detail });
    // Two names of one directory, and circles, end here.
    let real = match objects.canonicalize() {
        Ok(real) if real.is_dir() => real,
        Ok(_) => return gap(objects.display().to_string(), "this alternate is not a directory".to_owned()),
        Err(error) => {
            let detail = format!("this alternate object directory can't be opened: {error}; bring it back, or fetch");
            return gap(objects.display().to_string(), detail);
        }
    };
    if seen.contains(&real) {
        return;
    }
    seen.push(real);
    directories.push(objects.to_owned());
    let list = objects.join("info/alternates");
    if let Ok(metadata) = std::fs::metadata(&list)
        && !metadata.is_file()
    {
        // Opening a pipe would wait for ever.
        return gap(list.display().to_string(), "it is not a file".to_owned());
    }
    let lines = match std::fs::read(&list) {
        Ok(lines) => lines,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return,
        Err(error) => return gap(list.display().to_string(), format!("it can't be read: {error}")),
    };
    for (number, line) in lines.split(|&byte| byte == b'\n').enumerate() {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let path = if line.starts_with(b"\"") { unquote(line) } else { path_of(line.to_vec()) };
        let Some(path) = path else {
            let what = format!("{}:{}", list.display(), number + 1);
            gaps.push(Gap {
                kind: GapKind::MissingAlternate,
                what,
                detail: "the path on this line can't be read (a broken quote)".to_owned(),
            });
            continue;
        };
        let next = objects.join(path);
        if depth >= MAX_DEPTH {
            gaps.push(Gap {
                kind: GapKind::MissingAlternate,
                what: next.display().to_string(),
                detail: format!("this alternate is nested deeper than {MAX_DEPTH}, where git stops too"),
            });
            continue;
        }
        follow(&next, depth + 1, directories, seen, gaps);
    }
}

/// A path quoted as in C (`unquote_c_style` in git); `None` if the quote is broken.
fn unquote(line: &[u8]) -> Option<PathBuf> {
    let mut out = Vec::with_capacity(line.len());
    let mut bytes = line.iter().copied().skip(1);
    loop {
        match bytes.next()? {
            b'"' => break,
            b'\\' => out.push(match bytes.next()? {
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                byte @ (b'\\' | b'"') => byte,
                high @ b'0'..=b'3' => {
                    let mut value = high - b'0';
                    for _ in 0..2 {
                        let digit = bytes.next().filter(|digit| (b'0'..=b'7').contains(digit))?;
                        value = value << 3 | (digit - b'0');
                    }
                    value
                }
                _ => return None,
            }),
            byte => out.push(byte),
        }
    }
    if bytes.next().is_some() { None } else { path_of(out) }
}

/// Bytes as a path: as they are where paths are bytes, as UTF-8 elsewhere.
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    #[cfg(unix)]
    let path = <OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes);
    #[cfg(not(unix))]
    let path = OsString::from(String::from_utf8(bytes).ok()?);
    Some(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(root: &Path, name: &str, alternates: &str) -> PathBuf {
        let path = root.join(name);
        std::fs::create_dir_all(path.join("info")).expect("a directory");
        if !alternates.is_empty() {
            std::fs::write(path.join("info/alternates"), alternates).expect("a file");
        }
        path
    }

    fn names(root: &Path, directories: &[PathBuf]) -> Vec<String> {
        let root = root.canonicalize().expect("root");
        directories
            .iter()
            .map(|path| {
                let path = path.canonicalize().expect("it was found");
                path.strip_prefix(&root).expect("below the root").display().to_string()
            })
            .collect()
    }

    #[test]
    fn chains_comments_quotes_and_circles() {
        let root = tempfile::tempdir().expect("a directory");
        let own = objects(
            root.path(),
            "own",
            "# a comment\n\n../relative\n\"../quo\\164ed \\\"\\n\"\n../missing\n\"broken\n",
        );
        objects(root.path(), "relative", &format!("{}\n", root.path().join("absolute").display()));
        objects(root.path(), "absolute", "../own\n../relative\n");
        objects(root.path(), "quoted \"\n", "");
        let mut gaps = Vec::new();
        let found = directories(&own, &mut gaps);
        assert_eq!(names(root.path(), &found), ["own", "relative", "absolute", "quoted \"\n"]);
        let gaps: Vec<_> = gaps.iter().map(|gap| (gap.kind, &gap.what[..])).collect();
        let missing = own.join("../missing").display().to_string();
        let broken = format!("{}:6", own.join("info/alternates").display());
        assert_eq!(gaps, [(GapKind::MissingAlternate, &missing[..]), (GapKind::MissingAlternate, &broken)]);
    }

    #[test]
    fn a_chain_ends_where_git_ends_it() {
        let root = tempfile::tempdir().expect("a directory");
        for step in 0..8 {
            objects(root.path(), &format!("{step}"), &format!("../{}\n", step + 1));
        }
        let mut gaps = Vec::new();
        let found = directories(&root.path().join("0"), &mut gaps);
        assert_eq!(names(root.path(), &found), ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(gaps.len(), 1);
        assert!(gaps[0].detail.contains("nested deeper than 5"), "{}", gaps[0].detail);
    }
}
