//! The answer: `AdmissionReview` with a response, its texts bounded and free of control characters.

use std::collections::BTreeMap;

use serde::Serialize;

use super::envelope::{Refusal, V1};
use crate::judge::Decision;

/// Longest message of a denial, in bytes. `kubectl` prints it whole; twenty lines help, two hundred don't.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// Longest warning, in characters. Kubernetes asks for at most 120 and may cut from 256 on
/// (`k8s.io/api/admission/v1`, `AdmissionResponse.warnings`).
pub const MAX_WARNING_CHARS: usize = 120;

/// All warnings of one answer, in bytes: past 4096 the API server drops them.
pub const MAX_WARNINGS_BYTES: usize = 4096;

/// Longest value of an audit annotation, in bytes.
pub const MAX_ANNOTATION_BYTES: usize = 4096;

/// One answer to one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    response: Response,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
}

impl Answer {
    /// What the judge decided.
    #[must_use]
    pub fn decided(uid: &str, decision: &Decision) -> Self {
        let status = (!decision.allowed).then(|| Status {
            code: 403,
            reason: "Forbidden",
            message: match decision.violations.as_slice() {
                [] => "keystile denies this without a reason: that is a fault of keystile".into(),
                violations => joined(violations),
            },
        });
        Self::new(
            V1,
            uid,
            decision.allowed,
            status,
            warnings(&decision.warnings),
            annotations(&decision.audit_annotations),
        )
    }

    /// A denial that is no judgement; nothing when there is no uid to deny to.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Option<Self> {
        let (code, reason) = refusal.reason.status();
        let status = Status { code, reason, message: cut(&clean(&refusal.message), MAX_MESSAGE_BYTES) };
        let uid = refusal.uid.as_deref()?;
        Some(Self::new(refusal.api_version, uid, false, Some(status), Vec::new(), BTreeMap::new()))
    }

    fn new(
        api_version: &'static str,
        uid: &str,
        allowed: bool,
        status: Option<Status>,
        warnings: Vec<String>,
        audit_annotations: BTreeMap<String, String>,
    ) -> Self {
        let response = Response { uid: uid.to_owned(), allowed, status, warnings, audit_annotations };
        Self { api_version, kind: "AdmissionReview", response }
    }

    /// The body of the HTTP answer.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts, numbers and maps with text keys always serialise")
    }
}

/// One line per violation, as many as fit, and how many did not.
fn joined(violations: &[String]) -> String {
    // Room for the last line that counts the rest.
    const ROOM: usize = 64;
    let mut message = String::new();
    for (index, violation) in violations.iter().enumerate() {
        let line = clean(violation);
        let full = message.len() + line.len() + 1 > MAX_MESSAGE_BYTES - ROOM;
        if full && index > 0 {
            message.push_str(&format!("\n… and {} more", violations.len() - index));
            break;
        }
        if index > 0 {
            message.push('\n');
        }
        message.push_str(&cut(&line, MAX_MESSAGE_BYTES - ROOM));
    }
    message
}

fn warnings(texts: &[String]) -> Vec<String> {
    const LAST: &str = "keystile: more warnings were left out";
    let mut left = MAX_WARNINGS_BYTES - LAST.len();
    let mut warnings = Vec::new();
    for text in texts {
        let warning = cut_chars(&clean(text).replace('\n', " "), MAX_WARNING_CHARS);
        let Some(rest) = left.checked_sub(warning.len()) else {
            warnings.push(LAST.to_owned());
            break;
        };
        left = rest;
        warnings.push(warning);
    }
    warnings
}

fn annotations(texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    texts.iter().map(|(key, text)| (key.clone(), cut(&clean(text), MAX_ANNOTATION_BYTES))).collect()
}

/// Names in a message come from objects: what a terminal would obey becomes a space.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c != '\n' && (c.is_control() || is_bidi(c)) { ' ' } else { c }).collect()
}

/// Characters that change the direction of what follows (Unicode Bidirectional Algorithm, UAX #9).
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `max` bytes, cut between characters and marked as cut.
fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// At most `max` characters, marked as cut.
fn cut_chars(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::review::RefusalReason;

    fn as_json(answer: &Answer) -> Value {
        serde_json::from_slice(&answer.to_bytes()).unwrap()
    }

    #[test]
    fn an_allowed_request_is_answered_with_the_least() {
        assert_eq!(
            as_json(&Answer::decided("u-1", &Decision::allow())),
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "u-1", "allowed": true}})
        );
    }

    #[test]
    fn a_denial_has_code_and_reason_and_all_violations() {
        let decision = Decision {
            violations: vec!["one (key-outside-grant)".into(), "two (version-pinned)".into()],
            warnings: vec!["careful".into()],
            audit_annotations: [("rules".to_owned(), "key-outside-grant".to_owned())].into(),
            ..Decision::default()
        };
        assert_eq!(
            as_json(&Answer::decided("u-2", &decision))["response"],
            json!({
                "uid": "u-2", "allowed": false, "warnings": ["careful"], "auditAnnotations": {"rules": "key-outside-grant"},
                "status": {"code": 403, "reason": "Forbidden", "message": "one (key-outside-grant)\ntwo (version-pinned)"},
            })
        );
    }

    #[test]
    fn a_message_is_bounded_by_whole_violations_and_counts_the_rest() {
        let decision = Decision { violations: vec!["é".repeat(1000); 10], ..Decision::default() };
        let answer = Answer::decided("u", &decision);
        let message = answer.response.status.unwrap().message;
        assert!(message.len() <= MAX_MESSAGE_BYTES, "{}", message.len());
        assert_eq!(message.lines().count(), 5);
        assert_eq!(message.lines().last(), Some("… and 6 more"));
        let one = Answer::decided("u", &Decision::deny("é".repeat(100_000))).response.status.unwrap().message;
        assert!(one.len() <= MAX_MESSAGE_BYTES && one.ends_with("é…"));
    }

    #[test]
    fn warnings_are_short_and_few() {
        let texts: Vec<String> = (0..100).map(|n| format!("{n} {}", "ü".repeat(300))).collect();
        let warnings = warnings(&texts);
        assert!(warnings.iter().all(|warning| warning.chars().count() <= MAX_WARNING_CHARS));
        assert!(warnings.iter().map(String::len).sum::<usize>() <= MAX_WARNINGS_BYTES);
        assert_eq!(warnings.last().unwrap(), "keystile: more warnings were left out");
    }

    #[test]
    fn what_a_terminal_would_obey_is_taken_out() {
        let answer = Answer::decided("u", &Decision::deny("name \u{1b}[2J\u{202e}x\r\ny"));
        assert_eq!(answer.response.status.unwrap().message, "name  [2J x \ny");
    }

    #[test]
    fn a_refusal_without_uid_has_no_answer() {
        let refusal = Refusal::of_bytes(b"{}", RefusalReason::Malformed, "no".into());
        assert_eq!(Answer::refused(&refusal), None);
        let refusal = Refusal::of_bytes(br#"{"request":{"uid":"u-3""#, RefusalReason::TooLarge, "too large".into());
        let answer = as_json(&Answer::refused(&refusal).unwrap());
        assert_eq!(answer["response"]["uid"], "u-3");
        assert_eq!(answer["response"]["status"]["code"], 413);
    }
}
