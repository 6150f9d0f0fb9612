//! The step at which a rotation failed, from what its function wrote into CloudWatch Logs: the one place where AWS says it.
//!
//! Functions print what they like, values too. Nothing of a log leaves this module but the name of a step: no text of it
//! is in an error, and what was read is wiped.
//!
//! Facts: Lambda writes an invocation's lines into one log stream, between `START RequestId: …` and `END RequestId: …`, in
//! its JSON format events of type `platform.start` and `platform.report`; what a Python function does not catch is a line
//! that begins with `[ERROR]`, in Node.js' text format one whose level is `ERROR`, in the JSON format an object with
//! `level` or `errorType`; a limit that passed is `Task timed out after` (AWS Lambda developer guide, "Sending Lambda
//! function logs to CloudWatch Logs", "Log and monitor Python Lambda functions"). The four steps are four invocations with
//! one `ClientRequestToken`, the new version's id (Secrets Manager user guide, "How rotation works").

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroize as _;

use crate::backend::RotationStep;

/// A page of `FilterLogEvents` (API reference of CloudWatch Logs, version 2014-03-28).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    #[serde(default)]
    pub(super) events: Vec<Line>,
    pub(super) next_token: Option<String>,
}

/// A line of a log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    #[serde(default)]
    log_stream_name: String,
    /// Milliseconds since 1970.
    #[serde(default)]
    timestamp: i64,
    #[serde(default)]
    message: String,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.message.zeroize();
    }
}

/// One call of the function.
#[derive(Default)]
struct Invocation {
    /// Whether a line of it has one of the names that are looked for.
    is_ours: bool,
    /// When its last error was written.
    failed: Option<i64>,
    /// Steps that its errors name.
    in_errors: BTreeSet<RotationStep>,
    /// Steps that any of its lines names.
    in_lines: BTreeSet<RotationStep>,
}

impl Invocation {
    fn take(&mut self, line: &Line, names: &[&str]) {
        let message = &line.message;
        self.is_ours |= names.iter().any(|name| message.contains(name));
        let steps = steps_in(message);
        if is_error(message) {
            self.failed = self.failed.max(Some(line.timestamp));
            self.in_errors.extend(&steps);
        }
        self.in_lines.extend(&steps);
    }

    /// The one step that it was. A time limit names none, but what was written before it may.
    fn step(&self) -> Option<RotationStep> {
        let named = if self.in_errors.is_empty() { &self.in_lines } else { &self.in_errors };
        named.first().copied().filter(|_| named.len() == 1)
    }
}

/// The step at which the last failed invocation failed that was about one of `names` (the version's id, the secret's
/// ARN: a function may rotate many secrets). `None`: the log does not say, or not one step alone.
pub(super) fn failed_step(lines: &[Line], names: &[&str]) -> Option<RotationStep> {
    let mut streams: BTreeMap<&str, Vec<Invocation>> = BTreeMap::new();
    for line in lines {
        let invocations = streams.entry(&line.log_stream_name).or_default();
        if invocations.is_empty() || is_start(&line.message) {
            invocations.push(Invocation::default());
        }
        invocations.last_mut().expect("one was just added").take(line, names);
    }
    let ours = streams.into_values().flatten().filter(|invocation| invocation.is_ours && invocation.failed.is_some());
    ours.max_by_key(|invocation| invocation.failed)?.step()
}

fn is_start(message: &str) -> bool {
    message.starts_with("START RequestId: ") || field(message, "type").is_some_and(|kind| kind == "platform.start")
}

fn is_error(message: &str) -> bool {
    message.starts_with("[ERROR]")
        || message.contains("\tERROR\t")
        || message.contains("Task timed out after ")
        || field(message, "level").is_some_and(|level| ["ERROR", "FATAL", "CRITICAL"].contains(&level.as_str()))
        || field(message, "errorType").is_some()
}

/// A text of a message that is a JSON object.
fn field(message: &str, name: &str) -> Option<String> {
    if !message.starts_with('{') || !message.contains(name) {
        return None;
    }
    let mut document: Value = serde_json::from_str(message.trim_end()).ok()?;
    let found = document.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    crate::run::wipe(&mut document);
    found
}

/// The steps that a text names, as Secrets Manager does (`setSecret`) or as a function of Python is called (`set_secret`).
fn steps_in(message: &str) -> BTreeSet<RotationStep> {
    let names = RotationStep::ALL.into_iter().flat_map(|step| [(step, step.name()), (step, step.snake_name())]);
    names.filter(|(_, name)| has_word(message, name)).map(|(step, _)| step).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    text.match_indices(word).any(|(start, _)| {
        let before = start.checked_sub(1).and_then(|index| bytes.get(index));
        !is_part(before) && !is_part(bytes.get(start + word.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "3f6c1e1a-7777-4444-8888-000000000001";
    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/db-AbCdEf";

    /// Lines of one invocation, as Lambda writes them.
    fn invocation(stream: &str, at: i64, messages: &[&str]) -> Vec<Line> {
        let start = "START RequestId: 8f50 Version: $LATEST\n";
        let all =
            std::iter::once(start).chain(messages.iter().copied()).chain(std::iter::once("END RequestId: 8f50\n"));
        all.zip(at..)
            .map(|(message, timestamp)| Line {
                log_stream_name: stream.to_owned(),
                timestamp,
                message: message.to_owned(),
            })
            .collect()
    }

    fn of(lines: &[Line]) -> Option<RotationStep> {
        failed_step(lines, &[VERSION, ARN])
    }

    #[test]
    fn each_way_an_error_is_written_names_its_step() {
        use RotationStep::{Create, Finish, Set, Test};
        let raised = format!(
            "[ERROR] ValueError: no login with the new password of {ARN}\rTraceback (most recent call last):\r\u{a0}\u{a0}File \
             \"/var/task/lambda_function.py\", line 71, in lambda_handler\r\u{a0}\u{a0}\u{a0}\u{a0}test_secret(client, arn, token)"
        );
        let logged = format!("[ERROR]\t2026-11-26T08:00:00.000Z\t8f50\tsetSecret: no login as either user of {ARN}\n");
        let node = format!("2026-11-26T08:00:00.000Z\t8f50\tERROR\tcreateSecret failed for {VERSION}\n");
        let json =
            format!(r#"{{"timestamp":"2026-11-26T08:00:00Z","level":"ERROR","message":"finishSecret: {VERSION}"}}"#);
        let thrown = format!(
            r#"{{"errorType":"Error","errorMessage":"{VERSION}","stackTrace":["at setSecret (/var/task/index.js:9:1)"]}}"#
        );
        for (message, step) in [(&raised, Test), (&logged, Set), (&node, Create), (&json, Finish), (&thrown, Set)] {
            assert_eq!(of(&invocation("a", 0, &[message])), Some(step), "{message}");
        }
        // A limit that passed names nothing; the line before it does.
        let before = format!("[INFO]\t2026-11-26T08:00:00.000Z\t8f50\tsetSecret: {ARN}\n");
        let timed_out = "2026-11-26T08:00:30.000Z 8f50 Task timed out after 30.00 seconds\n";
        assert_eq!(of(&invocation("a", 0, &[&before, timed_out])), Some(Set));
    }

    #[test]
    fn what_is_not_said_is_not_guessed() {
        let error = |text: &str| format!("[ERROR] RuntimeError: {text}");
        for (name, messages) in [
            ("no error", vec![format!("[INFO]\tsetSecret: {ARN}")]),
            (
                "another secret",
                vec![error("setSecret of arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/dc-AbCdEf")],
            ),
            ("no step", vec![error(ARN)]),
            ("two steps", vec![error(&format!("setSecret or testSecret of {ARN}"))]),
            ("part of a word", vec![error(&format!("reset_secret, offsetSecret, setSecrets, latest_secret of {ARN}"))]),
            ("nothing", Vec::new()),
        ] {
            let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
            assert_eq!(of(&invocation("a", 0, &messages)), None, "{name}");
        }
    }

    #[test]
    fn invocations_are_told_apart_and_the_last_failure_counts() {
        use RotationStep::{Set, Test};
        let error = |text: &str| format!("[ERROR] RuntimeError: {text}");
        // The names of the secret and of the step are in different invocations of one stream.
        let ours_fine = invocation("a", 0, &[&format!("[INFO]\tcreateSecret: {ARN}")]);
        let theirs_failed = invocation("a", 10, &[&error("setSecret of another secret")]);
        let mut lines: Vec<Line> = ours_fine.into_iter().chain(theirs_failed).collect();
        assert_eq!(of(&lines), None);
        // Two at the same time, in two streams, line by line.
        let set = invocation("b", 20, &[&error(&format!("setSecret {VERSION}"))]);
        let other = invocation("c", 20, &[&error("testSecret of another secret")]);
        lines.extend(set.into_iter().zip(other).flat_map(|(one, other)| [one, other]));
        assert_eq!(of(&lines), Some(Set));
        lines.extend(invocation("a", 30, &[&error(&format!("testSecret {VERSION}"))]));
        assert_eq!(of(&lines), Some(Test), "AWS tried again");
    }

    #[test]
    fn a_page_is_read_as_the_service_writes_it() {
        let page: Page = serde_json::from_str(
            r#"{"events":[{"logStreamName":"s","timestamp":1,"message":"m","ingestionTime":2,"eventId":"3"}],
                "searchedLogStreams":[],"nextToken":"t"}"#,
        )
        .unwrap();
        assert_eq!((page.events[0].message.as_str(), page.next_token.as_deref()), ("m", Some("t")));
        let last: Page = serde_json::from_str("{}").unwrap();
        assert!(last.events.is_empty() && last.next_token.is_none());
    }
}
