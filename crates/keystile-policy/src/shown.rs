//! Text from an object as an answer shows it: quoted, escaped, bounded.
//!
//! What a tenant wrote ends on an administrator's terminal and in logs of the API server. Control
//! characters and everything outside ASCII are escaped, so that a look-alike is seen as what it is.

use std::fmt;

/// Characters of a value that are shown; the rest is counted.
const LIMIT: usize = 160;

/// Shows a text in quotes, escaped, cut after 160 characters.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(LIMIT) {
            write_escaped(f, character)?;
        }
        f.write_str("\"")?;
        match characters.count() {
            0 => Ok(()),
            more => write!(f, "{CUT}{more} more characters"),
        }
    }
}

/// What follows the quote behind a text that was cut.
const CUT: &str = " and ";

fn write_escaped(f: &mut impl fmt::Write, character: char) -> fmt::Result {
    match character {
        '"' | '\\' => write!(f, "\\{character}"),
        ' '..='~' => write!(f, "{character}"),
        other => write!(f, "\\u{{{:04X}}}", u32::from(other)),
    }
}

/// A text as [`Shown`] shows it, whole and without quotes.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        write_escaped(&mut shown, character).expect("a String takes everything");
    }
    shown
}

/// Where in a message a text that [`Shown`] has cut ends.
pub(crate) fn cuts(message: &str) -> Vec<usize> {
    let behind = |(end, _): (usize, &str)| {
        let rest = message[end + 1..].strip_prefix(CUT)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0 && rest[digits..].starts_with(" more characters")).then_some(end)
    };
    message.match_indices('"').filter_map(behind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_alike_and_a_control_character_are_seen() {
        assert_eq!(Shown("/prod/t\u{435}am-a/\u{1b}[31m").to_string(), r#""/prod/t\u{0435}am-a/\u{001B}[31m""#);
    }

    #[test]
    fn a_long_value_is_cut_and_counted() {
        let shown = Shown(&"x".repeat(1000)).to_string();
        assert!(shown.ends_with("\" and 840 more characters"), "{shown}");
    }
}
