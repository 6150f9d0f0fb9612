//! Exceptions: what must be said, when they count, what they excuse.

use std::sync::Arc;

use keystile_policy::policy::document::{read, read_in_force};
use keystile_policy::{Action, Engine, Judgement, Request, Snapshot};
use serde_json::json;

use crate::{document, now, problems, shown};

fn with(fields: &str) -> String {
    format!("exceptions:\n- {{{fields}}}\n")
}

const WHOLE: &str = "rule: key-outside-grant, namespace: a, kind: ExternalSecret, name: db, value: /prod/team-b/db, \
                     owner: a@example.com, reason: 'ticket 1', expires: 2027-03-31";

#[test]
fn an_exception_says_what_who_why_and_until_when() {
    assert_eq!(problems(&with(WHOLE)), [] as [&str; 0]);
    for (left_out, expected) in [
        ("owner: a@example.com, ", "error: spec.exceptions[0]: owner is missing: who answers for it"),
        ("reason: 'ticket 1', ", "error: spec.exceptions[0]: reason is missing: why"),
        (
            ", expires: 2027-03-31",
            "error: spec.exceptions[0]: expires is missing: the last day on which it counts (UTC)",
        ),
        ("namespace: a, ", "error: spec.exceptions[0]: namespace is missing: ExternalSecret lies in one"),
        ("kind: ExternalSecret, ", "error: spec.exceptions[0]: kind is missing: the object's kind"),
        (
            "value: /prod/team-b/db, ",
            "error: spec.exceptions[0]: value is missing: key-outside-grant is about names or roles, and an exception excuses one of them",
        ),
    ] {
        assert_eq!(problems(&with(&WHOLE.replace(left_out, ""))), [expected], "without {left_out}");
    }
    for (from, to, expected) in [
        (
            "ExternalSecret",
            "ExternalSecrets",
            "error: spec.exceptions[0].kind: \"ExternalSecrets\" is not a kind that the policy judges; did you mean ExternalSecret?",
        ),
        ("key-outside-grant", "key", "error: spec.exceptions[0].rule: \"key\" is not a rule"),
        ("2027-03-31", "31.3.2027", "error: spec.exceptions[0].expires: \"31.3.2027\" is not a day such as 2027-03-31"),
        (
            "2027-03-31",
            "2027-02-30",
            "error: spec.exceptions[0].expires: \"2027-02-30\" is not a day such as 2027-03-31",
        ),
        (
            "2027-03-31",
            "2026-11-24",
            "error: spec.exceptions[0].expires: expired on 2026-11-24: renew it with a new reason, or remove the exception",
        ),
        ("'ticket 1'", "' '", "error: spec.exceptions[0].reason: \" \" is not a text"),
        (
            "ExternalSecret",
            "ClusterExternalSecret",
            "error: spec.exceptions[0].namespace: ClusterExternalSecret lies in no namespace: remove the field",
        ),
    ] {
        assert_eq!(problems(&with(&WHOLE.replace(from, to))), [expected], "{from} → {to}");
    }
    assert_eq!(
        problems(&format!("exceptions:\n- {{{WHOLE}}}\n- {{{}}}\n", WHOLE.replace("ticket 1", "ticket 2"))),
        ["error: spec.exceptions[1]: says the same as spec.exceptions[0]: keep one of them"]
    );
}

#[test]
fn a_server_that_starts_on_the_day_after_still_has_its_policy() {
    let expired = document(&with(&WHOLE.replace("2027-03-31", "2026-11-24")));
    let (_, problems) = read_in_force(&expired, now()).unwrap();
    assert_eq!(
        shown(&problems),
        [
            "warning: spec.exceptions[0].expires: expired on 2026-11-24: renew it with a new reason, or remove the exception"
        ]
    );
}

fn judge(namespace: &str, kind: &str, name: &str, keys: &[&str], at: &str) -> Judgement {
    let spec = format!("{}{}", with(WHOLE), crate::aws(&["{names: '/{env}/{team}/**', access: [read]}"]));
    let (policy, _) = read(&document(&spec), now()).unwrap();
    let data: Vec<_> = keys.iter().map(|key| json!({"secretKey": "x", "remoteRef": {"key": key}})).collect();
    let object = json!({
        "apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace},
        "spec": {"secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"}, "data": data},
    });
    let mut world = Snapshot::complete();
    for namespace in ["a", "b"] {
        world.insert(Arc::new(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {"team": "team-a", "env": "prod"}},
        })));
    }
    world.insert(Arc::new(json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "aws"},
        "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1"}}},
    })));
    Engine::new(policy).judge(&Request::offline(&object, "", at.parse().unwrap()), &world)
}

#[test]
fn one_object_is_excused_for_one_value_until_a_day() {
    let today = "2026-11-25T12:00:00Z";
    let outside = |judgement: &Judgement| -> Vec<(String, Action)> {
        judgement
            .violations
            .iter()
            .filter(|judged| judged.violation.rule.id == "key-outside-grant")
            .map(|judged| (judged.violation.about.clone(), judged.action))
            .collect()
    };
    let excused = judge("a", "ExternalSecret", "db", &["/prod/team-b/db"], today);
    assert_eq!(outside(&excused), [("/prod/team-b/db".to_owned(), Action::Audit)]);
    assert_eq!(excused.violations[0].excused_by.as_deref(), Some("ticket 1"));
    assert_eq!(excused.exceptions_used().collect::<Vec<_>>(), [0]);
    for (case, judgement) in [
        ("another namespace", judge("b", "ExternalSecret", "db", &["/prod/team-b/db"], today)),
        ("another name", judge("a", "ExternalSecret", "db2", &["/prod/team-b/db"], today)),
        ("another value", judge("a", "ExternalSecret", "db", &["/prod/team-c/db"], today)),
        ("the day after", judge("a", "ExternalSecret", "db", &["/prod/team-b/db"], "2027-04-01T00:00:00Z")),
    ] {
        assert_eq!(outside(&judgement).len(), 1, "{case}");
        assert_eq!(outside(&judgement)[0].1, Action::Deny, "{case}");
        assert_eq!(judgement.exceptions_used().count(), 0, "{case}");
    }
    let last_day = judge("a", "ExternalSecret", "db", &["/prod/team-b/db"], "2027-03-31T23:59:59Z");
    assert_eq!(outside(&last_day)[0].1, Action::Audit, "the last day counts");
    let both = judge("a", "ExternalSecret", "db", &["/prod/team-b/db", "/prod/team-c/db"], today);
    assert!(both.is_denied(), "an excused value does not excuse another");
}
