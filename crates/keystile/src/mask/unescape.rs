//! Undoing the escapes of URLs, JSON (and most programming languages), and HTML, with a map back.
//!
//! A secret with a `/` in it stands as `%2F` in a URL, as `\/` in JSON. There are too many spellings
//! to list (a URL may escape any character or leave it), so the text is decoded and searched again.

use std::ops::Range;

/// Text with its escapes undone.
pub(super) struct Unescaped {
    /// The decoded bytes.
    pub(super) bytes: Vec<u8>,
    /// Where the source of each decoded byte begins, and at the end the length of the source.
    starts: Vec<usize>,
}

impl Unescaped {
    /// The bytes of the original that `range` of the decoded text was made from.
    pub(super) fn original(&self, range: &Range<usize>) -> Range<usize> {
        self.starts[range.start]..self.starts[range.end]
    }
}

/// `text` with each kind of escapes undone that occurs in it.
pub(super) fn all(text: &[u8]) -> impl Iterator<Item = Unescaped> + '_ {
    type Step = fn(&[u8]) -> Option<(char, usize, bool)>;
    let kinds: [(u8, Step); 3] = [(b'%', percent), (b'\\', backslash), (b'&', entity)];
    kinds.into_iter().filter(|(lead, _)| text.contains(lead)).filter_map(|(lead, step)| undo(text, lead, step))
}

/// `step` says what an escape stands for: a character, or (`true`) the byte with that value, and
/// how many bytes of the text it takes.
fn undo(text: &[u8], lead: u8, step: impl Fn(&[u8]) -> Option<(char, usize, bool)>) -> Option<Unescaped> {
    let mut decoded = Unescaped { bytes: Vec::with_capacity(text.len()), starts: Vec::with_capacity(text.len() + 1) };
    let mut at = 0;
    let mut changed = false;
    while at < text.len() {
        let escape = if text[at] == lead { step(&text[at..]) } else { None };
        let Some((character, len, is_byte)) = escape else {
            decoded.bytes.push(text[at]);
            decoded.starts.push(at);
            at += 1;
            continue;
        };
        changed = true;
        let mut buffer = [0; 4];
        let bytes = if is_byte {
            buffer[0] = character as u8;
            &buffer[..1]
        } else {
            character.encode_utf8(&mut buffer).as_bytes()
        };
        decoded.bytes.extend_from_slice(bytes);
        decoded.starts.extend(std::iter::repeat_n(at, bytes.len()));
        at += len;
    }
    decoded.starts.push(text.len());
    changed.then_some(decoded)
}

/// RFC 3986, section 2.1.
fn percent(text: &[u8]) -> Option<(char, usize, bool)> {
    let value = number(text.get(1..3)?, 16)?;
    Some((char::from_u32(value)?, 3, true))
}

/// The escapes of JSON (RFC 8259, section 7) and those that C, Rust, Python and shells add.
fn backslash(text: &[u8]) -> Option<(char, usize, bool)> {
    let (character, len) = match *text.get(1)? {
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        b'x' => return Some((char::from_u32(number(text.get(2..4)?, 16)?)?, 4, true)),
        b'u' if text.get(2) == Some(&b'{') => {
            let end = text.iter().take(11).position(|&byte| byte == b'}')?;
            (char::from_u32(number(&text[3..end], 16)?)?, end + 1)
        }
        b'u' => {
            let unit = number(text.get(2..6)?, 16)?;
            match (unit, text.get(6..8), text.get(8..12).and_then(|digits| number(digits, 16))) {
                (0xd800..=0xdbff, Some(b"\\u"), Some(low @ 0xdc00..=0xdfff)) => {
                    (char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))?, 12)
                }
                _ => (char::from_u32(unit)?, 6),
            }
        }
        other if other.is_ascii_punctuation() || other == b' ' => (other as char, 2),
        _ => return None,
    };
    Some((character, len, false))
}

/// Character references of HTML: the five that matter by name, all by number.
fn entity(text: &[u8]) -> Option<(char, usize, bool)> {
    for (name, character) in [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&apos;", '\'')] {
        if text.starts_with(name.as_bytes()) {
            return Some((character, name.len(), false));
        }
    }
    if text.get(1) != Some(&b'#') {
        return None;
    }
    let end = text.iter().take(12).position(|&byte| byte == b';')?;
    let value = match text.get(2)? {
        b'x' | b'X' => number(&text[3..end], 16)?,
        _ => number(&text[2..end], 10)?,
    };
    Some((char::from_u32(value)?, end + 1, false))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoes_and_maps_back() {
        let cases: [(&str, &str, &str); 8] = [
            ("a%2Fb", "a/b", "%2F"),
            (r"a\/b", "a/b", r"\/"),
            (r"a\u002fb", "a/b", r"\u002f"),
            (r"a\u{2f}b", "a/b", r"\u{2f}"),
            (r"a\x2fb", "a/b", r"\x2f"),
            ("a&#47;b", "a/b", "&#47;"),
            ("a&#x2F;b", "a/b", "&#x2F;"),
            (r"a\ud83d\ude00b", "a😀b", r"\ud83d\ude00"),
        ];
        for (text, expected, escape) in cases {
            let decoded = all(text.as_bytes()).next().expect(text);
            assert_eq!(decoded.bytes, expected.as_bytes(), "{text}");
            let middle = decoded.original(&(1..decoded.bytes.len() - 1));
            assert_eq!(&text[middle], escape, "{text}");
        }
    }

    #[test]
    fn broken_escapes_are_text() {
        for text in ["%", "%2", "%zz", "\\", "\\u12", "\\u{", "&#;", "&#x;", "&", "&#99999999999;", "\\ud800"] {
            assert_eq!(all(text.as_bytes()).count(), 0, "{text}");
        }
    }
}
