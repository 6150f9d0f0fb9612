//! Runs against a secret manager in memory: what came of the item, and what must never happen.

#![expect(clippy::unwrap_used, reason = "tests")]

mod fake;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fake::{Fake, Fault, Function, LEAKED, Lines, MARK, Many, Still};
use keystile_inventory::{Stage, VersionId};
use keystile_rotate::backend::Identity;
use keystile_rotate::clock::Clock;
use keystile_rotate::journal::{Call, Entry, Event, Journal};
use keystile_rotate::outcome::Meaning;
use keystile_rotate::plan::{Action, Strategy};
use keystile_rotate::run::{Connected, ItemResult, Limits, Run, RunReport, look_again};
use keystile_rotate::token::Purpose;
use keystile_rotate::{Outcome, RotationPlan, SecretBackend};
use proptest::prelude::*;

const ROTATE: Action = Action::Rotate(Purpose::First);

fn history(lines: &Lines) -> keystile_rotate::journal::History {
    let entries = lines.entries.iter().map(|(at, event)| Entry { at: *at, run: "r".to_owned(), event: event.clone() });
    Journal { entries: entries.collect(), torn: false }.history()
}

fn apply_with(
    fake: &dyn SecretBackend,
    plan: &RotationPlan,
    clock: &dyn Clock,
    lines: &mut Lines,
    limits: Limits,
) -> RunReport {
    let managers = [Connected { identity: fake::identity(), backend: fake, access_keys: None }];
    let (stop, history) = (AtomicBool::new(false), history(lines));
    let numbers: Vec<u32> = plan.items.iter().map(|item| item.number).collect();
    Run::new(&managers, clock, limits, &history, &stop, lines).apply(plan, &numbers).unwrap()
}

/// The outcome of the plan's first item now, without doing anything.
fn look(fake: &Fake, plan: &RotationPlan, clock: &Still, lines: &Lines) -> ItemResult {
    let managers = [Connected { identity: fake::identity(), backend: fake, access_keys: None }];
    let writes = fake.with(|world| world.writes);
    let result = look_again(&managers, clock, Limits::default(), &history(lines), plan, &[1]).results.remove(0);
    assert_eq!(fake.with(|world| world.writes), writes, "a look changes nothing: {result:?}");
    result
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
        ("sticks", Function::Sticks, vec![], Outcome::NoNewValue),
        ("stores", Function::Stores, vec![], Outcome::NewValueNotCurrent),
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
fn what_another_run_asks_for_at_the_same_moment_is_waited_for() {
    // Before the description, before the list of versions, before the value is read, before the call.
    for before in 0..4 {
        let faults = [vec![Fault::None; before], vec![Fault::AskedBeside]].concat();
        let fake = Fake::new(Function::Works, &faults);
        let result = apply(&fake, &fake::plan(&fake, ROTATE));
        assert_eq!(result.outcome, Outcome::Rotated, "{before}: {result:?}");
        let (rotations, writes) = fake.with(|world| (world.rotations, world.writes));
        assert_eq!(rotations, 1, "{before}: one version");
        // From the list on it is too late to see the other's, and the same version is asked for once more.
        assert_eq!(writes, u32::from(before > 1), "{before}");
    }
}

#[test]
fn a_plan_that_shows_another_secret_than_it_names_is_stale() {
    type Change = fn(&mut keystile_rotate::plan::Held);
    let changes: [(&str, Change); 3] = [
        ("name", |held| held.name = "app/mine".to_owned()),
        ("account", |held| held.account = "210987654321".to_owned()),
        ("arn", |held| held.arn.0.push('x')),
    ];
    for (name, change) in changes {
        for action in [ROTATE, Action::Generate, Action::Wait] {
            let fake = Fake::new(Function::Works, &[]);
            let mut plan = fake::plan(&fake, action);
            let held = plan.items[0].secret.as_mut().unwrap();
            change(held);
            // As whoever can write the plan would: with a connection that matches.
            let identity = Identity { account: held.account.clone(), ..fake::identity() };
            let managers = [Connected { identity, backend: &fake, access_keys: None }];
            let (stop, history, clock) = (AtomicBool::new(false), Default::default(), Still::new());
            let (mut lines, mut others, limits) = (Lines::default(), Lines::default(), Limits::default());
            let run = |lines| Run::new(&managers, &clock, limits, &history, &stop, lines);
            let applied = run(&mut lines).apply(&plan, &[1]).unwrap().results.remove(0);
            let aborted = run(&mut others).abort(&plan, &[1]).unwrap().results.remove(0);
            let seen = look_again(&managers, &clock, limits, &history, &plan, &[1]).results.remove(0);
            for result in [applied, aborted, seen] {
                assert_eq!(result.outcome, Outcome::Stale, "{name} {action:?}: {result:?}");
            }
            assert_eq!(fake.with(|world| world.writes), 0, "{name} {action:?}");
        }
    }
}

#[test]
fn what_is_not_answered_or_refused_has_its_outcome() {
    type Change = fn(&mut fake::World);
    let changes: [(&str, Outcome, Change); 3] = [
        ("no answer", Outcome::NoAnswer, |world| world.swallows = true),
        ("refused", Outcome::Refused, |world| world.refuses = true),
        ("nobody rotates", Outcome::NoRotationFunction, |world| {
            world.record.rotation = keystile_inventory::RotationMeans::Nobody;
        }),
    ];
    for (name, outcome, change) in changes {
        for wait in [Limits::default().wait, Duration::ZERO] {
            let fake = Fake::new(Function::Works, &[]);
            fake.with(change);
            let limits = Limits { wait, ..Limits::default() };
            let plan = fake::plan(&fake, ROTATE);
            let report = apply_with(&fake, &plan, &Still::new(), &mut Lines::default(), limits);
            assert_eq!(report.results[0].outcome, outcome, "{name}, {wait:?}: {report:?}");
            assert_eq!(fake.with(|world| world.rotations), 0, "{name}");
        }
    }
}

#[test]
fn what_a_version_in_the_making_lacks_is_said_when_nothing_has_moved_for_long() {
    for (function, later) in [(Function::Sticks, Outcome::NoNewValue), (Function::Stores, Outcome::NewValueNotCurrent)]
    {
        let fake = Fake::new(function, &[]);
        let plan = fake::plan(&fake, ROTATE);
        let (clock, mut lines) = (Still::new(), Lines::default());
        let limits = Limits { wait: Duration::from_secs(60), ..Limits::default() };
        let result = apply_with(&fake, &plan, &clock, &mut lines, limits).results.remove(0);
        assert_eq!(result.outcome, Outcome::Pending, "{function:?}: {result:?}");
        assert_eq!(look(&fake, &plan, &clock, &lines).outcome, Outcome::Pending);
        clock.sleep(limits.step);
        let result = look(&fake, &plan, &clock, &lines);
        assert_eq!(result.outcome, later, "{result:?}");
        assert!(result.proof[0].contains("/aws/lambda/x"), "it says where to look: {result:?}");
        clock.sleep(limits.stuck_after);
        assert_eq!(look(&fake, &plan, &clock, &lines).outcome, Outcome::Stuck);
    }
}

#[test]
fn a_second_look_sees_a_slow_rotation_end_and_a_value_come_back() {
    let fake = Fake::new(Function::Works, &[]);
    let plan = fake::plan(&fake, ROTATE);
    let (clock, mut lines) = (Still::new(), Lines::default());
    assert_eq!(look(&fake, &plan, &clock, &lines).outcome, Outcome::NotStarted);
    let limits = Limits { wait: Duration::ZERO, ..Limits::default() };
    assert_eq!(apply_with(&fake, &plan, &clock, &mut lines, limits).results[0].outcome, Outcome::Pending);
    assert_eq!(look(&fake, &plan, &clock, &lines).outcome, Outcome::Pending);
    assert_eq!(look(&fake, &plan, &clock, &lines).outcome, Outcome::Rotated, "the third look");
    let result = apply_with(&fake, &plan, &clock, &mut lines, limits).results.remove(0);
    assert_eq!(result.outcome, Outcome::Rotated);
    assert!(result.since.is_some(), "{result:?}");
    for as_new_version in [true, false] {
        fake.with(|world| world.write_back(as_new_version));
        let result = look(&fake, &plan, &clock, &lines);
        assert_eq!(result.outcome, Outcome::Regressed, "{as_new_version}: {result:?}");
        let result = apply_with(&fake, &plan, &clock, &mut lines, limits).results.remove(0);
        assert_eq!(result.outcome, Outcome::Regressed, "{as_new_version}: {result:?}");
    }
    assert_eq!(fake.with(|world| world.rotations), 1, "a value that is put back is not rotated again and again");

    // Dead, denied, gone.
    let fake = Fake::new(Function::Dies, &[]);
    let (plan, mut lines) = (fake::plan(&fake, ROTATE), Lines::default());
    apply_with(&fake, &plan, &clock, &mut lines, Limits::default());
    assert_eq!(look(&fake, &plan, &clock, &lines).outcome, Outcome::FailedLeakActive);
    for (fault, outcome) in [(Fault::Denied, Outcome::Denied), (Fault::Unreachable, Outcome::Unreachable)] {
        fake.with(|world| world.faults.push_back(fault));
        assert_eq!(look(&fake, &plan, &clock, &lines).outcome, outcome);
    }
}

#[test]
fn what_is_stuck_is_cleared_away_with_leave_and_not_before_its_time() {
    let hours = |clock: &Still, hours: i64| clock.now().checked_sub(jiff::SignedDuration::from_hours(hours)).unwrap();
    for (age, leave, outcome, writes) in
        [(7, true, Outcome::Rotated, 2), (7, false, Outcome::Stuck, 0), (5, true, Outcome::Stuck, 0)]
    {
        let (fake, clock, mut lines) = (Fake::new(Function::Works, &[]), Still::new(), Lines::default());
        fake.with(|world| world.left_behind(hours(&clock, age)));
        let plan = fake::plan(&fake, ROTATE);
        let limits = Limits { clear_stuck: leave, ..Limits::default() };
        let report = apply_with(&fake, &plan, &clock, &mut lines, limits);
        assert_eq!(report.results[0].outcome, outcome, "{age} h, {leave}: {report:?}");
        assert_eq!(fake.with(|world| world.writes), writes, "{age} h, {leave}");
        let cleared = lines.entries.iter().filter_map(|(_, event)| match event {
            Event::Intent { call: Call::ClearStuck, token, .. } => Some(token.as_str()),
            _ => None,
        });
        assert_eq!(cleared.collect::<Vec<_>>().len(), usize::from(writes == 2));
    }
    // A version of our own: the next attempt follows.
    let (fake, clock, mut lines) = (Fake::new(Function::Sticks, &[]), Still::new(), Lines::default());
    let plan = fake::plan(&fake, ROTATE);
    apply_with(&fake, &plan, &clock, &mut lines, Limits::default());
    let limits = Limits { clear_stuck: true, ..Limits::default() };
    assert_eq!(look(&fake, &plan, &clock, &lines).outcome, Outcome::NoNewValue);
    clock.sleep(limits.stuck_after);
    let report = apply_with(&fake, &plan, &clock, &mut lines, limits);
    assert_eq!(report.results[0].outcome, Outcome::NoNewValue, "{report:?}");
    let tokens: BTreeSet<&str> = lines
        .entries
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Intent { call: Call::Rotate, token, .. } => Some(token.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!((fake.with(|world| world.writes), tokens.len()), (3, 2), "asked, cleared away, asked for another");
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
    assert_eq!(apply_with(&fake, &plan, &clock, &mut lines, Limits::default()).results[0].outcome, Outcome::NoNewValue);
    clock.sleep(Limits::default().stuck_after);
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
    assert!(result.proof.iter().any(|line| line.contains("the copy in eu-west-1 still has")), "{result:?}");
    fake.with(|world| world.replica_lags = false);
    assert_eq!(apply(&fake, &plan).outcome, Outcome::Rotated);
}

/// A secret of two users whose first rotation was at `first`, and the plan of the second.
fn between_two_rotations(first: jiff::Timestamp) -> (Fake, RotationPlan) {
    let fake = Fake::new(Function::Alternates, &[]);
    assert_eq!(apply(&fake, &fake::plan(&fake, ROTATE)).outcome, Outcome::LoginStillValid);
    fake.with(|world| {
        world.function = Function::Works;
        world.record.last_rotated = Some(first);
    });
    let mut plan = fake::plan(&fake, Action::Rotate(Purpose::Second));
    plan.items[0].secret.as_mut().unwrap().strategy = Strategy::AlternatingUsers;
    (fake, plan)
}

#[test]
fn a_second_rotation_ends_the_login_that_the_first_left_valid() {
    let refresh = Duration::from_secs(600);
    for (name, ago, leave, outcome, rotations) in [
        ("no leave", 3600, None, Outcome::LoginStillValid, 1),
        ("too early", 60, Some(refresh), Outcome::LoginStillValid, 1),
        ("waits for the rest", 500, Some(refresh), Outcome::Rotated, 2),
        ("long enough ago", 600, Some(refresh), Outcome::Rotated, 2),
    ] {
        let (clock, mut lines) = (Still::new(), Lines::default());
        let first = clock.now().checked_sub(Duration::from_secs(ago)).unwrap();
        let (fake, plan) = between_two_rotations(first);
        let limits = Limits { second_rotation: leave, ..Limits::default() };
        let result = apply_with(&fake, &plan, &clock, &mut lines, limits).results.remove(0);
        assert_eq!(result.outcome, outcome, "{name}: {result:?}");
        assert_eq!(fake.with(|world| world.rotations), rotations, "{name}");
        if outcome == Outcome::LoginStillValid {
            assert_eq!(result.since, None, "{name}");
            continue;
        }
        let asked = lines.entries.iter().find(|(_, event)| matches!(event, Event::Intent { .. })).unwrap().0;
        let due = first.checked_add(refresh).unwrap();
        assert!(asked >= due && result.since.unwrap() >= asked, "{name}: {due} {asked} {result:?}");
        let refused = format!("the login of {LEAKED} is refused since {}", result.since.unwrap());
        assert!(result.proof.iter().any(|line| line.contains(&refused)), "{name}: {result:?}");
        let again = apply_with(&fake, &plan, &clock, &mut lines, limits).results.remove(0);
        assert_eq!((again.outcome, fake.with(|world| world.rotations)), (Outcome::Rotated, 2), "{name}: again");
        assert_eq!(look(&fake, &plan, &clock, &lines).outcome, Outcome::Rotated, "{name}");
        // A third rotation makes the other user current; the leaked login has ended all the same.
        fake.with(|world| world.function = Function::Alternates);
        let third = keystile_rotate::Token::derive(&fake::arn(), &VersionId("third".to_owned()), Purpose::First, 0);
        fake.rotate(&fake::arn(), &VersionId(String::new()), &third).unwrap();
        for _ in 0..3 {
            fake.describe(&fake::arn()).unwrap();
        }
        assert_eq!(look(&fake, &plan, &clock, &lines).outcome, Outcome::Rotated, "{name}: after a third");
    }
}

#[test]
fn a_second_rotation_waits_for_the_consumers_that_the_plan_names() {
    let clock = Still::new();
    let (fake, mut plan) = between_two_rotations(clock.now().checked_sub(Duration::from_secs(60)).unwrap());
    let consumers = keystile_rotate::consumers::Consumers { wait_seconds: Some(3600), ..Default::default() };
    plan.items[0].consumers = Some(consumers);
    let limits = Limits { second_rotation: Some(Duration::ZERO), ..Limits::default() };
    let result = apply_with(&fake, &plan, &clock, &mut Lines::default(), limits).results.remove(0);
    assert_eq!((result.outcome, fake.with(|world| world.rotations)), (Outcome::LoginStillValid, 1), "{result:?}");
    clock.sleep(Duration::from_secs(3600));
    let result = apply_with(&fake, &plan, &clock, &mut Lines::default(), limits).results.remove(0);
    assert_eq!(result.outcome, Outcome::Rotated, "{result:?}");
}

#[test]
fn two_failures_in_a_row_stop_the_run_and_so_does_the_limit() {
    let many = Many::new((0..3).map(|_| (Function::SameValue, Vec::new())));
    let mut plan = many.plan(ROTATE);
    // Two leaks of one secret fail together, which is one failure.
    let mut item = plan.items[0].clone();
    item.number = 4;
    plan.items.insert(1, item);
    let limits = Limits { parallel: 1, ..Limits::default() };
    let report = apply_with(&many, &plan, &Still::new(), &mut Lines::default(), limits);
    let outcomes: Vec<Outcome> = report.results.iter().map(|result| result.outcome).collect();
    use Outcome::{NotStarted, SameValue};
    assert_eq!(outcomes, [SameValue, SameValue, SameValue, NotStarted]);
    assert!(report.stopped.unwrap().contains("circuit breaker"));

    let fake = Fake::new(Function::Works, &[]);
    let plan = fake::plan(&fake, ROTATE);
    let limits = Limits { most: 0, ..Limits::default() };
    let report = apply_with(&fake, &plan, &Still::new(), &mut Lines::default(), limits);
    assert_eq!(report.results[0].outcome, Outcome::NotStarted);
    assert_eq!(fake.with(|world| world.writes), 0);
}

#[test]
fn secrets_are_seen_to_side_by_side_each_in_the_order_of_its_items() {
    let many = Many::new((0..8).map(|_| (Function::Works, Vec::new())));
    let gauge = Arc::clone(&many.0[0].with(|world| Arc::clone(&world.under_way)));
    gauge.lasts.store(true, Ordering::SeqCst);
    for fake in &many.0 {
        fake.with(|world| world.under_way = Arc::clone(&gauge));
    }
    let mut plan = many.plan(ROTATE);
    // A second value of the first secret.
    let mut again = plan.items[0].clone();
    again.number = 9;
    plan.items.push(again);
    let limits = Limits { most: 8, wait: Duration::from_secs(100_000), ..Limits::default() };
    let mut lines = Lines::default();
    let report = apply_with(&many, &plan, &Still::new(), &mut lines, limits);
    let numbers: Vec<u32> = report.results.iter().map(|result| result.item).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9], "in the plan's order");
    assert!(report.results.iter().all(|result| result.outcome == Outcome::Rotated), "{report:?}");
    for fake in &many.0 {
        assert_eq!(fake.with(|world| world.rotations), 1);
    }
    let most = gauge.most.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most} calls at the same time");
    let place = |wanted: u32| {
        lines
            .entries
            .iter()
            .position(|(_, event)| matches!(event, Event::Ended { item, .. } if *item == wanted))
            .unwrap()
    };
    assert!(place(1) < place(9));
    // Each intent has its answer after it, and nothing comes before the beginning or after the end.
    assert!(
        matches!(lines.entries[0].1, Event::Begin { .. })
            && matches!(lines.entries.last().unwrap().1, Event::End { .. })
    );
    for wanted in 1..=8 {
        let kinds = lines.entries.iter().filter_map(|(_, event)| match event {
            Event::Intent { item, .. } if *item == wanted => Some("intent"),
            Event::Answer { item, .. } if *item == wanted => Some("answer"),
            Event::Ended { item, .. } if *item == wanted => Some("ended"),
            _ => None,
        });
        assert_eq!(kinds.collect::<Vec<_>>(), ["intent", "answer", "ended"], "item {wanted}");
    }
}

/// A clock that a signal comes to at the wait with this number.
struct Signal<'a>(Still, &'a AtomicBool, AtomicUsize);

impl Clock for Signal<'_> {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) {
        if self.2.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.1.store(true, Ordering::Relaxed);
        }
        if !self.1.load(Ordering::Relaxed) {
            self.0.sleep(duration);
        }
    }
}

#[test]
fn a_signal_while_waiting_ends_the_run_which_is_gone_on_with_later() {
    let many = Many::new((0..3).map(|_| (Function::Works, Vec::new())));
    let plan = many.plan(ROTATE);
    let stop = AtomicBool::new(false);
    let clock = Signal(Still::new(), &stop, AtomicUsize::new(1));
    let managers = [Connected { identity: fake::identity(), backend: &many, access_keys: None }];
    let (before, mut lines) = (Default::default(), Lines::default());
    let limits = Limits { parallel: 1, ..Limits::default() };
    let report = Run::new(&managers, &clock, limits, &before, &stop, &mut lines).apply(&plan, &[1, 2, 3]).unwrap();
    let outcomes: Vec<Outcome> = report.results.iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [Outcome::Pending, Outcome::NotStarted, Outcome::NotStarted], "{report:?}");
    assert!(outcomes.iter().all(|outcome| outcome.is_open()), "each can be gone on with");
    assert_eq!(report.stopped.as_deref(), Some("interrupted"));
    assert!(matches!(&lines.entries.last().unwrap().1, Event::End { stopped: Some(why) } if why == "interrupted"));
    let report = apply_with(&many, &plan, &Still::new(), &mut lines, Limits::default());
    assert!(report.results.iter().all(|result| result.outcome == Outcome::Rotated), "{report:?}");
    assert!(many.0.iter().all(|fake| fake.with(|world| world.rotations == 1)));
}

#[test]
fn a_signal_while_a_call_waits_for_its_turn_keeps_it_from_being_made() {
    let many = Many::new((0..2).map(|_| (Function::Works, Vec::new())));
    let plan = many.plan(ROTATE);
    let stop = AtomicBool::new(false);
    // The first item is not waited for, so the first wait is the second one's for its turn.
    let clock = Signal(Still::new(), &stop, AtomicUsize::new(1));
    let managers = [Connected { identity: fake::identity(), backend: &many, access_keys: None }];
    let (before, mut lines) = (Default::default(), Lines::default());
    let limits = Limits { parallel: 1, wait: Duration::ZERO, ..Limits::default() };
    let report = Run::new(&managers, &clock, limits, &before, &stop, &mut lines).apply(&plan, &[1, 2]).unwrap();
    let outcomes: Vec<Outcome> = report.results.iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [Outcome::Pending, Outcome::NotStarted], "{report:?}");
    assert_eq!(many.0[1].with(|world| world.writes), 0);
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

/// What is killed after each line of its journal: a secret, its plan, limits, what comes of it in the end, and the
/// versions that become current.
fn subjects(clock: &Still) -> Vec<(&'static str, Fake, RotationPlan, Limits, Outcome, usize)> {
    let mut subjects = Vec::new();
    for (name, function, outcome, made) in [
        ("rotates", Function::Works, Outcome::Rotated, 1),
        ("same value", Function::SameValue, Outcome::SameValue, 1),
        ("alternates", Function::Alternates, Outcome::LoginStillValid, 1),
        ("sticks", Function::Sticks, Outcome::NoNewValue, 0),
        ("stores", Function::Stores, Outcome::NewValueNotCurrent, 0),
    ] {
        let fake = Fake::new(function, &[]);
        let plan = fake::plan(&fake, ROTATE);
        subjects.push((name, fake, plan, Limits::default(), outcome, made));
    }
    let fake = Fake::new(Function::Works, &[]);
    generated(&fake);
    let plan = fake::plan(&fake, Action::Generate);
    subjects.push(("generates", fake, plan, Limits::default(), Outcome::Rotated, 1));
    let first = clock.now().checked_sub(Duration::from_secs(60)).unwrap();
    let (fake, plan) = between_two_rotations(first);
    let limits = Limits { second_rotation: Some(Duration::from_secs(60)), ..Limits::default() };
    subjects.push(("second", fake, plan, limits, Outcome::Rotated, 2));
    let fake = Fake::new(Function::Works, &[]);
    fake.with(|world| world.left_behind(jiff::Timestamp::UNIX_EPOCH));
    let plan = fake::plan(&fake, ROTATE);
    let limits = Limits { clear_stuck: true, ..Limits::default() };
    subjects.push(("clears", fake, plan, limits, Outcome::Rotated, 1));
    subjects
}

#[test]
fn a_run_that_is_killed_after_any_line_is_resumed_without_a_second_version() {
    for number in 0..subjects(&Still::new()).len() {
        for dies_after in 1..10 {
            for keeps_journal in [true, false] {
                let clock = Still::new();
                let (name, fake, plan, limits, expected, made) = subjects(&clock).swap_remove(number);
                let asked_before = fake.with(|world| world.rotations);
                let mut lines = Lines { dies_after: Some(dies_after), ..Lines::default() };
                let killed = catch_unwind(AssertUnwindSafe(|| apply_with(&fake, &plan, &clock, &mut lines, limits)));
                lines.dies_after = None;
                if !keeps_journal {
                    lines.entries.clear();
                }
                let report = apply_with(&fake, &plan, &clock, &mut lines, limits);
                let name = format!("{name}, killed after line {dies_after}: {}, {keeps_journal}", killed.is_err());
                let outcome = report.results[0].outcome;
                // Without the journal nobody knows that the stuck version was in the plan's way.
                let may_be_stale = name.starts_with("clears") && !keeps_journal;
                let is_expected = outcome == expected || may_be_stale && outcome == Outcome::Stale;
                assert!(is_expected, "{name}: {report:?}");
                fake.with(|world| {
                    assert!(world.rotations - asked_before <= 1, "{name}");
                    let made = if outcome == Outcome::Stale { 0 } else { made };
                    assert_eq!(world.became_current.len(), made, "{name}");
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
    assert_eq!(apply(&fake, &plan).outcome, Outcome::NoNewValue);
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
    for function in
        [Function::Works, Function::SameValue, Function::Alternates, Function::Sticks, Function::Stores, Function::Dies]
    {
        let fake = Fake::new(function, &[]);
        let plan = fake::plan(&fake, ROTATE);
        let mut lines = Lines::default();
        let report = apply_with(&fake, &plan, &Still::new(), &mut lines, Limits::default());
        let value = fake.read_version(&fake::arn(), &VersionId(LEAKED.to_owned())).unwrap();
        let json: Vec<String> = lines.entries.iter().map(|(_, event)| serde_json::to_string(event).unwrap()).collect();
        let look = look(&fake, &plan, &Still::new(), &lines);
        let shown = format!("{report:?} {look:?} {lines:?} {json:?} {plan:?} {value:?}");
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

fn functions() -> impl Strategy_<Value = Function> {
    prop_oneof![
        Just(Function::Works),
        Just(Function::Sticks),
        Just(Function::Stores),
        Just(Function::Dies),
        Just(Function::SameValue),
        Just(Function::Alternates)
    ]
}

/// What is tried with each schedule of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rotate,
    Generate,
    Second,
    ClearStuck,
}

/// That a report tells no success that is none, and shows no value.
fn check(report: &RunReport, worlds: &[&Fake]) -> Result<(), TestCaseError> {
    for (result, fake) in report.results.iter().zip(worlds) {
        if result.outcome.meaning() == Meaning::Over {
            prop_assert!(!fake.with(|world| world.is_leaking()), "{:?}", result);
        }
    }
    prop_assert!(!format!("{report:?}").contains(MARK), "a value is shown");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever fails, and wherever the process is killed, several times over.
    #[test]
    fn no_schedule_of_faults_makes_two_versions_or_a_false_success(
        faults in faults(),
        function in functions(),
        kind in prop_oneof![Just(Kind::Rotate), Just(Kind::Generate), Just(Kind::Second), Just(Kind::ClearStuck)],
        kills in proptest::collection::vec(proptest::option::of(1_usize..8), 0..4),
        keeps_journal in any::<bool>(),
    ) {
        let clock = Still::new();
        let (fake, plan) = match kind {
            Kind::Second => between_two_rotations(clock.now().checked_sub(Duration::from_secs(60)).unwrap()),
            Kind::Rotate | Kind::Generate | Kind::ClearStuck => {
                let fake = Fake::new(Function::Works, &[]);
                if kind == Kind::Generate {
                    generated(&fake);
                }
                if kind == Kind::ClearStuck {
                    fake.with(|world| world.left_behind(jiff::Timestamp::UNIX_EPOCH));
                }
                let plan = fake::plan(&fake, if kind == Kind::Generate { Action::Generate } else { ROTATE });
                (fake, plan)
            }
        };
        let overtaken = faults.contains(&Fault::Overtaken);
        let (before, asked_before) = fake.with(|world| {
            (world.function, world.faults) = (function, faults.into());
            (world.became_current.len(), world.rotations)
        });
        let limits = Limits {
            clear_stuck: kind == Kind::ClearStuck,
            second_rotation: Some(Duration::from_secs(60)),
            ..Limits::default()
        };
        let mut lines = Lines::default();
        for kill in kills.into_iter().chain([None]) {
            lines.dies_after = kill.map(|more| lines.entries.len() + more);
            let report = catch_unwind(AssertUnwindSafe(|| apply_with(&fake, &plan, &clock, &mut lines, limits)));
            if let Ok(report) = &report {
                check(report, &[&fake])?;
            }
            if !keeps_journal {
                lines.entries.clear();
            }
        }
        fake.with(|world| {
            let ours: BTreeSet<&VersionId> = world.became_current[before..]
                .iter()
                .filter(|version| !version.0.starts_with("foreign"))
                .collect();
            prop_assert!(ours.len() <= 1, "{:?}", world.became_current);
            // Only an attempt that is known to be dead is followed by another.
            let most = if kind != Kind::Generate && function == Function::Dies { 3 } else { 1 };
            prop_assert!(world.rotations - asked_before <= most, "{} rotations", world.rotations);
            let written: BTreeSet<&str> = lines.entries.iter().filter_map(|(_, event)| match event {
                Event::Intent { token, call: Call::Rotate | Call::Stage, .. } => Some(token.as_str()),
                _ => None,
            }).collect();
            prop_assert!(overtaken || written.len() <= 3);
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The same with several secrets side by side.
    #[test]
    fn no_schedule_of_faults_does_so_where_secrets_are_seen_to_side_by_side(
        secrets in proptest::collection::vec((functions(), faults()), 2..6),
        kills in proptest::collection::vec(proptest::option::of(1_usize..20), 0..3),
        keeps_journal in any::<bool>(),
    ) {
        let many = Many::new(secrets.iter().cloned());
        let plan = many.plan(ROTATE);
        let clock = Still::new();
        let mut lines = Lines::default();
        let fakes: Vec<&Fake> = many.0.iter().collect();
        for kill in kills.into_iter().chain([None]) {
            lines.dies_after = kill.map(|more| lines.entries.len() + more);
            let report = catch_unwind(AssertUnwindSafe(|| {
                apply_with(&many, &plan, &clock, &mut lines, Limits::default())
            }));
            if let Ok(report) = &report {
                prop_assert_eq!(report.results.len(), fakes.len());
                check(report, &fakes)?;
            }
            if !keeps_journal {
                lines.entries.clear();
            }
        }
        for (fake, (function, _)) in fakes.iter().zip(&secrets) {
            fake.with(|world| {
                let ours = world.became_current.iter().filter(|version| !version.0.starts_with("foreign")).count();
                prop_assert!(ours <= 1, "{:?}", world.became_current);
                let most = if *function == Function::Dies { 3 } else { 1 };
                prop_assert!(world.rotations <= most, "{} rotations", world.rotations);
                Ok(())
            })?;
        }
    }
}
