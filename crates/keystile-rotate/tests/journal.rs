//! The journal as a file.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;
use keystile_inventory::{SecretArn, VersionId};
use keystile_rotate::Token;
use keystile_rotate::journal::{Call, Event, FORMAT, Journal, JournalWriter, Sink as _};
use keystile_rotate::token::Purpose;

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
