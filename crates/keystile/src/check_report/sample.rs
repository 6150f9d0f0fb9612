//! A report with one of everything, for the formats' tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use keystile_manifest::{Position, Skipped};
use keystile_policy::{Action, Outcome, rules};

use super::{Options, write};
use crate::check::excerpt::Excerpt;
use crate::check::{CheckReport, Covered, GapShown, ObjectName, PolicyName, Problem};
use crate::cli::check::CheckFormat;

pub(crate) fn render(report: &CheckReport, format: CheckFormat) -> String {
    let mut text = Vec::new();
    write(report, format, &mut text, Options::default()).expect("a vector takes everything");
    String::from_utf8(text).expect("a report is UTF-8")
}

fn problem(rule: &str, action: Action, outcome: Outcome, line: u32) -> Problem {
    Problem {
        rule: rules::find(rule).expect("a rule"),
        outcome,
        action,
        excused_by: None,
        file: "deploy/db.yaml".to_owned(),
        position: Position { line, column: 18 },
        path: "spec.data[0].remoteRef.key".to_owned(),
        object: ObjectName {
            api_version: "external-secrets.io/v1".to_owned(),
            kind: "ExternalSecret".to_owned(),
            namespace: "a".to_owned(),
            name: "db".to_owned(),
        },
        message: format!("\"/prod/team-b/db{line}\" is outside of what is granted"),
        cure: "env=prod team=team-a may read /prod/team-a/**".to_owned(),
        effective_key: Some("/prod/team-b/db".to_owned()),
        grants: vec!["/prod/team-a/**".to_owned()],
        excerpt: Excerpt { line, text: "    remoteRef: {key: /prod/team-b/db}".to_owned(), marked: 21..36 },
    }
}

pub(crate) fn report() -> CheckReport {
    CheckReport {
        problems: vec![
            problem("key-outside-grant", Action::Deny, Outcome::Failed, 9),
            problem("key-outside-grant", Action::Warn, Outcome::Failed, 12),
            problem("key-unresolved", Action::Deny, Outcome::NotEvaluated, 15),
        ],
        gaps: vec![GapShown {
            file: "chart/es.yaml".to_owned(),
            position: Some(Position { line: 3, column: 8 }),
            also: None,
            kind: "template",
            message: "a template ({{ … }}) that is not rendered; check what it renders to".to_owned(),
            excerpt: Some(Excerpt { line: 3, text: "  name: {{ .x }}".to_owned(), marked: 8..10 }),
        }],
        covered: Covered {
            files: 3,
            judged: BTreeMap::from([("ExternalSecret".to_owned(), 2), ("SecretStore".to_owned(), 1)]),
            foreign: 4,
            skipped: BTreeMap::from([(Skipped::OtherName, 7)]),
            world_files: 0,
            live_state_not_evaluated: 2,
        },
        ..empty()
    }
}

pub(crate) fn empty() -> CheckReport {
    CheckReport {
        problems: Vec::new(),
        gaps: Vec::new(),
        covered: Covered { files: 1, ..Covered::default() },
        policy: PolicyName { name: "default".to_owned(), file: ".keystile/policy.yaml".to_owned() },
        warnings: Vec::new(),
        violations_code: 1,
        started: Timestamp::from_second(1_767_323_045).expect("a time"),
        finished: Timestamp::from_second(1_767_323_046).expect("a time"),
    }
}
