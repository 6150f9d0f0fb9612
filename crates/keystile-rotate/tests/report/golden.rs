//! Whole reports. `KEYSTILE_UPDATE=1 cargo test -p keystile-rotate --test report` writes them anew; read them line
//! by line before they are committed.

use std::path::Path;
use std::{env, fs};

use keystile_rotate::report::{Incident, TableOptions, json, markdown, summary, table};

use crate::fixture::{evening, evening_journal, incident};

/// Compares a file with what it should be, or writes it.
fn hold(name: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/golden").join(name);
    if env::var_os("KEYSTILE_UPDATE").is_some() {
        fs::write(&file, expected).expect("the golden file can be written");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    let difference = expected.lines().zip(found.lines().chain(std::iter::repeat(""))).find(|(made, kept)| made != kept);
    assert!(
        found == expected,
        "{name} differs ({difference:?}); `KEYSTILE_UPDATE=1 cargo test -p keystile-rotate --test report` renews it"
    );
}

#[test]
fn the_incident_as_markdown() {
    let plan = evening();
    hold("incident.md", &markdown(&incident(&plan, Some(&evening_journal(&plan)))));
}

#[test]
fn the_incident_as_json() {
    let plan = evening();
    let report = incident(&plan, Some(&evening_journal(&plan)));
    let text = json(&report);
    assert_eq!(serde_json::from_str::<Incident>(&text).expect("reads back"), report);
    hold("incident.json", &text);
}

#[test]
fn the_incident_on_a_terminal() {
    let plan = evening();
    let report = incident(&plan, Some(&evening_journal(&plan)));
    hold("incident.txt", &table(&report, TableOptions { width: Some(100), ..TableOptions::default() }));
}

#[test]
fn the_plan_in_the_log_of_a_job() {
    let mut text = table(&incident(&evening(), None), TableOptions::default());
    text.push_str("---\n");
    text.push_str(&summary(&incident(&evening(), None)).join("\n"));
    text.push('\n');
    hold("plan.txt", &text);
}

#[test]
fn nothing_to_do() {
    let report = incident(&crate::fixture::plan(Vec::new()), None);
    assert_eq!((report.exit_status, report.next_command.as_deref()), (0, None));
    assert!(markdown(&report).contains("✅ **No leak was found: there is nothing to do.**"), "{}", markdown(&report));
    assert!(table(&report, TableOptions::default()).starts_with("No leak was found: there is nothing to do.\n"));
    assert_eq!(summary(&report), ["No leak was found: there is nothing to do"]);
    let mut plan = crate::fixture::plan(Vec::new());
    plan.source.gaps.push("a pack: damaged".to_owned());
    let report = incident(&plan, None);
    assert_eq!(
        (report.exit_status, report.verdict.contains("which is not everything")),
        (3, true),
        "{}",
        report.verdict
    );
}
