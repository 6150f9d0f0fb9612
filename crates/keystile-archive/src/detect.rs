//! Formats by their magic bytes.

use crate::Format;

/// Bytes of a tar header.
const TAR_BLOCK: usize = 512;

/// The archive format that `content` starts like, by its magic bytes; for a zip, also what it ends like, since
/// zips are put behind programs (self-extractors, Python's zipapps, executable jars).
///
/// A tar is known by `ustar`, which all of today's tools write (POSIX.1-1988); the older format has no magic,
/// and its members are not compressed.
#[must_use]
pub fn detect(content: &[u8]) -> Option<Format> {
    match content {
        // The first member, the end of an empty archive, the marker of a split one in one part.
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, b'P', b'K', 3, 4, ..] => Some(Format::Zip),
        // Deflate is the only method; three of the flags are reserved.
        [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Some(Format::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Format::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Format::Zstd),
        _ if content.len() >= TAR_BLOCK && &content[257..262] == b"ustar" => Some(Format::Tar),
        _ if ends_like_zip(content) => Some(Format::Zip),
        _ => None,
    }
}

/// Whether the end of a zip's central directory, without a comment, ends `content`, and the directory is
/// where it says.
fn ends_like_zip(content: &[u8]) -> bool {
    let Some((before, end)) = content.split_last_chunk::<22>() else { return false };
    let [b'P', b'K', 5, 6, .., 0, 0] = end else { return false };
    let size = u32::from_le_bytes([end[12], end[13], end[14], end[15]]) as usize;
    before.len().checked_sub(size).is_some_and(|start| before[start..].starts_with(b"PK\x01\x02"))
}
