//! Runs that are killed, that are interrupted, and that meet.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::run::command;
use super::story::{NAME, Story};

/// `keystile rotate WORD`, not started yet.
fn rotate(story: &Story, word: &str, plan: &Path) -> Command {
    let mut command = command(story.repository.path());
    command
        .args(["rotate", word, plan.to_str().unwrap(), "--yes", "--allow-prefix", "/prod/team-a/", "--wait", "60"])
        .envs(story.emulator.environment())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits until the journal has so many lines, or the program has ended.
fn wait_for_lines(child: &mut Child, journal: &Path, lines: usize) {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end && child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        if text.lines().count() >= lines {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_run_that_is_killed_at_any_line_is_gone_on_with() {
    for mode in ["slow:1", "drop_after_accept:1"] {
        for lines in 1..=5 {
            let Some(story) = Story::start(mode) else { return };
            let plan = story.plan();
            let journal = story.repository.beside("plan.journal.jsonl");
            let mut child = rotate(&story, "apply", &plan).spawn().unwrap();
            wait_for_lines(&mut child, &journal, lines);
            // Not asked, killed.
            let _ = child.kill();
            child.wait().unwrap();
            let output = rotate(&story, "resume", &plan).output().unwrap();
            let case = format!("{mode}, killed after {lines} lines: {}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(0), "{case}");
            let versions = story.emulator.versions(NAME);
            assert_eq!(versions.len(), 2, "{case}: one new version");
            let current = story.emulator.labelled(NAME, "AWSCURRENT").unwrap();
            assert!(!current.value().unwrap().contains(&story.password), "{case}");
        }
    }
}

#[test]
fn an_interrupted_run_ends_with_the_signal_and_a_way_on() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let Some(story) = Story::start("slow:6") else { return };
        let plan = story.plan();
        let journal = story.repository.beside("plan.journal.jsonl");
        let mut child = rotate(&story, "apply", &plan).spawn().unwrap();
        wait_for_lines(&mut child, &journal, 3);
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert!(text.contains("keystile rotate resume"), "{text}");
        assert!(text.contains(&format!("exit status  {status}: interrupted")), "the report says the same: {text}");
        story.emulator.settle();
        let output = rotate(&story, "resume", &plan).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains("interrupted"), "what stopped the first run is over: {text}");
        assert_eq!(story.emulator.versions(NAME).len(), 2);
    }
}

#[test]
fn three_runs_side_by_side_make_one_version() {
    let Some(story) = Story::start("slow:2") else { return };
    let plan = story.plan();
    // On three machines, which don't know each other's journals.
    let running: Vec<Child> = (0..3)
        .map(|number| {
            let journal = story.repository.beside(&format!("journal-{number}.jsonl"));
            rotate(&story, "apply", &plan).arg("--journal").arg(journal).spawn().unwrap()
        })
        .collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(story.emulator.versions(NAME).len(), 2, "one new version");

    // With one journal the second is sent away.
    let Some(story) = Story::start("slow:4") else { return };
    let plan = story.plan();
    let mut first = rotate(&story, "apply", &plan).spawn().unwrap();
    wait_for_lines(&mut first, &story.repository.beside("plan.journal.jsonl"), 1);
    let second = rotate(&story, "apply", &plan).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another run has it"));
    assert!(first.wait().unwrap().success());
    assert_eq!(story.emulator.versions(NAME).len(), 2);
}
