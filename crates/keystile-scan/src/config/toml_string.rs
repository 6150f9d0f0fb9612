//! From a place in a string's value back to its place in the TOML text.

use std::ops::Range;

/// The bytes of `text` that stand for the bytes `inner` of the value of the string literal at `span`.
///
/// Source: TOML 1.1, "String". An empty range stays empty; one that the literal does not have becomes
/// the whole literal.
pub(super) fn locate(text: &str, span: &Range<usize>, inner: &Range<usize>) -> Range<usize> {
    let Some(literal) = text.get(span.clone()) else { return span.clone() };
    match (offset(literal, inner.start), offset(literal, inner.end)) {
        (Some(start), Some(end)) if start <= end => span.start + start..span.start + end,
        _ => span.clone(),
    }
}

/// The offset in the literal (delimiters included) of the byte `target` of its value.
fn offset(literal: &str, target: usize) -> Option<usize> {
    let (is_literal, quotes) = [(true, "'''"), (false, "\"\"\""), (true, "'"), (false, "\"")]
        .into_iter()
        .find(|(_, quotes)| literal.starts_with(quotes))?;
    let mut start = quotes.len();
    if quotes.len() == 3 {
        // A newline directly behind the delimiter is no part of the value.
        let rest = &literal[start..];
        start += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
    }
    if is_literal {
        let end = start + target;
        return literal.is_char_boundary(end).then_some(end);
    }
    let mut at = start;
    let mut decoded = 0;
    while decoded < target {
        let rest = &literal[at..];
        let c = rest.chars().next()?;
        let (length, value) = if c == '\\' { escape(rest)? } else { (c.len_utf8(), c.len_utf8()) };
        at += length;
        decoded += value;
    }
    // A backslash at the end of a line belongs to what came before it.
    while literal[at..].starts_with('\\') && matches!(escape(&literal[at..]), Some((_, 0))) {
        at += escape(&literal[at..])?.0;
    }
    Some(at)
}

/// The length of the escape sequence at the start of `text`, and that of what it stands for.
fn escape(text: &str) -> Option<(usize, usize)> {
    let digits = match text[1..].chars().next()? {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        ' ' | '\t' | '\r' | '\n' => {
            let blank = text[1..].len() - text[1..].trim_start_matches([' ', '\t', '\r', '\n']).len();
            return Some((1 + blank, 0));
        }
        c => return Some((1 + c.len_utf8(), 1)),
    };
    let code = u32::from_str_radix(text.get(2..2 + digits)?, 16).ok()?;
    Some((2 + digits, char::from_u32(code)?.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::locate;

    #[test]
    fn places_in_every_kind_of_string() {
        // Literal, the value's bytes, and what of the literal they come from.
        for (literal, inner, expected) in [
            ("'abc'", 1..2, "b"),
            ("'''abc'''", 1..2, "b"),
            ("'''\nabc'''", 0..1, "a"),
            ("'''\r\nab\nc'''", 3..4, "c"),
            (r#""abc""#, 1..2, "b"),
            (r#""\\d(""#, 2..3, "("),
            (r#""\\d(""#, 0..1, r"\\"),
            (r#""\u00e9x""#, 2..3, "x"),
            (r#""\x41\U0001F600x""#, 5..6, "x"),
            ("\"\"\"\nab\\\n   c\"\"\"", 2..3, "c"),
            ("'aé(b'", 3..4, "("),
            ("'abc'", 3..3, ""),
        ] {
            let text = format!("k = {literal}\n");
            let place = locate(&text, &(4..4 + literal.len()), &inner);
            assert_eq!(&text[place.clone()], expected, "{literal} {inner:?} at {place:?}");
        }
    }

    #[test]
    fn a_range_outside_is_the_whole_literal() {
        assert_eq!(locate("k = 'ab'", &(4..8), &(7..9)), 4..8);
        assert_eq!(locate("k = \"ab\"", &(4..8), &(7..9)), 4..8);
    }
}
