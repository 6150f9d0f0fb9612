//! Formats by their magic bytes.

use crate::Format;

/// Bytes of a tar header.
const TAR_BLOCK: usize = 512;

/// The archive format that `content` starts like, by its magic bytes.
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
        _ => None,
    }
}
