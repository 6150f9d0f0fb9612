//! An IAM access key in a commit, switched off by somebody else's key and never by itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::repository::TestRepository;
use super::run::{command, finish};
use super::support::Emulator;

/// An operation of IAM or STS through its Query API, as the key with this id: status and answer.
fn call_as(emulator: &Emulator, key: &str, service: &str, form: &str) -> (u16, String) {
    let address = emulator.endpoint().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    // The emulator looks at the key's id, not at the signature.
    let scope = format!("Credential={key}/20260101/us-east-1/{service}/aws4_request");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: AWS4-HMAC-SHA256 {scope}, \
         SignedHeaders=host, Signature=0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}",
        form.len()
    );
    stream.write_all(format!("{head}\r\n\r\n{form}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[track_caller]
fn iam(emulator: &Emulator, form: &str) -> String {
    let (status, answer) = call_as(emulator, "test", "iam", &format!("{form}&Version=2010-05-08"));
    assert_eq!(status, 200, "{form}: {answer}");
    answer
}

/// A new key of a user: its id and its secret half.
fn new_key(emulator: &Emulator, user: &str) -> (String, String) {
    let answer = iam(emulator, &format!("Action=CreateAccessKey&UserName={user}"));
    let text = |name: &str| {
        let value = answer.split_once(&format!("<{name}>")).unwrap().1;
        value.split_once('<').unwrap().0.to_owned()
    };
    (text("AccessKeyId"), text("SecretAccessKey"))
}

fn works(emulator: &Emulator, key: &str) -> bool {
    call_as(emulator, key, "sts", "Action=GetCallerIdentity&Version=2011-06-15").0 == 200
}

#[test]
fn a_leaked_access_key_is_switched_off_once_and_the_report_says_how_to_undo_it() {
    let Some(emulator) = Emulator::start() else { return };
    iam(&emulator, "Action=CreateUser&UserName=deploy");
    let (leaked, half) = new_key(&emulator, "deploy");
    let (other, _) = new_key(&emulator, "deploy");
    let repository = TestRepository::new();
    let text = format!("[default]\naws_access_key_id = {leaked}\naws_secret_access_key = {half}\n");
    repository.commit_file("aws/credentials", text, "credentials");
    let keystile = |arguments: &[&str]| {
        let run = finish(command(repository.path()).args(arguments).envs(emulator.environment()));
        assert!(!run.text().contains(&half) && !run.stderr.contains(&half), "{arguments:?} shows the secret half");
        run
    };
    let plan = repository.beside("plan.json");
    let path = plan.to_str().unwrap();
    emulator.forget_calls();
    let planned = keystile(&["rotate", "plan", "--prefix", "/prod/", "--output", path]).expect(1);
    assert!(planned.text().contains(&leaked) && planned.text().contains("deactivate"), "{}", planned.text());
    assert_eq!(emulator.writes(), [""; 0], "planning changes nothing");
    let incident = format!("markdown={}", repository.beside("incident.md").display());
    let apply =
        ["rotate", "apply", path, "--yes", "--allow-prefix", "/prod/", "--format", "json", "--report", &incident];
    for _ in 0..2 {
        let applied = keystile(&apply).expect(0).json();
        let items = applied["items"].as_array().unwrap();
        assert!(items.iter().all(|item| item["status"]["outcome"] == "deactivated"), "{applied}");
        assert!(!works(&emulator, &leaked) && works(&emulator, &other));
    }
    assert_eq!(emulator.writes(), ["UpdateAccessKey"], "once, and nothing is deleted");
    keystile(&["rotate", "status", path]).expect(0);
    let incident = std::fs::read_to_string(repository.beside("incident.md")).unwrap();
    let undo = format!("aws iam update-access-key --user-name deploy --access-key-id {leaked} --status Active");
    assert!(incident.contains(&undo), "{incident}");
    for file in ["plan.json", "plan.journal.jsonl", "incident.md"] {
        let text = std::fs::read_to_string(repository.beside(file)).unwrap();
        assert!(!text.is_empty() && !text.contains(&half), "{file}");
    }
    // Switched on again, by whoever: looking says so.
    iam(&emulator, &format!("Action=UpdateAccessKey&UserName=deploy&AccessKeyId={leaked}&Status=Active"));
    keystile(&["rotate", "status", path]).expect(1);
}

#[test]
fn a_key_that_is_in_use_or_somebody_elses_is_left_on() {
    let Some(emulator) = Emulator::start() else { return };
    iam(&emulator, "Action=CreateUser&UserName=busy");
    let (leaked, half) = new_key(&emulator, "busy");
    new_key(&emulator, "busy");
    assert!(works(&emulator, &leaked), "which is a use of it");
    let repository = TestRepository::new();
    let text = format!("aws_access_key_id = {leaked}\naws_secret_access_key = {half}\n");
    repository.commit_file("credentials", text, "credentials");
    let path = repository.beside("plan.json").to_str().unwrap().to_owned();
    let keystile = |arguments: &[&str]| finish(command(repository.path()).args(arguments).envs(emulator.environment()));
    let plan = ["rotate", "plan", "--prefix", "/prod/", "--output", &path, "--format", "json"];
    let apply = ["rotate", "apply", &path, "--yes", "--allow-prefix", "/prod/"];
    let planned = keystile(&plan);
    assert!(planned.text().contains("it was used at"), "{}", planned.text());
    keystile(&apply).expect(2);
    assert!(works(&emulator, &leaked));
    keystile(&[&plan[..], &["--allow-active-key"]].concat()).expect(1);
    let foreign = keystile(&[&apply[..], &["--allow-account", "210987654321"]].concat()).expect(2);
    assert!(foreign.stderr.contains("is not allowed"), "{}", foreign.stderr);
    assert!(works(&emulator, &leaked));
    let applied: Value = keystile(&[&apply[..], &["--format", "json"]].concat()).expect(0).json();
    assert_eq!(applied["items"][0]["status"]["outcome"], "deactivated");
    assert!(!works(&emulator, &leaked));
}
