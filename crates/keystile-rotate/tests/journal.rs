//! The journal as a file.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;
use keystile_inventory::{SecretArn, VersionId};
use keystile_rotate::journal::{Call, Entry, Event, FORMAT, Journal, JournalWriter, Sink as _};
use keystile_rotate::token::Purpose;
use keystile_rotate::{Outcome, Token};

fn begin() -> Event {
    Event::Begin { format: FORMAT.to_owned(), plan: "digest".to_owned(), items: vec![1] }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn lines_are_read_back_and_the_file_is_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    assert_eq!(Journal::read(&path).unwrap(), Journal::default());
    let (arn, leaked) = (SecretArn("arn".to_owned()), VersionId("x".to_owned()));
    let token = Token::derive(&arn, &leaked, Purpose::First, 0);
    let intent = Event::Intent { item: 1, arn, leaked, call: Call::Rotate, token: token.clone(), generation: 0 };
    let mut writer = JournalWriter::open(&path, "run-1").unwrap();
    writer.append(at(1), begin()).unwrap();
    writer.append(at(2), intent).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let journal = Journal::read(&path).unwrap();
    assert_eq!(journal.entries.len(), 2);
    assert_eq!(journal.plans().into_iter().collect::<Vec<_>>(), ["digest"]);
    assert!(journal.history().is_open(&token));
    assert_eq!(journal.history().first_asked(&token), Some(at(2)));
    let answer = Event::Answer { item: 1, call: Call::Rotate, request_id: None, error: None };
    writer.append(at(3), answer).unwrap();
    assert!(!Journal::read(&path).unwrap().history().is_open(&token));
}

/// Where the process that fills its disk writes.
const FULL: &str = "KEYSTILE_TEST_FULL_DISK";

/// A limit of the size of files stands in for a full disk: writes fail in the middle of a line, as they do there.
#[test]
fn a_line_that_does_not_fit_is_an_error_and_leaves_no_half_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let script = "trap '' XFSZ; ulimit -f 2; exec \"$0\" --exact the_process_that_fills_its_disk --ignored --nocapture";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FULL, &path)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && shown.contains("can't be written"), "{shown}");
    let journal = Journal::read(&path).unwrap();
    assert!(!journal.torn && journal.entries.len() > 2, "{} lines", journal.entries.len());
    assert!(fs::read(&path).unwrap().ends_with(b"\n"));
    // With room again it is gone on with.
    JournalWriter::open(&path, "run-2").unwrap().append(at(2), begin()).unwrap();
    assert_eq!(Journal::read(&path).unwrap().entries.len(), journal.entries.len() + 1);
}

/// Not a test of its own: writes until that fails.
#[test]
#[ignore = "run by the test above, with a limit"]
fn the_process_that_fills_its_disk() {
    let Some(path) = std::env::var_os(FULL) else { return };
    let mut writer = JournalWriter::open(path.as_ref(), "run-1").unwrap();
    let error = (0..1_000).find_map(|second| writer.append(at(second), begin()).err()).expect("the limit is reached");
    std::io::stdout().write_all(format!("\n{error}\n").as_bytes()).unwrap();
}

#[test]
fn what_runs_did_is_told_from_their_lines() {
    let arn = SecretArn("arn".to_owned());
    let leaked = VersionId("x".to_owned());
    let token = Token::derive(&arn, &leaked, Purpose::First, 0);
    let stuck = VersionId("stuck".to_owned());
    let line = |second, run: &str, event| Entry { at: at(second), run: run.to_owned(), event };
    let intent = |call, token: &Token| Event::Intent {
        item: 1,
        arn: arn.clone(),
        leaked: leaked.clone(),
        call,
        token: token.clone(),
        generation: 0,
    };
    let answer = |call, error: Option<&str>| Event::Answer {
        item: 1,
        call,
        request_id: None,
        error: error.map(ToOwned::to_owned),
    };
    let ended = |outcome, since| Event::Ended { item: 1, outcome, current: None, since, proof: Vec::new() };
    let lines = [
        line(1, "a", begin()),
        line(2, "a", intent(Call::ClearStuck, &Token::naming(&stuck))),
        line(3, "a", answer(Call::ClearStuck, None)),
        line(4, "a", intent(Call::Rotate, &token)),
        line(5, "a", answer(Call::Rotate, Some("no answer"))),
        line(6, "b", begin()),
        line(7, "b", intent(Call::Rotate, &token)),
        line(8, "b", answer(Call::Rotate, None)),
        line(9, "c", begin()),
        // A run that only had to look: the item is the same, since the plan is.
        line(10, "c", ended(Outcome::Rotated, Some(at(8)))),
    ];
    let history = |lines: &[Entry]| Journal { entries: lines.to_vec(), torn: false }.history();
    assert_eq!(history(&lines[..2]).cleared(&arn, &leaked), [stuck].into(), "it may have been done");
    assert!(history(&lines[..5]).is_open(&token));
    let all = history(&lines);
    assert!(!all.is_open(&token));
    assert_eq!(all.first_asked(&token), Some(at(4)));
    assert_eq!(all.last_rotation(&arn), Some(at(8)));
    assert!(all.was_replaced(&arn, &leaked) && !history(&lines[..9]).was_replaced(&arn, &leaked));
    // A value that was stored and made current, by a run that was killed then.
    let lines =
        [line(1, "a", begin()), line(2, "a", intent(Call::Promote, &token)), line(3, "a", answer(Call::Promote, None))];
    assert_eq!(history(&lines).last_rotation(&arn), Some(at(3)));
    assert_eq!(history(&lines[..2]).last_rotation(&arn), None);
}

#[test]
fn one_run_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let writer = JournalWriter::open(&path, "run-1").unwrap();
    let error = JournalWriter::open(&path, "run-2").unwrap_err();
    assert!(error.to_string().contains("another run has it"), "{error}");
    drop(writer);
    JournalWriter::open(&path, "run-2").unwrap();
}

#[test]
fn a_torn_last_line_is_tolerated_and_mended_and_another_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    JournalWriter::open(&path, "run-1").unwrap().append(at(1), begin()).unwrap();
    let whole = fs::read(&path).unwrap();
    // Cut off anywhere, the line feed alone included.
    for cut in 1..whole.len() {
        fs::write(&path, [&whole[..], &whole[..cut]].concat()).unwrap();
        let read = Journal::read(&path).unwrap();
        let complete = cut == whole.len() - 1;
        assert_eq!((read.entries.len(), read.torn), if complete { (2, false) } else { (1, true) }, "{cut}");
        JournalWriter::open(&path, "run-2").unwrap().append(at(2), begin()).unwrap();
        let read = Journal::read(&path).unwrap();
        assert_eq!((read.entries.len(), read.torn), (if complete { 3 } else { 2 }, false), "{cut}");
    }
    fs::write(&path, [&whole[..], b"{}\n", &whole[..]].concat()).unwrap();
    let error = Journal::read(&path).unwrap_err();
    assert_eq!(error.line, Some(2), "{error}");
}

#[test]
fn a_journal_that_can_t_be_written_or_that_others_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(JournalWriter::open(folder.path(), "run").is_err(), "a folder");
    assert!(JournalWriter::open(&folder.path().join("no/such/folder"), "run").is_err());
    let path = folder.path().join("journal.jsonl");
    fs::File::create(&path).unwrap().write_all(b"").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = JournalWriter::open(&path, "run").unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}
