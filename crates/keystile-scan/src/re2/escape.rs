//! Escape sequences that stand for one character.

use super::error::{SyntaxError, SyntaxErrorKind};

/// The largest code point.
const MAX: u32 = char::MAX as u32;

/// Reads the escape sequence at the start of `source[at..]`, which begins with a backslash, and
/// returns the code point (which can be a surrogate) and the offset behind it.
///
/// Source: Go's `regexp/syntax`, "Escape sequences". Letters and digits without a meaning are
/// refused, other ASCII characters stand for themselves.
pub(super) fn character(source: &str, at: usize) -> Result<(u32, usize), SyntaxError> {
    let mut chars = source[at + 1..].chars();
    let Some(first) = chars.next() else {
        return Err(SyntaxError { span: at..source.len(), kind: SyntaxErrorKind::TrailingBackslash });
    };
    let rest = at + 1 + first.len_utf8();
    let code = match first {
        'a' => 0x07,
        'f' => 0x0c,
        'n' => 0x0a,
        'r' => 0x0d,
        't' => 0x09,
        'v' => 0x0b,
        '0'..='7' => {
            let digits = source[at + 1..].bytes().take(3).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
            if first != '0' && digits == 1 {
                return Err(invalid(source, at, rest));
            }
            let end = at + 1 + digits;
            let code = source[at + 1..end].bytes().fold(0, |code, digit| code * 8 + u32::from(digit - b'0'));
            return Ok((code, end));
        }
        'x' => return hexadecimal(source, at, rest),
        _ if first.is_ascii() && !first.is_ascii_alphanumeric() => u32::from(first),
        _ => return Err(invalid(source, at, rest)),
    };
    Ok((code, rest))
}

/// `\x7F` or `\x{10FFFF}`; `digits` is the offset behind the `x`.
fn hexadecimal(source: &str, at: usize, digits: usize) -> Result<(u32, usize), SyntaxError> {
    let after = &source[digits..];
    if let Some(braced) = after.strip_prefix('{') {
        let mut code = 0;
        for (i, c) in braced.char_indices() {
            let end = digits + 1 + i + c.len_utf8();
            match c.to_digit(16) {
                Some(digit) => {
                    code = code * 16 + digit;
                    if code > MAX {
                        return Err(invalid(source, at, end));
                    }
                }
                None if c == '}' && i > 0 => return Ok((code, end)),
                None => return Err(invalid(source, at, end)),
            }
        }
        return Err(invalid(source, at, source.len()));
    }
    let mut code = 0;
    let mut end = digits;
    for c in after.chars().take(2) {
        end += c.len_utf8();
        match c.to_digit(16) {
            Some(digit) => code = code * 16 + digit,
            None => return Err(invalid(source, at, end)),
        }
    }
    if end == digits + 2 { Ok((code, end)) } else { Err(invalid(source, at, end)) }
}

/// The error for the escape sequence `source[at..end]`.
pub(super) fn invalid(source: &str, at: usize, end: usize) -> SyntaxError {
    let text = &source[at..end];
    let hint = match text[1..].chars().next() {
        Some('1'..='9') => "; Go's syntax has no back-references",
        Some('Z') => "; the end of the text is `\\z`",
        Some('u' | 'U') => "; a code point is written `\\x{..}`",
        Some('x') => "; it is `\\x7F` or `\\x{10FFFF}`, with hexadecimal digits",
        Some('C') => "; a single byte can't be matched",
        Some('h') => "; blanks are `[ \\t]`",
        Some('e') => "; the escape character is `\\x1B`",
        Some('R') => "; a line break is `\\r?\\n`",
        Some('K') => "; name the secret with a group and `secretGroup`",
        Some('G' | 'X' | 'N' | 'k' | 'g') => "; Go's syntax lacks this feature of Perl",
        Some('E') => " without `\\Q` before it",
        Some('c') => "; a control character is written `\\x00` to `\\x1F`",
        Some(letter) if !letter.is_ascii() => "; this character stands for itself",
        _ => "",
    };
    SyntaxError { span: at..end, kind: SyntaxErrorKind::InvalidEscape { text: text.to_owned(), hint } }
}
