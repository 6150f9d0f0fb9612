//! No value in anything that is written, at the finest level of logging, whatever happens.

use super::run::{command, finish};
use super::story::Story;

#[test]
fn no_value_is_written_anywhere() {
    for (mode, seen) in [("ok", true), ("same_value", true), ("fail_test", true), ("access_denied", true)] {
        let Some(story) = Story::start(mode) else { return };
        let plan = story.repository.beside("plan.json");
        let path = plan.to_str().unwrap();
        let incident = format!("markdown={}", story.repository.beside("incident.md").display());
        let json = format!("json={}", story.repository.beside("incident.json").display());
        let apply = ["rotate", "apply", path, "--yes", "--allow-prefix", "/prod/team-a/", "--wait", "6", "--step", "1"];
        let mut logged = 0;
        for arguments in [
            &["scan", "--managed", "--managed-prefix", "/prod/team-a/"][..],
            &["rotate", "plan", "--prefix", "/prod/team-a/", "--output", path, "--all-versions"],
            &[&apply[..], &["--report", &incident, "--report", &json, "--verbose"]].concat(),
            &["rotate", "status", path, "--step", "1"],
            &[&["rotate", "resume"][..], &apply[2..]].concat(),
            &["inventory", "--prefix", "/prod/"],
        ] {
            let mut command = command(story.repository.path());
            command.args(arguments).envs(story.emulator.environment()).env("KEYSTILE_LOG_LEVEL", "trace");
            let run = finish(&mut command);
            assert!(run.status.is_some_and(|status| status < 4), "{arguments:?}: {run:?}");
            assert!(!story.shows_a_value(&run.stdout), "{mode}: {arguments:?} shows a value");
            assert!(!story.shows_a_value(run.stderr.as_bytes()), "{mode}: {arguments:?} logs a value");
            logged += run.stderr.len();
        }
        assert_eq!(logged > 1_000, seen, "{mode}: the log is on");
        // The function prints the value that it could not set, and what it printed was read.
        assert_eq!(story.emulator.count("FilterLogEvents") > 0, mode == "fail_test", "{mode}");
        let folder = story.repository.path().parent().unwrap();
        let mut read = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap().filter_map(Result::ok).filter(|entry| entry.path().is_file()) {
            assert!(!story.shows_a_value(&std::fs::read(entry.path()).unwrap()), "{mode}: {:?}", entry.path());
            read.push(entry.file_name().into_string().unwrap());
        }
        read.sort();
        assert_eq!(read, ["incident.json", "incident.md", "plan.journal.jsonl", "plan.json"], "{mode}");
    }
}
