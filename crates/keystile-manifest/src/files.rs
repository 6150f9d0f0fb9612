//! Files and folders to documents: which files are read, how, and what was left out.
//!
//! In a folder, files that ignore files name are left out, hidden ones are not; a file is taken by its
//! name (`.yaml`, `.yml`, `.json`, `.tf`, `.tf.json`). A file that is named itself is always read.
//! Terraform's files are read as what they are together: one module a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::WalkBuilder;
use rayon::prelude::*;

use crate::document::{Document, Format, read};
use crate::list;
use crate::source::{Position, Source, Span};
use crate::terraform;
use crate::unreadable::{Unreadable, Why};

/// Bytes of a file that are read; etcd takes no object over 1.5 MiB, and a bundle of every definition of a
/// large operator is about as large as this.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Why a file was left out on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skipped {
    /// Its name is no manifest's.
    OtherName,
    /// A symbolic link: what it leads to is read where it lies, if it lies in what is checked.
    SymbolicLink,
    /// A `.json` file that is no JSON (settings with comments, say) and speaks of no `apiVersion`: nothing
    /// that kubectl could apply.
    NoManifest,
}

impl Skipped {
    /// What a report says.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::OtherName => "not a manifest by its name",
            Self::SymbolicLink => "symbolic link",
            Self::NoManifest => "neither JSON nor a manifest",
        }
    }

    /// Its name in reports for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherName => "other_name",
            Self::SymbolicLink => "symbolic_link",
            Self::NoManifest => "no_manifest",
        }
    }
}

/// Something in scope that could not be read.
#[derive(Clone, Debug)]
pub struct Gap {
    /// The file, or the folder.
    pub file: String,
    /// Where in it.
    pub position: Option<Position>,
    /// Another place that belongs to it.
    pub also: Option<Position>,
    /// What can't be read, in a word: `syntax`, `duplicate_key`, `ambiguous`, `template`, `budget`,
    /// `unreadable_file`; of Terraform also `unresolved`.
    pub kind: &'static str,
    /// What is wrong, and the cure.
    pub message: String,
    /// The text and the place in it, to show.
    pub source: Option<(Arc<Source>, Span)>,
}

impl From<Unreadable> for Gap {
    fn from(unreadable: Unreadable) -> Self {
        Self {
            file: unreadable.source.name().to_owned(),
            position: Some(unreadable.position()),
            also: unreadable.also_at(),
            kind: match unreadable.why {
                Why::Syntax => "syntax",
                Why::DuplicateKey => "duplicate_key",
                Why::Ambiguous => "ambiguous",
                Why::Template(_) => "template",
                Why::Budget => "budget",
            },
            message: unreadable.message,
            source: Some((unreadable.source, unreadable.span)),
        }
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Files {
    /// The objects, `List`s taken apart, in the order of the paths and then of each text.
    pub documents: Vec<Document>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// How many files were read.
    pub read: usize,
    /// How many were left out on purpose, and why.
    pub skipped: BTreeMap<Skipped, usize>,
    /// Terraform's files, until they are read together.
    terraform: Vec<Arc<Source>>,
}

/// How folders are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Leave out what ignore files name.
    pub honour_ignore_files: bool,
}

/// Reads files and folders; `-` is standard input.
#[must_use]
pub fn read_paths(paths: &[PathBuf], walk: Walk) -> Files {
    let mut files = Files::default();
    let mut listed: Vec<Listed> = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            listed.push(Listed { path: path.clone(), format: Some(Format::Yaml), is_named: true });
        } else if path.is_dir() {
            list_folder(path, walk, &mut listed, &mut files);
        } else {
            let name = path.to_string_lossy();
            let is_terraform = terraform::is_terraform(&name);
            let format = (!is_terraform).then(|| Format::of_name(&name).unwrap_or(Format::Yaml));
            listed.push(Listed { path: path.clone(), format, is_named: true });
        }
    }
    let mut seen = std::collections::HashSet::new();
    listed.retain(|file| seen.insert(file.path.clone()));
    // Each file makes its own part, and the parts stay in order.
    let parts: Vec<Files> = listed.par_iter().map(read_file).collect();
    for part in parts {
        files.add(part);
    }
    let made = terraform::read(&std::mem::take(&mut files.terraform));
    files.documents.extend(made.documents);
    files.gaps.extend(made.gaps);
    files
}

impl Files {
    fn add(&mut self, other: Self) {
        self.documents.extend(other.documents);
        self.gaps.extend(other.gaps);
        self.read += other.read;
        self.terraform.extend(other.terraform);
        for (why, count) in other.skipped {
            *self.skipped.entry(why).or_default() += count;
        }
    }

    fn skip(&mut self, why: Skipped) {
        *self.skipped.entry(why).or_default() += 1;
    }

    fn gap(&mut self, file: &Path, message: String) {
        let file = file.display().to_string();
        self.gaps.push(Gap { file, position: None, also: None, kind: "unreadable_file", message, source: None });
    }
}

struct Listed {
    path: PathBuf,
    /// `None` = Terraform's.
    format: Option<Format>,
    is_named: bool,
}

fn list_folder(folder: &Path, walk: Walk, listed: &mut Vec<Listed>, files: &mut Files) {
    let honour = walk.honour_ignore_files;
    let mut builder = WalkBuilder::new(folder);
    builder
        .hidden(false)
        .ignore(honour)
        .git_ignore(honour)
        .git_exclude(honour)
        .git_global(honour)
        .parents(honour)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(std::ffi::OsStr::cmp);
    // What git and `terraform init` keep for themselves.
    builder.filter_entry(|entry| {
        let is_own = entry.file_name() == ".git" || entry.file_name() == ".terraform";
        !(is_own && entry.file_type().is_some_and(|kind| kind.is_dir()))
    });
    for entry in builder.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                files.gap(folder, format!("can't be listed: {error}"));
                continue;
            }
        };
        let Some(kind) = entry.file_type().filter(|kind| !kind.is_dir()) else { continue };
        let path = entry.into_path();
        let name = path.to_string_lossy();
        let format = if terraform::is_terraform(&name) { None } else { Format::of_name(&name) };
        if format.is_none() && !terraform::is_terraform(&name) {
            files.skip(Skipped::OtherName);
        } else if kind.is_symlink() {
            files.skip(Skipped::SymbolicLink);
        } else if !kind.is_file() {
            files.gap(&path, "it is a pipe, socket or device".to_owned());
        } else {
            listed.push(Listed { path, format, is_named: false });
        }
    }
}

fn read_file(file: &Listed) -> Files {
    let mut files = Files::default();
    let name = if file.path.as_os_str() == "-" { "stdin".to_owned() } else { file.path.display().to_string() };
    let bytes = match read_bytes(&file.path) {
        Ok(bytes) => bytes,
        Err(message) => {
            files.gap(Path::new(&name), message);
            return files;
        }
    };
    let source = match Source::from_bytes(name.clone(), bytes) {
        Ok(source) => Arc::new(source),
        Err(not_text) => {
            files.gap(Path::new(&name), format!("{not_text}; save it as UTF-8"));
            return files;
        }
    };
    files.read = 1;
    let Some(format) = file.format else {
        files.terraform.push(source);
        return files;
    };
    let mut found = read(&source, format);
    if format == Format::Json && found.iter().any(Result::is_err) {
        // kubectl tries YAML where a text that begins like JSON is none.
        let as_yaml = read(&source, Format::Yaml);
        let is_template = matches!(found.as_slice(), [.., Err(Unreadable { why: Why::Template(_), .. })]);
        if as_yaml.iter().all(Result::is_ok) {
            found = as_yaml;
        } else if !file.is_named && !is_template && !source.text().contains("apiVersion") {
            files.read = 0;
            files.skip(Skipped::NoManifest);
            return files;
        }
    }
    for one in found {
        match one {
            Ok(document) => files.documents.extend(list::objects(document)),
            Err(unreadable) => files.gaps.push(unreadable.into()),
        }
    }
    files
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let limited = |reader: &mut dyn std::io::Read| -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| format!("can't be read: {error}"))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(format!("larger than {} MiB", MAX_FILE_BYTES >> 20));
        }
        Ok(bytes)
    };
    if path.as_os_str() == "-" {
        return limited(&mut std::io::stdin().lock());
    }
    let mut file = std::fs::File::open(path).map_err(|error| format!("can't be read: {error}"))?;
    limited(&mut file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HONOUR: Walk = Walk { honour_ignore_files: true };

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_is_read_by_the_names_in_it() {
        let folder = folder(&[
            ("a.yaml", "kind: A\n---\nkind: B\n"),
            (".hidden/b.yml", "kind: C\n"),
            ("c.json", "{\"kind\": \"D\"}"),
            ("README.md", "# no"),
            (".git/config.yaml", "kind: No\n"),
            (".gitignore", "ignored.yaml\n"),
            ("ignored.yaml", "kind: No\n"),
            ("settings.json", "{ // a comment\n \"a\": [1, }"),
        ]);
        let files = read_paths(&[folder.path().to_owned()], HONOUR);
        let kinds: Vec<_> = files.documents.iter().map(|document| document.value["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["C", "A", "B", "D"], "{:?}", files.gaps);
        assert_eq!(files.read, 3);
        assert_eq!(files.skipped, BTreeMap::from([(Skipped::OtherName, 2), (Skipped::NoManifest, 1)]));
        assert!(files.gaps.is_empty(), "{:?}", files.gaps);
    }

    #[test]
    fn a_file_that_is_named_is_read_whatever_it_is_called() {
        let folder = folder(&[("manifest.txt", "kind: A\n"), (".gitignore", "*\n"), ("no.json", "{")]);
        let paths = ["manifest.txt", "no.json", "missing.yaml"].map(|name| folder.path().join(name));
        let files = read_paths(&paths, HONOUR);
        assert_eq!(files.documents.len(), 1);
        let kinds: Vec<_> = files.gaps.iter().map(|gap| gap.kind).collect();
        assert_eq!(kinds, ["syntax", "unreadable_file"]);
    }

    #[test]
    fn a_broken_file_and_a_template_are_gaps() {
        let folder = folder(&[("a.yaml", "a: [\n"), ("b.yaml", "{{ if .x }}\n"), ("c.yaml", "\u{1}")]);
        let files = read_paths(&[folder.path().to_owned()], HONOUR);
        let kinds: Vec<_> = files.gaps.iter().map(|gap| gap.kind).collect();
        assert_eq!(kinds, ["syntax", "template", "syntax"], "{:?}", files.gaps);
    }
}
