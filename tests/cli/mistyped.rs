//! Credentials typed in the wrong place: no message repeats them.

use crate::support::run::keystile_with_input;
use crate::support::{Run, github_token, keystile, random};

/// The commands that take flags, gitleaks' among them.
const COMMANDS: [&[&str]; 12] = [
    &["scan"],
    &["rules", "list"],
    &["rules", "show"],
    &["rules", "test"],
    &["init"],
    &["completions"],
    &["git"],
    &["dir"],
    &["directory"],
    &["stdin"],
    &["detect"],
    &["protect"],
];

/// Options whose value clap judges itself.
const JUDGED: [&[&str]; 19] = [
    &["scan", "--format"],
    &["scan", "--compat"],
    &["scan", "--color"],
    &["scan", "--report"],
    &["scan", "--exit-code"],
    &["scan", "--threads"],
    &["scan", "--max-decode-depth"],
    &["scan", "--max-archive-depth"],
    &["scan", "--max-target-megabytes"],
    &["git", "--exit-code"],
    &["git", "--max-target-megabytes"],
    &["dir", "--max-archive-depth"],
    &["stdin", "--max-decode-depth"],
    &["detect", "--timeout"],
    &["protect", "--compat"],
    &["scan", "-f"],
    &["completions"],
    &["rules"],
    &[],
];

/// In a form that the rules know, and in one that no rule does.
fn tokens() -> [String; 2] {
    // A letter and a digit at least, whatever the generator gives.
    [github_token(71), format!("x7{}", random(72, 30))]
}

#[track_caller]
fn expect_refused(arguments: &[&str], token: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let run = keystile(folder.path(), arguments).expect(2);
    let shown = arguments.join(" ").replace(token, "TOKEN");
    assert!(!run.stderr.contains(token), "{shown}: the value is repeated on standard error");
    assert_eq!(run.text(), "", "{shown}: something on standard output");
    assert!(run.stderr.contains("error: "), "{shown}: {}", run.stderr);
    run
}

#[test]
fn an_unknown_flag_with_a_token() {
    for token in &tokens() {
        for command in COMMANDS {
            expect_refused(&[command, &["--token", token]].concat(), token);
            expect_refused(&[command, &[&format!("--token={token}")]].concat(), token);
            let flag = format!("--{token}");
            expect_refused(&[command, &[&flag]].concat(), token);
        }
        expect_refused(&["init", "--", ".", token], token);
    }
}

#[test]
fn a_token_as_the_value_of_an_option_or_as_a_command() {
    for token in &tokens() {
        for option in JUDGED {
            let run = expect_refused(&[option, &[token]].concat(), token);
            if let [_, flag, ..] = option {
                let name = if *flag == "-f" { "--format" } else { flag };
                assert!(run.stderr.contains(name), "{option:?}: the option is still named: {}", run.stderr);
                let joined = format!("{flag}={token}");
                expect_refused(&[&option[..1], &[&joined]].concat(), token);
            }
        }
        for redact in ["scan", "git", "dir", "stdin", "detect", "protect"] {
            expect_refused(&[redact, &format!("--redact={token}")], token);
        }
        let report = format!("{token}=report.sarif");
        expect_refused(&["scan", "--report", &report], token);
    }
}

#[test]
fn a_token_where_a_path_or_a_range_belongs() {
    // In the form that rules know: paths and revisions are named as they were typed.
    let token = &github_token(73);
    let inside = &format!("https://ada:{token}@git.example.org/a.git");
    for typed in [token, inside] {
        for command in [
            &["scan", typed][..],
            &["scan", "--dir", typed],
            &["scan", "--config", typed],
            &["scan", "--baseline", typed],
            &["scan", "--ignore-file", typed],
            &["scan", "--enable-rule", typed],
            &["scan", "--config-from", typed],
            &["scan", "--range", typed],
            &["rules", "show", typed],
            &["git", typed],
            &["git", "--report-format", typed],
            &["dir", typed],
            &["detect", "--source", typed],
            &["protect", "--source", typed],
        ] {
            expect_refused(command, token);
        }
    }
}

#[test]
fn what_is_no_credential_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, word) in [
        (&["scan", "--format", "jsno"][..], "'jsno'"),
        (&["scan", "--no-such-flag"], "'--no-such-flag'"),
        (&["scna"], "'scna'"),
        (&["scan", "--report", "srif=reports/2026-11-25.sarif"], "2026-11-25"),
    ] {
        let run = keystile(folder.path(), arguments).expect(2);
        assert!(run.stderr.contains(word), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn help_and_version_end_with_0_on_standard_output() {
    let token = &github_token(74);
    for arguments in [&["--help"][..], &["--version"], &["scan", "--help"], &["scan", "-h", token], &["git", "--help"]]
    {
        let folder = tempfile::tempdir().unwrap();
        let run = keystile_with_input(folder.path(), arguments, b"").expect(0);
        assert!(run.text().contains("keystile"), "{arguments:?}: {}", run.text());
        assert!(!run.text().contains(token), "{arguments:?}");
        assert_eq!(run.stderr, "", "{arguments:?}");
    }
}
