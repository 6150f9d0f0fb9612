//! `scan --verify`: which findings to ask about, which halves belong together, and what became of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io::IsTerminal as _;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keystile_scan::{Finding, Fingerprint, RuleSet};
use keystile_verify::{Check, Options, Reason, State, Verdict};

/// What `--verify` was asked for.
#[derive(Debug, Clone)]
pub struct VerifyRequest {
    /// Where requests may go, and how long they may take.
    pub options: Options,
    /// `--only-verified`: report live credentials alone.
    pub only_live: bool,
}

/// What became of it.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// The verdict on each finding, reported or not.
    pub verdicts: HashMap<Fingerprint, Verdict>,
    /// So many findings are not reported because they are not live (`--only-verified`), by state.
    pub not_reported: BTreeMap<State, u64>,
}

/// The two halves of a credential stand so many lines apart at most.
const PAIR_LINES: u32 = 10;
/// So many candidates for the other half are tried, the nearest first.
const PAIRS: usize = 3;

impl Verification {
    /// Asks about `findings`; `others` are findings that are not reported, among which the other half of a
    /// credential can be.
    ///
    /// # Errors
    /// If nothing can be asked at all.
    pub fn ask(
        request: &VerifyRequest,
        rules: &RuleSet,
        findings: &[Finding],
        others: &[Finding],
        progress: bool,
    ) -> anyhow::Result<Self> {
        let mut verdicts = HashMap::new();
        let mut checks = Vec::new();
        let mut asked = Vec::new();
        for finding in findings {
            let verification = rules.get(finding.rule.as_str()).and_then(|rule| rule.verification.as_ref());
            let Some(verification) = verification else {
                verdicts.insert(finding.fingerprint, Verdict::unknown(Reason::NoCheck, None));
                continue;
            };
            let pairs = match &verification.pair {
                Some(rule) => pairs(finding, findings.iter().chain(others).filter(|other| other.rule == *rule)),
                None => Vec::new(),
            };
            let values = pairs.iter().map(|pair| pair.secret.clone()).collect();
            checks.push(Check { verification, secret: finding.secret.clone(), pairs: values });
            asked.push((finding.fingerprint, pairs.iter().map(|pair| pair.fingerprint).collect::<Vec<_>>()));
        }
        let bar = RefCell::new(None);
        let show = |done: usize, total: usize| {
            if progress && std::io::stderr().is_terminal() {
                let mut bar = bar.borrow_mut();
                bar.get_or_insert_with(|| self::bar(total)).set_position(done as u64);
            }
        };
        let answers =
            keystile_verify::verify(&checks, &request.options, &show).context("while preparing to ask the issuers")?;
        if let Some(bar) = bar.into_inner() {
            bar.finish_and_clear();
        }
        for ((fingerprint, pairs), verdict) in asked.into_iter().zip(answers) {
            // With one candidate the answer is about both halves.
            if let [pair] = pairs.as_slice()
                && verdict.state != State::Unknown
                && let Some(other) = verdicts.get_mut(pair)
                && other.state != State::Live
            {
                *other = verdict.clone();
            }
            verdicts.insert(fingerprint, verdict);
        }
        Ok(Self { verdicts, not_reported: BTreeMap::new() })
    }

    /// Takes out of `findings` what is not live, and counts it. What is taken out comes back.
    pub fn keep_live(&mut self, findings: &mut Vec<Finding>) -> Vec<Finding> {
        let is_live = |finding: &Finding| self.state(finding.fingerprint) == State::Live;
        let (live, others): (Vec<_>, Vec<_>) = std::mem::take(findings).into_iter().partition(is_live);
        for other in &others {
            let state = self.state(other.fingerprint);
            *self.not_reported.entry(state).or_default() += 1;
        }
        *findings = live;
        others
    }

    fn state(&self, fingerprint: Fingerprint) -> State {
        self.verdicts.get(&fingerprint).map_or(State::Unknown, |verdict| verdict.state)
    }

    /// How many findings have this verdict.
    #[must_use]
    pub fn count(&self, state: State) -> u64 {
        self.verdicts.values().filter(|verdict| verdict.state == state).count() as u64
    }

    /// Why so many are unknown.
    #[must_use]
    pub fn unknown_reasons(&self) -> BTreeMap<Reason, u64> {
        let mut reasons = BTreeMap::new();
        for verdict in self.verdicts.values().filter(|verdict| verdict.state == State::Unknown) {
            *reasons.entry(verdict.reason).or_default() += 1;
        }
        reasons
    }

    /// Whether a credential has a check that got no answer: it may be live.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.verdicts.values().any(|verdict| verdict.state == State::Unknown && verdict.reason.is_open())
    }
}

fn bar(total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("asking issuers [{bar:30}] {human_pos}/{human_len} {eta}");
    let style = style.expect("a constant template").progress_chars("=> ");
    ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr()).with_style(style)
}

/// The findings among `candidates` that stand close to `finding` in the same file, the nearest first; in the
/// same version of the file before others.
fn pairs<'a>(finding: &Finding, candidates: impl Iterator<Item = &'a Finding>) -> Vec<&'a Finding> {
    let mut near: Vec<(bool, u32, &Finding)> = candidates
        .filter_map(|candidate| {
            let places =
                finding.occurrences.iter().flat_map(|one| candidate.occurrences.iter().map(move |two| (one, two)));
            let distances = places
                .filter(|(one, two)| one.path == two.path)
                .map(|(one, two)| (one.place != two.place, one.found.start.line.abs_diff(two.found.start.line)));
            let (elsewhere, lines) = distances.filter(|(_, lines)| *lines <= PAIR_LINES).min()?;
            Some((elsewhere, lines, candidate))
        })
        .collect();
    near.sort_by_key(|(elsewhere, lines, _)| (*elsewhere, *lines));
    near.into_iter().take(PAIRS).map(|(.., candidate)| candidate).collect()
}

/// Whether `value` can be a host of `--verify-host`: a name or an address, in lower case afterwards.
///
/// # Errors
/// If it is a URL, or has a port.
pub fn host(value: &str) -> Result<String, String> {
    let is_address = value.parse::<std::net::IpAddr>().is_ok();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if value.is_empty() || !(is_address || value.bytes().all(is_name)) {
        return Err("write the host's name alone, for example api.example.com".to_owned());
    }
    Ok(value.to_ascii_lowercase())
}
