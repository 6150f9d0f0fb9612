//! Leaked IAM access keys.

use keystile_rotate::access_key::{HeldKey, KeyStatus, KeyUse, KeyUser};
use keystile_rotate::plan::Action;
use keystile_rotate::report::{ExposureKind, Incident, Input, TableOptions, Weight, json, markdown, table};
use keystile_rotate::{AccessKeyId, Outcome, PlanItem, RotationPlan};

use crate::fixture::{ACCOUNT, Lines, at, item, now, plan};

/// An id, made here so that none stands in the repository.
fn id(letter: char) -> AccessKeyId {
    AccessKeyId::parse(format!("{}A{}", "AKI", letter.to_string().repeat(16)).as_bytes()).expect("an id")
}

pub(crate) fn key(action: Action, revoke_sessions: bool) -> PlanItem {
    let mut item = item(1, None, action);
    item.access_key = Some(HeldKey {
        id: id('Q'),
        account: Some(ACCOUNT.to_owned()),
        user: Some(KeyUser {
            name: "deploy-bot".to_owned(),
            status: KeyStatus::Active,
            created: Some(at("2024-02-01T00:00:00Z")),
            last_used: Some(KeyUse {
                at: at("2026-11-25T23:10:00Z"),
                service: Some("s3".to_owned()),
                region: Some("eu-west-1".to_owned()),
            }),
            other_active: vec![id('R')],
            quarantine: vec!["AWSCompromisedKeyQuarantineV3".to_owned()],
        }),
        after: Vec::new(),
        allow_active: true,
        revoke_sessions,
    });
    item.guidance = vec![format!("undo: aws iam update-access-key --user-name deploy-bot --access-key-id {}", id('Q'))];
    item
}

fn ended(plan: &RotationPlan, outcome: Outcome, mask_names: bool) -> Incident {
    let mut lines = Lines::begin(plan);
    lines.end(1, outcome, None, &["it is inactive"]);
    Incident::new(Input { journal: Some(&lines.journal), mask_names, ..Input::new(plan, now()) })
}

#[test]
fn a_key_is_told_with_its_user_and_its_last_use() {
    let plan = plan(vec![key(Action::Deactivate, false)]);
    let report = Incident::new(Input::new(&plan, now()));
    assert_eq!(report.exposure[0].kind, ExposureKind::KeyActive);
    assert_eq!(report.exposure[0].text, format!("access key {} of deploy-bot works", id('Q')));
    let text = table(&report, TableOptions::default());
    for part in [
        "to do: deactivate",
        "of the user deploy-bot; account 111111111111; Active when the plan was made; made 2024-02-01 00:00:00 UTC",
        "last used 2026-11-25 23:10:00 UTC for s3 in eu-west-1",
        "AWS has put its user there: AWSCompromisedKeyQuarantineV3",
        "by hand      undo: aws iam update-access-key",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn sessions_go_on_unless_they_are_refused_too() {
    for (revoke, goes_on) in [(false, true), (true, false)] {
        let plan = plan(vec![key(Action::Deactivate, revoke)]);
        let report = ended(&plan, Outcome::Deactivated, false);
        assert_eq!(report.exit_status, 0);
        assert!(report.exposure.iter().all(|one| one.weight == Weight::Remains), "{:?}", report.exposure);
        let sessions = report.exposure.iter().any(|one| one.kind == ExposureKind::Sessions);
        assert_eq!(sessions, goes_on, "{:?}", report.exposure);
    }
}

#[test]
fn a_key_that_nobody_could_tell_about_is_not_known_rather_than_open() {
    let plan = plan(vec![key(Action::Nothing(Outcome::Unverified), false)]);
    let report = Incident::new(Input::new(&plan, now()));
    assert_eq!((report.exposure[0].weight, report.exit_status), (Weight::Unknown, 3));
}

#[test]
fn masks_cover_users_and_ids_of_keys() {
    let plan = plan(vec![key(Action::Deactivate, false)]);
    let report = ended(&plan, Outcome::FailedLeakActive, true);
    for text in [markdown(&report), json(&report), table(&report, TableOptions::default())] {
        for name in ["deploy-bot", id('Q').as_str(), id('R').as_str(), ACCOUNT] {
            assert!(!text.contains(name), "{name}: {text}");
        }
        assert!(text.contains("access key key-1 of user-1"), "{text}");
    }
}
