//! tar: POSIX ustar and pax, GNU long names.

use std::io::Read;

use ::tar::{Archive, EntryType};

use crate::SkipReason;
use crate::expand::{End, Expander, Level};

/// Hands out the files in the tar that `reader` gives.
pub(crate) fn expand(reader: impl Read, level: &Level, expander: &mut Expander<'_>) {
    let mut archive = Archive::new(reader);
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => return expander.stop(level, End::of(&error)),
    };
    for entry in entries {
        if !expander.next_entry(level) {
            return;
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return expander.stop(level, End::of(&error)),
        };
        let path = level.join(&entry.path_bytes());
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                let size = entry.size();
                let (bytes, end) = expander.read(entry);
                // The tar crate takes the end of a truncated archive for the end of its last file.
                let is_short = end == End::Complete && (bytes.len() as u64) < size;
                expander.hand_out(path, &bytes, if is_short { End::Corrupt } else { end }, level);
            }
            // They have no content.
            EntryType::Link
            | EntryType::Symlink
            | EntryType::Directory
            | EntryType::Char
            | EntryType::Block
            | EntryType::Fifo
            | EntryType::XGlobalHeader => {}
            // Sparse files, parts of files, and what is yet to be invented.
            _ => expander.skip(path, SkipReason::Unsupported),
        }
    }
}
