//! Writing the journal: one run at a time, each line on the disk before the next step.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Entry, Event, JournalError};

/// Where a run writes down what it does.
pub trait Sink: Send {
    /// Writes an event down. When this returns, the line survives a crash.
    ///
    /// # Errors
    /// It could not be written; the caller makes no call that depends on it.
    fn append(&mut self, at: Timestamp, event: Event) -> Result<(), JournalError>;
}

/// A journal that is open for one run; others are kept out until it is dropped.
#[derive(Debug)]
pub struct JournalWriter {
    file: File,
    path: PathBuf,
    run: String,
    /// Set by the first line that could not be written and not be taken back.
    broken: bool,
}

impl JournalWriter {
    /// Opens or makes the journal for the run `run`. A last line that a crash cut off is removed: what it would
    /// have announced was not done, since a call follows its line.
    ///
    /// # Errors
    /// It can't be written, others may read it, or another run has it.
    pub fn open(path: &Path, run: impl Into<String>) -> Result<Self, JournalError> {
        let failed = |what: String| JournalError { path: path.to_owned(), line: None, what };
        let new = !path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| failed(format!("can't be opened for writing: {error}; nothing was changed")))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(failed("another run has it; wait for that run, or name another journal".to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(format!("can't be locked: {error}"))),
        }
        let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
        if !metadata.is_file() {
            return Err(failed("is no file".to_owned()));
        }
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(failed(format!("others may read or write it (mode {mode:o}); chmod 600 it")));
        }
        mend(&mut file).map_err(|error| failed(format!("its last line can't be mended: {error}")))?;
        file.sync_all().map_err(|error| failed(format!("can't be written: {error}; nothing was changed")))?;
        if new {
            sync_folder(path).map_err(|error| failed(format!("its folder can't be written: {error}")))?;
        }
        Ok(Self { file, path: path.to_owned(), run: run.into(), broken: false })
    }

    fn failed(&self, what: String) -> JournalError {
        JournalError { path: self.path.clone(), line: None, what }
    }
}

impl Sink for JournalWriter {
    fn append(&mut self, at: Timestamp, event: Event) -> Result<(), JournalError> {
        if self.broken {
            return Err(self.failed("a line before could not be written".to_owned()));
        }
        let entry = Entry { at, run: self.run.clone(), event };
        let mut line = serde_json::to_vec(&entry).expect("names, numbers and times are JSON");
        line.push(b'\n');
        let before = self.file.metadata().map_err(|error| self.failed(error.to_string()))?.len();
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            // Half a line would make the next one unreadable.
            self.broken = self.file.set_len(before).is_err();
            return Err(self.failed(format!("can't be written: {error}")));
        }
        Ok(())
    }
}

/// Ends a last line without a line feed: one that is whole gets it, one that was cut off is removed.
fn mend(file: &mut File) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let start = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let tail = &bytes[start..];
    if tail.is_empty() {
        Ok(())
    } else if serde_json::from_slice::<Entry>(tail).is_ok() {
        file.write_all(b"\n")
    } else {
        file.set_len(start as u64)
    }
}

/// Makes the file's name survive a crash.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}
