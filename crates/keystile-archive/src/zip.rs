//! zip (PKWARE's APPNOTE.TXT 6.3.10), from memory.
//!
//! Unpackers show what the central directory lists, once per name. A scanner must see what anybody could get
//! out: so members are taken from the directory one by one, and then every local header that none of them
//! covers, which is also how archives without their end are read.

use std::io::Cursor;
use std::ops::Range;

use bstr::BString;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use memchr::memmem;

use crate::SkipReason;
use crate::expand::{End, Expander, Level};

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const DIRECTORY_HEADER: &[u8] = b"PK\x01\x02";
const DIRECTORY_END: &[u8] = b"PK\x05\x06";
const DIRECTORY_END_64: &[u8] = b"PK\x06\x06";
const DIRECTORY_LOCATOR_64: &[u8] = b"PK\x06\x07";
/// What may stand behind the directory's last entry.
const DIRECTORY_SIGNATURE: &[u8] = b"PK\x05\x05";
const DATA_DESCRIPTOR: &[u8] = b"PK\x07\x08";

/// Length of the directory's end, without its comment of up to 65,535 bytes.
const DIRECTORY_END_LEN: usize = 22;
const LOCAL_HEADER_LEN: usize = 30;
const DIRECTORY_HEADER_LEN: usize = 46;

/// Flags: encrypted; sizes and checksum follow the data.
const ENCRYPTED: u16 = 1;
const DESCRIBED_LATER: u16 = 1 << 3;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A member, as one of its headers describes it.
#[derive(Debug)]
struct Member<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    /// `None`: not said here.
    crc: Option<u32>,
    compressed_len: Option<u64>,
    len: Option<u64>,
}

/// Hands out the members of `content`.
pub(crate) fn expand(content: &[u8], level: &Level, expander: &mut Expander<'_>) {
    let mut covered = Covered::default();
    let mut is_whole = false;
    if let Some(directory) = Directory::find(content) {
        is_whole = true;
        let mut at = directory.start;
        while content.get(at..at + 4) == Some(DIRECTORY_HEADER) {
            let Some((member, header, next)) = directory_header(content, at) else {
                is_whole = false;
                break;
            };
            at = next;
            if !expander.next_entry(level) {
                return;
            }
            let header = usize::try_from(header).ok().and_then(|header| header.checked_add(directory.shift));
            let data = header.and_then(|header| Some((header, local_header(content, header)?.1)));
            let Some((header, data)) = data else {
                expander.skip(level.join(member.name), SkipReason::Corrupt);
                continue;
            };
            let read = hand_out(content, data, &member, level, expander);
            covered.add(header, data + read);
        }
        covered.add(directory.start, at);
        is_whole &= at >= directory.end || content[at..].starts_with(DIRECTORY_SIGNATURE);
    }
    covered.merge();
    let mut at = 0;
    while let Some(header) = covered.next_gap(content, at) {
        at = header + LOCAL_HEADER.len();
        // The magic alone can stand anywhere.
        let Some((member, data)) = local_header(content, header) else { continue };
        if member.method != STORED && member.method != DEFLATED && member.flags & ENCRYPTED == 0 {
            continue;
        }
        if !expander.next_entry(level) {
            return;
        }
        at = data + hand_out(content, data, &member, level, expander);
    }
    if !is_whole {
        expander.stop(level, End::Corrupt);
    }
}

/// Hands out the member whose data starts at `data`; returns how many bytes of the archive
/// they take: what the data really use, not what a header claims.
fn hand_out(content: &[u8], data: usize, member: &Member<'_>, level: &Level, expander: &mut Expander<'_>) -> usize {
    let path: BString = level.join(member.name);
    let rest = &content[data..];
    let claimed = member.compressed_len.map(|len| usize::try_from(len).unwrap_or(usize::MAX));
    let input = &rest[..claimed.unwrap_or(usize::MAX).min(rest.len())];
    let is_cut = claimed.is_some_and(|len| len > rest.len());
    if member.flags & ENCRYPTED != 0 {
        expander.skip(path, SkipReason::Encrypted);
        return claimed.map_or(0, |_| input.len());
    }
    if member.name.ends_with(b"/") && member.len == Some(0) {
        return 0;
    }
    let (bytes, end, read) = match member.method {
        STORED => {
            let len =
                claimed.map_or_else(|| memmem::find(input, DATA_DESCRIPTOR).unwrap_or(input.len()), |_| input.len());
            let (bytes, end) = expander.read(expander.metered(Cursor::new(&input[..len])));
            (bytes, end, len)
        }
        DEFLATED => {
            let mut decoder = DeflateDecoder::new(input);
            let (bytes, end) = expander.read(expander.metered(&mut decoder));
            let read = usize::try_from(decoder.total_in()).unwrap_or(usize::MAX).min(input.len());
            (bytes, end, if end == End::Complete { read } else { claimed.map_or(read, |_| input.len()) })
        }
        _ => {
            expander.skip(path, SkipReason::Unsupported);
            return claimed.map_or(0, |_| input.len());
        }
    };
    let is_intact = || {
        let mut crc = Crc::new();
        crc.update(&bytes);
        member.crc.is_none_or(|expected| expected == crc.sum())
            && member.len.is_none_or(|len| len == bytes.len() as u64)
    };
    let end = if end == End::Complete && (is_cut || !is_intact()) { End::Corrupt } else { end };
    expander.hand_out(path, &bytes, end, level);
    read
}

/// Where the central directory lies.
#[derive(Debug)]
struct Directory {
    start: usize,
    end: usize,
    /// What to add to offsets, when something was put in front of the archive (a self-extractor).
    shift: usize,
}

impl Directory {
    /// By the last end record that fits.
    fn find(content: &[u8]) -> Option<Self> {
        let nearest = content.len().saturating_sub(DIRECTORY_END_LEN + usize::from(u16::MAX));
        memmem::rfind_iter(&content[nearest..], DIRECTORY_END).find_map(|at| Self::at(content, nearest + at))
    }

    /// The directory whose end record is at `end`.
    fn at(content: &[u8], end: usize) -> Option<Self> {
        let record = content.get(end..end + DIRECTORY_END_LEN)?;
        let mut size = u64::from(u32_at(record, 12)?);
        let mut offset = u64::from(u32_at(record, 16)?);
        let mut end = end;
        // Zip64: a locator stands before, and says where a longer record is.
        if let Some(locator) = end.checked_sub(20)
            && content.get(locator..locator + 4) == Some(DIRECTORY_LOCATOR_64)
        {
            let claimed = usize::try_from(u64_at(content, locator + 8)?).ok();
            let directly_before = locator.checked_sub(56);
            let is_record = |at: &usize| content.get(*at..at.saturating_add(4)) == Some(DIRECTORY_END_64);
            let long = [claimed, directly_before].into_iter().flatten().find(is_record)?;
            size = u64_at(content, long + 40)?;
            offset = u64_at(content, long + 48)?;
            end = long;
        }
        let start = end.checked_sub(usize::try_from(size).ok()?)?;
        let shift = start.checked_sub(usize::try_from(offset).ok()?)?;
        let is_directory = start == end || content.get(start..start + 4) == Some(DIRECTORY_HEADER);
        is_directory.then_some(Self { start, end, shift })
    }
}

/// The entry of the central directory at `at`, where its local header is, and where the next entry is.
fn directory_header(content: &[u8], at: usize) -> Option<(Member<'_>, u64, usize)> {
    let name = at + DIRECTORY_HEADER_LEN;
    let extra = name + usize::from(u16_at(content, at + 28)?);
    let comment = extra + usize::from(u16_at(content, at + 30)?);
    let next = comment + usize::from(u16_at(content, at + 32)?);
    let mut long = Long::new(content.get(extra..comment)?);
    let len = long.or(u32_at(content, at + 24)?);
    let compressed_len = long.or(u32_at(content, at + 20)?);
    let header = long.or(u32_at(content, at + 42)?);
    let member = Member {
        name: content.get(name..extra)?,
        flags: u16_at(content, at + 8)?,
        method: u16_at(content, at + 10)?,
        crc: Some(u32_at(content, at + 16)?),
        compressed_len: Some(compressed_len),
        len: Some(len),
    };
    (next <= content.len()).then_some((member, header, next))
}

/// The local header at `at`, and where its data starts.
fn local_header(content: &[u8], at: usize) -> Option<(Member<'_>, usize)> {
    let name = at.checked_add(LOCAL_HEADER_LEN)?;
    if content.get(at..at + 4)? != LOCAL_HEADER {
        return None;
    }
    let extra = name + usize::from(u16_at(content, at + 26)?);
    let data = extra + usize::from(u16_at(content, at + 28)?);
    let mut long = Long::new(content.get(extra..data)?);
    let len = long.or(u32_at(content, at + 22)?);
    let compressed_len = long.or(u32_at(content, at + 18)?);
    let flags = u16_at(content, at + 6)?;
    let is_known = flags & DESCRIBED_LATER == 0 || compressed_len != 0;
    let member = Member {
        name: content.get(name..extra)?,
        flags,
        method: u16_at(content, at + 8)?,
        crc: u32_at(content, at + 14).filter(|_| is_known),
        compressed_len: Some(compressed_len).filter(|_| is_known),
        len: Some(len).filter(|_| is_known),
    };
    Some((member, data))
}

/// The 64-bit values of an extra field, in the order of those fields of the header that are all ones.
struct Long<'a> {
    values: &'a [u8],
}

impl<'a> Long<'a> {
    fn new(extra: &'a [u8]) -> Self {
        const ZIP64: u16 = 1;
        let mut rest = extra;
        while let (Some(kind), Some(len)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            let end = 4 + usize::from(len);
            let Some(values) = rest.get(4..end) else { break };
            if kind == ZIP64 {
                return Self { values };
            }
            rest = &rest[end..];
        }
        Self { values: &[] }
    }

    fn or(&mut self, short: u32) -> u64 {
        match u64_at(self.values, 0).filter(|_| short == u32::MAX) {
            Some(value) => {
                self.values = &self.values[8..];
                value
            }
            None => u64::from(short),
        }
    }
}

/// Parts of the archive that are known.
#[derive(Debug, Default)]
struct Covered(Vec<Range<usize>>);

impl Covered {
    fn add(&mut self, start: usize, end: usize) {
        self.0.push(start..end);
    }

    /// Sorts the parts and joins those that overlap.
    fn merge(&mut self) {
        self.0.sort_unstable_by_key(|part| part.start);
        self.0.dedup_by(|next, part| {
            let overlaps = next.start <= part.end;
            if overlaps {
                part.end = part.end.max(next.end);
            }
            overlaps
        });
    }

    /// The next local header from `from` on that is in no known part.
    fn next_gap(&self, content: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at += memmem::find(content.get(at..)?, LOCAL_HEADER)?;
            let before = self.0.partition_point(|part| part.start <= at);
            match before.checked_sub(1).map(|index| self.0[index].end) {
                Some(end) if at < end => at = end,
                _ => return Some(at),
            }
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
