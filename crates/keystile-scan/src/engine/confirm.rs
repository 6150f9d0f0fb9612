//! From a match of a rule's expression to a [`Match`]: the secret in it, its entropy, the exceptions
//! that excuse it, and where it lies.

use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input, meta::Regex};

use super::allowlist::{Ruling, Targets};
use super::program::{Caches, Program};
use super::{AllowlistRef, Match, Scanner};
use crate::decode::{self, Encoding, Layer, original_span};
use crate::entropy;
use crate::fingerprint::Fingerprint;
use crate::position::{Lines, Span, lines_around};
use crate::secret::SecretBytes;

/// Comments that excuse the line they stand in.
const INLINE_ALLOWS: [&[u8]; 2] = [b"gitleaks:allow", b"keystile:allow"];

/// How much of its line is kept on either side of a match.
const LONGEST_MARGIN: usize = 16 << 10;

/// The text that is searched and the content it comes from.
pub(super) struct Source<'a, 't> {
    /// What the scan was given.
    pub(super) content: &'a [u8],
    /// How the text that is searched was decoded from it; empty: it is the content.
    pub(super) layers: &'a [Layer],
    /// Of `content`.
    pub(super) lines: &'a mut Lines<'t>,
}

/// A rule that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'p> {
    /// Its index.
    pub(super) rule: usize,
    pub(super) program: &'p Program,
    pub(super) regex: &'p Regex,
}

/// A match of the expression that is a secret as far as its own bytes say. Places count from the start of the
/// window that was searched.
#[derive(Debug)]
pub(super) struct Candidate {
    /// What the expression matched.
    found: Span,
    /// The same without the line feeds at both ends.
    trimmed: Span,
    secret: SecretBytes,
    matched: SecretBytes,
    fingerprint: Fingerprint,
    entropy: f64,
    /// What the exceptions say, if none of them looks at the line.
    ruling: Option<RulingOnText>,
}

/// What the exceptions say of a match that is not excused by its text.
#[derive(Debug, Clone)]
struct RulingOnText {
    ruling: Ruling,
    /// See [`Match::open_allowlists`].
    open: Vec<AllowlistRef>,
    /// All expressions could be compiled.
    is_sure: bool,
}

/// What became of a candidate at its place.
pub(super) enum Outcome {
    /// It stays, unless its path or commit excuses it.
    Match(Box<Match>),
    /// It is no secret, and would be none in any other line; or it was found before, less deeply decoded.
    Nothing,
    /// An allowlist excused it because of its line.
    AllowedByLine,
    /// A comment in its line excused it.
    AllowedInline,
    /// It stays, since an allowlist's expression can't be compiled.
    Unsure(Box<Match>),
}

impl Scanner {
    /// All matches of a rule in `window` that are not ruled out by their own bytes.
    pub(super) fn candidates(&self, run: Run<'_>, caches: &mut Caches, text: &[u8], window: Span) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let mut at = window.start;
        while at <= window.end {
            let input = Input::new(text).span(at..window.end);
            let Some(raw) = run.regex.search_with(caches.get(run.rule, run.regex), &input) else { break };
            at = raw.end() + usize::from(raw.is_empty());
            let found = Span::new(raw.start(), raw.end());
            candidates.extend(self.candidate(run, caches, text, found, window.start));
        }
        candidates
    }

    /// The match `found` in `text`, if it can be a secret; `base` is what places count from.
    fn candidate(&self, run: Run<'_>, caches: &mut Caches, text: &[u8], found: Span, base: usize) -> Option<Candidate> {
        let Run { rule: rule_index, program, regex } = run;
        let rule = &self.rules.rules[rule_index];
        let trimmed = trim(text, found);
        if trimmed.is_empty() {
            return None;
        }
        let matched = &text[trimmed.range()];
        let captures = |caches: &mut Caches, input: Input<'_>| -> Option<Captures> {
            let mut captures = regex.create_captures();
            regex.search_captures_with(caches.get(rule_index, regex), &input, &mut captures);
            captures.is_match().then_some(captures)
        };
        let secret = if regex.captures_len() < 2 {
            trimmed
        } else if self.options.strict {
            // gitleaks runs the expression again on the matched text alone.
            let groups = captures(caches, Input::new(matched));
            let offset = trimmed.start;
            groups
                .and_then(|groups| group_of(&groups, rule.secret_group, true))
                .map_or(trimmed, |span| Span::new(span.start + offset, span.end + offset))
        } else {
            let input = Input::new(text).span(found.range()).anchored(Anchored::Yes);
            captures(caches, input).and_then(|groups| group_of(&groups, rule.secret_group, false)).unwrap_or(trimmed)
        };
        let secret = &text[secret.range()];
        let entropy = entropy::shannon(secret);
        if rule.entropy != 0.0 && entropy <= rule.entropy {
            return None;
        }
        let looks_at_line = self.programs.global.look_at_line() || program.exceptions.look_at_line();
        let ruling = (!looks_at_line).then(|| self.rule_on(program, Targets { secret, matched, line: b"" }));
        if ruling.as_ref().is_some_and(|on_text| on_text.ruling == Ruling::ByText) {
            return None;
        }
        let from_base = |span: Span| Span::new(span.start - base, span.end - base);
        Some(Candidate {
            found: from_base(found),
            trimmed: from_base(trimmed),
            fingerprint: Fingerprint::new(&self.options.salt, rule.id.as_str(), secret),
            secret: SecretBytes::new(secret),
            matched: SecretBytes::new(matched),
            entropy,
            ruling,
        })
    }

    /// Holds a match against the exceptions of its rule and the global ones.
    fn rule_on(&self, program: &Program, targets: Targets<'_>) -> RulingOnText {
        let mut open = Vec::new();
        let global = self.programs.global.rule_on(targets, AllowlistRef::Global, &mut open);
        let own = program.exceptions.rule_on(targets, AllowlistRef::Rule, &mut open);
        // A finding too many is seen, one too few is not.
        let is_sure = global.is_ok() && own.is_ok();
        let (global, own) = (global.unwrap_or(Ruling::No), own.unwrap_or(Ruling::No));
        let ruling = match (global, own) {
            (Ruling::ByText, _) | (_, Ruling::ByText) => Ruling::ByText,
            (Ruling::ByLine, _) | (_, Ruling::ByLine) => Ruling::ByLine,
            (Ruling::No, Ruling::No) => Ruling::No,
        };
        RulingOnText { ruling, open, is_sure }
    }

    /// Decides about a candidate of a rule, in a window that begins at `base`.
    pub(super) fn confirm(
        &self,
        run: Run<'_>,
        source: &mut Source<'_, '_>,
        candidate: &Candidate,
        base: usize,
    ) -> Outcome {
        let in_text = |span: Span| Span::new(span.start + base, span.end + base);
        let (found, trimmed) = (in_text(candidate.found), in_text(candidate.trimmed));
        let layer = source.layers.last();
        // What does not touch anything decoded was found before.
        if layer.is_some_and(|layer| !layer.touches_decoded(found)) {
            return Outcome::Nothing;
        }
        let place = |span: Span| original_span(source.content, source.layers, span);
        let original = place(trimmed);
        let (start, end, judged_line) = if !self.options.strict {
            let (start, end) = source.lines.ends(original);
            (start, end, lines_around(source.content, original))
        } else if layer.is_some() {
            source.lines.gitleaks(place(found))
        } else {
            // gitleaks cuts new lines from both ends of the match, but moves its end only.
            source.lines.gitleaks(Span::new(found.start, found.start + trimmed.len()))
        };
        let judged_line = &source.content[judged_line.range()];

        let ruling = candidate.ruling.clone().unwrap_or_else(|| {
            let line = match layer {
                Some(layer) if self.options.strict => layer.line_around(found),
                Some(layer) => layer.line_around(trimmed),
                None => judged_line,
            };
            let (secret, matched) = (candidate.secret.reveal(), candidate.matched.reveal());
            self.rule_on(run.program, Targets { secret, matched, line })
        });
        match ruling.ruling {
            Ruling::ByText => return Outcome::Nothing,
            Ruling::ByLine => return Outcome::AllowedByLine,
            Ruling::No => {}
        }
        if self.options.inline_allow
            && INLINE_ALLOWS.iter().any(|allow| memchr::memmem::find(judged_line, allow).is_some())
        {
            return Outcome::AllowedInline;
        }
        let confirmed = Box::new(Match {
            rule: run.rule,
            fingerprint: candidate.fingerprint,
            secret: candidate.secret.clone(),
            matched: candidate.matched.clone(),
            line: SecretBytes::new(&source.content[kept_line(source.content, original).range()]),
            span: original,
            start,
            end,
            entropy: candidate.entropy,
            encodings: encoding_names(source, trimmed),
            required: Vec::new(),
            open_allowlists: ruling.open,
        });
        if ruling.is_sure { Outcome::Match(confirmed) } else { Outcome::Unsure(confirmed) }
    }
}

/// The lines of a match as reports show them; of a very long line the part around the match, since a
/// generated file can have thousands of matches on one line of megabytes.
fn kept_line(content: &[u8], found: Span) -> Span {
    let line = lines_around(content, found);
    let start = line.start.max(found.start.saturating_sub(LONGEST_MARGIN));
    Span::new(start, line.end.min(found.end.saturating_add(LONGEST_MARGIN)))
}

/// The names of the encodings that `span` was in.
fn encoding_names(source: &Source<'_, '_>, span: Span) -> Vec<&'static str> {
    decode::encodings(source.content, source.layers, span).into_iter().map(Encoding::name).collect()
}

/// `span` without the line feeds at both ends.
fn trim(text: &[u8], span: Span) -> Span {
    let bytes = &text[span.range()];
    let Some(first) = bytes.iter().position(|&byte| byte != b'\n') else {
        return Span::new(span.start, span.start);
    };
    let last = bytes.iter().rposition(|&byte| byte != b'\n').unwrap_or(first);
    Span::new(span.start + first, span.start + last + 1)
}

/// The group that is the secret; `None`: the whole match. A group that took no part in the match is an
/// empty secret for gitleaks (`strict`); the whole match says more than nothing.
fn group_of(groups: &Captures, secret_group: usize, strict: bool) -> Option<Span> {
    let group = |index: usize| groups.get_group(index).map(|group| Span::new(group.start, group.end));
    if secret_group > 0 {
        let named = group(secret_group);
        if strict { Some(named.unwrap_or(Span::new(0, 0))) } else { named.filter(|span| !span.is_empty()) }
    } else {
        (1..groups.group_len()).filter_map(group).find(|span| !span.is_empty())
    }
}
