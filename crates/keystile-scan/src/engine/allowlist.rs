//! Exceptions: which of an allowlist's conditions depend on the match, which on the place.
//!
//! gitleaks asks an allowlist twice (`checkCommitOrPathAllowed` before a file is looked at,
//! `checkFindingAllowed` for each match). With the condition OR, one true condition of any kind
//! excuses a match. With AND, all that are given must hold. Here the conditions on the match are
//! answered when content is scanned, and those on the place when it is judged.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use super::program::Lazy;
use super::{AllowlistRef, Place};
use crate::re2;
use crate::rule::{Allowlist, Condition, Pattern, RegexTarget};

/// The allowlists of a rule, or the global ones.
#[derive(Debug, Default)]
pub(super) struct Exceptions(Vec<Exception>);

#[derive(Debug)]
struct Exception {
    condition: Condition,
    target: RegexTarget,
    /// Sorted, lower case.
    commits: Vec<String>,
    paths: Vec<Lazy>,
    regexes: Vec<Lazy>,
    stopwords: Option<StopWords>,
}

#[derive(Debug)]
struct StopWords {
    words: Vec<String>,
    search: OnceLock<Option<AhoCorasick>>,
}

impl StopWords {
    fn occur_in(&self, secret: &[u8]) -> bool {
        let search =
            self.search.get_or_init(|| AhoCorasick::builder().ascii_case_insensitive(true).build(&self.words).ok());
        match search {
            Some(search) => search.is_match(secret),
            None => {
                let secret = secret.to_ascii_lowercase();
                self.words.iter().any(|word| memchr::memmem::find(&secret, word.as_bytes()).is_some())
            }
        }
    }
}

/// What an allowlist looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Targets<'a> {
    pub(super) secret: &'a [u8],
    pub(super) matched: &'a [u8],
    pub(super) line: &'a [u8],
}

/// What the exceptions say of a place, whatever is found there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceRuling {
    /// Its path excuses everything.
    ByPath,
    /// Its commit excuses everything.
    ByCommit,
    /// It excuses nothing by itself.
    No,
}

/// What the exceptions say of a match, whatever its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It is excused, and would be in any other line.
    ByText,
    /// It is excused by its line.
    ByLine,
    /// It is not excused yet.
    No,
}

impl Exceptions {
    pub(super) fn new(allowlists: &[Allowlist], strict: bool) -> Self {
        Self(allowlists.iter().map(|allowlist| Exception::new(allowlist, strict)).collect())
    }

    /// Compiles everything.
    pub(super) fn check(&self) -> Result<(), &str> {
        for exception in &self.0 {
            for lazy in exception.paths.iter().chain(&exception.regexes) {
                lazy.get()?;
            }
        }
        Ok(())
    }

    /// Whether one of them asks for the line of a match.
    pub(super) fn look_at_line(&self) -> bool {
        self.0.iter().any(|exception| exception.target == RegexTarget::Line && !exception.regexes.is_empty())
    }

    /// Holds a match against the conditions on its text; allowlists that depend on the place too
    /// are added to `open`.
    ///
    /// # Errors
    /// An expression can't be compiled.
    pub(super) fn rule_on(
        &self,
        targets: Targets<'_>,
        named: fn(usize) -> AllowlistRef,
        open: &mut Vec<AllowlistRef>,
    ) -> Result<Ruling, &str> {
        let mut ruling = Ruling::No;
        for (index, exception) in self.0.iter().enumerate() {
            let regex = exception.regex_matches(targets)?;
            let stopword = exception.stopwords.as_ref().map(|words| words.occur_in(targets.secret));
            let excused = match exception.condition {
                Condition::Or => regex == Some(true) || stopword == Some(true),
                Condition::And => regex != Some(false) && stopword != Some(false),
            };
            if !excused {
                continue;
            }
            let on_place = !exception.commits.is_empty() || !exception.paths.is_empty();
            if exception.condition == Condition::And && on_place {
                open.push(named(index));
                continue;
            }
            let by_line = exception.target == RegexTarget::Line
                && regex.is_some()
                && (exception.condition == Condition::And || stopword != Some(true));
            if !by_line {
                return Ok(Ruling::ByText);
            }
            ruling = Ruling::ByLine;
        }
        Ok(ruling)
    }

    /// Whether an allowlist of the kind OR excuses everything at `place`, or one of either kind that asks for
    /// nothing but the path.
    pub(super) fn rule_on_place(&self, place: Place<'_>) -> Result<PlaceRuling, &str> {
        let mut ruling = PlaceRuling::No;
        for exception in &self.0 {
            if exception.rules_on_paths() && exception.path_matches(place)? {
                return Ok(PlaceRuling::ByPath);
            }
            if exception.condition == Condition::Or && exception.has_commit(place) {
                ruling = PlaceRuling::ByCommit;
            }
        }
        Ok(ruling)
    }

    /// Whether there is an allowlist that can excuse everything at a path.
    pub(super) fn rule_on_paths(&self) -> bool {
        self.0.iter().any(Exception::rules_on_paths)
    }

    /// Whether an allowlist of the kind OR excuses everything at `place`.
    pub(super) fn excuse_place(&self, place: Place<'_>) -> Result<bool, &str> {
        for exception in &self.0 {
            if exception.condition == Condition::Or && (exception.has_commit(place) || exception.path_matches(place)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an allowlist, of either kind, that asks for nothing but the place excuses it.
    pub(super) fn excuse_path(&self, place: Place<'_>) -> Result<bool, &str> {
        for (index, exception) in self.0.iter().enumerate() {
            let all = exception.condition == Condition::And
                && exception.regexes.is_empty()
                && exception.stopwords.is_none()
                && self.holds_at(index, place)?;
            if all {
                return Ok(true);
            }
        }
        self.excuse_place(place)
    }

    /// Whether all conditions on the place of the AND allowlist at `index` hold.
    pub(super) fn holds_at(&self, index: usize, place: Place<'_>) -> Result<bool, &str> {
        let exception = &self.0[index];
        Ok((exception.commits.is_empty() || exception.has_commit(place))
            && (exception.paths.is_empty() || exception.path_matches(place)?))
    }
}

impl Exception {
    fn new(allowlist: &Allowlist, strict: bool) -> Self {
        let lazies = |patterns: &[Pattern]| -> Vec<Lazy> {
            // gitleaks joins them, so that a flag such as (?i) goes on into those that follow.
            match strict.then(|| re2::join_for_strict(patterns)) {
                Some(Ok(joined)) if !patterns.is_empty() => vec![Lazy::new(&joined)],
                _ => patterns.iter().map(Lazy::new).collect(),
            }
        };
        let mut commits = allowlist.commits.clone();
        commits.sort_unstable();
        Self {
            condition: allowlist.condition,
            target: allowlist.regex_target,
            commits,
            paths: lazies(&allowlist.paths),
            regexes: lazies(&allowlist.regexes),
            stopwords: (!allowlist.stopwords.is_empty())
                .then(|| StopWords { words: allowlist.stopwords.clone(), search: OnceLock::new() }),
        }
    }

    /// `None`: there are no expressions. gitleaks never excuses an empty target.
    fn regex_matches(&self, targets: Targets<'_>) -> Result<Option<bool>, &str> {
        if self.regexes.is_empty() {
            return Ok(None);
        }
        let target = match self.target {
            RegexTarget::Secret => targets.secret,
            RegexTarget::Match => targets.matched,
            RegexTarget::Line => targets.line,
        };
        any_matches(&self.regexes, target).map(Some)
    }

    /// Whether a path alone can make it excuse everything.
    fn rules_on_paths(&self) -> bool {
        let asks_more = !self.commits.is_empty() || !self.regexes.is_empty() || self.stopwords.is_some();
        !self.paths.is_empty() && (self.condition == Condition::Or || !asks_more)
    }

    fn path_matches(&self, place: Place<'_>) -> Result<bool, &str> {
        any_matches(&self.paths, place.path)
    }

    fn has_commit(&self, place: Place<'_>) -> bool {
        !place.commit.is_empty()
            && !self.commits.is_empty()
            && self.commits.binary_search(&place.commit.to_ascii_lowercase()).is_ok()
    }
}

fn any_matches<'l>(patterns: &'l [Lazy], text: &[u8]) -> Result<bool, &'l str> {
    if text.is_empty() {
        return Ok(false);
    }
    for pattern in patterns {
        if pattern.get()?.is_match(text) {
            return Ok(true);
        }
    }
    Ok(false)
}
