//! A directory, or single files, as they lie.
//!
//! Hidden files are read, ignore files are honoured unless told otherwise, `.git` is left to the sources that know
//! what it is. Whatever is left out is counted with its reason. A file that is named by itself is always read.

mod listing;
mod reading;

use std::path::{Component, Path, PathBuf};

use bstr::BString;
use keystile_scan::{Occurrence, OccurrencePlace, Scratch};
use rayon::prelude::*;

use crate::SourceReport;
use crate::coverage::{Coverage, GapKind, SkipReason};
use crate::error::Error;
use crate::inspect::{Inspection, Inspector};
use crate::progress::Progress;

pub(crate) use listing::{Listed, ListedKind, Listing, WalkOptions, bytes_of};
pub(crate) use reading::inspect_stream;

/// How a directory is walked.
#[derive(Debug, Clone, Default)]
pub struct DirectoryOptions {
    /// Read what ignore files (`.gitignore`, `.ignore`, git's exclude files) name, too.
    pub no_ignore: bool,
    /// Follow symbolic links; otherwise they are counted and left.
    pub follow_symlinks: bool,
    /// Paths in the report begin with the folder as it was named, also where it is the only one.
    pub paths_as_named: bool,
}

/// Scans files and folders. Paths in the report are relative to the folder; if several paths are given, or with
/// [`DirectoryOptions::paths_as_named`], each begins with the one it was found by.
///
/// # Errors
///
/// [`Error::Usage`] if one of the paths is not there: what was asked for can't be done.
pub fn scan(
    inspector: &Inspector,
    paths: &[PathBuf],
    options: &DirectoryOptions,
    progress: &Progress,
) -> Result<SourceReport, Error> {
    let mut coverage = Coverage::default();
    let mut files = Vec::new();
    for path in paths {
        let metadata = path.metadata().map_err(|error| {
            Error::Usage(format!("{}: can't be opened ({error}); name a file or folder that is there", path.display()))
        })?;
        if metadata.is_dir() {
            let prefix =
                if paths.len() > 1 || options.paths_as_named { bytes_of(&cleaned(path)) } else { BString::default() };
            let walk = WalkOptions {
                honour_ignore_files: !options.no_ignore,
                follow_symlinks: options.follow_symlinks,
                is_work_tree: false,
            };
            let listing = Listing::read(path, &walk, &prefix, &mut coverage);
            for (path, bytes) in &listing.ignored {
                coverage.skip(SkipReason::IgnoredPath, path.to_string(), *bytes);
            }
            files.extend(listing.files);
        } else if metadata.is_file() {
            let kind = ListedKind::File;
            files.push(Listed { open: path.clone(), path: bytes_of(path), symlink: None, kind });
        } else {
            coverage.skip(SkipReason::SpecialFile, path.display().to_string(), 0);
        }
    }
    let mut occurrences = Vec::new();
    scan_files(inspector, &files, progress, &mut coverage, |listed, inspection, coverage| {
        for (path, found) in inspector.judge_at(inspection, listed.path.as_ref(), "").count(coverage) {
            let place = OccurrencePlace::File;
            occurrences.push(Occurrence { place, path, symlink: listed.symlink.clone(), found, in_head: None });
        }
    });
    Ok(SourceReport { occurrences, coverage })
}

/// Without `.`, and without `..` where that leads back to a folder named before it; nothing for the current folder.
/// By name alone, as people read it.
fn cleaned(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(cleaned.components().next_back(), Some(Component::Normal(_))) => {
                cleaned.pop();
            }
            part => cleaned.push(part),
        }
    }
    cleaned
}

/// How many files are read before their results are handed on: what bounds the results that wait.
const BATCH: usize = 4096;

/// Reads `files` on all threads, counts them, and hands on, in their order, each that can be a finding. Those at a path
/// that excuses everything are not read.
pub(crate) fn scan_files(
    inspector: &Inspector,
    files: &[Listed],
    progress: &Progress,
    coverage: &mut Coverage,
    mut each: impl FnMut(&Listed, &Inspection, &mut Coverage),
) {
    progress.begin("scanning files", files.len() as u64);
    coverage.files += files.len() as u64;
    let has_path_rules = inspector.scanner.has_path_rules();
    for batch in files.chunks(BATCH) {
        let results: Vec<_> = batch
            .par_iter()
            .map_init(
                || inspector.scanner.scratch(),
                |scratch, listed| {
                    let result = read(inspector, scratch, listed);
                    progress.advance(1);
                    result
                },
            )
            .collect();
        for (listed, result) in batch.iter().zip(results) {
            match result {
                Ok((bytes, inspection)) => {
                    if !inspection.is_left_out() {
                        coverage.files_scanned += 1;
                        coverage.file_bytes_scanned += bytes;
                    }
                    inspection.count(&listed.path.to_string(), coverage);
                    if inspection.has_matches() || has_path_rules {
                        each(listed, &inspection, coverage);
                    }
                }
                // It was there when the folder was listed.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    coverage.files -= 1;
                    coverage.notes.push(format!("{} went away during the scan", listed.path));
                }
                Err(error) => unreadable(coverage, &listed.path.to_string(), &error),
            }
        }
    }
}

fn read(inspector: &Inspector, scratch: &mut Scratch, listed: &Listed) -> std::io::Result<(u64, Inspection)> {
    if inspector.scanner.excuses_path(listed.path.as_ref()) {
        // Of the link itself, if it is one and not followed.
        let metadata =
            if listed.kind == ListedKind::Symlink { listed.open.symlink_metadata() } else { listed.open.metadata() };
        let bytes = metadata.map_or(0, |metadata| metadata.len());
        let skipped = vec![(SkipReason::AllowlistedPath, BString::default(), bytes)];
        return Ok((bytes, Inspection { skipped, ..Inspection::default() }));
    }
    if listed.kind == ListedKind::Symlink {
        // As git stores it: the content of a link is the path that it leads to.
        let target = bytes_of(&listed.open.read_link()?);
        return Ok((target.len() as u64, inspector.inspect(scratch, &target)));
    }
    let metadata = listed.open.metadata()?;
    if !metadata.is_file() {
        // Opening a pipe that took the file's place would wait for its other end.
        return Err(std::io::Error::other("is no longer a regular file"));
    }
    if inspector.options.max_bytes.is_some_and(|limit| metadata.len() > limit) {
        let skipped = vec![(SkipReason::Size, BString::default(), metadata.len())];
        return Ok((metadata.len(), Inspection { skipped, ..Inspection::default() }));
    }
    let mut file = std::fs::File::open(&listed.open)?;
    inspect_stream(inspector, scratch, &mut file, metadata.len())
}

/// Something that the file system does not let keystile read.
fn unreadable(coverage: &mut Coverage, path: &str, error: &std::io::Error) {
    coverage.gap(GapKind::UnreadableFile, path, format!("can't be read: {error}; run keystile as a user who may"));
}

/// As [`unreadable`], for a path.
fn unreadable_path(coverage: &mut Coverage, path: &Path, error: &std::io::Error) {
    unreadable(coverage, &path.display().to_string(), error);
}
