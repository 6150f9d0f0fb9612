//! Asking about many credentials: host by host, one request after the other for each.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use keystile_scan::{SecretBytes, Verification};

use crate::answer::judge;
use crate::endpoint::{Endpoint, Origin};
use crate::request::fill;
use crate::transport::Transport;
use crate::verdict::{Reason, State, Verdict};

/// So many hosts are asked at the same time.
const HOSTS: usize = 8;
/// Between two requests to a host.
const INTERVAL: Duration = Duration::from_millis(200);
/// A host that asks for a longer pause is not asked again in this run.
const LONGEST_PAUSE: u64 = 5;
/// A host that failed so often in a row is not asked again in this run.
const FAILURES: u32 = 3;

/// A credential to ask about.
#[derive(Debug, Clone)]
pub struct Check<'a> {
    /// How.
    pub verification: &'a Verification,
    /// The secret.
    pub secret: SecretBytes,
    /// What could be the other half of the credential, where the check needs one. It is live with any, and dead
    /// only if it is so with each.
    pub pairs: Vec<SecretBytes>,
}

/// What may be asked, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Hosts that the checks of configurations may name, in lower case.
    pub hosts: Vec<String>,
    /// Where an issuer's checks go instead of the place that they name; several for one issuer are all asked.
    pub endpoints: Vec<Endpoint>,
    /// Private and loopback addresses too.
    pub allow_private: bool,
    /// For one request, from the look-up of the name to the last byte of the answer.
    pub timeout: Duration,
}

/// One request to make.
struct Question<'a> {
    /// Index of the check.
    check: usize,
    verification: &'a Verification,
    prefix: String,
    secret: &'a SecretBytes,
    pair: Option<&'a SecretBytes>,
}

/// Asks about every check, and gives the verdicts in the same order. `asked` is called after each request with
/// how many of how many are done. Blocks until all is done.
///
/// # Errors
/// If the system gives no event loop.
pub fn verify(checks: &[Check<'_>], options: &Options, asked: &dyn Fn(usize, usize)) -> std::io::Result<Vec<Verdict>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut verdicts: Vec<Vec<Verdict>> = vec![Vec::new(); checks.len()];
    let mut questions: BTreeMap<Origin, Vec<Question<'_>>> = BTreeMap::new();
    for (index, check) in checks.iter().enumerate() {
        if let Err(verdict) = questions_of(index, check, options, &mut questions) {
            verdicts[index].push(verdict);
        }
    }
    let total = questions.values().map(Vec::len).sum();
    let done = std::cell::Cell::new(0);
    let step = || {
        done.set(done.get() + 1);
        asked(done.get(), total);
    };
    if total > 0 {
        let transport = Transport::new(options.allow_private);
        runtime.block_on(async {
            let hosts = questions
                .iter()
                .map(|(origin, questions)| ask_host(&transport, origin, questions, options.timeout, &step));
            let mut answers = futures_util::stream::iter(hosts).buffer_unordered(HOSTS);
            while let Some(answers) = answers.next().await {
                for (index, verdict) in answers {
                    verdicts[index].push(verdict);
                }
            }
        });
        // A look-up that hangs must not hold the process.
        runtime.shutdown_background();
    }
    Ok(verdicts.into_iter().map(combine).collect())
}

/// The requests that `check` takes.
fn questions_of<'a>(
    index: usize,
    check: &'a Check<'a>,
    options: &Options,
    questions: &mut BTreeMap<Origin, Vec<Question<'a>>>,
) -> Result<(), Verdict> {
    let verification = check.verification;
    let own = Origin::of(verification);
    let refuse = |reason, host: &str| Err(Verdict::unknown(reason, Some(host)));
    let is_allowed = |origin: &Origin| verification.is_builtin || options.hosts.contains(&origin.host);
    if !is_allowed(&own) {
        return refuse(Reason::HostNotAllowed, &own.host);
    }
    let given = options.endpoints.iter().filter(|endpoint| Some(&endpoint.issuer) == verification.issuer.as_ref());
    let mut places: Vec<(Origin, String)> =
        given.map(|endpoint| (endpoint.origin.clone(), endpoint.prefix.clone())).collect();
    if places.is_empty() {
        places.push((own, String::new()));
    }
    if let Some((origin, _)) = places.iter().find(|(origin, _)| !is_allowed(origin)) {
        return refuse(Reason::HostNotAllowed, &origin.host);
    }
    if verification.pair.is_some() && check.pairs.is_empty() {
        return refuse(Reason::NoPair, &places[0].0.host);
    }
    let is_temporary = |pair: &&SecretBytes| verification.signature.is_some() && pair.reveal().starts_with(b"ASIA");
    let pairs: Vec<Option<&SecretBytes>> = match &verification.pair {
        None => vec![None],
        // Such a key id works with its session token only; STS does not even know it without.
        Some(_) if check.pairs.iter().any(|pair| is_temporary(&pair)) => {
            return refuse(Reason::Temporary, &places[0].0.host);
        }
        Some(_) => check.pairs.iter().map(Some).collect(),
    };
    for (origin, prefix) in places {
        for &pair in &pairs {
            questions.entry(origin.clone()).or_default().push(Question {
                check: index,
                verification,
                prefix: prefix.clone(),
                secret: &check.secret,
                pair,
            });
        }
    }
    Ok(())
}

/// Asks one host everything that it is to be asked.
async fn ask_host(
    transport: &Transport,
    origin: &Origin,
    questions: &[Question<'_>],
    timeout: Duration,
    step: &dyn Fn(),
) -> Vec<(usize, Verdict)> {
    let mut verdicts = Vec::with_capacity(questions.len());
    let mut closed: Option<Reason> = None;
    let mut failures = 0;
    for (number, question) in questions.iter().enumerate() {
        let (state, reason) = match closed {
            Some(reason) => (State::Unknown, reason),
            None => {
                if number > 0 {
                    tokio::time::sleep(INTERVAL).await;
                }
                ask(transport, origin, question, timeout).await
            }
        };
        failures = match reason {
            Reason::Slow | Reason::Unreachable | Reason::Unresolved | Reason::Tls => failures + 1,
            _ => 0,
        };
        let has_enough = failures >= FAILURES || matches!(reason, Reason::Throttled | Reason::AddressRefused);
        if closed.is_none() && has_enough {
            closed = Some(reason);
        }
        verdicts.push((question.check, Verdict { state, reason, host: Some(origin.host.clone()) }));
        step();
    }
    verdicts
}

/// Asks once, and once more if the host asks for a short pause.
async fn ask(transport: &Transport, origin: &Origin, question: &Question<'_>, timeout: Duration) -> (State, Reason) {
    let mut paused = false;
    loop {
        let request =
            fill(question.verification, origin, &question.prefix, question.secret, question.pair, Timestamp::now());
        let request = match request {
            Ok(request) => request,
            Err(reason) => return (State::Unknown, reason),
        };
        let response = match tokio::time::timeout(timeout, transport.send(origin, request)).await {
            Err(_) => return (State::Unknown, Reason::Slow),
            Ok(Err(reason)) => return (State::Unknown, reason),
            Ok(Ok(response)) => response,
        };
        let is_throttled = response.status == 429 || (response.retry_after.is_some() && response.status >= 400);
        if is_throttled {
            let pause = response.retry_after.unwrap_or(1);
            if paused || pause > LONGEST_PAUSE {
                return (State::Unknown, Reason::Throttled);
            }
            paused = true;
            tokio::time::sleep(Duration::from_secs(pause)).await;
            continue;
        }
        let reason = match response.status {
            300..=399 => Reason::Redirected,
            500.. => Reason::ServerFailed,
            status => match judge(question.verification, status, &response.body) {
                State::Unknown => Reason::NotRecognised,
                state => return (state, Reason::Answered),
            },
        };
        return (State::Unknown, reason);
    }
}

/// Live if one place says so; dead if all do; otherwise unknown, for the first reason.
fn combine(verdicts: Vec<Verdict>) -> Verdict {
    let find = |state| verdicts.iter().find(|verdict| verdict.state == state);
    match (find(State::Live), find(State::Unknown), find(State::Dead)) {
        (Some(verdict), _, _) | (None, Some(verdict), _) | (None, None, Some(verdict)) => verdict.clone(),
        (None, None, None) => Verdict::unknown(Reason::NoCheck, None),
    }
}
