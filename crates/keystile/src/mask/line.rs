//! Masking a match's own line and text, where the secret's place is known and nothing may be missed.

use std::ops::Range;

use bstr::{BString, ByteSlice as _};
use keystile_scan::Match;

use super::{Cut, MASK, Masker, Redaction};

/// Text with its secrets masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedText {
    /// The text.
    pub text: BString,
    /// Where masks stand in it, in bytes, ascending.
    pub masks: Vec<Range<usize>>,
}

impl Masker {
    /// The line (or lines) that `found` stands in. With [`Redaction::Off`] the only "mask" is where
    /// the secret stands.
    #[must_use]
    pub fn line(&self, found: &Match) -> MaskedText {
        let text = readable(found, found.line.reveal());
        let encoded = encoded_range(found);
        if self.redaction() == Redaction::Off {
            let secret = found.secret.reveal();
            let at = encoded.filter(|range| range.end <= text.len());
            let at = at.or_else(|| text.find(secret).map(|start| start..start + secret.len()));
            return MaskedText { text: text.into(), masks: at.into_iter().filter(|at| !at.is_empty()).collect() };
        }
        self.own(found, &text, encoded)
    }

    /// What the rule's expression matched (decoded, if it was encoded).
    #[must_use]
    pub fn matched(&self, found: &Match) -> MaskedText {
        let text = found.matched.reveal();
        if self.redaction() == Redaction::Off {
            return MaskedText { text: text.into(), masks: Vec::new() };
        }
        self.own(found, text, None)
    }

    fn own(&self, found: &Match, text: &[u8], encoded: Option<Range<usize>>) -> MaskedText {
        let mut cuts = self.cuts(text);
        own_secrets(found, &mut |secret| {
            // Short ones are nowhere else: see `MIN_LITERAL`.
            if secret.len() < super::MIN_LITERAL {
                cuts.extend(
                    text.find_iter(secret).map(|start| Cut { range: start..start + secret.len(), is_plain: true }),
                );
            }
        });
        if let Some(range) = encoded {
            let range = range.start.min(text.len())..range.end.min(text.len());
            cuts.push(Cut { range: grow(text, range), is_plain: false });
        }
        if cuts.is_empty() && !found.secret.is_empty() {
            // The secret is in there in a form that was not recognised: show nothing rather than it.
            return MaskedText { text: MASK.into(), masks: std::iter::once(0..MASK.len()).collect() };
        }
        self.replace(text, &mut cuts)
    }
}

fn own_secrets(found: &Match, each: &mut dyn FnMut(&[u8])) {
    if !found.secret.is_empty() {
        each(found.secret.reveal());
    }
    for required in &found.required {
        own_secrets(required, each);
    }
}

/// A line of UTF-16 is shown (and searched) as the text it is; anything else as it is.
fn readable(found: &Match, line: &[u8]) -> Vec<u8> {
    if found.encodings.contains(&"utf-16") {
        line.iter().copied().filter(|&byte| byte != 0).collect()
    } else {
        line.to_vec()
    }
}

/// The encoded form of a decoded match, as it stands in its line.
pub(super) fn encoded_form(found: &Match) -> Option<Vec<u8>> {
    let range = encoded_range(found)?;
    let line = found.line.reveal();
    let range = grow(line, range.start.min(line.len())..range.end.min(line.len()));
    let form = &line[range];
    (form.len() >= 8).then(|| form.to_vec())
}

/// Where the encoded form of a decoded match stands in its line; `None` for a match that was not
/// encoded, and for UTF-16, whose line is not searched as it is.
fn encoded_range(found: &Match) -> Option<Range<usize>> {
    if found.encodings.is_empty() || found.encodings.contains(&"utf-16") {
        return None;
    }
    let line = found.line.reveal();
    let column = found.start.column.saturating_sub(1) as usize;
    let start = line.char_indices().nth(column).map_or(line.len(), |(start, _, _)| start);
    let end = start + found.span.len();
    // A place that can't be right: the whole line is the secret's.
    if start >= line.len() || end > line.len() { Some(0..line.len()) } else { Some(start..end) }
}

/// Widens `range` to the whole run of characters that encodings are made of, since a decoder's
/// place for a match may be rounded to its groups of bytes.
fn grow(text: &[u8], range: Range<usize>) -> Range<usize> {
    let is_encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"+/_-%\\".contains(&byte);
    let start = text[..range.start].iter().rposition(|&byte| !is_encoded(byte)).map_or(0, |at| at + 1);
    let mut end = range.end + text[range.end..].iter().take_while(|&&byte| is_encoded(byte)).count();
    end += text[end..].iter().take_while(|&&byte| byte == b'=').count();
    start..end
}
