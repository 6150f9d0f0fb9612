//! The cases of `tests/threats` at the engine's door: each is judged as the webhook would ask, as
//! `keystile check` would, or both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keystile_policy::policy::{Policy, document};
use keystile_policy::rules::RULES;
use keystile_policy::{Action, Engine, Judgement, Operation, Request, Snapshot, User, inline};
use keystile_scan::Scanner;
use keystile_scan::config::Loader;
use serde_json::json;

#[path = "../../../tests/threats/case.rs"]
mod case;

use case::{Case, Door};

/// An engine for each policy; all look for credentials by the built-in rules.
#[derive(Default)]
struct Engines {
    by_policy: BTreeMap<PathBuf, Engine>,
    scanner: Option<Arc<Scanner>>,
}

impl Engines {
    fn of(&mut self, file: &Path) -> &Engine {
        let scanner = self.scanner.get_or_insert_with(|| {
            let text = keystile_rules::BUILTIN;
            let loader = Loader {
                builtin: text,
                read: &|_| Err("there is none".to_owned()),
                skip_bad_rules: false,
                strict: false,
            };
            Arc::new(inline::scanner(loader.load("built-in rules", text).expect("the built-in rules load").rules))
        });
        let scanner = Arc::clone(scanner);
        self.by_policy.entry(file.to_owned()).or_insert_with(|| Engine::new(policy(file)).with_scanner(scanner))
    }
}

fn folder() -> PathBuf {
    case::folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

#[test]
fn every_case_gets_its_verdict() {
    let mut engines = Engines::default();
    let mut faults = Vec::new();
    for case in case::all(&folder()) {
        let engine = engines.of(&case.policy);
        let doors = [
            (case.is_for(Door::Engine) || case.is_for(Door::Webhook), keystile_policy::Door::Admission),
            (case.is_for(Door::Check), keystile_policy::Door::Offline),
        ];
        for (_, door) in doors.into_iter().filter(|(is_shown, _)| *is_shown) {
            let judgement = judge(engine, &case, door);
            if let Some(fault) = fault(&case, &judgement) {
                faults.push(format!("{}\n  at {door:?}: {fault}", case.label()));
            }
        }
    }
    assert!(faults.is_empty(), "{} verdicts:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_line_has_a_case_and_a_near_miss() {
    let cases = case::all(&folder());
    let mut faults = Vec::new();
    for (line, tests) in case::lines(&folder()) {
        let of_line = || cases.iter().filter(|case| case.threat == line);
        if tests.is_empty() {
            if of_line().all(is_clean) {
                faults.push(format!("{line}: nothing is refused"));
            }
            if !of_line().any(is_clean) {
                faults.push(format!("{line}: nothing passes"));
            }
        }
        for test in tests {
            let (file, name) = test.split_once(' ').unwrap_or((&test, ""));
            let text = std::fs::read_to_string(folder().join("../..").join(file)).unwrap_or_default();
            if name.is_empty() || !text.contains(&format!("fn {name}(")) {
                faults.push(format!("{line}: there is no test {name:?} in {file}"));
            }
        }
    }
    let lines: Vec<String> = case::lines(&folder()).into_iter().map(|(line, _)| line).collect();
    faults.extend(
        cases
            .iter()
            .filter(|case| !lines.contains(&case.threat))
            .map(|case| format!("{}: lines.yaml has no such line", case.label())),
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn is_clean(case: &Case) -> bool {
    case.deny.is_empty() && case.warn.is_empty()
}

#[test]
fn at_least_as_many_pass_as_are_refused() {
    let cases = case::all(&folder());
    let passing = cases.iter().filter(|case| case.deny.is_empty()).count();
    let refused = cases.len() - passing;
    assert!(passing >= refused, "{refused} cases are refused, only {passing} pass");
}

/// Rules that no case can show, with the file whose tests expect them: they ask for an inventory, for a whole
/// module of Terraform, for thousands of objects.
const SHOWN_ELSEWHERE: &[(&str, &str)] = &[
    ("inline-terraform-value", "tests/cli/check_terraform.rs"),
    ("inventory-kms-key", "crates/keystile-policy/tests/inventory.rs"),
    ("inventory-pending-deletion", "crates/keystile-policy/tests/inventory.rs"),
    ("inventory-rotation-off", "crates/keystile-policy/tests/inventory.rs"),
    ("inventory-rotation-overdue", "crates/keystile-policy/tests/inventory.rs"),
    ("inventory-rotation-slow", "crates/keystile-policy/tests/inventory.rs"),
    ("inventory-tag-missing", "crates/keystile-policy/tests/inventory.rs"),
    ("inventory-unknown", "crates/keystile-policy/tests/inventory.rs"),
    ("inventory-value-old", "crates/keystile-policy/tests/inventory.rs"),
    ("key-terraform-outside-grant", "tests/cli/check_terraform.rs"),
    ("store-referrers-not-judged", "crates/keystile-policy/tests/referrers.rs"),
];

/// Rules that refuse an update of what broke them before too: they are about who changes an object, about the
/// change itself, or about what nobody can read.
const NEVER_KEPT: &[&str] = &[
    "binding-breaks-referrer",
    "binding-cluster-object",
    "binding-label-changed",
    "generator-breaks-referrer",
    "generator-state-forged",
    "object-unknown-version",
    "operator-secret-renamed",
    "policy-invalid",
    "policy-questionable",
    "push-status-written",
    "store-breaks-referrer",
    "store-referrers-not-judged",
];

fn is_expected_by(case: &Case, rule: &str) -> bool {
    case.deny.iter().chain(&case.warn).any(|id| id == rule)
}

#[test]
fn every_rule_has_a_case_and_a_near_miss() {
    let cases = case::all(&folder());
    let mut faults = Vec::new();
    for rule in RULES {
        let breaking: Vec<&Case> = cases.iter().filter(|case| is_expected_by(case, rule.id)).collect();
        match SHOWN_ELSEWHERE.iter().find(|(id, _)| *id == rule.id) {
            Some((_, file)) => {
                let text = std::fs::read_to_string(folder().join("../..").join(file)).expect("the file is there");
                if !text.contains(&format!("\"{}\"", rule.id)) {
                    faults.push(format!("{}: {file} does not expect it", rule.id));
                }
                if !breaking.is_empty() {
                    faults.push(format!("{}: has a case, so it is not only shown elsewhere", rule.id));
                }
            }
            None if breaking.is_empty() => faults.push(format!("{}: no case expects it", rule.id)),
            None => {
                let is_near = |case: &Case| is_clean(case) && breaking.iter().any(|one| one.threat == case.threat);
                if !cases.iter().any(is_near) {
                    faults.push(format!("{}: nothing passes beside {:?}", rule.id, breaking[0].threat));
                }
            }
        }
    }
    let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    for id in SHOWN_ELSEWHERE.iter().map(|(id, _)| id).chain(NEVER_KEPT) {
        if !ids.contains(id) {
            faults.push(format!("{id}: there is no such rule"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Each object that is refused when it is new, as an update that changes something else: what it broke before
/// does not hold it up.
#[test]
fn an_update_may_keep_what_was_wrong() {
    let mut engines = Engines::default();
    let mut faults = Vec::new();
    let mut kept: BTreeSet<String> = NEVER_KEPT.iter().map(|id| (*id).to_owned()).collect();
    for mut case in case::all(&folder()) {
        let broken: Vec<String> = case.deny.iter().chain(&case.warn).cloned().collect();
        let is_new = case.operation == "CREATE" && case.subresource.is_empty();
        if !is_new || broken.iter().all(|id| NEVER_KEPT.contains(&id.as_str())) {
            continue;
        }
        case.old = case.object.clone();
        case.operation = "UPDATE".to_owned();
        // A field that no rule looks at but the one that knows all fields.
        case.object.as_mut().expect("a new object is there")["unrelated"] = json!({"changed": true});
        let engine = engines.of(&case.policy);
        // Templates, and fields that an API server drops, are shown by files only.
        let door = match case.is_for(Door::Engine) {
            true => keystile_policy::Door::Admission,
            false => keystile_policy::Door::Offline,
        };
        let judgement = judge(engine, &case, door);
        let again: Vec<String> = judgement
            .violations
            .iter()
            .map(|judged| &judged.violation)
            .filter(|violation| !NEVER_KEPT.contains(&violation.rule.id) && violation.about != "unrelated")
            .map(ToString::to_string)
            .collect();
        if !again.is_empty() {
            faults.push(format!("{}\n    {}", case.label(), again.join("\n    ")));
        }
        kept.extend(broken);
    }
    assert!(faults.is_empty(), "{} updates are held up:\n{}", faults.len(), faults.join("\n"));
    let shown_elsewhere = |id: &str| SHOWN_ELSEWHERE.iter().any(|(elsewhere, _)| *elsewhere == id);
    let missing: Vec<&str> =
        RULES.iter().map(|rule| rule.id).filter(|id| !kept.contains(*id) && !shown_elsewhere(id)).collect();
    assert!(missing.is_empty(), "no object that breaks them is updated: {}", missing.join(", "));
}

fn judge(engine: &Engine, case: &Case, door: keystile_policy::Door) -> Judgement {
    let mut world = if case.is_world_complete { Snapshot::complete() } else { Snapshot::default() };
    for object in &case.world {
        world.insert(Arc::new(object.clone()));
    }
    let user = User { name: case.user.name.clone(), groups: case.user.groups.clone() };
    let now = case.now.parse().expect("a case's time is RFC 3339");
    let mut request = Request::offline(case.judged(), &case.namespace, now);
    request.door = door;
    request.sub_resource = &case.subresource;
    request.object = case.object.as_ref();
    request.old_object = case.old.as_ref();
    request.operation = match case.operation.as_str() {
        "CREATE" => Operation::Create,
        "UPDATE" => Operation::Update,
        "DELETE" => Operation::Delete,
        other => panic!("{}: there is no operation {other}", case.label()),
    };
    request.user = (door == keystile_policy::Door::Admission).then_some(&user);
    engine.judge(&request, &world)
}

/// What is wrong with the judgement; `None` = nothing.
fn fault(case: &Case, judgement: &Judgement) -> Option<String> {
    let ids = |action: Action| {
        let mut ids: Vec<&str> = judgement.with(action).map(|violation| violation.rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let messages: Vec<String> = judgement.violations.iter().map(|judged| judged.violation.to_string()).collect();
    let said = messages.join("\n    ");
    for (verb, expected, action) in [("denied", &case.deny, Action::Deny), ("warned", &case.warn, Action::Warn)] {
        let found = ids(action);
        if *expected != found {
            return Some(format!("should be {verb} by {expected:?}, is by {found:?}\n    {said}"));
        }
    }
    let missing = case.says.iter().find(|text| !messages.iter().any(|message| message.contains(*text)))?;
    Some(format!("does not say {missing:?}\n    {said}"))
}

/// The policy of a file.
fn policy(file: &Path) -> Policy {
    let text = std::fs::read_to_string(file).expect("a policy can be read");
    let document: serde_json::Value = serde_saphyr::from_str(&text).expect("a policy is YAML");
    let now = "2026-11-25T12:00:00Z".parse().expect("a time");
    match document::read(&document, now) {
        Ok((policy, problems)) if problems.is_empty() => policy,
        Ok((_, problems)) | Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}:\n{}", file.display(), problems.join("\n"))
        }
    }
}
