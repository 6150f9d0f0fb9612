//! Names that try to be more than names.

use keystile_rotate::plan::Action;
use keystile_rotate::report::{Incident, Input, TableOptions, json, markdown, summary, table};
use keystile_rotate::{Outcome, RotationPlan};
use keystile_scan::text::{columns, is_unsafe};
use proptest::prelude::*;

use crate::fixture::{ACCOUNT, CALLER, Lines, evening, evening_journal, incident, now};

/// Everything in it that a user or an attacker can name is `name`.
fn named(name: &str) -> (RotationPlan, Lines) {
    let mut plan = evening();
    plan.source.what = name.to_owned();
    plan.source.gaps = vec![name.to_owned()];
    plan.identities[0].caller = name.to_owned();
    plan.searched.prefixes = vec![name.to_owned()];
    plan.searched.unread[0].why = name.to_owned();
    for item in &mut plan.items {
        item.rule = name.to_owned();
        item.places[0].path = name.to_owned();
        item.places[0].date = Some(name.to_owned());
        item.warnings = vec![name.to_owned()];
        item.guidance = vec![name.to_owned()];
        for block in &mut item.blocked {
            block.why = name.to_owned();
        }
        if let Some(held) = &mut item.secret {
            held.name = name.to_owned();
            held.arn.0 = name.to_owned();
            held.version.0 = name.to_owned();
            held.pointer = name.to_owned();
            held.replicas = vec![name.to_owned()];
        }
        if let Some(consumers) = &mut item.consumers {
            consumers.looked_at.source = name.to_owned();
            consumers.looked_at.gaps = vec![name.to_owned()];
            consumers.commands.restart = vec![name.to_owned()];
            for consumer in &mut consumers.consumers {
                consumer.object.name = name.to_owned();
                consumer.uses[0].place = name.to_owned();
            }
            consumers.writers[0].why = name.to_owned();
        }
    }
    let mut lines = Lines::begin(&plan);
    for item in &plan.items {
        if let Some(held) = &item.secret {
            lines.call(item.number, held, Some(name));
        }
        lines.end(item.number, Outcome::SameValue, Some(name), &[name]);
    }
    (plan, lines)
}

/// The page without the commands, which stand in a fenced block, and what is in code.
fn without_code(page: &str) -> (String, Vec<String>) {
    let mut text = String::new();
    let mut fence: Option<String> = None;
    for line in page.lines() {
        match &fence {
            Some(end) if line == end => fence = None,
            Some(_) => {}
            None if line.starts_with("```") => fence = Some(line.trim_end_matches("sh").to_owned()),
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    assert_eq!(fence, None, "every fence is closed");
    let mut outside = String::new();
    let mut spans = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('`') {
        outside.push_str(&rest[..at]);
        let inside = &rest[at + 1..];
        let end = inside.find('`').expect("every code span is closed");
        assert!(!inside[..end].contains('\n'), "a code span ends on its line: {inside}");
        spans.push(inside[..end].to_owned());
        rest = &inside[end + 1..];
    }
    outside.push_str(rest);
    (outside, spans)
}

/// Rows have as many cells as the heading of their table; nothing outside of code is syntax that is not ours.
fn assert_sound(page: &str) {
    let (outside, spans) = without_code(page);
    assert!(spans.iter().all(|span| !span.contains('|')), "no pipe is in code: {spans:?}");
    let mut columns = None;
    for line in outside.lines() {
        let pipes = line.matches('|').count();
        match (line.starts_with('|'), columns) {
            (false, _) => {
                assert_eq!(pipes, 0, "a pipe outside of tables: {line}");
                columns = None;
            }
            (true, None) => columns = Some(pipes),
            (true, Some(expected)) => assert_eq!(pipes, expected, "cells of {line}"),
        }
    }
    let mut bare = outside;
    for ours in ["<br>", "<sub>", "</sub>", "<code>", "</code>", "- [ ]", "- [x]", "**"] {
        bare = bare.replace(ours, "");
    }
    for sign in ['<', '>', '[', ']', '*', '_', '@', '\\'] {
        assert!(!bare.contains(sign), "{sign:?} in {:?}", bare.lines().find(|line| line.contains(sign)));
    }
    assert!(!bare.contains("://") && !bare.contains("www."), "no link: {bare}");
    let odd = page.chars().find(|character| *character != '\n' && is_unsafe(*character));
    assert_eq!(odd, None, "nothing invisible");
}

/// As a page is rendered: with numeric references resolved.
fn resolved(text: &str) -> String {
    let mut parts = text.split("&#");
    let mut resolved = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(';').expect("a reference ends");
        resolved.extend(number.parse().ok().and_then(char::from_u32));
        resolved.push_str(rest);
    }
    resolved
}

#[test]
fn known_tricks() {
    for name in [
        "a|b",
        "a\\|b",
        "`code`",
        "``` \n# heading",
        "<img src=x onerror=alert(1)>",
        "</code><b>",
        "@team please",
        "fixes #123, owner/repo#4, GH-5, !6, $7, %8, ~9, &10",
        "[x](https://evil.example) ![y](z)",
        "https://evil.example www.evil.example",
        "\u{1b}[31mred\u{202e}gnp",
        "a\r\n\r\n| x | y |",
        "*bold* _under_ ~~strike~~",
        "  spaces  ",
        "",
    ] {
        let (plan, lines) = named(name);
        let report = incident(&plan, Some(&lines.journal));
        let page = markdown(&report);
        assert_sound(&page);
        let (outside, _) = without_code(&page);
        let outside: String =
            outside.split("<code>").map(|part| part.rsplit("</code>").next().unwrap_or_default()).collect();
        let outside = resolved(&outside);
        assert!(!outside.contains("@team") && !outside.contains("#123"), "{name:?} calls someone: {outside}");
    }
}

#[test]
fn a_terminal_obeys_nothing_but_our_colours_and_lines_fit() {
    let (plan, lines) = named("漢字 \u{1b}[2Jname\u{202e} with words");
    let report = incident(&plan, Some(&lines.journal));
    let plain = table(&report, TableOptions::default());
    assert_eq!(plain.chars().find(|character| *character != '\n' && is_unsafe(*character)), None);
    let mut colored = table(&report, TableOptions { color: true, ..TableOptions::default() });
    for code in [0, 1, 2, 31, 32, 33, 34, 35] {
        colored = colored.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(colored, plain);
    for line in summary(&report) {
        assert_eq!(line.chars().find(|character| is_unsafe(*character)), None, "{line}");
    }
    let evening = evening();
    let report = incident(&evening, Some(&evening_journal(&evening)));
    for width in [60, 80, 120] {
        let text = table(&report, TableOptions { width: Some(width), ..TableOptions::default() });
        for line in text.lines() {
            let used: usize = line.chars().map(columns).sum();
            // Names that are longer than the line stay whole; headings of items are not broken.
            let longest = line.split(' ').map(|word| word.chars().count()).max().unwrap_or_default();
            assert!(used <= width || longest + 15 > width || line.contains("  item "), "{width}: {used}: {line}");
        }
    }
}

#[test]
fn masked_reports_tell_no_account_caller_or_arn() {
    let mut plan = evening();
    plan.items[3].blocked[0].why = format!("account {ACCOUNT} is not allowed: {CALLER} is not authorized");
    let journal = evening_journal(&plan);
    let report = Incident::new(Input { journal: Some(&journal), mask_names: true, ..Input::new(&plan, now()) });
    let open = incident(&plan, Some(&journal));
    for (format, text, unmasked) in [
        ("markdown", markdown(&report), markdown(&open)),
        ("json", json(&report), json(&open)),
        ("table", table(&report, TableOptions::default()), table(&open, TableOptions::default())),
    ] {
        assert!(unmasked.contains(ACCOUNT) && unmasked.contains("arn:aws:"), "{format} has them unless masked");
        for name in [ACCOUNT, "arn:aws:", "keystile-apply"] {
            assert!(!text.contains(name), "{name} in {format}: {text}");
        }
        assert!(text.contains("/prod/team-a/db") && text.contains("account-1"), "{format}: {text}");
    }
    assert!(report.masked);
}

#[test]
fn other_managers_are_told_in_their_own_words() {
    use keystile_rotate::backend::BackendKind::{AwsSecretsManager, GcpSecretManager, VaultDatabase, VaultKv};
    for (backend, held_by, old) in [
        (AwsSecretsManager, "(AWSCURRENT)", Some("until AWS drops that version")),
        (VaultKv, "(current)", Some("until it is destroyed (vault kv destroy)")),
        (GcpSecretManager, "(current)", Some("until it is disabled or destroyed")),
        (VaultDatabase, "(current)", None),
    ] {
        let mut plan = evening();
        plan.items.truncate(1);
        plan.items[0].secret.as_mut().expect("held").backend = backend;
        let mut lines = Lines::begin(&plan);
        lines.end(1, Outcome::Rotated, Some("v2"), &["it differs"]);
        let text = table(&incident(&plan, Some(&lines.journal)), TableOptions::default());
        assert!(text.contains(held_by), "{backend:?}: {text}");
        let readable = text.contains("can still");
        assert_eq!(readable, old.is_some(), "{backend:?}: {text}");
        assert!(old.is_none_or(|old| text.contains(old)), "{backend:?}: {text}");
    }
}

#[test]
fn long_lists_are_cut_on_a_terminal_and_say_so() {
    let items = (1..=60).map(|number| crate::fixture::item(number, None, Action::Nothing(Outcome::Unmanaged)));
    let report = incident(&crate::fixture::plan(items.collect()), None);
    let text = table(&report, TableOptions::default());
    assert_eq!(text.matches("still open").count(), 1, "what is so for all is said once: {text}");
    assert!(text.contains("still open   items 1–60: what the rule"), "{text}");
    assert!(text.contains("\n… details of 10 more items (--verbose lists all, and the other formats do)\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("  unmanaged  (unmanaged)")).count(), 60, "{text}");
    let verbose = table(&report, TableOptions { verbose: true, ..TableOptions::default() });
    assert!(!verbose.contains("… details"), "{verbose}");
    assert_eq!(verbose.matches("\n  what to do   ").count(), 60);
    assert_eq!(markdown(&report).matches("| `password-in-url` | `aaaaaaaaaaaa:config/app.env:3` | 2026").count(), 60);
}

#[test]
fn what_is_typed_next() {
    let plan = evening();
    assert_eq!(incident(&plan, None).next_command.as_deref(), Some("keystile rotate apply plan.json"));
    let journal = evening_journal(&plan);
    assert_eq!(incident(&plan, Some(&journal)).next_command.as_deref(), Some("keystile rotate resume plan.json"));
    let mut done = evening();
    done.items.truncate(1);
    let mut lines = Lines::begin(&done);
    lines.end(1, Outcome::Rotated, Some("v2"), &["it differs"]);
    assert_eq!(incident(&done, Some(&lines.journal)).next_command, None);
    // A journal of other plans is none of this one's.
    let other = incident(&plan, Some(&lines.journal));
    assert!(!other.carried_out && other.runs.is_empty());
    assert!(other.limits.iter().any(|limit| limit.contains("other plans")), "{:?}", other.limits);
}

#[test]
fn the_login_that_a_second_rotation_ended_is_refused_since_the_proof() {
    let mut plan = evening();
    plan.items.truncate(2);
    plan.items[1].action = Action::Rotate(keystile_rotate::token::Purpose::Second);
    let mut lines = Lines::begin(&plan);
    lines.end(2, Outcome::Rotated, Some("v3"), &["version v3 is current"]);
    let text = markdown(&incident(&plan, Some(&lines.journal)));
    assert!(
        text.contains(
            "is refused: the second rotation changed its password. Since 2026-11-26 03:10:01 UTC at the latest."
        ),
        "{text}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_name_breaks_a_table(name in "(\\PC|[|`\\\\<>&@#\n\r\t\u{202e}\u{1b}*_\\[\\]~!$ ]){0,24}") {
        let (plan, lines) = named(&name);
        let report = incident(&plan, Some(&lines.journal));
        assert_sound(&markdown(&report));
        let text = json(&report);
        prop_assert_eq!(serde_json::from_str::<Incident>(&text).expect("reads back"), report);
    }
}
