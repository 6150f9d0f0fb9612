//! An IAM access key in a commit, switched off by somebody else's key and never by itself.

use serde_json::Value;

use super::repository::TestRepository;
use super::run::{command, finish};
use super::support::Emulator;
use super::users::Users;

#[test]
fn a_leaked_access_key_is_switched_off_once_and_the_report_says_how_to_undo_it() {
    let Some(emulator) = Emulator::start() else { return };
    let users = Users(&emulator);
    let other = users.user("deploy", 1).remove(0);
    let (leaked, half) = users.key("deploy");
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
    assert!(planned.text().contains(leaked.as_str()) && planned.text().contains("deactivate"), "{}", planned.text());
    assert_eq!(emulator.writes(), [""; 0], "planning changes nothing");
    let incident = format!("markdown={}", repository.beside("incident.md").display());
    let apply =
        ["rotate", "apply", path, "--yes", "--allow-prefix", "/prod/", "--format", "json", "--report", &incident];
    for _ in 0..2 {
        let applied = keystile(&apply).expect(0).json();
        let items = applied["items"].as_array().unwrap();
        assert!(items.iter().all(|item| item["status"]["outcome"] == "deactivated"), "{applied}");
        assert!(!users.works(&leaked) && users.works(&other));
    }
    assert_eq!(emulator.writes(), ["UpdateAccessKey"], "once, and nothing is deleted");
    let statuses = users.statuses("deploy");
    assert_eq!((&*statuses[leaked.as_str()], &*statuses[other.as_str()]), ("Inactive", "Active"));
    keystile(&["rotate", "status", path]).expect(0);
    let incident = std::fs::read_to_string(repository.beside("incident.md")).unwrap();
    let undo = format!("aws iam update-access-key --user-name deploy --access-key-id {leaked} --status Active");
    assert!(incident.contains(&undo), "{incident}");
    for file in ["plan.json", "plan.journal.jsonl", "incident.md"] {
        let text = std::fs::read_to_string(repository.beside(file)).unwrap();
        assert!(!text.is_empty() && !text.contains(&half), "{file}");
    }
    // Switched on again, by whoever: looking says so.
    users.call(&format!("Action=UpdateAccessKey&UserName=deploy&AccessKeyId={leaked}&Status=Active"));
    keystile(&["rotate", "status", path]).expect(1);
}

#[test]
fn a_key_that_is_in_use_or_somebody_elses_is_left_on() {
    let Some(emulator) = Emulator::start() else { return };
    let users = Users(&emulator);
    users.user("busy", 1);
    let (leaked, half) = users.key("busy");
    assert!(users.works(&leaked), "which is a use of it");
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
    assert!(users.works(&leaked));
    keystile(&[&plan[..], &["--allow-active-key"]].concat()).expect(1);
    let foreign = keystile(&[&apply[..], &["--allow-account", "210987654321"]].concat()).expect(2);
    assert!(foreign.stderr.contains("is not allowed"), "{}", foreign.stderr);
    assert!(users.works(&leaked));
    let applied: Value = keystile(&[&apply[..], &["--format", "json"]].concat()).expect(0).json();
    assert_eq!(applied["items"][0]["status"]["outcome"], "deactivated");
    assert!(!users.works(&leaked));
}
