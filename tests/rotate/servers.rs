//! The servers of these tests themselves: that they answer, count and end as the other tests rely on.

use std::path::Path;

use serde_json::{Value, json};

use super::support::{Emulator, Postgres};

const OLD: &str = "the value before";
const TOKEN: &str = "00000000-0000-0000-0000-000000000001";

#[test]
fn a_secret_rotates_and_its_calls_are_counted() {
    let Some(emulator) = Emulator::start() else { return };
    let secret = emulator.secret("team/app", OLD).tag("keystile.io/rotate", "allow").create();
    let (status, described) = emulator.call("DescribeSecret", &json!({ "SecretId": secret.arn }));
    assert_eq!((status, &described["Tags"][0]["Key"]), (200, &json!("keystile.io/rotate")));
    assert!(emulator.writes().is_empty(), "{:?}", emulator.writes());

    let rotate = json!({ "SecretId": "team/app", "ClientRequestToken": TOKEN });
    assert_eq!(emulator.call("RotateSecret", &rotate).0, 200);
    emulator.settle();
    let current = emulator.labelled("team/app", "AWSCURRENT").expect("a current version");
    assert_eq!(current.id(), TOKEN);
    assert_ne!(current.value(), Some(OLD));
    let previous = emulator.labelled("team/app", "AWSPREVIOUS").expect("a previous version");
    assert_eq!((previous.id(), previous.value()), (secret.version.as_str(), Some(OLD)));
    // The function's own calls are not among those from outside.
    assert_eq!(emulator.writes(), ["RotateSecret"]);
    assert_eq!(emulator.count("GetSecretValue"), 0);
    emulator.forget_calls();
    assert!(emulator.calls().is_empty());
}

#[test]
fn modes_and_faults_are_as_asked() {
    let Some(emulator) = Emulator::start() else { return };
    let secret = emulator.secret("team/app", OLD).mode("fail_set").with("rotationDays", json!(30)).create();
    emulator.set_mode("team/app", "stuck");
    let rotate = json!({ "SecretId": "team/app", "ClientRequestToken": TOKEN });
    assert_eq!(emulator.call("RotateSecret", &rotate).0, 200);
    emulator.settle();
    let pending = emulator.labelled("team/app", "AWSPENDING").expect("a pending version");
    assert_eq!((pending.stages(), pending.value()), (vec!["AWSPENDING"], None));
    emulator.release("team/app");
    emulator.settle();
    let ids: Vec<String> = emulator.versions("team/app").iter().map(|version| version.id().to_owned()).collect();
    assert_eq!(ids, [secret.version.as_str(), TOKEN]);
    assert_eq!(emulator.labelled("team/app", "AWSCURRENT").expect("a current version").id(), TOKEN);

    emulator.fault(&json!({ "fault": "throttle", "action": "DescribeSecret", "times": 1 }));
    let describe = json!({ "SecretId": "team/app" });
    let (status, answer) = emulator.call("DescribeSecret", &describe);
    assert_eq!((status, &answer["__type"]), (400, &json!("ThrottlingException")));
    assert_eq!(emulator.call("DescribeSecret", &describe).0, 200);
}

#[test]
fn an_emulator_ends_with_its_test() {
    let Some(emulator) = Emulator::start() else { return };
    let process = format!("/proc/{}", emulator.process());
    assert!(Path::new(&process).exists());
    assert!(emulator.environment().contains(&("AWS_ENDPOINT_URL", emulator.endpoint().to_owned())));
    drop(emulator);
    assert!(!Path::new(&process).exists());
}

#[test]
fn a_login_of_postgresql_alternates() {
    let (Some(emulator), Some(postgres)) = (Emulator::start(), Postgres::start()) else { return };
    postgres.create_role("app", OLD);
    let master = emulator.secret("db/master", &postgres.superuser().to_string()).create();
    let mut login = postgres.login("app", OLD);
    login["masterarn"] = json!(master.arn);
    let function = json!("keystile-postgres-alternating-users");
    emulator.secret("db/app", &login.to_string()).with("function", function).create();
    assert!(postgres.accepts(&login));

    let mut logins = Vec::new();
    for still_valid in [true, false] {
        let (status, answer) =
            emulator.call("RotateSecret", &json!({ "SecretId": "db/app", "ClientRequestToken": token(logins.len()) }));
        assert_eq!(status, 200, "{answer}");
        emulator.settle();
        let current = emulator.labelled("db/app", "AWSCURRENT").expect("a current version");
        let current: Value = serde_json::from_str(current.value().expect("a value")).expect("JSON");
        assert!(postgres.accepts(&current));
        assert_eq!(postgres.accepts(&login), still_valid, "the first login after rotation {}", logins.len() + 1);
        logins.push(current["username"].as_str().expect("a user").to_owned());
    }
    assert_eq!(logins, ["app_clone", "app"]);
}

/// A token for RotateSecret.
fn token(number: usize) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}
