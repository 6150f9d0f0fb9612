//! Leaked IAM access keys: what is planned about them, and how a run switches them off. Against IAM in memory, and
//! against the emulator of AWS in `tests/emulator`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod apply;
mod emulator;
#[allow(dead_code, reason = "shared with tests/run.rs, which uses all of it")]
#[path = "../fake/mod.rs"]
mod fake;
mod iam;
mod planning;

use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use keystile_rotate::access_key::{AccessKeyId, AccessKeys, KeyOptions, SECRET_KEY_RULE, plan_access_keys};
use keystile_rotate::journal::{Entry, Journal};
use keystile_rotate::plan::{Action, FORMAT, PlanItem, RotationPlan, Searched, Source};
use keystile_rotate::run::{Connected, Limits, Run, RunReport};
use keystile_rotate::{Leak, Outcome, Place};
use keystile_scan::SecretBytes;

/// When plans are made here.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

pub(crate) fn place(line: u64) -> Place {
    let json = serde_json::json!({ "commit": "a1b2", "path": "credentials", "line": line, "column": 1 });
    serde_json::from_value(json).unwrap()
}

/// The leak of a key's id, in this line.
pub(crate) fn leaked(id: &AccessKeyId, line: u64) -> Leak {
    let value = SecretBytes::new(id.as_str().as_bytes());
    Leak { rule: "aws-access-token".to_owned(), value, places: vec![place(line)] }
}

/// The leak of a secret half.
pub(crate) fn secret_half(line: u64) -> Leak {
    let value = SecretBytes::new(fake::MARK.repeat(6).as_bytes());
    Leak { rule: SECRET_KEY_RULE.to_owned(), value, places: vec![place(line)] }
}

/// The item of a leak that no managed secret holds.
pub(crate) fn unmanaged(leak: &Leak) -> PlanItem {
    PlanItem {
        number: 0,
        rule: leak.rule.clone(),
        places: leak.places.clone(),
        secret: None,
        access_key: None,
        action: Action::Nothing(Outcome::Unmanaged),
        blocked: Vec::new(),
        warnings: Vec::new(),
        guidance: Vec::new(),
        consumers: None,
    }
}

pub(crate) fn options() -> KeyOptions {
    KeyOptions { accounts: vec![iam::OURS.to_owned()], ..KeyOptions::default() }
}

/// A plan with these items, and then those of the access keys among the leaks.
pub(crate) fn plan(
    items: Vec<PlanItem>,
    leaks: &[Leak],
    iam: &[&dyn AccessKeys],
    options: &KeyOptions,
) -> RotationPlan {
    let mut plan = RotationPlan {
        format: FORMAT.to_owned(),
        made_at: now(),
        source: Source::default(),
        identities: vec![fake::identity()],
        items,
        searched: Searched::default(),
    };
    plan_access_keys(&mut plan, leaks, iam, options, now());
    plan
}

/// A run over all items of the plan, with Secrets Manager and IAM of the same account.
pub(crate) fn apply(
    plan: &RotationPlan,
    manager: &fake::Fake,
    iam: &iam::Iam,
    lines: &mut fake::Lines,
    limits: Limits,
) -> RunReport {
    let managers = [Connected { identity: fake::identity(), backend: manager, access_keys: Some(iam) }];
    let entries = lines.entries.iter().map(|(at, event)| Entry { at: *at, run: "r".to_owned(), event: event.clone() });
    let history = Journal { entries: entries.collect(), torn: false }.history();
    let (stop, clock) = (AtomicBool::new(false), fake::Still::new());
    let numbers: Vec<u32> = plan.items.iter().map(|item| item.number).collect();
    Run::new(&managers, &clock, limits, &history, &stop, lines).apply(plan, &numbers).unwrap()
}
