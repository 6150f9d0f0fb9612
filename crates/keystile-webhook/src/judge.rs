//! The line between serving and policy: what the server asks, and what it hears.

use std::collections::BTreeMap;
use std::future::Future;

use keystile_policy::{Action, Judgement};

use crate::review::AdmissionRequest;

/// Decides about one admission request.
///
/// The server calls it with a deadline: a judgement that is not there in time is dropped, and the
/// request is denied. A panic is caught and denied as well. Implementations hold their policy and
/// their view of the cluster, and swap them whole.
pub trait Judge: Send + Sync + 'static {
    /// The decision about `request`. It never fails: whatever can't be decided is a denial whose
    /// message says why.
    fn judge(&self, request: AdmissionRequest) -> impl Future<Output = Decision> + Send;
}

/// What the policy says about a request. The server bounds the texts before it sends them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether the object may pass.
    pub allowed: bool,
    /// One line per violation that denies, for the person who runs `kubectl`. Empty when allowed.
    pub violations: Vec<String>,
    /// What is let pass for now. Each becomes one `Warning:` line in `kubectl`.
    pub warnings: Vec<String>,
    /// Goes into the API server's audit log; it puts the webhook's name before each key.
    pub audit_annotations: BTreeMap<String, String>,
    /// The ids of the rules that are violated and what each did, for metrics and the log line.
    pub rules: Vec<(&'static str, Action)>,
}

impl Decision {
    /// Lets the object pass without a word.
    #[must_use]
    pub fn allow() -> Self {
        Self { allowed: true, ..Self::default() }
    }

    /// Refuses the object for one reason.
    #[must_use]
    pub fn deny(violation: impl Into<String>) -> Self {
        Self { violations: vec![violation.into()], ..Self::default() }
    }

    /// The decision in one word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.allowed, self.warnings.is_empty()) {
            (false, _) => Verdict::Deny,
            (true, false) => Verdict::Warn,
            (true, true) => Verdict::Allow,
        }
    }
}

/// What the engine found, as it is answered: what denies in the message, what warns as warnings, and
/// all of it by id in the audit log, under `denied`, `warned`, `audited` and `excused`.
impl From<&Judgement> for Decision {
    fn from(judgement: &Judgement) -> Self {
        let texts = |action| judgement.with(action).map(ToString::to_string).collect();
        let mut audit_annotations = BTreeMap::new();
        for judged in &judgement.violations {
            let name = match judged.action {
                Action::Allow => continue,
                Action::Audit if judged.excused_by.is_some() => "excused",
                Action::Audit => "audited",
                Action::Warn => "warned",
                Action::Deny => "denied",
            };
            let ids: &mut String = audit_annotations.entry(name.to_owned()).or_default();
            let id = judged.violation.rule.id;
            if !ids.split(',').any(|known| known == id) {
                if !ids.is_empty() {
                    ids.push(',');
                }
                ids.push_str(id);
            }
        }
        Self {
            allowed: !judgement.is_denied(),
            violations: texts(Action::Deny),
            warnings: texts(Action::Warn),
            audit_annotations,
            rules: judgement.violations.iter().map(|judged| (judged.violation.rule.id, judged.action)).collect(),
        }
    }
}

/// A decision in one word, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Passed.
    Allow,
    /// Passed with warnings.
    Warn,
    /// Denied by policy.
    Deny,
    /// Denied because keystile could not decide: malformed, too large, too late, overloaded, its own fault.
    Refuse,
}

impl Verdict {
    /// As it stands in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::Refuse => "refuse",
        }
    }
}

/// The judge before any policy is loaded: denies everything.
///
/// A replica that has no policy is not ready and gets no traffic through its Service; whoever
/// reaches it all the same must not be let through.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPolicy;

impl Judge for NoPolicy {
    async fn judge(&self, _request: AdmissionRequest) -> Decision {
        Decision::deny("keystile has no policy loaded yet: try again shortly, or look at the webhook's /readyz and log")
    }
}

#[cfg(test)]
mod tests {
    use keystile_policy::rules::{BINDING_UNBOUND, KEY_OUTSIDE_GRANT};
    use keystile_policy::{Judged, Path, Violation};

    use super::*;

    #[test]
    fn each_action_has_its_place_in_the_answer() {
        let judged = |rule, text: &str, action, excused_by: Option<&str>| Judged {
            violation: Violation::new(rule, Path::of(&["spec"]), text, text),
            action,
            excused_by: excused_by.map(str::to_owned),
            exception: excused_by.map(|_| 0),
        };
        let judgement = Judgement {
            violations: vec![
                judged(&KEY_OUTSIDE_GRANT, "first", Action::Deny, None),
                judged(&KEY_OUTSIDE_GRANT, "second", Action::Deny, None),
                judged(&BINDING_UNBOUND, "third", Action::Warn, None),
                judged(&BINDING_UNBOUND, "fourth", Action::Audit, Some("ticket 4711")),
                judged(&KEY_OUTSIDE_GRANT, "fifth", Action::Audit, None),
                judged(&BINDING_UNBOUND, "sixth", Action::Allow, None),
            ],
            ..Judgement::default()
        };
        let decision = Decision::from(&judgement);
        assert!(!decision.allowed);
        assert_eq!(decision.violations, ["spec: first (key-outside-grant)", "spec: second (key-outside-grant)"]);
        assert_eq!(decision.warnings, ["spec: third (binding-unbound)"]);
        let annotations: Vec<_> =
            decision.audit_annotations.iter().map(|(key, ids)| (key.as_str(), ids.as_str())).collect();
        assert_eq!(
            annotations,
            [
                ("audited", "key-outside-grant"),
                ("denied", "key-outside-grant"),
                ("excused", "binding-unbound"),
                ("warned", "binding-unbound"),
            ]
        );
        assert_eq!(decision.rules.len(), 6);
        assert!(Decision::from(&Judgement::default()).allowed);
    }
}
