//! A line of a file as a report shows it: without the secrets in it, fit for a terminal.
//!
//! A manifest that points at a secret in the wrong way may hold one beside it. Masked are what the
//! built-in rules take for a credential anywhere in the file, the values that the policy names as
//! plaintext, and every value of a field that is made for one (`secretString`, `value`).

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use keystile_manifest::{Document, Places, Source, Span};
use serde_json::Value;

use crate::mask::MASK;
use crate::report::text::{printable, printable_code, window};
use crate::scrub::Scrubber;

/// Characters of a line that are shown.
const WIDTH: usize = 160;

/// Bytes of a line on either side of what is meant that are looked at: a file can be one line of megabytes, and each
/// place in it is shown.
const AROUND: usize = 1_024;

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
    /// Bytes that are not shown.
    hidden: Vec<Range<usize>>,
    /// All that is not shown, ascending and apart from each other: those bytes, and the secrets wherever they stand.
    covered: OnceLock<Vec<Range<usize>>>,
    /// Texts that are shown nowhere.
    secrets: Secrets,
}

/// Texts that are looked for all at once: a file can have thousands, and each is looked for in everything that is
/// said about the file.
#[derive(Default)]
struct Secrets {
    texts: Vec<String>,
    search: Option<AhoCorasick>,
}

/// How many, never which.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.texts.len())
    }
}

impl Secrets {
    fn add(&mut self, texts: impl IntoIterator<Item = String>) {
        self.texts.extend(texts.into_iter().filter(|text| !text.is_empty()));
        self.texts.sort();
        self.texts.dedup();
        let mut builder = AhoCorasick::builder();
        // The other kinds take a multiple of the memory.
        self.search = builder.kind(Some(AhoCorasickKind::ContiguousNFA)).build(&self.texts).ok();
    }

    /// Where they stand in a text: ascending, and those that overlap or touch as one.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        if self.texts.is_empty() {
            return Vec::new();
        }
        let Some(search) = &self.search else {
            // They are too large to be looked for together: nothing is shown then.
            return std::iter::once(0..text.len()).collect();
        };
        let mut found: Vec<Range<usize>> = Vec::new();
        // They come by their ends.
        for next in search.find_overlapping_iter(text).map(|found| found.range()) {
            let mut next = next;
            while let Some(last) = found.pop_if(|last| last.end >= next.start) {
                next.start = next.start.min(last.start);
            }
            found.push(next);
        }
        found
    }

    /// The text without them. Of two that overlap both go, as one.
    fn masked(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for range in self.places(text) {
            masked.push_str(&text[at..range.start]);
            masked.push_str(MASK);
            at = range.end;
        }
        masked + &text[at..]
    }
}

impl Excerpts {
    /// What the rules find in the text is masked.
    #[must_use]
    pub fn new(source: &Arc<Source>, scrubber: &Scrubber) -> Self {
        let (hidden, texts) = scrubber.find(source.text());
        let mut secrets = Secrets::default();
        secrets.add(texts);
        Self { source: Arc::clone(source), hidden, covered: OnceLock::new(), secrets }
    }

    /// Masks values of the text.
    pub fn hide(&mut self, spans: &[Span]) {
        let value = |span: &Span| self.source.slice(*span).trim_matches(['"', '\'']).to_owned();
        let values: Vec<String> =
            spans.iter().map(value).filter(|value| value.len() >= crate::mask::MIN_LITERAL).collect();
        self.secrets.add(values);
        self.hidden.extend(spans.iter().map(|span| span.range()));
        self.covered = OnceLock::new();
    }

    /// A text about the file, without its secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.secrets.masked(text)
    }

    /// The line in which `span` begins.
    #[must_use]
    pub fn at(&self, span: Span) -> Excerpt {
        let position = self.source.position(span.start);
        let line = self.source.line_of(span.start);
        let line = line.range();
        let meant = (span.start as usize).max(line.start)..(span.end as usize).min(line.end);
        let meant = meant.start..meant.end.max(meant.start);
        let text = self.source.text();
        let near = text.floor_char_boundary(meant.start.saturating_sub(AROUND)).max(line.start)
            ..text.ceil_char_boundary(meant.start + AROUND).min(line.end).max(meant.start);
        let before = self.part(near.start..meant.start);
        let inside = self.part(meant.start..meant.end.min(near.end));
        // A mask that begins before the place goes on into it once.
        let after = self.part(meant.end.min(near.end)..near.end);
        let is_more = (near.start > line.start, near.end < line.end);
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
        let mut shown = shown.into_owned();
        let mut marked = marked;
        if is_more.1 && !shown.ends_with('…') {
            shown.push('…');
        }
        if is_more.0 && !shown.starts_with('…') {
            shown.insert(0, '…');
            marked = marked.start + 1..marked.end + 1;
        }
        Excerpt { line: position.line, text: shown, marked }
    }

    /// A part of the text with what is hidden replaced.
    fn part(&self, range: Range<usize>) -> String {
        let mut text = String::new();
        let mut at = range.start;
        let covered = self.covered();
        let first = covered.partition_point(|hidden| hidden.end <= range.start);
        for hidden in covered[first..].iter().take_while(|hidden| hidden.start < range.end) {
            let (from, to) = (hidden.start.max(range.start), hidden.end.min(range.end));
            if from >= to {
                continue;
            }
            text.push_str(self.source.slice(Span::new(at, from)));
            text.push_str(MASK);
            at = to;
        }
        text.push_str(self.source.slice(Span::new(at, range.end)));
        text
    }

    /// All that is not shown: what is hidden, and the same values again, where no rule sees them.
    fn covered(&self) -> &[Range<usize>] {
        self.covered.get_or_init(|| {
            let mut covered = self.secrets.places(self.source.text());
            covered.extend(self.hidden.iter().cloned());
            apart(&mut covered);
            covered
        })
    }
}

/// Ascending, and those that overlap or touch as one.
fn apart(ranges: &mut Vec<Range<usize>>) {
    ranges.sort_by_key(|range| (range.start, range.end));
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
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
