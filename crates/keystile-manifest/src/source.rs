//! A text with its name, and places in it.

use std::fmt;
use std::sync::OnceLock;

use crate::lines::Lines;

/// Bytes of a text, `start..end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The span `start..end`; texts over 4 GiB are refused before they have spans.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end) }
    }

    /// As a range of `usize`.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A place as people count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A text and what it is called in messages.
pub struct Source {
    name: String,
    text: String,
    /// Where its lines begin: found in one pass when a place is first asked for, as most texts never are.
    lines: OnceLock<Lines>,
}

/// The name alone: a manifest may hold a secret.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("bytes", &self.text.len()).finish()
    }
}

/// Why bytes are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotText {
    /// At this byte, UTF-8 ends.
    Utf8 {
        /// The first byte that is not part of a character.
        at: usize,
    },
    /// The byte-order mark says UTF-16, and what follows is not.
    Utf16,
    /// More than 4 GiB.
    TooLarge,
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf8 { at } => write!(f, "not UTF-8 from byte {at} on"),
            Self::Utf16 => f.write_str("not the UTF-16 that its byte-order mark promises"),
            Self::TooLarge => f.write_str("larger than 4 GiB"),
        }
    }
}

impl Source {
    /// A text under the name that messages use.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), lines: OnceLock::new() }
    }

    /// A text from the bytes of a file: UTF-8, or UTF-16 after a byte-order mark, as YAML has it.
    ///
    /// # Errors
    ///
    /// When the bytes are neither.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, NotText> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(NotText::TooLarge);
        }
        let utf16 = |read: fn([u8; 2]) -> u16| {
            let (pairs, rest) = bytes.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| read(*pair)).collect();
            match String::from_utf16(&units) {
                Ok(text) if rest.is_empty() => Ok(text),
                _ => Err(NotText::Utf16),
            }
        };
        let text = match bytes.as_slice() {
            [0xff, 0xfe, ..] => utf16(u16::from_le_bytes)?,
            [0xfe, 0xff, ..] => utf16(u16::from_be_bytes)?,
            _ => String::from_utf8(bytes).map_err(|error| NotText::Utf8 { at: error.utf8_error().valid_up_to() })?,
        };
        Ok(Self { name: name.into(), text, lines: OnceLock::new() })
    }

    /// What the text is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a span; empty where it lies outside or cuts a character.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("")
    }

    /// Where a byte stands. A byte-order mark is no column.
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        let mut offset = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let (line, column) = self.lines().place(&self.text, offset);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Position { line: number(line), column: number(column) }
    }

    /// The span of the line (without its end) that a byte stands in.
    #[must_use]
    pub fn line_of(&self, offset: u32) -> Span {
        let offset = (offset as usize).min(self.text.len());
        let (start, end) = self.lines().line(&self.text, offset);
        Span::new(start, end)
    }

    fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| Lines::of(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, offset: u32) -> (u32, u32) {
        let position = Source::new("t", text).position(offset);
        (position.line, position.column)
    }

    #[test]
    fn lines_end_with_any_of_the_three_breaks() {
        assert_eq!(at("a\nb", 2), (2, 1));
        assert_eq!(at("a\r\nb", 3), (2, 1));
        assert_eq!(at("a\rb", 2), (2, 1));
    }

    #[test]
    fn columns_are_characters_without_the_byte_order_mark() {
        assert_eq!(at("ä: b", 4), (1, 4));
        assert_eq!(at("\u{feff}a: b", 6), (1, 4));
    }

    #[test]
    fn utf16_is_read_by_its_mark_and_nothing_else_is_guessed() {
        let little: Vec<u8> = "\u{feff}a: b".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(Source::from_bytes("t", little).unwrap().text(), "\u{feff}a: b");
        let big: Vec<u8> = "\u{feff}a: b".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(Source::from_bytes("t", big).unwrap().text(), "\u{feff}a: b");
        assert_eq!(Source::from_bytes("t", vec![0xff, 0xfe, 0]).unwrap_err(), NotText::Utf16);
        assert_eq!(Source::from_bytes("t", b"ab\xffc".to_vec()).unwrap_err(), NotText::Utf8 { at: 2 });
    }
}
