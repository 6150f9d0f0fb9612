//! What counts as text when something decodes to it.
//!
//! gitleaks asks for bytes from 0x09 to 0x7e. By default UTF-8 counts too (a password with an umlaut, a
//! comment in the author's language), and UTF-16, which is what PowerShell's `-EncodedCommand` holds; the
//! next layer decodes that.

/// Whether `byte` is text for gitleaks: 0x09 (tab) to 0x7e (tilde).
pub(super) const fn is_ascii_text(byte: u8) -> bool {
    byte >= 0x09 && byte <= 0x7e
}

/// Whether a UTF-16 unit with a zero high byte is text.
pub(super) const fn is_latin(low: u8) -> bool {
    matches!(low, 0x09 | 0x0a | 0x0d | 0x20..=0x7e | 0xa0..=0xff)
}

/// Whether a UTF-16 unit can stand in text: no control character, no noncharacter, not private. Surrogates
/// count; whether they pair up shows when they are decoded.
pub(super) const fn is_plausible(unit: u16) -> bool {
    match unit {
        0x0000..=0x00ff => is_latin(unit as u8),
        0xe000..=0xf8ff | 0xfdd0..=0xfdef | 0xfffe | 0xffff => false,
        _ => true,
    }
}

/// Fewest units that count as UTF-16 text.
pub(super) const MIN_UTF16_UNITS: usize = 8;

/// Watches bytes go by and says as early as it can that they are not text.
#[derive(Debug)]
pub(super) enum TextCheck {
    /// Only 0x09 to 0x7e.
    Ascii,
    /// Nothing seen yet.
    Start,
    /// One byte seen.
    First(u8),
    Utf8(Utf8Check),
    Utf16(Utf16Check),
}

impl TextCheck {
    pub(super) const fn new(strict: bool) -> Self {
        if strict { Self::Ascii } else { Self::Start }
    }

    /// Whether it can still be text with `byte` added.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        match self {
            Self::Ascii => is_ascii_text(byte),
            Self::Start => {
                *self = Self::First(byte);
                true
            }
            Self::First(first) => {
                let first = *first;
                *self = match (first, byte) {
                    (0xff, 0xfe) => Self::Utf16(Utf16Check::new(false)),
                    (0xfe, 0xff) => Self::Utf16(Utf16Check::new(true)),
                    (0, _) => Self::Utf16(Utf16Check::new(true)),
                    (_, 0) => Self::Utf16(Utf16Check::new(false)),
                    _ => Self::Utf8(Utf8Check::default()),
                };
                match self {
                    Self::Utf16(check) => check.push(first) && check.push(byte),
                    Self::Utf8(check) => check.push(first) && check.push(byte),
                    _ => true,
                }
            }
            Self::Utf8(check) => check.push(byte),
            Self::Utf16(check) => check.push(byte),
        }
    }

    /// Whether bytes that are [`is_ascii_text`] need not be pushed.
    pub(super) const fn takes_plain(&self) -> bool {
        match self {
            Self::Ascii => true,
            Self::Utf8(check) => check.is_complete(),
            Self::Start | Self::First(_) | Self::Utf16(_) => false,
        }
    }

    /// Whether all of it was text.
    pub(super) fn finish(&self) -> bool {
        match self {
            Self::Ascii => true,
            Self::Start => false,
            Self::First(byte) => is_ascii_text(*byte),
            Self::Utf8(check) => check.is_complete(),
            Self::Utf16(check) => check.finish(),
        }
    }
}

/// UTF-8 (Unicode 16, table 3-7) whose ASCII part is text.
#[derive(Debug, Default)]
pub(super) struct Utf8Check {
    /// Continuation bytes that must follow.
    missing: u8,
    /// Bounds of the next one.
    low: u8,
    high: u8,
}

impl Utf8Check {
    pub(super) fn push(&mut self, byte: u8) -> bool {
        if self.missing > 0 {
            let fits = self.low <= byte && byte <= self.high;
            *self = Self { missing: self.missing - 1, low: 0x80, high: 0xbf };
            return fits;
        }
        let (missing, low, high) = match byte {
            0x09..=0x7e => return true,
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return false,
        };
        *self = Self { missing, low, high };
        true
    }

    /// Whether no character is half read.
    pub(super) const fn is_complete(&self) -> bool {
        self.missing == 0
    }
}

#[derive(Debug)]
pub(super) struct Utf16Check {
    big_endian: bool,
    half: Option<u8>,
    units: usize,
    latin: usize,
}

impl Utf16Check {
    const fn new(big_endian: bool) -> Self {
        Self { big_endian, half: None, units: 0, latin: 0 }
    }

    fn push(&mut self, byte: u8) -> bool {
        let Some(first) = self.half.take() else {
            self.half = Some(byte);
            return true;
        };
        let unit = if self.big_endian { u16::from_be_bytes([first, byte]) } else { u16::from_le_bytes([first, byte]) };
        self.units += 1;
        self.latin += usize::from(unit < 0x100);
        is_plausible(unit)
    }

    /// The next layer finds it where it is mostly Latin.
    fn finish(&self) -> bool {
        self.half.is_none() && self.units >= MIN_UTF16_UNITS && self.latin * 2 >= self.units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_text(bytes: &[u8], strict: bool) -> bool {
        let mut check = TextCheck::new(strict);
        bytes.iter().all(|byte| check.push(*byte)) && check.finish()
    }

    #[test]
    fn ascii_utf8_and_utf16_are_text_by_default() {
        let utf16: Vec<u8> = "pässword".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let cases: [(&str, &[u8], bool, bool); 8] = [
            ("ascii", b"hello\tworld\r\n~", true, true),
            ("utf-8", "gr\u{fc}n \u{1f511}".as_bytes(), false, true),
            ("half a character", &"\u{1f511}".as_bytes()[..3], false, false),
            ("utf-16", &utf16, false, true),
            ("odd utf-16", &utf16[..15], false, false),
            ("control", b"abc\x07", false, false),
            ("delete", b"abc\x7f", false, false),
            ("overlong", b"abc\xc0\xaf", false, false),
        ];
        for (name, bytes, strict, default) in cases {
            assert_eq!(is_text(bytes, true), strict, "{name}, strict");
            assert_eq!(is_text(bytes, false), default, "{name}");
        }
    }

    #[test]
    fn utf8_check_agrees_with_the_standard_library() {
        for first in 0xc0..=0xff_u8 {
            for second in 0x70..=0xd0_u8 {
                for tail in [&b""[..], b"\x80", b"\x80\xbf", b"a"] {
                    let bytes = [&[b'x', first, second], tail].concat();
                    let expected = std::str::from_utf8(&bytes).is_ok() && !bytes.contains(&0x7f);
                    assert_eq!(is_text(&bytes, false), expected, "{bytes:02x?}");
                }
            }
        }
    }
}
