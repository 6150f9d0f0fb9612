//! Over real HTTP, against the emulator of AWS.
//!
//! The AWS client takes its endpoint and keys from the environment, so the part that talks to the emulator is this
//! test program once more, as a process of its own.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use keystile_inventory::aws::AwsOptions;
use keystile_rotate::access_key::aws::AwsAccessKeys;
use keystile_rotate::access_key::{AccessKeyId, KeyOptions, plan_access_keys};
use keystile_rotate::backend::aws::AwsSecretsManager;
use keystile_rotate::clock::Clock;
use keystile_rotate::guard::Guards;
use keystile_rotate::index::IndexKey;
use keystile_rotate::journal::{Event, Journal, JournalError, JournalWriter, Sink};
use keystile_rotate::plan::Source;
use keystile_rotate::run::{Connected, Limits, Run};
use keystile_rotate::search::{Pace, Scope, search};
use keystile_rotate::{Leak, RotationPlan, SecretBackend, planner};
use keystile_scan::SecretBytes;
use serde_json::{Value, json};

use super::iam::{OURS, THEIRS, id};
use super::{fake, leaked, options, plan, secret_half, unmanaged};
use support::Emulator;
use users::Users;

#[expect(dead_code, unused_imports, reason = "shared with tests/rotate, which uses all of it")]
#[path = "../../../../tests/rotate/support/mod.rs"]
mod support;
#[path = "../../../../tests/rotate/users.rs"]
mod users;

/// What the second process is told: the work, as JSON.
const WORK: &str = "KEYSTILE_TEST_WORK";

struct Real;

impl Clock for Real {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// What a process of its own does.
struct Work<'a> {
    emulator: &'a Emulator,
    folder: &'a Path,
    keys: Vec<AccessKeyId>,
    allow_active: bool,
    revoke_sessions: bool,
    dies_after: Option<usize>,
    /// The secret half, and the prefix of secrets that may hold it.
    held: Option<(&'a str, &'a str)>,
}

impl<'a> Work<'a> {
    fn new(emulator: &'a Emulator, folder: &'a Path, keys: &[AccessKeyId]) -> Self {
        let keys = keys.to_vec();
        Self { emulator, folder, keys, allow_active: false, revoke_sessions: false, dies_after: None, held: None }
    }

    /// What it says; `None` if it was killed. The plan that it made is used again.
    fn run(&self, name: &str) -> Option<Value> {
        let work = json!({
            "plan": self.folder.join(format!("{name}.plan")),
            "journal": self.folder.join(format!("{name}.journal")),
            "keys": self.keys,
            "allow_active": self.allow_active,
            "revoke_sessions": self.revoke_sessions,
            "dies_after": self.dies_after,
            "held": self.held,
        });
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "emulator::the_process_that_plans_and_applies", "--ignored", "--nocapture"])
            .envs(self.emulator.environment())
            .env(WORK, work.to_string())
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let half = self.held.map_or(fake::MARK, |(half, _)| half);
        let kept = std::fs::read_to_string(self.folder.join(format!("{name}.journal"))).unwrap_or_default()
            + &std::fs::read_to_string(self.folder.join(format!("{name}.plan"))).unwrap();
        assert!(!shown.contains(half) && !kept.contains(half), "{name}: a secret half is shown");
        let said = shown.lines().find_map(|line| line.strip_prefix("said: "));
        assert_eq!(said.is_some(), self.dies_after.is_none(), "{name}: {shown}");
        said.map(|said| serde_json::from_str(said).unwrap())
    }
}

#[track_caller]
fn assert_said(said: &Value, outcome: &str, words: &str) {
    assert_eq!(said["outcome"], outcome, "{said}");
    assert!(said.to_string().contains(words), "{words} is not in {said}");
}

#[test]
fn a_leaked_key_is_planned_switched_off_and_proven_off() {
    let Some(emulator) = Emulator::start() else { return };
    let (folder, users) = (tempfile::tempdir().unwrap(), Users(&emulator));
    let keys = users.user("ci", 2);
    assert_eq!(keys[0].account().as_deref(), Some(OURS));
    let work = Work::new(&emulator, folder.path(), &keys[..1]);
    emulator.forget_calls();
    let said = work.run("ok").unwrap();
    assert_said(&said, "deactivated", &format!("key {} of user ci is inactive", keys[0]));
    assert_said(
        &said,
        "deactivated",
        &format!("undo: aws iam update-access-key --user-name ci --access-key-id {}", keys[0]),
    );
    assert_eq!(users.statuses("ci")[keys[0].as_str()], "Inactive");
    assert_eq!(users.statuses("ci")[keys[1].as_str()], "Active");
    assert!(!users.works(&keys[0]) && users.works(&keys[1]));
    assert_said(&work.run("ok").unwrap(), "deactivated", "is inactive");
    assert_eq!(emulator.writes(), ["UpdateAccessKey"], "once");
    let journal = std::fs::read_to_string(folder.path().join("ok.journal")).unwrap();
    assert!(!journal.contains(fake::MARK), "{journal}");
}

#[test]
fn what_stands_in_the_way_is_named() {
    let Some(emulator) = Emulator::start() else { return };
    let (folder, users) = (tempfile::tempdir().unwrap(), Users(&emulator));
    let run = |name: &str, keys: &[AccessKeyId]| Work::new(&emulator, folder.path(), keys).run(name).unwrap();

    let only = users.user("only", 1);
    assert_said(&run("only", &only), "blocked", "the only active key of only");
    let busy = users.user("busy", 2);
    assert!(users.works(&busy[0]));
    assert_said(&run("busy", &busy[..1]), "blocked", "it was used at ");
    let allowed = Work { allow_active: true, ..Work::new(&emulator, folder.path(), &busy[..1]) };
    assert_said(&allowed.run("allowed").unwrap(), "deactivated", "it was used at ");

    let theirs = id(&format!("AK{}", "IA"), THEIRS, 1);
    assert_said(&run("foreign", &[theirs]), "foreign-account", "belongs to account 210987654321");
    let gone = id(&format!("AK{}", "IA"), OURS, 1);
    assert_said(&run("gone", &[gone]), "unverified", "knows no user's key");

    // AWS's own policies are not in the emulator.
    let seen = users.user("seen", 2);
    users.call("Action=CreatePolicy&PolicyName=AWSCompromisedKeyQuarantineV3&PolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Deny%22%2C%22Action%22%3A%22ec2%3ARunInstances%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D");
    let arn = format!("arn:aws:iam::{OURS}:policy/AWSCompromisedKeyQuarantineV3");
    users.call(&format!("Action=AttachUserPolicy&UserName=seen&PolicyArn={arn}"));
    let said = run("seen", &seen[..1]);
    assert_said(&said, "deactivated", "AWS has put the user into quarantine (AWSCompromisedKeyQuarantineV3)");
    assert!(!emulator.writes().iter().any(|call| call.starts_with("Detach")));

    let denied = users.user("denied", 2);
    emulator.fault(&json!({ "fault": "access_denied", "service": "iam", "action": "UpdateAccessKey" }));
    assert_said(&run("denied", &denied[..1]), "denied", "AccessDenied");
    emulator.ask("DELETE", "faults", &Value::Null);
    emulator.fault(&json!({ "fault": "access_denied", "service": "iam", "action": "GetAccessKeyLastUsed" }));
    assert_said(&run("not-asked", &denied[..1]), "denied", "needs iam:GetAccessKeyLastUsed");
    emulator.ask("DELETE", "faults", &Value::Null);
    assert_eq!(users.statuses("denied")[denied[0].as_str()], "Active");
}

#[test]
fn a_bad_connection_ends_well() {
    let Some(emulator) = Emulator::start() else { return };
    let (folder, users) = (tempfile::tempdir().unwrap(), Users(&emulator));
    for (number, fault) in ["throttle", "drop", "drop_after_accept", "error"].into_iter().enumerate() {
        let (name, keys) = (fault.replace('_', "-"), users.user(&format!("user-{number}"), 2));
        emulator.fault(&json!({ "fault": fault, "service": "iam", "action": "UpdateAccessKey", "times": 1 }));
        assert_said(&Work::new(&emulator, folder.path(), &keys[..1]).run(&name).unwrap(), "deactivated", "is inactive");
        emulator.ask("DELETE", "faults", &Value::Null);
    }
}

#[test]
fn temporary_credentials_are_refused_by_a_policy_of_the_user() {
    let Some(emulator) = Emulator::start() else { return };
    let (folder, users) = (tempfile::tempdir().unwrap(), Users(&emulator));
    let keys = users.user("ci", 2);
    let work = Work { revoke_sessions: true, ..Work::new(&emulator, folder.path(), &keys[..1]) };
    let name = format!("keystile-revoked-sessions-{}", keys[0]);
    let removal = format!("aws iam delete-user-policy --user-name ci --policy-name {name}");
    assert_said(&work.run("sessions").unwrap(), "deactivated", &removal);
    let policy = users.call(&format!("Action=GetUserPolicy&UserName=ci&PolicyName={name}"));
    assert!(policy.contains("aws:TokenIssueTime") || policy.contains("aws%3ATokenIssueTime"), "{policy}");
    work.run("sessions").unwrap();
    assert_eq!(emulator.count("PutUserPolicy"), 1, "once");
}

#[test]
fn a_process_that_is_killed_after_any_line_is_resumed() {
    let Some(emulator) = Emulator::start() else { return };
    let (folder, users) = (tempfile::tempdir().unwrap(), Users(&emulator));
    // Begin, intent, answer, ended, end.
    for dies_after in 1..=5 {
        let (name, keys) = (format!("killed-{dies_after}"), users.user(&format!("user-{dies_after}"), 2));
        let work = Work::new(&emulator, folder.path(), &keys[..1]);
        emulator.forget_calls();
        Work { dies_after: Some(dies_after), ..Work::new(&emulator, folder.path(), &keys[..1]) }.run(&name);
        assert_said(&work.run(&name).unwrap(), "deactivated", "is inactive");
        assert_eq!(emulator.count("UpdateAccessKey"), 1, "{name}");
    }
}

#[test]
fn a_key_that_a_managed_secret_holds_is_rotated_then_switched_off() {
    let Some(emulator) = Emulator::start() else { return };
    let (folder, users) = (tempfile::tempdir().unwrap(), Users(&emulator));
    users.user("ci", 0);
    let (leaked, half) = users.key("ci");
    let value = json!({ "userName": "ci", "accessKeyId": leaked, "secretAccessKey": half });
    let secret = emulator.secret("/prod/ci", &value.to_string()).with("function", json!("keystile-iam-access-key"));
    let secret = secret.tag("keystile.io/rotate", "allow").create();
    let keys = [leaked.clone()];
    let work = || Work { held: Some((&half, "/prod/")), ..Work::new(&emulator, folder.path(), &keys) };

    emulator.forget_calls();
    // As soon as the run has begun: what was called was for the plan.
    Work { dies_after: Some(1), ..work() }.run("managed");
    assert_granted(&emulator, &["plan", "index", "access-keys-plan"]);
    emulator.forget_calls();
    // After the intent to rotate, its answer; the intent to switch off, its answer; and after the key's end.
    for dies_after in [2, 3, 4, 5, 4] {
        Work { dies_after: Some(dies_after), ..work() }.run("managed");
    }
    let said = work().run("managed").unwrap();
    assert_eq!(said["outcomes"], json!(["rotated", "rotated", "deactivated"]), "{said}");
    let statuses = users.statuses("ci");
    assert_eq!(statuses.len(), 2, "the rotation was carried out once: {statuses:?}");
    assert_eq!(statuses[leaked.as_str()], "Inactive");
    let current = emulator.labelled("/prod/ci", "AWSCURRENT").unwrap();
    assert_ne!(current.id(), secret.version);
    let current: Value = serde_json::from_str(current.value().unwrap()).unwrap();
    let new = AccessKeyId::parse(current["accessKeyId"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(statuses[new.as_str()], "Active");
    assert!(users.works(&new) && !users.works(&leaked));
    assert_eq!(emulator.count("RotateSecret"), 1);
    assert_eq!(emulator.count("UpdateAccessKey"), 1);
    assert_granted(&emulator, &["apply", "access-keys"]);
}

/// Every call so far is one that these policies of `deploy/iam` allow (tests/deploy looks at what they allow it for).
#[track_caller]
fn assert_granted(emulator: &Emulator, policies: &[&str]) {
    let mut granted = vec!["sts:GetCallerIdentity".to_owned()];
    for name in policies {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../deploy/iam/{name}.json"));
        let policy: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for statement in policy["Statement"].as_array().unwrap().iter().filter(|found| found["Effect"] == "Allow") {
            let actions = &statement["Action"];
            let actions = actions.as_array().cloned().unwrap_or_else(|| vec![actions.clone()]);
            granted.extend(actions.iter().map(|action| action.as_str().unwrap().to_owned()));
        }
    }
    let text = |call: &Value, key: &str| call[key].as_str().unwrap_or_default().to_owned();
    let calls: Vec<String> =
        emulator.calls().iter().map(|call| format!("{}:{}", text(call, "service"), text(call, "action"))).collect();
    assert!(calls.len() > 3, "{calls:?}");
    for call in &calls {
        assert!(granted.contains(call), "{call} is not allowed by {policies:?}");
    }
}

#[test]
fn a_key_whose_rotation_fails_goes_on_working() {
    let Some(emulator) = Emulator::start() else { return };
    let (folder, users) = (tempfile::tempdir().unwrap(), Users(&emulator));
    users.user("ci", 0);
    let (leaked, half) = users.key("ci");
    let value = json!({ "userName": "ci", "accessKeyId": leaked, "secretAccessKey": half });
    let secret = emulator.secret("/prod/ci", &value.to_string()).with("function", json!("keystile-iam-access-key"));
    secret.tag("keystile.io/rotate", "allow").mode("abandon").create();
    let keys = [leaked.clone()];
    let said = Work { held: Some((&half, "/prod/")), ..Work::new(&emulator, folder.path(), &keys) }.run("failed");
    let said = said.unwrap();
    assert_eq!(said["outcomes"][0], "failed-leak-active", "{said}");
    assert_eq!(said["outcomes"][2], "not-started", "{said}");
    assert!(users.works(&leaked), "what uses it has no other");
}

/// A journal after whose line number `dies_after` the process is gone.
struct Mortal {
    journal: JournalWriter,
    lines: u64,
    dies_after: Option<u64>,
}

impl Sink for Mortal {
    fn append(&mut self, at: Timestamp, event: Event) -> Result<(), JournalError> {
        self.journal.append(at, event)?;
        self.lines += 1;
        if self.dies_after == Some(self.lines) {
            std::process::abort();
        }
        Ok(())
    }
}

/// Not a test of its own: plans, unless there is a plan, and applies.
#[test]
#[ignore = "run by the tests above, with an emulator"]
fn the_process_that_plans_and_applies() {
    let Ok(work) = std::env::var(WORK) else { return };
    let work: Value = serde_json::from_str(&work).unwrap();
    let path = |name: &str| Path::new(work[name].as_str().unwrap()).to_owned();
    let options = KeyOptions {
        allow_active: work["allow_active"] == true,
        revoke_sessions: work["revoke_sessions"] == true,
        ..options()
    };
    let aws = AwsOptions { attempt_timeout: Some(Duration::from_secs(5)), ..AwsOptions::default() };
    let iam = AwsAccessKeys::open(&aws).unwrap();
    let held: Option<(String, String)> = serde_json::from_value(work["held"].clone()).unwrap();
    let manager = held.as_ref().map(|_| AwsSecretsManager::open(&aws).unwrap());
    let plan: RotationPlan = match std::fs::read(path("plan")) {
        Ok(json) => serde_json::from_slice(&json).unwrap(),
        Err(_) => {
            let keys: Vec<AccessKeyId> = serde_json::from_value(work["keys"].clone()).unwrap();
            let mut leaks: Vec<Leak> = vec![leaked(&keys[0], 1), secret_half(2)];
            let mut plan = match (&manager, &held) {
                (Some(manager), Some((half, prefix))) => {
                    leaks[1].value = SecretBytes::new(half.as_bytes());
                    managed(manager, prefix, &leaks)
                }
                _ => plan(leaks.iter().map(unmanaged).collect(), &[], &[], &options),
            };
            plan_access_keys(&mut plan, &leaks, &[&iam], &options, Timestamp::now());
            std::fs::write(path("plan"), serde_json::to_vec(&plan).unwrap()).unwrap();
            plan
        }
    };
    let history = Journal::read(&path("journal")).unwrap().history();
    let journal = JournalWriter::open(&path("journal"), "run").unwrap();
    let mut journal = Mortal { journal, lines: 0, dies_after: work["dies_after"].as_u64() };
    let fake = fake::Fake::new(fake::Function::Works, &[]);
    let backend: &dyn SecretBackend = manager.as_ref().map_or(&fake, |manager| manager);
    let identity = manager.as_ref().map_or_else(fake::identity, |manager| manager.identity().unwrap());
    let managers = [Connected { identity, backend, access_keys: Some(&iam) }];
    let limits = Limits { wait: Duration::from_secs(20), pace: Duration::from_millis(10), ..Limits::default() };
    let stop = AtomicBool::new(false);
    // The two halves of a pair are two items of one key, unless a managed secret holds it.
    let chosen: &[u32] = if held.is_some() { &[1, 2, 3] } else { &[1] };
    let report = Run::new(&managers, &Real, limits, &history, &stop, &mut journal).apply(&plan, chosen).unwrap();
    let (result, item) = (report.results.last().unwrap(), &plan.items[chosen.len() - 1]);
    let said = json!({
        "outcomes": report.results.iter().map(|result| result.outcome).collect::<Vec<_>>(),
        "outcome": result.outcome, "proof": result.proof, "warnings": item.warnings, "guidance": item.guidance,
    });
    // A line of its own, whatever the test harness has written before.
    std::io::stdout().write_all(format!("\nsaid: {said}\n").as_bytes()).unwrap();
}

/// The plan for what secrets of this prefix hold.
fn managed(manager: &AwsSecretsManager, prefix: &str, leaks: &[Leak]) -> RotationPlan {
    let scope = Scope { prefixes: vec![prefix.to_owned()], names: Vec::new(), all_versions: false, pace: Pace(1000.0) };
    let search = search(manager, &scope, IndexKey::new([7; 32]), &Real, &mut |_| {}).unwrap();
    let guards = Guards {
        accounts: vec![OURS.to_owned()],
        prefixes: vec![prefix.to_owned()],
        needs_tag: true,
        ..Guards::default()
    };
    planner::plan(leaks, &Source::default(), &[search], &guards, Timestamp::now())
}
