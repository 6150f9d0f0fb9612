//! Compressed files: gzip, xz, Zstandard, each possibly of several parts.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::expand::{End, Expander, Level};
use crate::{Format, detect, tar};

/// Largest window that a decoder may use: what the strongest levels ask for (64 MiB: `xz -9`; 128 MiB:
/// `zstd --ultra -22`). More is over the limit.
const MAX_WINDOW_BYTES: u64 = 128 << 20;

/// Hands out what `content` decompresses to: a file, or the members of a tar.
pub(crate) fn expand(content: &[u8], format: Format, level: &Level, expander: &mut Expander<'_>) {
    let parts = Parts { format, rest: content, current: None };
    let mut parts = expander.metered(parts);
    // Enough to see a tar's header.
    let (head, end) = read_head(&mut parts);
    if end == End::Complete && detect(&head) == Some(Format::Tar) {
        tar::expand(io::Cursor::new(head).chain(parts), level, expander);
        return;
    }
    if head.is_empty() && end != End::Complete {
        expander.stop(level, end);
        return;
    }
    if !expander.next_entry(level) {
        return;
    }
    let mut bytes = head;
    let mut end = end;
    if end == End::Complete {
        (bytes, end) = expander.read(io::Cursor::new(bytes).chain(parts));
    }
    expander.hand_out(level.join(name_of(content, format)), &bytes, end, level);
}

/// The first 512 bytes, or fewer at the end, a limit or a fault.
fn read_head(reader: &mut impl Read) -> (Vec<u8>, End) {
    let mut head = vec![0; 512];
    let mut len = 0;
    while len < head.len() {
        match reader.read(&mut head[len..]) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) => {
                head.truncate(len);
                return (head, End::of(&error));
            }
        }
    }
    head.truncate(len);
    (head, End::Complete)
}

/// The last component of the name in gzip's header; `content` where there is none.
fn name_of(content: &[u8], format: Format) -> &[u8] {
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    let name = || {
        let flags = *content.get(3)?;
        let extra = if flags & EXTRA == 0 {
            0
        } else {
            2 + usize::from(u16::from_le_bytes([*content.get(10)?, *content.get(11)?]))
        };
        let name = content.get(10 + extra..).filter(|_| flags & NAME != 0)?;
        let name = &name[..memchr::memchr(0, name)?];
        name.rsplit(|byte| *byte == b'/').next().filter(|name| !name.is_empty())
    };
    Some(format).filter(|format| *format == Format::Gzip).and_then(|_| name()).unwrap_or(b"content")
}

/// Reads the parts of a compressed file one after the other.
struct Parts<'a> {
    format: Format,
    /// What comes after the current part.
    rest: &'a [u8],
    current: Option<Decoder<'a>>,
}

enum Decoder<'a> {
    Gzip(Box<GzDecoder<&'a [u8]>>),
    Xz(Box<XzReader<&'a [u8]>>),
    Zstd(Box<StreamingDecoder<&'a [u8], FrameDecoder>>),
}

impl<'a> Parts<'a> {
    /// The decoder of the next part; `None` at the end.
    fn next_part(&mut self) -> io::Result<Option<Decoder<'a>>> {
        loop {
            let rest = self.rest;
            // Tapes and block devices pad with zeros.
            if rest.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let decoder = match self.format {
                Format::Gzip => Decoder::Gzip(Box::new(GzDecoder::new(rest))),
                Format::Xz => {
                    let limit_kb = u32::try_from(MAX_WINDOW_BYTES >> 10).unwrap_or(u32::MAX);
                    Decoder::Xz(Box::new(XzReader::new_mem_limit(rest, true, limit_kb)))
                }
                _ => match StreamingDecoder::new_with_max_window_size(rest, MAX_WINDOW_BYTES) {
                    Ok(decoder) => Decoder::Zstd(Box::new(decoder)),
                    Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                        length, ..
                    })) => {
                        let behind = usize::try_from(length).ok().and_then(|length| rest.get(8 + length..));
                        self.rest = behind.ok_or(io::ErrorKind::UnexpectedEof)?;
                        continue;
                    }
                    Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
                        return Err(io::ErrorKind::OutOfMemory.into());
                    }
                    Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                },
            };
            return Ok(Some(decoder));
        }
    }
}

impl Read for Parts<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut decoder = match self.current.take() {
                Some(decoder) => decoder,
                None => match self.next_part()? {
                    Some(decoder) => decoder,
                    None => return Ok(0),
                },
            };
            let count = match &mut decoder {
                Decoder::Gzip(decoder) => decoder.read(buffer),
                Decoder::Xz(decoder) => decoder.read(buffer),
                Decoder::Zstd(decoder) => decoder.read(buffer),
            };
            let count = match count {
                Ok(count) => count,
                Err(error) => {
                    // Nothing behind a fault: it would start over.
                    self.rest = &[];
                    return Err(error);
                }
            };
            if count > 0 || buffer.is_empty() {
                self.current = Some(decoder);
                return Ok(count);
            }
            self.rest = match decoder {
                Decoder::Gzip(decoder) => decoder.into_inner(),
                // It reads several streams, and padding, itself.
                Decoder::Xz(_) => &[],
                Decoder::Zstd(decoder) => decoder.into_inner(),
            };
        }
    }
}
