//! Going through archives, and archives inside of them, with a budget.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use bstr::{BStr, BString};

use crate::{Format, Limits, SkipReason, Skipped, compressed, detect, tar, zip};

/// Expands `content` and calls `entry` with the path (`inner.tar!etc/passwd`) and the bytes of each
/// file in it, nested archives included (their own bytes are handed out too, before their entries; those of
/// a compressed tar are not).
/// Returns what was left out. Content that is no archive has no entries.
pub fn expand(content: &[u8], limits: &Limits, entry: &mut dyn FnMut(&BStr, &[u8])) -> Vec<Skipped> {
    let mut expander = Expander {
        limits: *limits,
        bytes_left: Rc::new(Cell::new(limits.max_bytes)),
        entries_left: limits.max_entries,
        is_exhausted: false,
        entry,
        skipped: Vec::new(),
    };
    if limits.depth > 0
        && let Some(format) = detect(content)
    {
        expander.expand(content, format, &Level { path: BString::default(), depth: 1 });
    }
    expander.skipped
}

/// An archive that is being gone through.
#[derive(Debug)]
pub(crate) struct Level {
    /// Its path, empty for the outermost one.
    path: BString,
    /// 1 for the outermost one.
    depth: u32,
}

impl Level {
    /// The path of an entry in it.
    pub(crate) fn join(&self, name: &[u8]) -> BString {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push(b'!');
        }
        path.extend_from_slice(name);
        path
    }
}

/// How reading an entry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// At its end.
    Complete,
    /// At a limit.
    Limit,
    /// At a fault.
    Corrupt,
}

impl End {
    /// What an error of a reader means. Decoders that would need too much memory say so, and so does [`Metered`].
    pub(crate) fn of(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::OutOfMemory { Self::Limit } else { Self::Corrupt }
    }

    /// Why something is missing.
    pub(crate) const fn reason(self) -> Option<SkipReason> {
        match self {
            Self::Complete => None,
            Self::Limit => Some(SkipReason::Limit),
            Self::Corrupt => Some(SkipReason::Corrupt),
        }
    }
}

/// What is left of the budget, and where everything goes.
pub(crate) struct Expander<'a> {
    pub(crate) limits: Limits,
    bytes_left: Rc<Cell<u64>>,
    entries_left: u64,
    /// Whether it was reported that bytes or entries have run out.
    is_exhausted: bool,
    entry: &'a mut dyn FnMut(&BStr, &[u8]),
    skipped: Vec<Skipped>,
}

impl Expander<'_> {
    fn expand(&mut self, content: &[u8], format: Format, level: &Level) {
        match format {
            Format::Zip => zip::expand(content, level, self),
            Format::Tar => tar::expand(content, level, self),
            Format::Gzip | Format::Xz | Format::Zstd => compressed::expand(content, format, level, self),
        }
    }

    /// Whether another entry of `level` may be read; the limit is reported once.
    pub(crate) fn next_entry(&mut self, level: &Level) -> bool {
        if self.is_exhausted {
            return false;
        }
        if self.entries_left == 0 || self.bytes_left.get() == 0 {
            self.is_exhausted = true;
            self.skip(level.path.clone(), SkipReason::Limit);
            return false;
        }
        self.entries_left -= 1;
        true
    }

    /// Reports that a fault or a limit keeps the rest of an archive from being read.
    pub(crate) fn stop(&mut self, level: &Level, end: End) {
        if let Some(reason) = end.reason() {
            self.skip(level.path.clone(), reason);
        }
    }

    /// Reports something left out.
    pub(crate) fn skip(&mut self, path: BString, reason: SkipReason) {
        self.skipped.push(Skipped { path, reason });
    }

    /// What `reader` gives of an entry, as far as [`Limits::max_entry_bytes`] and faults let.
    pub(crate) fn read(&self, mut reader: impl Read) -> (Vec<u8>, End) {
        let limit = usize::try_from(self.limits.max_entry_bytes).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 32 << 10];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return (bytes, End::Complete),
                Ok(count) => {
                    let room = limit - bytes.len();
                    bytes.extend_from_slice(&chunk[..count.min(room)]);
                    if count > room {
                        return (bytes, End::Limit);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (bytes, End::of(&error)),
            }
        }
    }

    /// `reader`, paid for from the budget.
    pub(crate) fn metered<R: Read>(&self, reader: R) -> Metered<R> {
        Metered { reader, left: Rc::clone(&self.bytes_left) }
    }

    /// Hands out an entry, then goes through it if it is an archive itself.
    pub(crate) fn hand_out(&mut self, path: BString, bytes: &[u8], end: End, level: &Level) {
        (self.entry)(path.as_ref(), bytes);
        if let Some(reason) = end.reason() {
            self.skip(path.clone(), reason);
        }
        let Some(format) = detect(bytes) else { return };
        if level.depth >= self.limits.depth {
            self.skip(path, SkipReason::TooDeep);
        } else {
            self.expand(bytes, format, &Level { path, depth: level.depth + 1 });
        }
    }
}

/// A reader whose bytes count against [`Limits::max_bytes`].
pub(crate) struct Metered<R> {
    reader: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            // At the very end, nothing is missing.
            let mut one = [0];
            return match self.reader.read(&mut one)? {
                0 => Ok(0),
                _ => Err(io::Error::from(io::ErrorKind::OutOfMemory)),
            };
        }
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.reader.read(&mut buffer[..room])?;
        self.left.set(left - count as u64);
        Ok(count)
    }
}
