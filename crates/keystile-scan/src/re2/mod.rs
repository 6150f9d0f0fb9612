//! Go's regular expression syntax (RE2), translated to the `regex` crate's.
//!
//! Rules are written for Go's `regexp`; keystile runs them on `regex-automata`. The two agree on
//! most of the syntax and on leftmost-first matching, and differ in details that matter: `\Q..\E`,
//! octal escapes, set operations in classes, `{` that is no repetition, `\s`, what counts as one
//! character. [`translate()`] reads a pattern the way Go's parser does, refuses what Go refuses with
//! the place and a cure, and writes an equivalent pattern in which every atom carries its own flags,
//! so that no inline flag reaches further than in Go.
//!
//! The translation is to be compiled with `unicode(false)` and `utf8(false)` ([`syntax_config`]).
//! What follows from that:
//!
//! - `\w`, `\d`, `\b` and their like are ASCII, as in Go. `\s` is written out, since Go's lacks the
//!   vertical tab.
//! - Go counts characters, and reads a byte that is no valid UTF-8 as the character U+FFFD of one
//!   byte. A class that holds everything beyond ASCII (`.`, `[^a]`, `\W`) therefore becomes a choice
//!   between one valid UTF-8 sequence and one byte from 0x80 up. Under a greedy `*` or `+` counting is
//!   of no consequence, and a plain byte class is used, which is much cheaper. A class that holds a
//!   part (`[^é]`, `\PL`) matches valid sequences and the bytes that occur in none.
//!
//! Known differences to Go, all of them outside ASCII:
//!
//! - `(?i)` folds ASCII patterns within ASCII: `(?i)k` does not match U+212A KELVIN SIGN, `(?i)s` not
//!   U+017F LONG S. Patterns with other characters fold as in Go.
//! - When nothing else makes a pattern match, a class such as `[^a]` may also take one byte out of a
//!   longer valid sequence; a least number of characters (`[^a]{3}`) is then one of bytes. It finds
//!   more than Go, never less.
//! - A class such as `[^é]` doesn't match an invalid byte that could be a part of a valid sequence.
//! - A class repeated fifty times and more takes any lead byte and up to three continuation bytes for
//!   one character: it can count invalid text differently.
//! - `\B` also matches between the bytes of one character.
//! - Groups nest [`NEST_LIMIT`] deep at most (Go: 1000), and a compiled pattern is smaller than
//!   [`NFA_SIZE_LIMIT`] (Go: 128 MiB).
//! - Unicode tables are those of `regex-syntax`, which can be newer than Go's.
//!
//! Source: the documentation of Go's package `regexp/syntax`, and for what it leaves open the
//! behaviour of Go 1.26's `regexp` (`tests/re2_table.rs` holds what it answered).

mod check;
mod class;
mod error;
mod escape;
mod property;
mod translate;

pub use check::{NEST_LIMIT, NFA_SIZE_LIMIT, syntax_config};
pub use error::{SyntaxError, SyntaxErrorKind};
pub use translate::{Translation, translate};

use crate::rule::Pattern;

/// Translates and checks `source`. It is compiled only if its size is in doubt.
///
/// # Errors
/// What Go refuses, and what is too large or too deep to be compiled ([`SyntaxErrorKind`]).
pub fn parse(source: &str) -> Result<Pattern, SyntaxError> {
    let Translation { regex, groups, size } = translate(source)?;
    if !size.is_safe() {
        check::check(source, &regex)?;
    }
    Ok(Pattern { source: source.into(), translated: regex.into(), groups })
}

/// One pattern that stands for `patterns` the way gitleaks joins an allowlist's: their texts, with a
/// `|` between them. A flag such as `(?i)` in one reaches into those after it.
///
/// For `--compat=strict` only. The result matches the empty string if `patterns` is empty.
///
/// # Errors
/// Patterns that are fine alone can break each other: an open `\Q` swallows what follows. gitleaks
/// panics then. The span is in the joined text.
pub fn join_for_strict(patterns: &[Pattern]) -> Result<Pattern, SyntaxError> {
    let sources: Vec<&str> = patterns.iter().map(|pattern| &*pattern.source).collect();
    parse(&format!("(?:{})", sources.join("|")))
}
