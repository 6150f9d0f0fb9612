//! How a run switches a key off.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::SignedDuration;
use keystile_inventory::CallErrorKind::{Ambiguous, Denied, NoCredentials, Refused, Throttled, Unreachable};
use keystile_rotate::access_key::{KeyOptions, KeyStatus, KeyUse};
use keystile_rotate::journal::{Call, Event};
use keystile_rotate::plan::Action;
use keystile_rotate::run::{ItemResult, Limits, RunReport};
use keystile_rotate::token::Purpose;
use keystile_rotate::{Outcome, RotationPlan};

use super::fake::{Fake, Function, Lines};
use super::iam::{Fault, Iam, World, key};
use super::planning::managed_plan;
use super::{fake, leaked, now, options, plan, unmanaged};

fn plan_with(iam: &Iam, options: &KeyOptions) -> RotationPlan {
    let leaks = [leaked(&key(1), 1)];
    let plan = plan(vec![unmanaged(&leaks[0])], &leaks, &[iam], options);
    iam.with(|world| world.calls.clear());
    plan
}

fn apply(plan: &RotationPlan, iam: &Iam) -> ItemResult {
    super::apply(plan, &Fake::new(Function::Works, &[]), iam, &mut Lines::default(), Limits::default())
        .results
        .remove(0)
}

/// A plan for one of two keys of a user.
fn one_of_two() -> (Iam, RotationPlan) {
    let iam = Iam::with_keys(&[1, 2]);
    let plan = plan_with(&iam, &options());
    (iam, plan)
}

#[test]
fn a_key_is_switched_off_proven_off_and_left_alone_afterwards() {
    let (iam, plan) = one_of_two();
    let result = apply(&plan, &iam);
    assert_eq!(result.outcome, Outcome::Deactivated, "{result:?}");
    let id = key(1);
    let lines = [
        format!("ListAccessKeys says at 2026-09-21T14:13:20Z: key {id} of user ci is inactive"),
        "UpdateAccessKey was accepted at 2026-09-21T14:13:20Z (request request-1)".to_owned(),
        format!(
            "undo: aws iam update-access-key --user-name ci --access-key-id {id} --status Active; when nothing misses \
             it: aws iam delete-access-key --user-name ci --access-key-id {id}"
        ),
    ];
    assert_eq!(result.proof, lines);
    assert_eq!((iam.status(&id), iam.status(&key(2))), (KeyStatus::Inactive, KeyStatus::Active));
    assert_eq!(apply(&plan, &iam).outcome, Outcome::Deactivated);
    assert_eq!(iam.writes(), ["UpdateAccessKey"], "the second time nothing is done");
}

#[test]
fn each_way_it_goes_has_its_outcome() {
    use Fault::{AnswerLost, Fails, None as Fine};
    // Calls: list, last use, switch off, list …
    for (name, faults, lag, outcome, writes) in [
        ("answer lost", vec![Fine, Fine, AnswerLost], 0, Outcome::Deactivated, 1),
        ("request lost", vec![Fine, Fine, Fails(Ambiguous)], 0, Outcome::Deactivated, 2),
        ("throttled", vec![Fine, Fine, Fails(Throttled)], 0, Outcome::Deactivated, 2),
        ("throttled for long", vec![Fails(Throttled); 9], 0, Outcome::Throttled, 0),
        ("denied", vec![Fine, Fine, Fails(Denied)], 0, Outcome::Denied, 1),
        ("list denied", vec![Fails(Denied)], 0, Outcome::Denied, 0),
        ("use denied", vec![Fine, Fails(Denied)], 0, Outcome::Denied, 0),
        ("refused", vec![Fine, Fine, Fails(Refused)], 0, Outcome::FailedLeakActive, 1),
        ("no credentials", vec![Fails(NoCredentials)], 0, Outcome::NoCredentials, 0),
        ("unreachable", vec![Fails(Unreachable); 9], 0, Outcome::Unreachable, 0),
        ("shows late", vec![], 2, Outcome::Deactivated, 1),
        ("asked again", vec![], 5, Outcome::Deactivated, 2),
        ("never shows", vec![], 1_000, Outcome::Pending, 3),
    ] {
        let (iam, plan) = one_of_two();
        iam.with(|world| (world.faults, world.lag) = (faults.into(), lag));
        let result = apply(&plan, &iam);
        assert_eq!((result.outcome, iam.writes().len()), (outcome, writes), "{name}: {result:?}");
    }
}

#[test]
fn what_changed_since_the_plan_is_left_alone() {
    type Change = fn(&mut World);
    let changes: [(&str, &str, Change); 3] = [
        ("used", "it was used at ", |world| {
            let at = now().checked_sub(SignedDuration::from_mins(5)).unwrap();
            world.users.get_mut("ci").unwrap()[0].last = Some(KeyUse { at, service: None, region: None });
        }),
        ("the only one now", "the only active key of ci now", |world| {
            world.users.get_mut("ci").unwrap()[1].status = KeyStatus::Inactive;
        }),
        ("renamed", "it belongs to user cd now, not to ci", |world| {
            let keys = world.users.remove("ci").unwrap();
            world.users.insert("cd".to_owned(), keys);
        }),
    ];
    for (name, words, change) in changes {
        let (iam, plan) = one_of_two();
        iam.with(change);
        let result = apply(&plan, &iam);
        assert_eq!(result.outcome, Outcome::Stale, "{name}: {result:?}");
        assert!(result.proof[0].contains(words) && result.proof[0].contains("plan again"), "{name}: {result:?}");
        assert_eq!(iam.writes(), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn a_key_that_is_gone_is_over_when_iam_says_so() {
    type Change = fn(&mut World);
    let cases: [(&str, Outcome, Change); 3] = [
        ("deleted", Outcome::Deactivated, |world| drop(world.users.get_mut("ci").unwrap().remove(0))),
        ("deleted with its user", Outcome::Deactivated, |world| drop(world.users.remove("ci"))),
        ("not said", Outcome::Unverified, |world| {
            world.users.get_mut("ci").unwrap().remove(0);
            world.denied = vec!["GetAccessKeyLastUsed"];
        }),
    ];
    for (name, outcome, change) in cases {
        let (iam, plan) = one_of_two();
        iam.with(change);
        let result = apply(&plan, &iam);
        assert_eq!(result.outcome, outcome, "{name}: {result:?}");
        assert_eq!(iam.writes(), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn a_key_that_was_off_is_left_alone_and_named_when_it_is_on_again() {
    let iam = Iam::with_keys(&[1, 2]);
    iam.with(|world| world.users.get_mut("ci").unwrap()[0].status = KeyStatus::Inactive);
    let plan = plan_with(&iam, &options());
    assert_eq!(apply(&plan, &iam).outcome, Outcome::Deactivated);
    iam.with(|world| world.users.get_mut("ci").unwrap()[0].status = KeyStatus::Active);
    let result = apply(&plan, &iam);
    assert_eq!(result.outcome, Outcome::Regressed, "{result:?}");
    assert_eq!(iam.writes(), Vec::<&str>::new(), "the plan had nothing to do, and nobody confirmed more");

    // Its sessions are something to do.
    iam.with(|world| world.users.get_mut("ci").unwrap()[0].status = KeyStatus::Inactive);
    let plan = plan_with(&iam, &KeyOptions { revoke_sessions: true, ..options() });
    assert_eq!((plan.items[0].action, plan.items[0].blocked.len()), (Action::Deactivate, 0), "{plan:?}");
    assert_eq!(apply(&plan, &iam).outcome, Outcome::Deactivated);
    assert_eq!(iam.writes(), ["PutUserPolicy"]);
}

#[test]
fn what_is_allowed_is_not_asked_again() {
    let iam = Iam::with_keys(&[1]);
    let plan = plan_with(&iam, &KeyOptions { allow_active: true, ..options() });
    assert_eq!(apply(&plan, &iam).outcome, Outcome::Deactivated);
    assert_eq!(iam.with(|world| world.calls.clone()), ["ListAccessKeys", "UpdateAccessKey", "ListAccessKeys"]);
}

#[test]
fn the_run_must_be_able_to_ask_the_keys_account() {
    let (iam, mut plan) = one_of_two();
    plan.items[0].access_key.as_mut().unwrap().account = Some(super::iam::THEIRS.to_owned());
    assert_eq!(apply(&plan, &iam).outcome, Outcome::ForeignAccount);
    assert_eq!(iam.with(|world| world.calls.clone()), Vec::<&str>::new());
}

#[test]
fn a_plan_can_not_bring_a_command_along() {
    let (iam, mut plan) = one_of_two();
    plan.items[0].access_key.as_mut().unwrap().user.as_mut().unwrap().name = "ci; reboot".to_owned();
    let result = apply(&plan, &iam);
    assert_eq!(result.outcome, Outcome::Stale);
    assert!(!format!("{result:?}").contains("reboot"), "{result:?}");
}

fn apply_both(manager: &Fake, iam: &Iam, plan: &RotationPlan, lines: &mut Lines) -> Vec<Outcome> {
    let report: RunReport = super::apply(plan, manager, iam, lines, Limits::default());
    report.results.iter().map(|result| result.outcome).collect()
}

#[test]
fn the_rotation_must_have_ended_well() {
    let off = (KeyStatus::Inactive, vec![Outcome::Rotated, Outcome::Deactivated]);
    for (function, (status, outcomes)) in [
        (Function::Works, off),
        (Function::Dies, (KeyStatus::Active, vec![Outcome::FailedLeakActive, Outcome::NotStarted])),
        (Function::SameValue, (KeyStatus::Active, vec![Outcome::SameValue, Outcome::NotStarted])),
        (Function::Sticks, (KeyStatus::Active, vec![Outcome::NoNewValue, Outcome::NotStarted])),
    ] {
        let (manager, iam) = (Fake::new(function, &[]), Iam::with_keys(&[1]));
        let plan = managed_plan(&manager, &iam, Action::Rotate(Purpose::First), false);
        // The rotation function makes a second key.
        let second = super::iam::Key { id: key(2), status: KeyStatus::Active, last: None };
        iam.with(|world| world.users.get_mut("ci").unwrap().push(second));
        assert_eq!(apply_both(&manager, &iam, &plan, &mut Lines::default()), outcomes, "{function:?}");
        assert_eq!(iam.status(&key(1)), status, "{function:?}");
    }
}

#[test]
fn a_key_is_not_switched_off_without_the_item_before_it() {
    let (manager, iam) = (Fake::new(Function::Works, &[]), Iam::with_keys(&[1, 2]));
    let mut plan = managed_plan(&manager, &iam, Action::Rotate(Purpose::First), false);
    plan.items.remove(0);
    assert_eq!(apply_both(&manager, &iam, &plan, &mut Lines::default()), [Outcome::NotStarted]);
    assert_eq!(iam.writes(), Vec::<&str>::new());
}

#[test]
fn temporary_credentials_are_refused_where_that_is_asked_for() {
    let iam = Iam::with_keys(&[1, 2]);
    let plan = plan_with(&iam, &KeyOptions { revoke_sessions: true, ..options() });
    let result = apply(&plan, &iam);
    assert_eq!(result.outcome, Outcome::Deactivated, "{result:?}");
    let name = format!("keystile-revoked-sessions-{}", key(1));
    let until = now().checked_add(SignedDuration::from_mins(1)).unwrap();
    assert_eq!(iam.with(|world| world.inline.clone()), [(name.clone(), until)].into());
    let said = result.proof.join("\n");
    let command =
        format!("from 2026-09-23T02:14:20Z on: aws iam delete-user-policy --user-name ci --policy-name {name}");
    assert!(said.contains(&command), "{said}");
    assert_eq!(apply(&plan, &iam).outcome, Outcome::Deactivated);
    assert_eq!(iam.writes(), ["UpdateAccessKey", "PutUserPolicy"], "once each");

    // The key was switched on again since: what was made with it meanwhile is refused as well.
    iam.with(|world| world.users.get_mut("ci").unwrap()[0].status = KeyStatus::Active);
    assert_eq!(apply(&plan, &iam).outcome, Outcome::Deactivated);
    assert_eq!(iam.writes().len(), 4);

    let iam = Iam::with_keys(&[1, 2]);
    let plan = plan_with(&iam, &KeyOptions { revoke_sessions: true, ..options() });
    iam.with(|world| world.denied = vec!["PutUserPolicy"]);
    let result = apply(&plan, &iam);
    assert_eq!(result.outcome, Outcome::Unverified, "{result:?}");
    assert!(result.proof.last().unwrap().starts_with("the key is off, but"), "{result:?}");
    assert_eq!(iam.status(&key(1)), KeyStatus::Inactive);
}

#[test]
fn a_policy_refuses_what_was_issued_before_and_nothing_else() {
    let policy: serde_json::Value = serde_json::from_str(&keystile_rotate::access_key::sessions_policy(now())).unwrap();
    let statement = &policy["Statement"][0];
    assert_eq!(statement["Effect"], "Deny");
    assert_eq!(statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"], "2026-09-21T14:13:20Z");
    assert_eq!(statement["Condition"].as_object().unwrap().len(), 1);
}

#[test]
fn a_run_that_is_killed_after_any_line_is_resumed() {
    for dies_after in 1..12 {
        for keeps_journal in [true, false] {
            let (manager, iam) = (Fake::new(Function::Works, &[]), Iam::with_keys(&[1, 2]));
            let mut plan = managed_plan(&manager, &iam, Action::Rotate(Purpose::First), false);
            plan.items[1].access_key.as_mut().unwrap().revoke_sessions = true;
            let mut lines = Lines { dies_after: Some(dies_after), ..Lines::default() };
            let killed = catch_unwind(AssertUnwindSafe(|| apply_both(&manager, &iam, &plan, &mut lines)));
            let name = format!("killed after line {dies_after}: {}", killed.is_err());
            assert_eq!(killed.is_err(), dies_after <= 10, "{name}");
            lines.dies_after = None;
            if !keeps_journal {
                lines.entries.clear();
            }
            let outcomes = apply_both(&manager, &iam, &plan, &mut lines);
            assert_eq!(outcomes, [Outcome::Rotated, Outcome::Deactivated], "{name}");
            assert_eq!(iam.writes(), ["UpdateAccessKey", "PutUserPolicy"], "{name}: once each");
            assert_eq!(manager.with(|world| world.rotations), 1, "{name}");
        }
    }
}

#[test]
fn intents_come_before_calls_and_answers_after() {
    let (iam, plan) = one_of_two();
    let mut lines = Lines::default();
    super::apply(&plan, &Fake::new(Function::Works, &[]), &iam, &mut lines, Limits::default());
    let kinds: Vec<String> = lines
        .entries
        .iter()
        .map(|(_, event)| match event {
            Event::Begin { .. } => "begin".to_owned(),
            Event::Intent { call: Call::Deactivate, arn, leaked, .. } => format!("intent {arn} {leaked}"),
            Event::Answer { call: Call::Deactivate, request_id, .. } => format!("answer {request_id:?}"),
            Event::Ended { outcome, .. } => format!("ended {outcome}"),
            Event::End { .. } => "end".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    let id = key(1);
    let intent = format!("intent iam:123456789012:access-key/{id} {id}");
    assert_eq!(kinds, ["begin", &intent, "answer Some(\"request-1\")", "ended deactivated", "end"]);

    // No journal, no call.
    let (iam, plan) = one_of_two();
    let mut lines = Lines { fails_from: Some(1), ..Lines::default() };
    let report = super::apply(&plan, &Fake::new(Function::Works, &[]), &iam, &mut lines, Limits::default());
    assert_eq!(report.results[0].outcome, Outcome::NotStarted);
    assert_eq!(iam.writes(), Vec::<&str>::new());
    assert!(!format!("{report:?}").contains(fake::MARK));
}
