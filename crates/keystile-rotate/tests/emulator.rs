//! Runs over real HTTP, against the emulator of AWS in `tests/emulator`: each way that a rotation can go has an outcome
//! of its own and the right exit status, and no process that is killed makes a second version.
//!
//! The AWS client takes its endpoint and keys from the environment, so the part that talks to the emulator is this
//! test program once more, as a process of its own, which plans, applies or looks again.

#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, unused_imports, reason = "shared with tests/rotate, which uses all of it")]
#[path = "../../../tests/rotate/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use keystile_inventory::aws::AwsOptions;
use keystile_inventory::{SecretArn, VersionId};
use keystile_rotate::backend::aws::AwsSecretsManager;
use keystile_rotate::clock::Clock;
use keystile_rotate::journal::{Event, Journal, JournalError, JournalWriter, Sink};
use keystile_rotate::outcome::exit_status;
use keystile_rotate::plan::{Action, FORMAT, Held, Searched, Strategy, state_digest};
use keystile_rotate::run::{Connected, Limits, Run, look_again};
use keystile_rotate::token::Purpose;
use keystile_rotate::{PlanItem, RotationPlan, SecretBackend as _};
use serde_json::json;
use support::{Emulator, Postgres};

const MARK: &str = "Zk3mW8q";
/// What the process does, the secrets (comma-separated), their leaked versions, and where plan and journal are.
const WORK: &str = "KEYSTILE_TEST_WORK";
const ARNS: &str = "KEYSTILE_TEST_ARNS";
const VERSIONS: &str = "KEYSTILE_TEST_VERSIONS";
const PLAN: &str = "KEYSTILE_TEST_PLAN";
const JOURNAL: &str = "KEYSTILE_TEST_JOURNAL";
/// What is planned: `first`, `second` or `generate`.
const ACTION: &str = "KEYSTILE_TEST_ACTION";
/// Seconds.
const WAIT: &str = "KEYSTILE_TEST_WAIT";
const STUCK_AFTER: &str = "KEYSTILE_TEST_STUCK_AFTER";
/// Any value: leave for it.
const CLEAR_STUCK: &str = "KEYSTILE_TEST_CLEAR_STUCK";
/// Leave for a second rotation, so many seconds after the first.
const SECOND: &str = "KEYSTILE_TEST_SECOND";
/// Lines of the journal after which the process ends at once.
const DIES_AFTER: &str = "KEYSTILE_TEST_DIES_AFTER";
/// Its status then.
const DEAD: i32 = 9;
/// Long enough for whatever ends by itself, on a machine that is busy; ends with it.
const LONG: (&str, &str) = (WAIT, "90");
/// Longer than [`STEP`], for what does not end.
const SHORT: (&str, &str) = (WAIT, "8");
/// How long nothing moves before it is said so.
const STEP: Duration = Duration::from_secs(4);

/// Makes a secret: its ARN and the version that leaks. (The type of what is made has no name outside of its module.)
macro_rules! create {
    ($secret:expr) => {{
        let made = $secret.create();
        (made.arn, made.version)
    }};
}

/// One secret (or several) with a plan and a journal.
struct Subject<'e> {
    emulator: &'e Emulator,
    folder: tempfile::TempDir,
    arns: String,
    versions: String,
    plan: PathBuf,
    journal: PathBuf,
    /// Besides what the emulator's clients need.
    environment: Vec<(&'static str, String)>,
}

/// What a process came to.
struct Came {
    outcome: String,
    status: u8,
    shown: String,
}

impl<'e> Subject<'e> {
    /// With these secrets: ARN and leaked version of each.
    fn new(emulator: &'e Emulator, secrets: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (arns, versions): (Vec<&str>, Vec<&str>) =
            secrets.iter().map(|(arn, version)| (arn.as_str(), version.as_str())).unzip();
        Self {
            emulator,
            arns: arns.join(","),
            versions: versions.join(","),
            plan: folder.path().join("plan.json"),
            journal: folder.path().join("journal.jsonl"),
            folder,
            environment: Vec::new(),
        }
    }

    /// With a secret of this name and mode.
    fn with_mode(emulator: &'e Emulator, name: &str, mode: &str) -> Self {
        Self::new(emulator, &[create!(emulator.secret(name, &value()).mode(mode))])
    }

    fn run(&self, work: &str, more: &[(&str, &str)]) -> Came {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_process_that_works", "--ignored", "--nocapture"]);
        // Nothing of whoever runs the tests: no profile, no credentials.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.env("HOME", self.folder.path()).envs(self.emulator.environment());
        command.envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        command.env(WORK, work).env(ARNS, &self.arns).env(VERSIONS, &self.versions);
        command.env(PLAN, &self.plan).env(JOURNAL, &self.journal).envs(more.iter().copied());
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(!shown.contains(MARK), "a value is shown: {shown}");
        if output.status.code() == Some(DEAD) {
            return Came { outcome: "killed".to_owned(), status: 0, shown };
        }
        assert!(output.status.success(), "{work}: {shown}");
        let said = |key: &str| shown.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
        Came { outcome: said("outcome: "), status: said("status: ").parse().unwrap_or(99), shown }
    }

    fn plan(&self, action: &str) {
        self.run("plan", &[(ACTION, action)]);
    }

    fn apply(&self, more: &[(&str, &str)]) -> Came {
        let came = self.run("apply", more);
        let journal = std::fs::read_to_string(&self.journal).unwrap_or_default();
        assert!(!journal.contains(MARK), "a value is in the journal");
        came
    }

    fn look(&self) -> Came {
        self.run("look", &[])
    }

    /// Changes the plan's file.
    fn tamper(&self, old: &str, new: &str) {
        let text = std::fs::read_to_string(&self.plan).unwrap();
        assert!(text.contains(old), "{text}");
        std::fs::write(&self.plan, text.replace(old, new)).unwrap();
    }

    /// The different tokens that the secret was asked to rotate with.
    fn tokens(&self) -> BTreeSet<String> {
        let name = self.arns.rsplit(':').next().unwrap_or_default();
        let name = &name[..name.len() - "-AbCdEf".len()];
        let calls = self.emulator.calls();
        let ours = calls.iter().filter(|call| {
            call["action"] == "RotateSecret"
                && [name, self.arns.as_str()].contains(&call["secret"].as_str().unwrap_or_default())
        });
        ours.filter_map(|call| call["ClientRequestToken"].as_str()).map(ToOwned::to_owned).collect()
    }
}

fn value() -> String {
    json!({ "username": "app", "password": format!("{MARK}-0") }).to_string()
}

impl Came {
    #[track_caller]
    fn expect(&self, name: &str, outcome: &str, status: u8) {
        assert_eq!((self.outcome.as_str(), self.status), (outcome, status), "{name}: {}", self.shown);
    }
}

/// Does something with each of the cases, several at a time.
fn each<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    let next = Mutex::new(cases.iter());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().unwrap().next() else { return };
                    check(case);
                }
            });
        }
    });
}

#[test]
fn each_way_a_rotation_goes_has_its_outcome_and_exit_status() {
    let Some(emulator) = Emulator::start() else { return };
    // Mode, outcome, exit status, whether another version is current then.
    let modes = [
        ("ok", "rotated", 0, true),
        ("tidy", "rotated", 0, true),
        ("managed", "rotated", 0, true),
        ("slow:3", "rotated", 0, true),
        ("slow:120", "new-value-not-current", 1, false),
        ("fail_create", "no-new-value", 1, false),
        ("fail_set", "set-failed", 1, false),
        ("fail_test", "test-failed", 1, false),
        ("abandon", "failed-leak-active", 1, false),
        ("noop", "no-new-value", 1, false),
        ("stuck", "no-new-value", 1, false),
        ("same_value", "same-value", 1, true),
        ("alternating", "login-still-valid", 1, true),
        ("write_back:0", "regressed", 1, true),
        ("throttle_every_nth:3", "rotated", 0, true),
        ("hang:60", "no-answer", 3, false),
        ("hang_after_accept:60", "rotated", 0, true),
        ("drop_after_accept", "rotated", 0, true),
        ("access_denied", "denied", 1, false),
        ("access_denied:GetSecretValue", "unverified", 3, true),
        ("no_function", "no-rotation-function", 1, false),
        ("scheduled_deletion", "scheduled-for-deletion", 1, false),
    ];
    each(&modes, |(mode, outcome, status, changes)| {
        let name = format!("team/{}", mode.replace([':', '_'], "-"));
        let subject = Subject::with_mode(&emulator, &name, mode);
        subject.plan("first");
        let ends = *changes || *outcome == "failed-leak-active";
        subject.apply(&[if ends { LONG } else { SHORT }]).expect(mode, outcome, *status);
        let current = emulator.labelled(&name, "AWSCURRENT").map(|version| version.id().to_owned());
        assert_eq!(current.as_deref() != Some(subject.versions.as_str()), *changes, "{mode}: {current:?}");
        // The AWS client sends a call again itself when no answer comes; what counts is that the token is the same.
        assert!(subject.tokens().len() <= 1, "{mode}: {:?}", subject.tokens());
        let made = emulator.versions(&name).len() - 1;
        assert!(made <= if mode.starts_with("write_back") { 2 } else { 1 }, "{mode}: {made} new versions");
    });
}

#[test]
fn what_stands_in_the_way_has_its_outcome_and_exit_status() {
    let Some(emulator) = Emulator::start() else { return };
    type Check = fn(&Emulator);
    let checks: [(&str, Check); 9] = [
        ("no credentials", |emulator| {
            let mut subject = Subject::with_mode(emulator, "team/no-credentials", "ok");
            subject.plan("first");
            let empty = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, String::new()));
            subject.environment.extend(empty);
            subject.apply(&[SHORT]).expect("no credentials", "no-credentials", 2);
        }),
        ("no network", |emulator| {
            let mut subject = Subject::with_mode(emulator, "team/no-network", "ok");
            subject.plan("first");
            // A port that nobody listens at: it was free a moment ago.
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            subject.environment.push(("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")));
            subject.apply(&[SHORT]).expect("no network", "unreachable", 3);
        }),
        ("throttled", |emulator| {
            let subject = Subject::with_mode(emulator, "team/throttled", "ok");
            subject.plan("first");
            emulator.set_mode("team/throttled", "throttle_every_nth:1");
            subject.apply(&[SHORT]).expect("throttled", "throttled", 3);
        }),
        ("foreign account", |emulator| {
            let subject = Subject::with_mode(emulator, "team/foreign", "ok");
            subject.plan("first");
            subject.tamper("\"account\":\"123456789012\",\"region\":\"us-east-1\",\"arn\"", FOREIGN);
            subject.apply(&[SHORT]).expect("foreign account", "foreign-account", 2);
            assert!(subject.tokens().is_empty());
        }),
        ("stale", |emulator| {
            let subject = Subject::with_mode(emulator, "team/stale", "ok");
            subject.plan("first");
            assert_eq!(emulator.call("CancelRotateSecret", &json!({ "SecretId": "team/stale" })).0, 200);
            subject.apply(&[SHORT]).expect("stale", "stale", 1);
            assert!(subject.tokens().is_empty());
        }),
        ("replica", |emulator| {
            let secret = emulator.secret("team/replica", &value()).with("replicas", json!(["eu-west-1"]));
            let (arn, version) = create!(secret);
            let mut subject = Subject::new(emulator, &[(arn.replace("us-east-1", "eu-west-1"), version)]);
            subject.environment.push(("AWS_REGION", "eu-west-1".to_owned()));
            subject.plan("first");
            subject.apply(&[SHORT]).expect("replica", "replica", 1);
            assert!(subject.tokens().is_empty());
        }),
        ("replica lags", |emulator| {
            let secret = emulator.secret("team/lags", &value()).mode("replica_lags");
            let subject = Subject::new(emulator, &[create!(secret.with("replicas", json!(["eu-west-1"])))]);
            subject.plan("first");
            subject.apply(&[LONG]).expect("replica lags", "replica-lags", 3);
        }),
        ("stuck before", |emulator| {
            let subject = Subject::with_mode(emulator, "team/stuck-before", "stuck");
            let other = json!({ "SecretId": "team/stuck-before", "ClientRequestToken": "a".repeat(36) });
            assert_eq!(emulator.call("RotateSecret", &other).0, 200);
            subject.plan("first");
            subject.apply(&[SHORT]).expect("stuck before", "stuck", 1);
            assert_eq!(subject.tokens().len(), 1, "the one before alone");
            emulator.set_mode("team/stuck-before", "ok");
            // Not old enough; then old enough.
            subject.apply(&[SHORT, (CLEAR_STUCK, "1")]).expect("stuck before", "stuck", 1);
            let leave = [LONG, (CLEAR_STUCK, "1"), (STUCK_AFTER, "1")];
            subject.apply(&leave).expect("cleared", "rotated", 0);
            assert_eq!(subject.tokens().len(), 2);
        }),
        ("looks again", |emulator| {
            let subject = Subject::with_mode(emulator, "team/later", "slow:6");
            subject.plan("first");
            subject.look().expect("before", "not-started", 3);
            subject.apply(&[(WAIT, "0")]).expect("slow", "pending", 3);
            subject.look().expect("slow", "pending", 3);
            emulator.settle();
            subject.look().expect("ended", "rotated", 0);
            subject.apply(&[LONG]).expect("ended", "rotated", 0);
            let current = emulator.labelled("team/later", "AWSCURRENT").unwrap().id().to_owned();
            let back =
                json!({ "SecretId": "team/later", "SecretString": value(), "ClientRequestToken": "b".repeat(36) });
            assert_eq!(emulator.call("PutSecretValue", &back).0, 200);
            subject.look().expect("written back", "regressed", 1);
            subject.apply(&[LONG]).expect("written back", "regressed", 1);
            // The label alone, moved back to the leaked version.
            let moved = json!({
                "SecretId": "team/later", "VersionStage": "AWSCURRENT",
                "RemoveFromVersionId": "b".repeat(36), "MoveToVersionId": subject.versions,
            });
            assert_eq!(emulator.call("UpdateSecretVersionStage", &moved).0, 200);
            subject.look().expect("moved back", "regressed", 1);
            subject.apply(&[LONG]).expect("moved back", "regressed", 1);
            assert_eq!(subject.tokens(), [current].into());
        }),
    ];
    each(&checks, |(_, check)| check(&emulator));
}

/// An account that is not the caller's.
const FOREIGN: &str = "\"account\":\"210987654321\",\"region\":\"us-east-1\",\"arn\"";

#[test]
fn a_process_that_is_killed_after_any_line_is_resumed_without_a_second_version() {
    let Some(emulator) = Emulator::start() else { return };
    // Mode, action, lines of a run that is not killed, outcome at the end, new versions.
    let kinds = [
        ("ok", "first", 5, "rotated", 1),
        ("slow:2", "first", 5, "rotated", 1),
        ("same_value", "first", 5, "same-value", 1),
        ("fail_set", "first", 5, "set-failed", 1),
        ("noop", "first", 5, "no-new-value", 1),
        ("ok", "second", 5, "rotated", 1),
        ("no_function", "generate", 7, "rotated", 1),
        ("ok", "cleared", 7, "rotated", 2),
    ];
    let cases: Vec<_> = kinds.iter().flat_map(|kind| (1..=kind.2).map(move |line| (kind, line))).collect();
    each(&cases, |((mode, action, lines, outcome, made), line)| {
        let name = format!("team/{}-{action}-{line}", mode.replace([':', '_'], "-"));
        let mut secret = emulator.secret(&name, &value()).mode(mode);
        if *action == "generate" {
            secret = secret.tag("keystile.io/rotation", "generate");
        }
        let leave: &[(&str, &str)] = match *action {
            "cleared" => &[(CLEAR_STUCK, "1"), (STUCK_AFTER, "0")],
            "second" => &[(SECOND, "0")],
            _ => &[],
        };
        let subject = Subject::new(&emulator, &[create!(secret)]);
        let mut before = 1;
        match *action {
            "cleared" => {
                emulator.set_mode(&name, "noop");
                let other = json!({ "SecretId": name, "ClientRequestToken": "a".repeat(36) });
                assert_eq!(emulator.call("RotateSecret", &other).0, 200);
                std::thread::sleep(Duration::from_secs(2));
                emulator.set_mode(&name, mode);
            }
            "second" => {
                emulator.set_mode(&name, "alternating");
                let other = json!({ "SecretId": name, "ClientRequestToken": "a".repeat(36) });
                assert_eq!(emulator.call("RotateSecret", &other).0, 200);
                while emulator.labelled(&name, "AWSCURRENT").unwrap().id() == subject.versions {
                    std::thread::sleep(Duration::from_millis(100));
                }
                before = 2;
            }
            _ => {}
        }
        subject.plan(if *action == "cleared" { "first" } else { action });
        let dies = line.to_string();
        let wait = if *outcome == "rotated" || *outcome == "same-value" { LONG } else { SHORT };
        let killed = subject.apply(&[leave, &[wait, (DIES_AFTER, &dies)]].concat());
        assert_eq!(killed.outcome, "killed", "{name}: {lines} lines at least: {}", killed.shown);
        let came = subject.apply(&[leave, &[wait]].concat());
        assert_eq!(came.outcome, *outcome, "{name}: {}", came.shown);
        assert_eq!(emulator.versions(&name).len() - before, *made, "{name}: {}", came.shown);
        if *outcome == "rotated" {
            let current = emulator.labelled(&name, "AWSCURRENT").unwrap();
            assert!(!current.value().unwrap().contains(MARK), "{name}: the leaked value is current");
        }
    });
}

#[test]
fn three_runs_side_by_side_make_one_version() {
    let Some(emulator) = Emulator::start() else { return };
    let subject = Subject::with_mode(&emulator, "team/three", "slow:1");
    subject.plan("first");
    each(&["1", "2", "3"], |number| {
        let journal = subject.journal.with_extension(number);
        subject.apply(&[LONG, (JOURNAL, journal.to_str().unwrap())]).expect(number, "rotated", 0);
    });
    assert_eq!((emulator.versions("team/three").len(), subject.tokens().len()), (2, 1));
    // Again, with a journal that knows nothing: nothing is done.
    let calls = emulator.writes().len();
    subject.apply(&[LONG]).expect("again", "rotated", 0);
    assert_eq!(emulator.writes().len(), calls);
}

#[test]
fn a_leaked_login_of_a_real_database_ends_with_the_second_rotation_and_not_before() {
    let (Some(emulator), Some(postgres)) = (Emulator::start(), Postgres::start()) else { return };
    let password = format!("{MARK}-0");
    postgres.create_role("app", &password);
    let (master, _) = create!(emulator.secret("db/master", &postgres.superuser().to_string()));
    let mut login = postgres.login("app", &password);
    login["masterarn"] = json!(master);
    let function = json!("keystile-postgres-alternating-users");
    let secret = create!(emulator.secret("db/app", &login.to_string()).with("function", function));
    let subject = Subject::new(&emulator, &[secret]);
    assert!(postgres.accepts(&login));

    subject.plan("first");
    let came = subject.apply(&[LONG]);
    came.expect("first", "login-still-valid", 1);
    assert!(came.shown.contains("the login of"), "{}", came.shown);
    assert!(postgres.accepts(&login), "the leaked login works, as the outcome says");
    assert_eq!(emulator.versions("db/app").len(), 2);

    subject.plan("second");
    let journal = subject.journal.with_extension("second");
    let second = (JOURNAL, journal.to_str().unwrap());
    subject.apply(&[second, LONG]).expect("without leave", "login-still-valid", 1);
    subject.apply(&[second, SHORT, (SECOND, "3600")]).expect("too early", "login-still-valid", 1);
    assert_eq!(emulator.versions("db/app").len(), 2, "neither was asked for");
    assert!(postgres.accepts(&login));
    let began = Timestamp::now();
    let came = subject.apply(&[second, LONG, (SECOND, "4")]);
    came.expect("second", "rotated", 0);
    assert!(!postgres.accepts(&login), "the leaked login is refused");
    let refused = came.shown.split("is refused since ").nth(1).expect("it says since when");
    let since: Timestamp = refused.split(' ').next().unwrap().parse().unwrap();
    assert!(since >= began && since <= Timestamp::now(), "{began} {since}");
    let current = emulator.labelled("db/app", "AWSCURRENT").unwrap();
    assert!(postgres.accepts(&serde_json::from_str(current.value().unwrap()).unwrap()), "the new login works");
    subject.run("look", &[second]).expect("later", "rotated", 0);
    // Not a third time.
    subject.apply(&[second, LONG, (SECOND, "0")]).expect("again", "rotated", 0);
    assert_eq!(emulator.versions("db/app").len(), 3);
}

#[test]
fn a_run_rotates_several_secrets_at_the_same_time() {
    let Some(emulator) = Emulator::start() else { return };
    let secrets: Vec<_> =
        (0..4).map(|number| create!(emulator.secret(&format!("team/{number}"), &value()).mode("slow:6"))).collect();
    let subject = Subject::new(&emulator, &secrets);
    subject.plan("first");
    subject.apply(&[LONG]).expect("four", "rotated rotated rotated rotated", 0);
    let journal = Journal::read(&subject.journal).unwrap();
    let times: Vec<Timestamp> = journal
        .entries
        .iter()
        .filter_map(|entry| matches!(entry.event, Event::Intent { .. }).then_some(entry.at))
        .collect();
    let asked_within = times[3].duration_since(times[0]);
    assert!(asked_within.as_secs() < 6, "the last was asked for before the first had ended: {asked_within:?}");
    let paced = times.windows(2).all(|pair| pair[1].duration_since(pair[0]).as_millis() >= 450);
    assert!(paced, "half a second apart: {times:?}");
}

struct Real;

impl Clock for Real {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A journal whose process ends after a line, as if it were killed.
struct Dying(JournalWriter, Option<usize>);

impl Sink for Dying {
    fn append(&mut self, at: Timestamp, event: Event) -> Result<(), JournalError> {
        self.0.append(at, event)?;
        self.1 = self.1.map(|left| left - 1);
        if self.1 == Some(0) {
            std::process::exit(DEAD);
        }
        Ok(())
    }
}

/// Not a test of its own: plans, applies or looks, as the environment says.
#[test]
#[ignore = "run by the tests above, with an emulator"]
fn the_process_that_works() {
    let Ok(work) = std::env::var(WORK) else { return };
    let options = AwsOptions { attempt_timeout: Some(Duration::from_secs(3)), ..AwsOptions::default() };
    let backend = AwsSecretsManager::open(&options).unwrap();
    let path = std::env::var(PLAN).unwrap();
    if work == "plan" {
        let plan = plan(&backend);
        std::fs::write(path, serde_json::to_vec(&plan).unwrap()).unwrap();
        return;
    }
    let plan: RotationPlan = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let chosen: Vec<u32> = plan.items.iter().map(|item| item.number).collect();
    let seconds = |name: &str| std::env::var(name).ok().map(|text| Duration::from_secs(text.parse().unwrap()));
    let default = Limits::default();
    let limits = Limits {
        wait: seconds(WAIT).unwrap_or(default.wait),
        stuck_after: seconds(STUCK_AFTER).unwrap_or(default.stuck_after),
        clear_stuck: std::env::var_os(CLEAR_STUCK).is_some(),
        second_rotation: seconds(SECOND),
        replicas: Duration::from_secs(2),
        step: STEP,
        ..default
    };
    let identity = plan.identities[0].clone();
    let managers = [Connected { identity, backend: &backend, access_keys: None }];
    let journal = PathBuf::from(std::env::var(JOURNAL).unwrap());
    let history = Journal::read(&journal).unwrap().history();
    let report = if work == "look" {
        look_again(&managers, &Real, limits, &history, &plan, &chosen)
    } else {
        let dies_after = std::env::var(DIES_AFTER).ok().map(|text| text.parse().unwrap());
        let mut sink = Dying(JournalWriter::open(&journal, std::process::id().to_string()).unwrap(), dies_after);
        let stop = AtomicBool::new(false);
        Run::new(&managers, &Real, limits, &history, &stop, &mut sink).apply(&plan, &chosen).unwrap()
    };
    let outcomes: Vec<_> = report.results.iter().map(|result| result.outcome).collect();
    let names: Vec<String> = outcomes.iter().map(ToString::to_string).collect();
    // Lines of their own, whatever the test harness has written before.
    let mut text = format!("\noutcome: {}\nstatus: {}\n", names.join(" "), exit_status(&outcomes));
    writeln!(text, "{report:?}").unwrap();
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).unwrap();
}

/// A plan for the secrets that the environment names.
fn plan(backend: &AwsSecretsManager) -> RotationPlan {
    let identity = backend.identity().unwrap();
    let [arns, versions] = [ARNS, VERSIONS].map(|name| std::env::var(name).unwrap());
    let (action, strategy) = match std::env::var(ACTION).unwrap().as_str() {
        "second" => (Action::Rotate(Purpose::Second), Strategy::AlternatingUsers),
        "generate" => (Action::Generate, Strategy::SingleUser),
        _ => (Action::Rotate(Purpose::First), Strategy::SingleUser),
    };
    let item = |(number, (arn, version)): (u32, (&str, &str))| {
        let record = backend.describe(&SecretArn(arn.to_owned())).unwrap();
        let version = VersionId(version.to_owned());
        let held = Held {
            backend: identity.backend,
            account: identity.account.clone(),
            region: identity.region.clone(),
            arn: record.arn.clone(),
            name: record.name.clone(),
            stages: record.versions.get(&version).cloned().unwrap_or_default(),
            version,
            pointer: "/password".to_owned(),
            normalisation: Vec::new(),
            rotation: record.rotation.clone(),
            strategy,
            replicas: Vec::new(),
            last_rotated: record.last_rotated,
            state: state_digest(&record),
        };
        PlanItem {
            number,
            rule: "password".to_owned(),
            places: Vec::new(),
            secret: Some(held),
            action,
            blocked: Vec::new(),
            warnings: Vec::new(),
            guidance: Vec::new(),
            access_key: None,
            consumers: None,
        }
    };
    RotationPlan {
        format: FORMAT.to_owned(),
        made_at: Timestamp::now(),
        source: keystile_rotate::plan::Source::default(),
        items: (1..).zip(arns.split(',').zip(versions.split(','))).map(item).collect(),
        identities: vec![identity],
        searched: Searched::default(),
    }
}
