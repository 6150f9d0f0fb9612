//! Runs against a secret manager in memory: what came of the item, and what must never happen.

#![expect(clippy::unwrap_used, reason = "tests")]

mod fake;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use fake::{Fake, Fault, Function, LEAKED, Lines, MARK, Still};
use keystile_inventory::{Stage, VersionId};
use keystile_rotate::journal::{Call, Entry, Event, Journal};
use keystile_rotate::outcome::Meaning;
use keystile_rotate::plan::{Action, Strategy};
use keystile_rotate::run::{Connected, ItemResult, Limits, Run, RunReport};
use keystile_rotate::token::Purpose;
use keystile_rotate::{Outcome, RotationPlan, SecretBackend as _};
use proptest::prelude::*;

const ROTATE: Action = Action::Rotate(Purpose::First);

fn history(lines: &Lines) -> keystile_rotate::journal::History {
    let entries = lines.entries.iter().map(|(at, event)| Entry { at: *at, run: "r".to_owned(), event: event.clone() });
    Journal { entries: entries.collect(), torn: false }.history()
}

fn apply_with(fake: &Fake, plan: &RotationPlan, clock: &Still, lines: &mut Lines, limits: Limits) -> RunReport {
    let managers = [Connected { identity: fake::identity(), backend: fake, access_keys: None }];
    let (stop, history) = (AtomicBool::new(false), history(lines));
    let numbers: Vec<u32> = plan.items.iter().map(|item| item.number).collect();
    Run::new(&managers, clock, limits, &history, &stop, lines).apply(plan, &numbers).unwrap()
}

fn apply(fake: &Fake, plan: &RotationPlan) -> ItemResult {
    apply_with(fake, plan, &Still::new(), &mut Lines::default(), Limits::default()).results.remove(0)
}

#[test]
fn each_way_a_rotation_goes_has_its_outcome() {
    use Fault::{AnswerLost, Denied, None as Fine, Overtaken, RequestLost, Throttled, Unreachable};
    // Calls: describe, versions, read, rotate, describe …
    for (name, function, faults, outcome) in [
        ("works", Function::Works, vec![], Outcome::Rotated),
        ("sticks", Function::Sticks, vec![], Outcome::Pending),
        ("dies", Function::Dies, vec![], Outcome::FailedLeakActive),
        ("same value", Function::SameValue, vec![], Outcome::SameValue),
        ("alternates", Function::Alternates, vec![], Outcome::LoginStillValid),
        ("answer lost", Function::Works, vec![Fine, Fine, Fine, AnswerLost], Outcome::Rotated),
        ("request lost", Function::Works, vec![Fine, Fine, Fine, RequestLost], Outcome::Rotated),
        ("throttled", Function::Works, vec![Fine, Fine, Fine, Throttled], Outcome::Rotated),
        ("throttled for long", Function::Works, vec![Throttled; 9], Outcome::Throttled),
        ("denied", Function::Works, vec![Fine, Fine, Fine, Denied], Outcome::Denied),
        ("reads denied", Function::Works, vec![Fine, Fine, Fine, Fine, Fine, Fine, Fine, Denied], Outcome::Unverified),
        ("unreachable", Function::Works, vec![Unreachable; 9], Outcome::Unreachable),
        ("overtaken", Function::Works, vec![Overtaken], Outcome::RotatedByOther),
    ] {
        let fake = Fake::new(function, &faults);
        let result = apply(&fake, &fake::plan(&fake, ROTATE));
        assert_eq!(result.outcome, outcome, "{name}: {result:?}");
        assert!(!result.proof.is_empty(), "{name}: says why");
    }
}

#[test]
fn what_changed_since_the_plan_is_not_rotated() {
    type Change = fn(&mut fake::World);
    let changes: [(&str, Outcome, Change); 5] = [
        ("deleted", Outcome::ScheduledForDeletion, |world| {
            world.record.deleted = Some(jiff::Timestamp::UNIX_EPOCH);
        }),
        ("replica", Outcome::Replica, |world| world.record.primary_region = Some("us-east-1".to_owned())),
        ("schedule switched off", Outcome::Stale, |world| world.record.rotation_enabled = Some(false)),
        ("another function", Outcome::Stale, |world| {
            world.record.rotation =
                keystile_inventory::RotationMeans::Function { arn: "arn:aws:lambda:other".to_owned() };
        }),
        ("pending elsewhere", Outcome::Stuck, |world| {
            world.record.versions.insert(VersionId("other".to_owned()), [Stage::Pending].into());
        }),
    ];
    for (name, outcome, change) in changes {
        let fake = Fake::new(Function::Works, &[]);
        let plan = fake::plan(&fake, ROTATE);
        fake.with(change);
        let result = apply(&fake, &plan);
        assert_eq!(result.outcome, outcome, "{name}: {result:?}");
        assert_eq!(fake.with(|world| world.writes), 0, "{name}");
    }
}

#[test]
fn another_account_is_not_touched() {
    let fake = Fake::new(Function::Works, &[]);
    let mut plan = fake::plan(&fake, ROTATE);
    plan.items[0].secret.as_mut().unwrap().account = "210987654321".to_owned();
    assert_eq!(apply(&fake, &plan).outcome, Outcome::ForeignAccount);
    assert_eq!(fake.with(|world| world.writes), 0);
}

#[test]
fn a_second_apply_does_nothing() {
    let fake = Fake::new(Function::Works, &[]);
    let plan = fake::plan(&fake, ROTATE);
    assert_eq!(apply(&fake, &plan).outcome, Outcome::Rotated);
    assert_eq!(apply(&fake, &plan).outcome, Outcome::Rotated);
    assert_eq!(fake.with(|world| world.writes), 1);
}

#[test]
fn a_dead_attempt_is_followed_by_another_in_the_next_run_three_times() {
    let fake = Fake::new(Function::Dies, &[]);
    let plan = fake::plan(&fake, ROTATE);
    for expected in [Outcome::FailedLeakActive, Outcome::FailedLeakActive, Outcome::Stuck, Outcome::Stuck] {
        assert_eq!(apply(&fake, &plan).outcome, expected);
    }
    assert_eq!(fake.with(|world| world.rotations), 3);
}

#[test]
fn a_version_in_the_making_for_hours_is_stuck() {
    let fake = Fake::new(Function::Sticks, &[]);
    let plan = fake::plan(&fake, ROTATE);
    let (clock, mut lines) = (Still::new(), Lines::default());
    assert_eq!(apply_with(&fake, &plan, &clock, &mut lines, Limits::default()).results[0].outcome, Outcome::Pending);
    keystile_rotate::clock::Clock::sleep(&clock, Limits::default().stuck_after);
    assert_eq!(apply_with(&fake, &plan, &clock, &mut lines, Limits::default()).results[0].outcome, Outcome::Stuck);
    assert_eq!(fake.with(|world| world.writes), 1);
}

#[test]
fn a_copy_that_does_not_follow_is_named() {
    let fake = Fake::new(Function::Works, &[]);
    fake::with_replica(&fake);
    let plan = fake::plan(&fake, ROTATE);
    fake.with(|world| world.replica_lags = true);
    let result = apply(&fake, &plan);
    assert_eq!(result.outcome, Outcome::ReplicaLags, "{result:?}");
    assert!(result.proof.last().unwrap().contains("eu-west-1"), "{result:?}");
    fake.with(|world| world.replica_lags = false);
    assert_eq!(apply(&fake, &plan).outcome, Outcome::Rotated);
}

#[test]
fn a_second_rotation_ends_the_login_that_the_first_left_valid() {
    let fake = Fake::new(Function::Alternates, &[]);
    assert_eq!(apply(&fake, &fake::plan(&fake, ROTATE)).outcome, Outcome::LoginStillValid);
    fake.with(|world| world.function = Function::Works);
    let mut plan = fake::plan(&fake, Action::Rotate(Purpose::Second));
    plan.items[0].secret.as_mut().unwrap().strategy = Strategy::AlternatingUsers;
    assert_eq!(apply(&fake, &plan).outcome, Outcome::Rotated);
    assert_eq!(apply(&fake, &plan).outcome, Outcome::Rotated, "again");
    assert_eq!(fake.with(|world| world.rotations), 2);
}

#[test]
fn two_failures_in_a_row_stop_the_run_and_so_does_the_limit() {
    let fake = Fake::new(Function::SameValue, &[]);
    let mut plan = fake::plan(&fake, ROTATE);
    for number in 2..=3 {
        let mut item = plan.items[0].clone();
        item.number = number;
        plan.items.push(item);
    }
    let report = apply_with(&fake, &plan, &Still::new(), &mut Lines::default(), Limits::default());
    let outcomes: Vec<Outcome> = report.results.iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [Outcome::SameValue, Outcome::SameValue, Outcome::NotStarted]);
    assert!(report.stopped.unwrap().contains("circuit breaker"));

    let fake = Fake::new(Function::Works, &[]);
    let plan = fake::plan(&fake, ROTATE);
    let limits = Limits { most: 0, ..Limits::default() };
    let report = apply_with(&fake, &plan, &Still::new(), &mut Lines::default(), limits);
    assert_eq!(report.results[0].outcome, Outcome::NotStarted);
    assert_eq!(fake.with(|world| world.writes), 0);
}

#[test]
fn nothing_is_called_that_is_not_in_the_journal() {
    let fake = Fake::new(Function::Works, &[]);
    let plan = fake::plan(&fake, ROTATE);
    let mut lines = Lines { fails_from: Some(1), ..Lines::default() };
    let report = apply_with(&fake, &plan, &Still::new(), &mut lines, Limits::default());
    assert_eq!(report.results[0].outcome, Outcome::NotStarted);
    assert!(report.stopped.unwrap().contains("disk full"));
    assert_eq!(fake.with(|world| world.writes), 0);
    // The answer can't be written: the item is still seen through.
    let mut lines = Lines { fails_from: Some(2), ..Lines::default() };
    let report = apply_with(&fake, &plan, &Still::new(), &mut lines, Limits::default());
    assert_eq!(report.results[0].outcome, Outcome::Rotated);
}

#[test]
fn a_signal_starts_nothing() {
    let fake = Fake::new(Function::Works, &[]);
    let plan = fake::plan(&fake, ROTATE);
    let managers = [Connected { identity: fake::identity(), backend: &fake, access_keys: None }];
    let (stop, history, mut lines) = (AtomicBool::new(false), Default::default(), Lines::default());
    stop.store(true, Ordering::Relaxed);
    let clock = Still::new();
    let run = Run::new(&managers, &clock, Limits::default(), &history, &stop, &mut lines);
    let report = run.apply(&plan, &[1]).unwrap();
    assert_eq!(report.results[0].outcome, Outcome::NotStarted);
    assert_eq!(report.stopped.as_deref(), Some("interrupted"));
    assert_eq!(fake.with(|world| world.writes), 0);
}

#[test]
fn a_run_that_is_killed_after_any_line_is_resumed_without_a_second_version() {
    for (function, action) in
        [(Function::Works, ROTATE), (Function::Works, Action::Generate), (Function::SameValue, ROTATE)]
    {
        for dies_after in 1..10 {
            for keeps_journal in [true, false] {
                let fake = Fake::new(function, &[]);
                if action == Action::Generate {
                    generated(&fake);
                }
                let plan = fake::plan(&fake, action);
                let clock = Still::new();
                let mut lines = Lines { dies_after: Some(dies_after), ..Lines::default() };
                let killed =
                    catch_unwind(AssertUnwindSafe(|| apply_with(&fake, &plan, &clock, &mut lines, Limits::default())));
                lines.dies_after = None;
                if !keeps_journal {
                    lines.entries.clear();
                }
                let report = apply_with(&fake, &plan, &clock, &mut lines, Limits::default());
                let expected = if function == Function::SameValue { Outcome::SameValue } else { Outcome::Rotated };
                let name = format!("{action:?} killed after line {dies_after}: {}", killed.is_err());
                assert_eq!(report.results[0].outcome, expected, "{name}: {report:?}");
                fake.with(|world| {
                    assert_eq!(world.rotations, 1, "{name}");
                    assert_eq!(world.became_current.len(), 1, "{name}");
                });
            }
        }
    }
}

/// Makes the secret one whose value is made by the manager.
fn generated(fake: &Fake) {
    fake.with(|world| {
        world.record.rotation = keystile_inventory::RotationMeans::Nobody;
        world.record.rotation_enabled = None;
        world.record.tags.insert("keystile.io/rotation".to_owned(), "generate".to_owned());
    });
}

#[test]
fn a_generated_value_replaces_the_leaked_text_alone() {
    let fake = Fake::new(Function::Works, &[]);
    generated(&fake);
    assert_eq!(apply(&fake, &fake::plan(&fake, Action::Generate)).outcome, Outcome::Rotated);
    fake.with(|world| {
        let current = world.record.version_at(&Stage::Current).unwrap();
        let old: serde_json::Value = serde_json::from_str(&world.values[&VersionId(LEAKED.to_owned())]).unwrap();
        let new: serde_json::Value = serde_json::from_str(&world.values[current]).unwrap();
        assert_eq!(old["username"], new["username"]);
        assert!(new["password"].as_str().unwrap().len() >= 32);
    });
}

#[test]
fn a_staged_value_is_taken_back_when_someone_else_was_faster() {
    // describe, versions, read, stage, describe, promote: overtaken there.
    let faults = [[Fault::None; 5].as_slice(), &[Fault::Overtaken]].concat();
    let fake = Fake::new(Function::Works, &faults);
    generated(&fake);
    let result = apply(&fake, &fake::plan(&fake, Action::Generate));
    assert_eq!(result.outcome, Outcome::RotatedByOther, "{result:?}");
    fake.with(|world| assert_eq!(world.record.version_at(&Stage::Pending), None, "{:?}", fake::labels(world)));
}

#[test]
fn an_abort_takes_a_staged_value_back_and_touches_nothing_else() {
    let abort = |fake: &Fake, plan: &RotationPlan| {
        let managers = [Connected { identity: fake::identity(), backend: fake, access_keys: None }];
        let (stop, history, mut lines, clock) =
            (AtomicBool::new(false), history(&Lines::default()), Lines::default(), Still::new());
        Run::new(&managers, &clock, Limits::default(), &history, &stop, &mut lines).abort(plan, &[1]).unwrap()
    };
    // Killed after the value was stored: begin, intent, answer.
    let fake = Fake::new(Function::Works, &[]);
    generated(&fake);
    let plan = fake::plan(&fake, Action::Generate);
    let mut lines = Lines { dies_after: Some(3), ..Lines::default() };
    let killed =
        catch_unwind(AssertUnwindSafe(|| apply_with(&fake, &plan, &Still::new(), &mut lines, Limits::default())));
    assert!(killed.is_err());
    let staged = |fake: &Fake| fake.with(|world| world.record.version_at(&Stage::Pending).cloned());
    assert!(staged(&fake).is_some());
    let report = abort(&fake, &plan);
    assert_eq!(report.results[0].outcome, Outcome::FailedLeakActive, "{report:?}");
    assert_eq!(staged(&fake), None);
    assert!(fake.with(|world| world.is_leaking()), "the current value is the one before");
    // A later run makes another attempt.
    assert_eq!(apply(&fake, &plan).outcome, Outcome::Rotated);

    // A rotation function's version is not ours to take back.
    let fake = Fake::new(Function::Sticks, &[]);
    let plan = fake::plan(&fake, ROTATE);
    assert_eq!(apply(&fake, &plan).outcome, Outcome::Pending);
    abort(&fake, &plan);
    assert!(staged(&fake).is_some());
    assert_eq!(fake.with(|world| world.writes), 1);
}

#[test]
fn three_runs_side_by_side_make_one_version() {
    for _ in 0..20 {
        let fake = Fake::new(Function::Works, &[]);
        let plan = fake::plan(&fake, ROTATE);
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| apply(&fake, &plan))).collect();
            for run in runs {
                let result = run.join().unwrap();
                assert_eq!(result.outcome, Outcome::Rotated, "{result:?}");
            }
        });
        fake.with(|world| assert_eq!((world.rotations, world.became_current.len()), (1, 1)));
    }
}

#[test]
fn no_value_is_written_or_shown() {
    for function in [Function::Works, Function::SameValue, Function::Alternates, Function::Sticks, Function::Dies] {
        let fake = Fake::new(function, &[]);
        let plan = fake::plan(&fake, ROTATE);
        let mut lines = Lines::default();
        let report = apply_with(&fake, &plan, &Still::new(), &mut lines, Limits::default());
        let value = fake.read_version(&fake::arn(), &VersionId(LEAKED.to_owned())).unwrap();
        let json: Vec<String> = lines.entries.iter().map(|(_, event)| serde_json::to_string(event).unwrap()).collect();
        let shown = format!("{report:?} {lines:?} {json:?} {plan:?} {value:?}");
        assert!(!shown.contains(MARK), "{function:?}: {shown}");
    }
}

fn faults() -> impl Strategy_<Value = Vec<Fault>> {
    let fault = prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Throttled),
        1 => Just(Fault::AnswerLost),
        1 => Just(Fault::RequestLost),
        1 => Just(Fault::Denied),
        1 => Just(Fault::Unreachable),
        1 => Just(Fault::Overtaken),
    ];
    proptest::collection::vec(fault, 0..40)
}

use proptest::strategy::Strategy as Strategy_;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever fails, and wherever the process is killed, several times over.
    #[test]
    fn no_schedule_of_faults_makes_two_versions_or_a_false_success(
        faults in faults(),
        function in prop_oneof![
            Just(Function::Works), Just(Function::Sticks), Just(Function::Dies), Just(Function::SameValue),
            Just(Function::Alternates)
        ],
        generate in any::<bool>(),
        kills in proptest::collection::vec(proptest::option::of(1_usize..8), 0..4),
        keeps_journal in any::<bool>(),
    ) {
        let overtaken = faults.contains(&Fault::Overtaken);
        let fake = Fake::new(function, &faults);
        let action = if generate { Action::Generate } else { ROTATE };
        if generate {
            generated(&fake);
        }
        let plan = fake::plan(&fake, action);
        let clock = Still::new();
        let mut lines = Lines::default();
        for kill in kills.into_iter().chain([None]) {
            lines.dies_after = kill.map(|more| lines.entries.len() + more);
            let report = catch_unwind(AssertUnwindSafe(|| {
                apply_with(&fake, &plan, &clock, &mut lines, Limits::default())
            }));
            if let Ok(report) = &report {
                let outcome = report.results[0].outcome;
                if outcome.meaning() == Meaning::Over {
                    prop_assert!(!fake.with(|world| world.is_leaking()), "{report:?}");
                }
                let shown = format!("{report:?}");
                prop_assert!(!shown.contains(MARK), "a value is shown");
            }
            if !keeps_journal {
                lines.entries.clear();
            }
        }
        fake.with(|world| {
            let ours: BTreeSet<&VersionId> = world
                .became_current
                .iter()
                .filter(|version| !version.0.starts_with("foreign"))
                .collect();
            prop_assert!(ours.len() <= 1, "{:?}", world.became_current);
            // Only an attempt that is known to be dead is followed by another.
            let most = if !generate && function == Function::Dies { 3 } else { 1 };
            prop_assert!(world.rotations <= most, "{} rotations", world.rotations);
            let written: BTreeSet<&str> = lines.entries.iter().filter_map(|(_, event)| match event {
                Event::Intent { token, call: Call::Rotate | Call::Stage, .. } => Some(token.as_str()),
                _ => None,
            }).collect();
            prop_assert!(overtaken || written.len() <= 3);
            Ok(())
        })?;
    }
}
