//! Text that Markdown reads nothing into.
//!
//! Two things are kept out. Syntax: what could be read as such becomes a character reference, which never is
//! (`CommonMark` 0.31, section 2.5). Calls: hosts look for `@name` and `#12` in the rendered page, after references
//! are resolved, but not inside of code; so names stand in code, and in sentences a space without width follows the
//! sign.

use std::fmt::Write as _;

use keystile_scan::text::printable;

/// A name: a code span where one can hold it, which is what reads best in the source; else a `<code>` element with
/// references, in which nothing is syntax. Empty text gives nothing.
pub(super) fn code(source: &str) -> String {
    let text = printable(source);
    if text.is_empty() {
        return String::new();
    }
    // A backtick would end the span and a pipe the cell, whatever stands before it; spaces at both ends are dropped.
    let fits = !text.contains(['`', '|', '\\']) && !text.starts_with(' ') && !text.ends_with(' ');
    if fits { format!("`{text}`") } else { format!("<code>{}</code>", references(&text)) }
}

/// A sentence that may quote names.
pub(super) fn prose(source: &str) -> String {
    let text = printable(source);
    let mut escaped = String::with_capacity(text.len() + 16);
    for (at, character) in text.char_indices() {
        let rest = &text[at + character.len_utf8()..];
        let begins_word = rest.starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == '"');
        match character {
            // Signs by which hosts call people, issues, merge requests, snippets, milestones, labels, epics, alerts.
            '@' | '#' | '!' | '$' | '%' | '~' | '&' | '^' => {
                reference(&mut escaped, character);
                if begins_word {
                    escaped.push_str("&#8203;");
                }
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '|' => reference(&mut escaped, character),
            // `GH-12` is an issue too.
            '-' if ends_with(&text[..at], "gh") && rest.starts_with(|next: char| next.is_ascii_digit()) => {
                escaped.push_str("-&#8203;");
            }
            // What would begin a list or a rule.
            '+' | '-' | '=' if at == 0 => reference(&mut escaped, character),
            '.' | ')' if is_number(&text[..at]) && (rest.is_empty() || rest.starts_with(' ')) => {
                reference(&mut escaped, character);
            }
            // Addresses become links by themselves: `scheme://…`, `www.…`.
            ':' if rest.starts_with("//") => reference(&mut escaped, character),
            '.' if ends_with(&text[..at], "www") => reference(&mut escaped, character),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn reference(escaped: &mut String, character: char) {
    let _ = write!(escaped, "&#{};", u32::from(character));
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the text ends in `end`, in small or capital letters.
fn ends_with(text: &str, end: &str) -> bool {
    let at = text.len().checked_sub(end.len());
    at.and_then(|at| text.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Everything but letters, digits and spaces as references.
fn references(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if !character.is_ascii() || character.is_ascii_alphanumeric() || " -/,;()'".contains(character) {
            escaped.push(character);
        } else {
            reference(&mut escaped, character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_code() {
        for (name, expected) in [
            ("/prod/team-a/db", "`/prod/team-a/db`"),
            ("<b>&amp;*x*@team#12", "`<b>&amp;*x*@team#12`"),
            ("", ""),
            ("a|b", "<code>a&#124;b</code>"),
            ("a`b", "<code>a&#96;b</code>"),
            ("a\\|b", "<code>a&#92;&#124;b</code>"),
            (" a", "<code> a</code>"),
            ("a\nb", "<code>a&#92;nb</code>"),
        ] {
            assert_eq!(code(name), expected, "{name:?}");
        }
    }

    #[test]
    fn sentences_call_nobody_and_hold_no_syntax() {
        for (sentence, expected) in [
            ("version 3 is current, and 2 is not.", "version 3 is current, and 2 is not."),
            ("ask @team about #12", "ask &#64;&#8203;team about &#35;&#8203;12"),
            ("see GH-5, gh-x", "see GH-&#8203;5, gh-x"),
            ("db_password *is* [x](y)", "db&#95;password &#42;is&#42; &#91;x&#93;(y)"),
            ("a | b", "a &#124; b"),
            ("<img src=x>", "&#60;img src=x&#62;"),
            ("1. one", "1&#46; one"),
            ("- one", "&#45; one"),
            ("see https://x.y and www.x.y", "see https&#58;//x.y and www&#46;x.y"),
            ("&lt;", "&#38;&#8203;lt;"),
        ] {
            assert_eq!(prose(sentence), expected, "{sentence:?}");
        }
    }
}
