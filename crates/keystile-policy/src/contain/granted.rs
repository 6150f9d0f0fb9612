//! The granted names as one expression.

use std::fmt::Write as _;

use crate::binding::Binding;
use crate::name::{NamePattern, Piece, Segment};

/// The expression of the names that `patterns`, filled in for `binding`, grant to a search. A pattern
/// that can't be filled in grants nothing.
///
/// A search finds what is there, canonical or not: a final `**` is everything below here, `//` and all.
/// To AWS a slash is a letter as any other, so what begins with a team's prefix is the team's.
#[must_use]
pub fn expression<'p>(patterns: impl Iterator<Item = &'p NamePattern>, binding: &Binding) -> String {
    let mut expression = String::from("\\A(?:");
    let start = expression.len();
    for pattern in patterns {
        let before = expression.len();
        if before > start {
            expression.push('|');
        }
        if push(&mut expression, pattern, binding).is_none() {
            expression.truncate(before);
        }
    }
    if expression.len() == start {
        // Nothing: a class that holds no byte.
        expression.push_str("[^\\x00-\\xFF]");
    }
    expression.push_str(")\\z");
    expression
}

fn push(out: &mut String, pattern: &NamePattern, binding: &Binding) -> Option<()> {
    for (nth, segment) in pattern.segments().iter().enumerate() {
        if nth > 0 {
            literal(out, pattern.separator().encode_utf8(&mut [0; 4]));
        }
        match segment {
            Segment::Rest => out.push_str("(?s:.)*"),
            Segment::One => {
                out.push_str("[^");
                literal(out, pattern.separator().encode_utf8(&mut [0; 4]));
                out.push_str("]+");
            }
            Segment::Pieces(pieces) => {
                for piece in pieces {
                    literal(
                        out,
                        match piece {
                            Piece::Text(text) => text,
                            Piece::Env => binding.env.value()?,
                            Piece::Team => binding.team.value()?,
                        },
                    );
                }
            }
        }
    }
    Some(())
}

fn literal(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            write!(out, "\\x{byte:02X}").expect("writing to a string can't fail");
        }
    }
}
