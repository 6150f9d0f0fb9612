//! A line of a file as a report shows it: without the secrets in it, fit for a terminal.
//!
//! A manifest that points at a secret in the wrong way may hold one beside it. Masked are what the
//! built-in rules take for a credential anywhere in the file, the values that the policy names as
//! plaintext, and every value of a field that is made for one (`secretString`, `value`).

use std::ops::Range;
use std::sync::Arc;

use keystile_manifest::{Document, Places, Source, Span};
use serde_json::Value;

use crate::mask::MASK;
use crate::report::text::{printable, printable_code, window};
use crate::scrub::Scrubber;

/// Characters of a line that are shown.
const WIDTH: usize = 160;

/// Fields whose value may be a secret, whatever it looks like.
const PLAINTEXT_FIELDS: [&str; 10] = [
    "secretString",
    "secret_string",
    "secret_string_wo",
    "secretBinary",
    "secret_binary",
    "value",
    "value_wo",
    "insecure_value",
    "password",
    "literal",
];

/// A line, and what of it is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Excerpt {
    /// Its number, from 1; 0 for no line at all.
    pub line: u32,
    /// Its text: masked, printable, cut.
    pub text: String,
    /// What of it is meant, in characters.
    pub marked: Range<usize>,
}

/// Shows lines of one file.
#[derive(Debug)]
pub struct Excerpts {
    source: Arc<Source>,
    /// Bytes that are not shown, ascending, apart from each other.
    hidden: Vec<Range<usize>>,
    /// Texts that are shown nowhere.
    secrets: Vec<String>,
}

impl Excerpts {
    /// What the rules find in the text is masked.
    #[must_use]
    pub fn new(source: &Arc<Source>, scrubber: &Scrubber) -> Self {
        let (hidden, secrets) = scrubber.find(source.text());
        let mut excerpts = Self { source: Arc::clone(source), hidden, secrets };
        excerpts.tidy();
        excerpts
    }

    /// Masks a value of the text.
    pub fn hide(&mut self, span: Span) {
        let text = self.source.slice(span).trim_matches(['"', '\'']);
        if text.len() >= crate::mask::MIN_LITERAL {
            self.secrets.push(text.to_owned());
        }
        self.hidden.push(span.range());
        self.tidy();
    }

    fn tidy(&mut self) {
        self.hidden.sort_by_key(|range| (range.start, range.end));
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(self.hidden.len());
        for range in self.hidden.drain(..) {
            match apart.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => apart.push(range),
            }
        }
        self.hidden = apart;
        // The longest first: one may be part of another.
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self.secrets.dedup();
    }

    /// A text about the file, without its secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }

    /// The line in which `span` begins.
    #[must_use]
    pub fn at(&self, span: Span) -> Excerpt {
        let position = self.source.position(span.start);
        let line = self.source.line_of(span.start);
        let meant = (span.start as usize).max(line.start as usize)..(span.end as usize).min(line.end as usize);
        let meant = meant.start..meant.end.max(meant.start);
        let before = self.part(line.start as usize..meant.start);
        let inside = self.part(meant.clone());
        // A mask that begins before the place goes on into it once.
        let after = self.part(meant.end..line.end as usize);
        let text = printable_code(&before) + &printable_code(&inside) + &printable_code(&after);
        let (from, length) = (printable_code(&before).len(), printable_code(&inside).len());
        let shown = window(text.trim_end(), from..from + length, WIDTH);
        let cut = shown.starts_with('…') && !text.starts_with('…');
        let marked = if cut || shown.len() < from + length {
            // What was cut away on the left is not counted again: the place is searched.
            let meant = printable(&inside);
            shown.find(&*meant).map_or(0..0, |at| {
                let from = shown[..at].chars().count();
                from..from + meant.chars().count()
            })
        } else {
            let start = text[..from].chars().count();
            start..start + text[from..from + length].chars().count()
        };
        Excerpt { line: position.line, text: shown.into_owned(), marked }
    }

    /// A part of the text with what is hidden replaced.
    fn part(&self, range: Range<usize>) -> String {
        let mut text = String::new();
        let mut at = range.start;
        for hidden in &self.hidden {
            let (from, to) = (hidden.start.max(range.start), hidden.end.min(range.end));
            if from >= to {
                continue;
            }
            text.push_str(self.source.slice(Span::new(at, from)));
            text.push_str(MASK);
            at = to;
        }
        text.push_str(self.source.slice(Span::new(at, range.end)));
        // The same value again, where no rule sees it.
        self.text(&text)
    }
}

/// The values of an object's fields that are made for secrets, with the texts they stand in.
#[must_use]
pub fn plaintext_of(document: &Document) -> Vec<(&Arc<Source>, Span)> {
    let mut found = Vec::new();
    let Value::Object(fields) = &*document.value else { return found };
    for ((name, value), places) in fields.iter().zip(document.places.children()) {
        let source =
            document.elsewhere.iter().find(|(field, _)| field == name).map_or(&document.source, |(_, source)| source);
        let mut spans = Vec::new();
        if value.is_string() && is_plaintext_field(name) {
            spans.push(places.place().value);
        }
        plaintext(value, places, &mut spans);
        found.extend(spans.into_iter().map(|span| (source, span)));
    }
    found
}

/// Whether a field of this name is made for a secret's value.
#[must_use]
pub fn is_plaintext_field(name: &str) -> bool {
    PLAINTEXT_FIELDS.contains(&name)
}

fn plaintext(value: &Value, places: &Places, spans: &mut Vec<Span>) {
    match value {
        Value::Object(fields) => {
            for ((name, value), below) in fields.iter().zip(places.children()) {
                if value.is_string() && is_plaintext_field(name) {
                    spans.push(below.place().value);
                }
                plaintext(value, below, spans);
            }
        }
        Value::Array(items) => {
            for (item, below) in items.iter().zip(places.children()) {
                plaintext(item, below, spans);
            }
        }
        _ => {}
    }
}
