//! Two users of a real PostgreSQL that take turns: the leaked login ends with the second rotation, and not before.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::repository::TestRepository;
use super::run::{Run, command, finish};
use super::support::{Emulator, Postgres};
use super::token::random;

const NAME: &str = "/prod/team-a/db";

#[test]
fn a_leaked_login_of_a_database_works_until_the_second_rotation_and_the_report_says_so() {
    let (Some(emulator), Some(postgres)) = (Emulator::start(), Postgres::start()) else { return };
    let password = format!("{}7", random(0x5eed + 9, 19));
    postgres.create_role("app", &password);
    let master = emulator.secret("/admin/db", &postgres.superuser().to_string()).create();
    let mut login = postgres.login("app", &password);
    login["masterarn"] = json!(master.arn);
    let function = json!("keystile-postgres-alternating-users");
    emulator.secret(NAME, &login.to_string()).with("function", function).tag("keystile.io/rotate", "allow").create();
    let repository = TestRepository::new();
    repository.commit_file("app.env", format!("DB_PASSWORD={password}\n"), "configuration");
    let keystile = |arguments: &[&str]| -> Run {
        let run = finish(command(repository.path()).args(arguments).envs(emulator.environment()));
        for version in emulator.versions(NAME) {
            let value: Value = serde_json::from_str(version.value().unwrap()).unwrap();
            let value = value["password"].as_str().unwrap();
            assert!(!run.text().contains(value) && !run.stderr.contains(value), "{arguments:?} shows a value");
        }
        run
    };
    let plan = |file: &str| {
        let path = repository.beside(file).to_str().unwrap().to_owned();
        keystile(&["rotate", "plan", "--prefix", "/prod/team-a/", "--output", &path]).expect(1);
        path
    };
    let apply = |path: &str, flags: &[&str]| {
        let arguments = ["rotate", "apply", path, "--yes", "--allow-prefix", "/prod/team-a/", "--format", "markdown"];
        keystile(&[&arguments, flags].concat())
    };
    assert!(postgres.accepts(&login));

    let first = plan("first.json");
    let report = apply(&first, &[]).expect(1).text().to_owned();
    assert!(postgres.accepts(&login), "the leaked login works");
    assert!(report.contains("`login-still-valid`") || report.contains("still valid"), "{report}");
    assert!(report.contains("--second-rotation"), "what to do next is said: {report}");

    let second = plan("second.json");
    let refused = apply(&second, &[]).expect(2);
    assert!(refused.stderr.contains("give --second-rotation"), "{}", refused.stderr);
    assert_eq!(emulator.versions(NAME).len(), 2);
    let began = Timestamp::now();
    let report = apply(&second, &["--second-rotation"]).expect(0).text().to_owned();
    assert!(!postgres.accepts(&login), "the leaked login is refused");
    let since = report.split("is refused since ").nth(1).expect("it says since when").split(' ').next().unwrap();
    let since: Timestamp = since.parse().unwrap();
    assert!(since >= began && since <= Timestamp::now(), "{began} {since}");
    let current = emulator.labelled(NAME, "AWSCURRENT").unwrap();
    assert!(postgres.accepts(&serde_json::from_str(current.value().unwrap()).unwrap()), "the new login works");
    // Not a third time.
    apply(&second, &["--second-rotation"]).expect(0);
    keystile(&["rotate", "status", &second]).expect(0);
    assert_eq!(emulator.versions(NAME).len(), 3);
}
