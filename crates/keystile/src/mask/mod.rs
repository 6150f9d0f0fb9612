//! Redaction: no text that leaves keystile holds a secret, in whatever form it stands there.
//!
//! A [`Masker`] knows the secrets of *all* findings of a run, suppressed ones included, because a
//! line, a path or a commit message that is shown for one finding may well hold the secret of
//! another. It looks for each secret as it is, as [`forms`] of it that tools write (base64, hex,
//! UTF-16, quoted for a shell or a CSV file), and through the escapes of URLs, JSON and HTML
//! ([`unescape`]). What it finds is replaced by [`MASK`], which has one size, so that not even the
//! length of a secret leaks.
//!
//! Masking happens on the bytes of the repository, before any format quotes or escapes them.
//! Nothing else in this crate may hand out the bytes of a secret: [`Masker::reveal`] is the only
//! place that does, and only when the user asked for it.

mod forms;
mod line;
mod unescape;

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use bstr::{BString, ByteSlice as _};
use keystile_scan::{Finding, Match, SecretBytes};

pub use line::MaskedText;

/// What stands where a secret stood.
pub const MASK: &str = "REDACTED";

/// Shorter secrets (in bytes) are masked in their own match and line only: anywhere else two or
/// three bytes are part of ordinary words, and masking those would leave nothing to read.
pub const MIN_LITERAL: usize = 4;

/// How much of a secret is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redaction {
    /// Nothing.
    #[default]
    Full,
    /// The beginning: so many percent are hidden (1 to 99), as gitleaks' `--redact=20` asks.
    Part(u8),
    /// Everything is shown: the user said `--reveal`.
    Off,
}

impl Redaction {
    /// gitleaks' way to say it: 0 shows all, 100 (and more) nothing.
    #[must_use]
    pub fn from_percent(percent: u32) -> Self {
        match u8::try_from(percent) {
            Ok(0) => Self::Off,
            Ok(percent @ 1..=99) => Self::Part(percent),
            _ => Self::Full,
        }
    }
}

/// Bytes that are never shown, and whether they are the secret as it is (the only form of which
/// [`Redaction::Part`] shows the beginning).
#[derive(Debug)]
struct Form {
    bytes: SecretBytes,
    is_plain: bool,
}

impl Form {
    fn order(&self) -> (usize, &[u8], bool) {
        (self.bytes.len(), self.bytes.reveal(), !self.is_plain)
    }
}

/// Replaces the secrets of a run in any text. Made once for a report.
#[derive(Debug)]
pub struct Masker {
    redaction: Redaction,
    /// Finds the first few bytes of a form; the rest is compared. Whole forms would make the
    /// automaton of a run with ten thousand findings take hundreds of megabytes.
    anchors: Option<AhoCorasick>,
    /// By anchor; sorted by length, then bytes: private keys have thousands of lines that begin alike.
    forms: Vec<Vec<Form>>,
}

/// Longest anchor in bytes.
const ANCHOR: usize = 8;

/// A place to mask; `plain`: it is one secret as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cut {
    range: Range<usize>,
    is_plain: bool,
}

impl Masker {
    /// A masker for the secrets of `findings`.
    pub fn new<'a>(findings: impl IntoIterator<Item = &'a Finding>, redaction: Redaction) -> Self {
        let mut builder = Builder::default();
        if redaction != Redaction::Off {
            for finding in findings {
                if !finding.secret.is_empty() {
                    builder.secret(&finding.secret);
                }
                let mut last: Option<*const Match> = None;
                for occurrence in &finding.occurrences {
                    let this = std::sync::Arc::as_ptr(&occurrence.found);
                    if last != Some(this) {
                        builder.found(&occurrence.found, Some(&finding.secret));
                        last = Some(this);
                    }
                }
            }
        }
        builder.build(redaction)
    }

    /// How much it shows.
    #[must_use]
    pub fn redaction(&self) -> Redaction {
        self.redaction
    }

    /// `text` without any secret.
    #[must_use]
    pub fn text(&self, text: &[u8]) -> BString {
        let mut cuts = self.cuts(text);
        self.replace(text, &mut cuts).text
    }

    /// [`Masker::text`] for text that is UTF-8 already.
    #[must_use]
    pub fn str(&self, text: &str) -> String {
        self.text(text.as_bytes()).to_str_lossy().into_owned()
    }

    /// Whether [`Masker::text`] would change `text`.
    #[must_use]
    pub fn would_mask(&self, text: &[u8]) -> bool {
        self.redaction != Redaction::Off && !self.cuts(text).is_empty()
    }

    /// What stands for `secret` itself.
    #[must_use]
    pub fn secret(&self, secret: &SecretBytes) -> BString {
        match self.redaction {
            Redaction::Full if secret.is_empty() => BString::default(),
            Redaction::Full => MASK.into(),
            Redaction::Part(_) | Redaction::Off => self.reveal(secret.reveal()).into(),
        }
    }

    /// The only way by which bytes of a secret reach a report: all of them with `--reveal`, the
    /// first part with `--redact=N`.
    fn reveal(&self, secret: &[u8]) -> Vec<u8> {
        match self.redaction {
            Redaction::Full => MASK.into(),
            Redaction::Off => secret.to_vec(),
            Redaction::Part(percent) => {
                // gitleaks' `maskSecret` (report/finding.go): bytes, rounded half to even.
                let shown = secret.len() as f64 * f64::from(100 - percent) / 100.0;
                let mut shown = shown.round_ties_even() as usize;
                while shown > 0 && shown < secret.len() && secret[shown] & 0xc0 == 0x80 {
                    shown -= 1;
                }
                let mut part = secret[..shown.min(secret.len())].to_vec();
                part.extend_from_slice(b"...");
                part
            }
        }
    }

    /// Everything in `text` that must not be shown.
    fn cuts(&self, text: &[u8]) -> Vec<Cut> {
        let mut cuts = Vec::new();
        if self.redaction == Redaction::Off {
            return cuts;
        }
        let Some(anchors) = &self.anchors else { return cuts };
        self.find(anchors, text, &mut |range, is_plain| cuts.push(Cut { range, is_plain }));
        for decoded in unescape::all(text) {
            self.find(anchors, &decoded.bytes, &mut |range, _| {
                let range = decoded.original(&range);
                cuts.push(Cut { range, is_plain: false });
            });
        }
        cuts
    }

    fn find(&self, anchors: &AhoCorasick, text: &[u8], found: &mut dyn FnMut(Range<usize>, bool)) {
        for hit in anchors.find_overlapping_iter(text) {
            let rest = &text[hit.start()..];
            let mut forms = self.forms[hit.pattern().as_usize()].as_slice();
            while let Some(first) = forms.first() {
                let len = first.bytes.len();
                let Some(candidate) = rest.get(..len) else { break };
                let (same, longer) = forms.split_at(forms.partition_point(|form| form.bytes.len() == len));
                if let Ok(index) = same.binary_search_by(|form| form.bytes.reveal().cmp(candidate)) {
                    found(hit.start()..hit.start() + len, same[index].is_plain);
                }
                forms = longer;
            }
        }
    }

    /// Puts a mask over each of the `cuts`; those that touch get one mask together.
    fn replace(&self, text: &[u8], cuts: &mut Vec<Cut>) -> MaskedText {
        cuts.retain(|cut| !cut.range.is_empty());
        cuts.sort_by_key(|cut| (cut.range.start, std::cmp::Reverse(cut.range.end)));
        let mut masked = BString::default();
        let mut masks = Vec::new();
        let mut at = 0;
        let mut cuts = cuts.iter().peekable();
        while let Some(cut) = cuts.next() {
            let mut end = cut.range.end;
            let mut alone = cut.is_plain;
            while let Some(next) = cuts.next_if(|next| next.range.start <= end) {
                // Another form of the same bytes does not count against showing their beginning.
                alone &= next.range == cut.range || (next.range.end <= end && next.range.start > cut.range.start);
                alone &= next.range.end <= end;
                end = end.max(next.range.end);
            }
            masked.extend_from_slice(&text[at..cut.range.start]);
            let from = masked.len();
            match self.redaction {
                Redaction::Part(_) if alone => masked.extend(self.reveal(&text[cut.range.clone()])),
                _ => masked.extend_from_slice(MASK.as_bytes()),
            }
            masks.push(from..masked.len());
            at = end;
        }
        masked.extend_from_slice(&text[at..]);
        MaskedText { text: masked, masks }
    }
}

/// Collects the forms, each once.
#[derive(Default)]
struct Builder {
    by_anchor: HashMap<Vec<u8>, Vec<Form>>,
}

impl Builder {
    /// All that a match makes unspeakable, beyond the secret that is `known`.
    fn found(&mut self, found: &Match, known: Option<&SecretBytes>) {
        if known != Some(&found.secret) {
            self.secret(&found.secret);
        }
        if let Some(encoded) = line::encoded_form(found) {
            self.form(&encoded, false);
        }
        for required in &found.required {
            self.found(required, None);
        }
    }

    fn secret(&mut self, secret: &SecretBytes) {
        let secret = secret.reveal();
        self.form(secret, true);
        forms::each(secret, &mut |form| self.form(form, false));
    }

    fn form(&mut self, bytes: &[u8], is_plain: bool) {
        if bytes.len() < MIN_LITERAL {
            return;
        }
        let forms = self.by_anchor.entry(bytes[..bytes.len().min(ANCHOR)].to_vec()).or_default();
        forms.push(Form { bytes: SecretBytes::new(bytes), is_plain });
    }

    fn build(self, redaction: Redaction) -> Masker {
        let (patterns, mut forms): (Vec<_>, Vec<_>) = self.by_anchor.into_iter().unzip();
        for forms in &mut forms {
            // A plain one first, so that it is the one that stays.
            forms.sort_by(|one: &Form, two| one.order().cmp(&two.order()));
            forms.dedup_by(|later, first| later.bytes.reveal() == first.bytes.reveal());
            forms.shrink_to_fit();
        }
        let anchors = (!patterns.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(&patterns)
                .expect("a few bytes for each of the secrets of one run stay far below the automaton's limit of states")
        });
        Masker { redaction, anchors, forms }
    }
}

#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod tests;
