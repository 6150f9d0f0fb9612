//! Inflating with limits: memory grows with what is really there, never with what a header claims.
//!
//! sirocco inflates, a quarter faster than zlib-rs over whole packs; both compare a stream's Adler-32
//! when it ends, so that a stream that ended without an error has the bytes that were put in. What
//! sirocco does not take is given to zlib-rs (below gix-zlib) before it is called damaged: an object
//! is never lost to a young decoder's mistake.

use gix_zlib::{Decompress, FlushDecompress, Status};
use sirocco::Format;
use sirocco::inflate::Decoder;

/// How much is allocated on a header's word alone.
const TRUSTED: usize = 16 << 20;
/// How much is given to zlib at once: its counters have 32 bits.
const STEP: usize = 1 << 30;

/// The largest object that is expanded unless another limit is given. git has no limit, but a delta of a kilobyte
/// can make gigabytes, and twice that with every step of a chain.
pub(crate) const MAX_OBJECT_BYTES: u64 = 4 << 30;

/// An error if `size` is beyond `limit`.
pub(crate) fn within(limit: u64, size: u64) -> Result<(), String> {
    if size > limit { Err(format!("it has {size} bytes, more than the limit of {limit}")) } else { Ok(()) }
}

/// Bytes in a buffer that is used again and again without being cleared.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    len: usize,
}

impl Buffer {
    /// What was put in last.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// How much memory it holds on to.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// The content as a vector of its own.
    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }

    /// Makes room for `len` bytes, keeps the first `keep`, and hands the room out.
    ///
    /// The room is zero or has old bytes in it; whoever asks for it writes all of it.
    pub(crate) fn room(&mut self, len: usize, keep: usize) -> Result<&mut [u8], String> {
        self.len = len;
        if self.bytes.len() < len {
            self.bytes.truncate(keep);
            self.bytes.try_reserve_exact(len - keep).map_err(|_| {
                self.len = 0;
                format!("there is no memory for its {len} bytes")
            })?;
            self.bytes.resize(len, 0);
        }
        Ok(&mut self.bytes[..len])
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len(), bytes }
    }
}

/// Inflates one stream after the other.
pub(crate) struct Inflater {
    /// Boxed for its 14 KB of tables.
    fast: Box<Decoder>,
    state: Decompress,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self { fast: Box::new(Decoder::new(Format::Zlib)), state: Decompress::new() }
    }

    /// Inflates the stream at the start of `input`, which must give exactly `size` bytes. Returns how long the
    /// stream is.
    pub(crate) fn exact(&mut self, input: &[u8], size: u64, out: &mut Buffer) -> Result<usize, String> {
        let size = usize::try_from(size).map_err(|_| format!("it claims {size} bytes"))?;
        match self.fast(input, size, out) {
            Some(read) => Ok(read),
            None => self.second_opinion(input, size, out),
        }
    }

    /// [`Self::exact`] by sirocco; `None` if it does not like the stream.
    fn fast(&mut self, input: &[u8], size: usize, out: &mut Buffer) -> Option<usize> {
        let (mut read, mut written) = (0, 0);
        let mut room = size.min(TRUSTED.max(out.capacity()));
        self.fast.reset();
        loop {
            let progress = self.fast.decompress(&input[read..], out.room(room, written).ok()?, true).ok()?;
            read += progress.consumed;
            let done = progress.done;
            written = usize::try_from(self.fast.total_out()).ok()?;
            if done {
                return (written == size).then_some(read);
            }
            if written < room || room == size {
                return None;
            }
            room = size.min(room.saturating_mul(2));
        }
    }

    /// [`Self::exact`] by zlib-rs, which also says what is wrong.
    fn second_opinion(&mut self, input: &[u8], size: usize, out: &mut Buffer) -> Result<usize, String> {
        let (mut read, mut written) = (0, 0);
        let mut room = size.min(TRUSTED.max(out.capacity()));
        self.state.reset();
        loop {
            let target = out.room(room, written)?;
            // Past the end, one byte of room tells "ended" from "goes on".
            let mut probe = [0; 1];
            let full = written == size;
            let target = if full { &mut probe[..] } else { &mut target[written..room.min(written + STEP)] };
            let source = &input[read..input.len().min(read + STEP)];
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(source, target, FlushDecompress::None)
                .map_err(|_| "its deflate stream is broken or does not match its checksum".to_owned())?;
            let step_in = (self.state.total_in() - before_in) as usize;
            let step_out = (self.state.total_out() - before_out) as usize;
            read += step_in;
            if full && step_out > 0 {
                return Err(format!("it expands to more than the {size} bytes that its header says"));
            }
            written += step_out;
            match status {
                Status::StreamEnd if written == size => {
                    out.len = size;
                    return Ok(read);
                }
                Status::StreamEnd => {
                    return Err(format!("it expands to {written} bytes, but its header says {size}"));
                }
                _ if step_in == 0 && step_out == 0 => {
                    return Err(format!("its deflate stream is cut off ({written} of {size} bytes)"));
                }
                _ if written == room && room < size => room = size.min(room.saturating_mul(2)),
                _ => {}
            }
        }
    }

    /// Inflates as much of the stream at the start of `input` as fits into `out`; says how much that is.
    pub(crate) fn prefix(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize, String> {
        self.state.reset();
        self.state
            .decompress(&input[..input.len().min(STEP)], out, FlushDecompress::None)
            .map_err(|_| "its deflate stream is broken".to_owned())?;
        Ok(self.state.total_out() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zlib stream of stored blocks.
    pub(crate) fn stored(content: &[u8]) -> Vec<u8> {
        let mut out = vec![0x78, 0x01];
        let mut chunks = content.chunks(0xffff).peekable();
        if chunks.peek().is_none() {
            out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
        }
        while let Some(chunk) = chunks.next() {
            out.push(u8::from(chunks.peek().is_none()));
            out.extend_from_slice(&(chunk.len() as u16).to_le_bytes());
            out.extend_from_slice(&(!(chunk.len() as u16)).to_le_bytes());
            out.extend_from_slice(chunk);
        }
        let (mut a, mut b) = (1u32, 0u32);
        for &byte in content {
            a = (a + u32::from(byte)) % 65521;
            b = (b + a) % 65521;
        }
        out.extend_from_slice(&((b << 16) | a).to_be_bytes());
        out
    }

    #[test]
    fn a_stream_is_inflated_whole_and_its_length_is_known() {
        for size in [0, 1, 2, 65_535, 65_536, TRUSTED - 1, TRUSTED, TRUSTED + 1, 2 * TRUSTED + 3] {
            let content: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let mut stream = stored(&content);
            let len = stream.len();
            stream.extend_from_slice(b"the next entry");
            let mut inflater = Inflater::new();
            let mut out = Buffer::default();
            assert_eq!(inflater.fast(&stream, size, &mut out), Some(len), "{size}");
            assert!(out.filled() == content, "{size}");
            let mut out = Buffer::default();
            assert_eq!(inflater.second_opinion(&stream, size, &mut out), Ok(len), "{size}");
            assert!(out.filled() == content, "{size}");
        }
    }

    #[test]
    fn sizes_checksums_and_ends_are_checked() {
        let stream = stored(b"twelve bytes");
        let mut flipped = stream.clone();
        flipped[8] ^= 1;
        let mut sum = stream.clone();
        *sum.last_mut().expect("not empty") ^= 1;
        for (input, size, wrong) in [
            (&stream[..], 11, "more than the 11 bytes"),
            (&stream, 0, "more than the 0 bytes"),
            (&stream, 13, "expands to 12 bytes, but its header says 13"),
            (&stream, u64::MAX / 2, "expands to 12 bytes"),
            (&stream[..10], 12, "cut off"),
            (&stream[..stream.len() - 1], 12, "cut off"),
            (&[], 12, "cut off"),
            (&[], 0, "cut off"),
            (&flipped, 12, "checksum"),
            (&sum, 12, "checksum"),
            (b"not deflate", 12, "broken"),
        ] {
            let mut out = Buffer::default();
            let mut inflater = Inflater::new();
            assert_eq!(inflater.fast(input, size as usize, &mut out), None, "{wrong}");
            let error = inflater.exact(input, size, &mut out).expect_err(wrong);
            assert!(error.contains(wrong), "{wrong}: {error}");
            assert!(out.capacity() <= TRUSTED, "a claim of {size} bytes made it allocate {}", out.capacity());
        }
    }

    #[test]
    fn a_buffer_is_used_again_after_an_error() {
        let mut inflater = Inflater::new();
        let mut out = Buffer::default();
        assert!(inflater.exact(b"not deflate", 12, &mut out).is_err());
        assert!(inflater.exact(&stored(b"twelve bytes"), 12, &mut out).is_ok());
        assert_eq!(out.filled(), b"twelve bytes");
        assert!(inflater.exact(&stored(b"six.."), 5, &mut out).is_ok());
        assert_eq!(out.filled(), b"six..");
    }
}
