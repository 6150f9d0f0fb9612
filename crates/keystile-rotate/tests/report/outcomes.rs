//! Every outcome in every format, and the published table of them.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use keystile_inventory::VersionId;
use keystile_rotate::outcome::{Meaning, exit_status};
use keystile_rotate::plan::Action;
use keystile_rotate::report::{Incident, Input, TableOptions, Weight, json, markdown, summary, table};
use keystile_rotate::run::{ItemResult, RunReport};
use keystile_rotate::token::Purpose;
use keystile_rotate::{Outcome, RotationPlan};

use crate::fixture::{held, incident, item, now, plan};

/// A run in which item after item ended with these outcomes.
fn run(outcomes: &[Outcome]) -> (RotationPlan, RunReport) {
    let items = (1..).zip(outcomes).map(|(number, outcome)| {
        let secret = (*outcome != Outcome::Unmanaged).then(|| held(&format!("/prod/{number}")));
        item(number, secret, Action::Rotate(Purpose::First))
    });
    let results = (1..).zip(outcomes).map(|(item, outcome)| ItemResult {
        item,
        outcome: *outcome,
        current: Some(VersionId("new".to_owned())),
        since: None,
        proof: vec![format!("because of {outcome}")],
    });
    (plan(items.collect()), RunReport { results: results.collect(), stopped: None })
}

fn report(outcomes: &[Outcome]) -> Incident {
    let (plan, run) = run(outcomes);
    Incident::new(Input { run: Some(&run), ..Input::new(&plan, now()) })
}

#[test]
fn every_format_tells_every_outcome() {
    let report = report(&Outcome::ALL);
    let formats = [
        ("markdown", markdown(&report)),
        ("json", json(&report)),
        ("table", table(&report, TableOptions { width: Some(80), ..TableOptions::default() })),
        ("summary", summary(&report).join("\n")),
    ];
    for outcome in Outcome::ALL {
        for (format, text) in &formats {
            assert!(text.contains(&outcome.to_string()), "{outcome} in {format}");
            assert!(text.contains(&format!("because of {outcome}")), "why {outcome} in {format}");
        }
    }
}

#[test]
fn the_exit_status_is_that_of_the_outcomes() {
    for outcome in Outcome::ALL {
        assert_eq!(report(&[outcome]).exit_status, exit_status(&[outcome]), "{outcome}");
        let with_success = [Outcome::Rotated, outcome];
        assert_eq!(report(&with_success).exit_status, exit_status(&with_success), "{outcome} beside a success");
    }
}

/// The leak is told to be open, or may be, exactly where the outcome does not say that it is over.
#[test]
fn what_is_not_over_is_exposed() {
    for outcome in Outcome::ALL {
        let report = report(&[outcome]);
        let exposed = |weight| report.exposure.iter().any(|one| one.weight == weight);
        match outcome.meaning() {
            Meaning::Over => assert!(!exposed(Weight::Open), "{outcome}: {:?}", report.exposure),
            Meaning::Unclear => {
                assert!(exposed(Weight::Open) || exposed(Weight::Unknown), "{outcome}: {:?}", report.exposure);
            }
            Meaning::Active | Meaning::Unable => assert!(exposed(Weight::Open), "{outcome}: {:?}", report.exposure),
        }
    }
}

#[test]
fn values_are_said_to_differ_only_where_they_were_compared() {
    for outcome in Outcome::ALL {
        let compared = report(&[outcome]).items[0].comparison.as_ref().map(|compared| compared.differ);
        let expected = match outcome {
            Outcome::Rotated
            | Outcome::RotatedByOther
            | Outcome::AlreadyRotated
            | Outcome::LoginStillValid
            | Outcome::ReplicaLags => Some(true),
            Outcome::SameValue => Some(false),
            _ => None,
        };
        assert_eq!(compared, expected, "{outcome}");
    }
    // What a plan alone says was not compared.
    let report = incident(&plan(vec![item(1, Some(held("a")), Action::Nothing(Outcome::AlreadyRotated))]), None);
    assert_eq!(report.items[0].comparison, None);
}

#[test]
fn the_status_of_a_plan() {
    let act = |action| vec![item(1, Some(held("a")), action)];
    for (name, items, gaps, status) in [
        ("nothing", Vec::new(), false, 0),
        ("nothing, but something was not read", Vec::new(), true, 3),
        ("over", act(Action::Nothing(Outcome::AlreadyRotated)), false, 0),
        ("over, but something was not read", act(Action::Nothing(Outcome::AlreadyRotated)), true, 3),
        ("to do", act(Action::Rotate(Purpose::First)), false, 1),
        ("waits", act(Action::Wait), false, 1),
        ("unmanaged", act(Action::Nothing(Outcome::Unmanaged)), false, 1),
    ] {
        let mut plan = plan(items);
        if gaps {
            plan.source.gaps.push("a.zip: damaged".to_owned());
        }
        assert_eq!(incident(&plan, None).exit_status, status, "{name}");
    }
}

#[test]
fn what_a_run_was_not_for_is_told_and_does_not_count() {
    let (plan, mut run) = run(&[Outcome::Rotated, Outcome::Rotated]);
    run.results.truncate(1);
    let report = Incident::new(Input { run: Some(&run), ..Input::new(&plan, now()) });
    assert_eq!(report.exit_status, 0);
    let text = markdown(&report);
    assert!(text.contains("❌ **2 leaks: 1 not carried out, 1 over.**"), "{text}");
    assert!(text.contains("| 0: every leak that the run was for is over; others are not |"), "{text}");
    assert!(text.contains("was not part of the run"), "{text}");
}

#[test]
fn outcomes_are_published() {
    let mut page = String::from(
        "# Outcomes of a rotation

<!-- Made from crates/keystile-rotate/src/report/words.rs; to write it anew: KEYSTILE_UPDATE=1 cargo test -p keystile-rotate --test report outcomes -->

Every item of a plan ends with one of these. The ids are stable; they stand in the journal and in every report. The exit status is
that of a run in which every item ends so. Where they differ: 1 as soon as one leak is active or one item was refused, else 3 as soon as one is not
known, else 0; 2 only where nothing could be done for any of them.

",
    );
    for (meaning, title) in [
        (Meaning::Over, "The leak is over"),
        (Meaning::Active, "The leaked value still opens something, or may"),
        (Meaning::Unclear, "Not known yet"),
        (Meaning::Unable, "Nothing could be done"),
    ] {
        let _ = writeln!(page, "## {title}\n\n| outcome | exit status | meaning | what to do |\n|---|---|---|---|");
        for outcome in Outcome::ALL.iter().filter(|outcome| outcome.meaning() == meaning) {
            let status = meaning.alone();
            let _ = writeln!(page, "| `{outcome}` | {status} | {} | {} |", outcome.sentence(), outcome.what_to_do());
        }
        page.push('\n');
    }
    let page = page.trim_end().to_owned() + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rotation-outcomes.md");
    if env::var_os("KEYSTILE_UPDATE").is_some() {
        fs::write(&file, &page).expect("docs can be written");
    }
    assert!(
        fs::read_to_string(&file).unwrap_or_default() == page,
        "docs/rotation-outcomes.md is out of date: KEYSTILE_UPDATE=1 cargo test -p keystile-rotate --test report outcomes"
    );
}
