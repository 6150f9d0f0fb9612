//! Rotation in Google Cloud Secret Manager, against a stand-in that checks each request.

#![cfg(feature = "gcp")]

#[expect(dead_code, reason = "the clock and the journal alone are used here")]
mod fake;
#[path = "managers/gcp.rs"]
mod google;
mod managers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use fake::Lines;
use google::{Fault, Google, PROJECT, TOKEN};
use jiff::SignedDuration;
use keystile_inventory::{CallErrorKind, RotationMeans, SecretArn, Stage, VersionId};
use keystile_rotate::backend::gcp::{GcpLogin, GcpSecretManager};
use keystile_rotate::plan::Action;
use keystile_rotate::token::Purpose;
use keystile_rotate::{Outcome, SecretBackend as _};
use managers::{apply, apply_with, look, plan};
use serde_json::{Value, json};

const LEAKED: &str = "Zk3mW8q-vT1xB6n-0Rt7";
const OLDER: &str = "q8Lw0zR4-Ht5kP-9sYd";

fn arn(name: &str) -> SecretArn {
    SecretArn(format!("projects/{PROJECT}/secrets/{name}"))
}

#[test]
fn a_value_that_is_made_here_is_replaced_once() {
    let google = Google::start();
    let document = |key: &str| json!({ "user": "app", "key": key, "port": 5432 }).to_string();
    google.secret("team-a-key", &[&document(OLDER), &document(LEAKED)]);
    google.secret("team-a-other", &[OLDER]);
    google.secret("team-b-key", &[LEAKED]);
    let manager = google.connect();

    let search = look(&manager, "team-a-");
    let names: Vec<&str> = search.secrets.iter().map(|known| known.record.name.as_str()).collect();
    assert_eq!(names, ["team-a-key", "team-a-other"]);
    assert_eq!((search.searched.versions, search.identity.account.as_str()), (3, PROJECT));

    let plan = plan(&manager, "team-a-", LEAKED, true);
    let [item] = &plan.items[..] else { panic!("{:?}", plan.items) };
    assert_eq!((item.action, &item.blocked[..]), (Action::Generate, &[][..]));
    let held = item.secret.as_ref().unwrap();
    assert_eq!((&held.arn, held.version.0.as_str(), held.pointer.as_str()), (&arn("team-a-key"), "2", "/key"));

    let mut lines = Lines::default();
    let result = apply_with(&manager, &plan, &mut lines);
    assert_eq!(
        (result.outcome, result.current.clone()),
        (Outcome::Rotated, Some(VersionId("3".to_owned()))),
        "{result:?}"
    );
    let new: Value = serde_json::from_slice(&google.newest("team-a-key")).unwrap();
    assert!(new["key"] != LEAKED && new["key"].as_str().unwrap().len() >= 32);
    assert_eq!((&new["user"], &new["port"]), (&json!("app"), &json!(5432)));
    for _ in 0..2 {
        let again = apply(&google.connect(), &plan);
        assert_eq!(again.outcome, Outcome::RotatedByOther, "{again:?}");
    }
    assert_eq!((google.versions("team-a-key"), google.versions("team-b-key")), (3, 1));
    let shown = format!("{plan:?} {result:?} {lines:?} {manager:?}");
    for value in [LEAKED, new["key"].as_str().unwrap(), TOKEN] {
        assert!(!shown.contains(value), "{shown}");
    }
    google.check();
}

#[test]
fn whoever_listens_is_told_once() {
    let google = Google::start();
    google.secret("team-db", &[LEAKED]);
    google.schedule("team-db");
    // A run of five minutes is over before anyone is told.
    google.world().step = SignedDuration::from_secs(2);
    let manager = google.connect();
    let plan = plan(&manager, "team-", LEAKED, true);
    let held = plan.items[0].secret.as_ref().unwrap();
    assert_eq!(plan.items[0].action, Action::Rotate(Purpose::First));
    assert!(matches!(held.rotation, RotationMeans::Notification { .. }), "{held:?}");
    let first = apply(&manager, &plan);
    assert_eq!(first.outcome, Outcome::Pending, "{first:?}");
    let next = google.world().secrets["team-db"].next_rotation.unwrap();
    assert!(next.duration_since(google.world().now) < SignedDuration::from_mins(6), "{next}");
    // Others find what was asked for, and only wait.
    let second = apply(&google.connect(), &plan);
    assert_eq!(second.outcome, Outcome::Pending, "{second:?}");
    assert_eq!(google.world().secrets["team-db"].next_rotation, Some(next), "it is not moved again");

    google.world().step = SignedDuration::from_secs(60);
    let third = apply(&google.connect(), &plan);
    assert_eq!(third.outcome, Outcome::RotatedByOther, "{third:?}");
    assert_eq!(apply(&google.connect(), &plan).outcome, Outcome::RotatedByOther);
    let world = google.world();
    assert_eq!((world.secrets["team-db"].messages, world.secrets["team-db"].versions.len()), (1, 2));
    assert_eq!(world.requests.iter().filter(|line| line.starts_with("PATCH")).count(), 1);
    assert_eq!(world.secrets["team-db"].annotations["owner"], "team-a");
    drop(world);
    google.check();
}

#[test]
fn a_run_that_waits_long_enough_sees_the_new_version() {
    let google = Google::start();
    google.secret("team-db", &[LEAKED]);
    google.schedule("team-db");
    google.world().step = SignedDuration::from_secs(10);
    let manager = google.connect();
    let plan = plan(&manager, "team-", LEAKED, true);
    let result = apply(&manager, &plan);
    assert_eq!(result.outcome, Outcome::Rotated, "{result:?}");
    google.check();

    // Nobody listens: asked for again after six hours, and not before.
    google.secret("team-deaf", &[LEAKED]);
    google.schedule("team-deaf");
    google.world().secrets.get_mut("team-deaf").unwrap().has_subscriber = false;
    let plan = self::plan(&manager, "team-deaf", LEAKED, true);
    for hours in [0, 5, 2] {
        google.world().now += SignedDuration::from_hours(hours);
        let result = apply(&manager, &plan);
        assert_eq!(result.outcome, Outcome::Pending, "{result:?}");
    }
    assert_eq!(google.world().secrets["team-deaf"].messages, 2);
    google.check();
}

#[test]
fn three_runs_side_by_side_add_one_version() {
    for is_scheduled in [false, true] {
        let google = Google::start();
        google.secret("team-key", &[LEAKED]);
        if is_scheduled {
            google.schedule("team-key");
        }
        google.world().step = SignedDuration::from_secs(5);
        let plan = plan(&google.connect(), "team-", LEAKED, true);
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| apply(&google.connect(), &plan).outcome)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(google.versions("team-key"), 2, "{outcomes:?}");
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, Outcome::Rotated | Outcome::RotatedByOther)),
            "{outcomes:?}"
        );
        assert!(google.world().secrets["team-key"].messages <= 1);
        google.check();
    }
}

#[test]
fn a_run_that_is_killed_after_any_line_is_resumed_to_one_version() {
    for is_scheduled in [false, true] {
        for dies_after in 1..8 {
            let google = Google::start();
            google.secret("team-key", &[LEAKED]);
            if is_scheduled {
                google.schedule("team-key");
            }
            google.world().step = SignedDuration::from_secs(10);
            let plan = plan(&google.connect(), "team-", LEAKED, true);
            let mut lines = Lines { dies_after: Some(dies_after), ..Lines::default() };
            let killed = catch_unwind(AssertUnwindSafe(|| apply_with(&google.connect(), &plan, &mut lines)));
            lines.dies_after = None;
            let result = apply_with(&google.connect(), &plan, &mut lines);
            let name = format!("{is_scheduled}, line {dies_after}, killed: {}", killed.is_err());
            assert!(matches!(result.outcome, Outcome::Rotated | Outcome::RotatedByOther), "{name}: {result:?}");
            assert_eq!(google.versions("team-key"), 2, "{name}");
            assert_ne!(google.newest("team-key"), LEAKED.as_bytes(), "{name}");
            google.check();
        }
    }
}

#[test]
fn each_failure_has_its_outcome_and_none_makes_two_versions() {
    use Fault::{AnswerLost, Edited, Overtaken, RequestLost, Status};
    const ADD: &str = ":addVersion";
    const PATCH: &str = "PATCH ";
    for (name, faults, outcome, versions) in [
        ("add: answer lost", &[(ADD, AnswerLost)][..], Outcome::Rotated, 2),
        ("add: request lost", &[(ADD, RequestLost)], Outcome::Rotated, 2),
        ("add: both", &[(ADD, RequestLost), (ADD, AnswerLost)], Outcome::Rotated, 2),
        ("add: failed", &[(ADD, Status(503))], Outcome::Rotated, 2),
        ("add: throttled", &[(ADD, Status(429))], Outcome::Rotated, 2),
        ("add: denied", &[(ADD, Status(403))], Outcome::Denied, 1),
        ("claim: answer lost", &[(PATCH, AnswerLost)], Outcome::Rotated, 2),
        ("claim: request lost", &[(PATCH, RequestLost)], Outcome::Rotated, 2),
        ("claim: another etag", &[(PATCH, Edited)], Outcome::Rotated, 2),
        ("claim: aborted", &[(PATCH, Status(409))], Outcome::Rotated, 2),
        ("claim: throttled", &[(PATCH, Status(429))], Outcome::Rotated, 2),
        ("claim: denied", &[(PATCH, Status(403))], Outcome::Denied, 1),
        ("claim: overtaken", &[(PATCH, Overtaken)], Outcome::RotatedByOther, 2),
        ("read: failed", &[("GET ", Status(500)), ("GET ", Status(503))], Outcome::Rotated, 2),
        ("read: lost", &[("GET ", RequestLost)], Outcome::Rotated, 2),
        ("read: the token has expired", &[("GET ", Status(401))], Outcome::NoCredentials, 1),
    ] {
        let google = Google::start();
        google.secret("team-key", &[LEAKED]);
        google.world().step = SignedDuration::from_secs(10);
        let manager = google.connect();
        let plan = plan(&manager, "team-", LEAKED, true);
        for (request, fault) in faults {
            google.fault(request, *fault);
        }
        let result = apply(&manager, &plan);
        assert_eq!((result.outcome, google.versions("team-key")), (outcome, versions), "{name}: {result:?}");
        google.check();
    }
}

#[test]
fn what_google_refuses_has_its_kind() {
    let google = Google::start();
    google.secret("team-key", &[OLDER, LEAKED]);
    let manager = google.connect();
    let name = arn("team-key");
    for (status, kind) in [
        (400, CallErrorKind::Refused),
        (401, CallErrorKind::NoCredentials),
        (403, CallErrorKind::Denied),
        (404, CallErrorKind::NotFound),
        (307, CallErrorKind::Misconfigured),
    ] {
        google.fault("GET ", Fault::Status(status));
        let error = manager.describe(&name).unwrap_err();
        assert_eq!(error.kind, kind, "{status}: {error}");
        assert!(!error.to_string().contains("made to fail"), "nothing of the body is shown: {error}");
    }
    for (status, kind) in [(429, CallErrorKind::Throttled), (500, CallErrorKind::Ambiguous)] {
        (0..3).for_each(|_| google.fault("GET ", Fault::Status(status)));
        assert_eq!(manager.describe(&name).unwrap_err().kind, kind, "{status}, three times");
    }
    let foreign = SecretArn("projects/another/secrets/team-key".to_owned());
    assert_eq!(manager.describe(&foreign).unwrap_err().kind, CallErrorKind::Misconfigured);
    assert_eq!(manager.describe(&SecretArn("team-key".to_owned())).unwrap().arn, name, "by its last part alone");
    for (prefix, is_covered) in
        [("team-", true), ("projects/team-project/secrets/team-", true), ("secret/team/", false)]
    {
        assert_eq!(manager.covers(prefix), is_covered, "{prefix}");
    }
    let latest = manager.read_version(&name, &VersionId("latest".to_owned())).unwrap_err();
    assert_eq!(latest.kind, CallErrorKind::NotFound);

    // The newest is switched off: readers of `latest` get nothing, and the one before is what can be read.
    google.world().secrets.get_mut("team-key").unwrap().versions[1].0 = "DISABLED";
    let current = manager.read_current(std::slice::from_ref(&name)).unwrap().remove(0).1.unwrap();
    assert_eq!(current.version, VersionId("1".to_owned()));
    assert_eq!(manager.describe(&name).unwrap().version_at(&Stage::Current), Some(&current.version));
    assert_eq!(manager.read_version(&name, &VersionId("2".to_owned())).unwrap_err().kind, CallErrorKind::Refused);
    google.check();
}

#[test]
fn each_way_to_log_in_gives_a_token() {
    let google = Google::start();
    let folder = tempfile::tempdir().unwrap();
    let open = |login: GcpLogin| GcpSecretManager::open(google.settings(login)).unwrap();
    let host = google.address.trim_start_matches("http://").to_owned();
    let metadata = open(GcpLogin::Metadata { host: Some(host) });
    assert!(metadata.identity().unwrap().caller.contains("sa@example.com"));

    let file = folder.path().join("credentials.json");
    let token_uri = format!("{}/token", google.address);
    let with = |content: Value| {
        std::fs::write(&file, content.to_string()).unwrap();
        open(GcpLogin::File(file.clone())).identity()
    };
    let mut person =
        json!({ "type": "authorized_user", "client_id": "id", "client_secret": "s", "token_uri": token_uri });
    person["refresh_token"] = json!("refresh");
    assert!(with(person.clone()).is_ok());
    person["refresh_token"] = json!("revoked");
    let error = with(person.clone()).unwrap_err();
    assert_eq!(error.kind, CallErrorKind::NoCredentials, "{error}");
    assert!(!error.to_string().contains("revoked"), "{error}");
    person["token_uri"] = json!("http://example.com/token");
    assert_eq!(with(person.clone()).unwrap_err().kind, CallErrorKind::Misconfigured, "in the clear to another machine");
    let error = with(json!({ "type": "external_account" })).unwrap_err().to_string();
    assert!(error.contains("external_account") && error.contains("CLOUDSDK_AUTH_ACCESS_TOKEN"), "{error}");
    google.check();
}

#[test]
fn a_service_account_signs_for_its_token() {
    // A key is made anew, by what the tests' Python has: ring makes none.
    let python =
        std::env::var_os("KEYSTILE_ASSETS").map(|assets| std::path::PathBuf::from(assets).join("venv/bin/python3"));
    let Some(python) = python.filter(|python| python.exists()) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no Python packages, tests/assets says why");
        return;
    };
    let program = "
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives import serialization as s
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
print(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode())
";
    let output = std::process::Command::new(python).args(["-c", program]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pem = String::from_utf8(output.stdout).unwrap();
    let key = <rustls::pki_types::PrivatePkcs8KeyDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(
        pem.as_bytes(),
    );
    let key = ring::signature::RsaKeyPair::from_pkcs8(key.unwrap().secret_pkcs8_der()).unwrap();
    let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());

    let google = Google::start();
    google.secret("team-key", &[LEAKED]);
    google.world().public_key = Some((public.n, public.e));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.json");
    let content = json!({
        "type": "service_account",
        "client_email": "sa@example.com",
        "private_key": pem,
        "private_key_id": "1",
        "token_uri": format!("{}/token", google.address),
    });
    std::fs::write(&file, content.to_string()).unwrap();
    let manager = GcpSecretManager::open(google.settings(GcpLogin::File(file.clone()))).unwrap();
    assert_eq!(manager.identity().unwrap().caller, "sa@example.com");
    // A token that Google no longer takes is replaced, once.
    google.fault("GET /v1/", Fault::Status(401));
    assert!(manager.describe(&arn("team-key")).is_ok());
    let tokens = google.world().requests.iter().filter(|line| *line == "POST /token").count();
    assert_eq!(tokens, 2);
    google.check();

    std::fs::write(&file, content.to_string().replace("sa@", "another@")).unwrap();
    let manager = GcpSecretManager::open(google.settings(GcpLogin::File(file))).unwrap();
    let error = manager.identity().unwrap_err();
    assert_eq!(error.kind, CallErrorKind::NoCredentials, "{error}");
    assert!(!error.to_string().contains("PRIVATE") && !format!("{manager:?}").contains("PRIVATE"));
}
