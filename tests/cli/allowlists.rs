//! What allowlists excuse by its place is counted, whatever the source, and never looks like "nothing found".

use serde_json::Value;

use crate::support::run::keystile_with_input;
use crate::support::{Run, TestRepository, keystile, places};

/// A rule, everything below `vendor/` allowed for all rules, and below `samples/` for this one.
const CONFIG: &str = "\
[[rules]]
id = \"acme\"
regex = '''acme_[0-9]{8}'''
[[rules.allowlists]]
paths = ['''^samples/''']
[[allowlists]]
paths = ['''(^|/|!)vendor/''']
";

fn leak(seed: u32) -> String {
    format!("acme_{}\n", 10_000_000 + seed)
}

/// A repository and its configuration beside it.
fn repository() -> (TestRepository, String) {
    let repository = TestRepository::new();
    let config = repository.beside("rules.toml");
    std::fs::write(&config, CONFIG).unwrap();
    let flag = format!("--config={}", config.display());
    (repository, flag)
}

fn scan(repository: &TestRepository, config: &str, arguments: &[&str]) -> Run {
    keystile(repository.path(), [&["scan", config][..], arguments].concat())
}

/// How many were left out at allowed paths, their bytes, and the first names.
fn left_out(report: &Value) -> (u64, u64, Vec<String>) {
    let skipped = report["coverage"]["skipped"].as_array().expect("a list");
    let of_paths: Vec<&Value> = skipped.iter().filter(|skipped| skipped["reason"] == "allowlisted_path").collect();
    let Some(skipped) = of_paths.first() else { return (0, 0, Vec::new()) };
    assert_eq!(of_paths.len(), 1);
    let examples = skipped["examples"].as_array().expect("a list").iter();
    let examples = examples.map(|example| example.as_str().expect("a name").to_owned()).collect();
    (skipped["count"].as_u64().expect("a number"), skipped["bytes"].as_u64().expect("a number"), examples)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn every_source_counts_what_lies_at_an_allowed_path() {
    let (repository, config) = repository();
    repository.commit_file("README", "start\n", "start");
    repository.write("vendor/a.txt", leak(1));
    repository.write("deep/vendor/clean.txt", "nothing\n");
    repository.write("b.txt", leak(2));
    repository.commit("more");

    let json = |arguments: &[&str]| scan(&repository, &config, &[arguments, &["--format=json"]].concat()).json();
    let both = names(&["deep/vendor/clean.txt", "vendor/a.txt"]);
    let bytes = 8 + leak(1).len() as u64;

    let history = json(&["--history-only"]);
    assert_eq!(left_out(&history), (2, bytes, both.clone()), "history");
    assert_eq!((&history["coverage"]["blobs"], &history["coverage"]["blobs_scanned"]), (&4.into(), &2.into()));
    assert_eq!(history["findings"][0]["occurrences"][0]["path"], "b.txt");

    let everything = json(&[]);
    assert_eq!(left_out(&everything), (4, 2 * bytes, [both.clone(), both.clone()].concat()), "history and work tree");
    assert_eq!((&everything["coverage"]["files"], &everything["coverage"]["files_scanned"]), (&4.into(), &2.into()));

    let range = json(&["--range=HEAD~1..HEAD"]);
    assert_eq!(left_out(&range), (2, 0, both.clone()), "range");
    assert_eq!((&range["coverage"]["blobs"], &range["coverage"]["blobs_scanned"]), (&3.into(), &1.into()));

    let directory = json(&["--dir", "."]);
    assert_eq!(left_out(&directory), (2, bytes, both.clone()), "directory");
    assert_eq!(places(&directory), ["file b.txt:1:1"]);

    let strict = json(&["--history-only", "--compat=strict"]);
    let (count, strict_bytes, _) = left_out(&strict);
    assert_eq!((count, strict_bytes), (2, bytes), "strict");
    assert_eq!(strict["findings"].as_array().unwrap().len(), 1);

    repository.write("vendor/new.txt", leak(3));
    repository.write("c.txt", leak(4));
    repository.git(&["add", "-A"]);
    let staged = json(&["--staged"]);
    assert_eq!(left_out(&staged), (1, 0, names(&["vendor/new.txt"])), "staged");
    assert_eq!(staged["findings"][0]["occurrences"][0]["path"], "c.txt");

    // Of a rule's own allowlist matches are counted, not files.
    let none = left_out(&scan(&repository, "--enable-rule=github-pat", &["--format=json"]).json());
    assert_eq!(none, (0, 0, Vec::new()), "no allowlist");
}

#[test]
fn a_blob_that_lies_elsewhere_too_is_scanned() {
    let (repository, config) = repository();
    repository.write("vendor/a.txt", leak(1));
    repository.write("vendor/same.txt", leak(1));
    let first = repository.commit("allowed");
    let run = scan(&repository, &config, &["--history-only", "--format=json"]).expect(0);
    assert_eq!(left_out(&run.json()).0, 1, "one blob at two allowed paths");

    // Moved out: the same blob is new there.
    repository.git(&["mv", "vendor/a.txt", "a.txt"]);
    repository.commit("moved");
    for (source, expected) in [(&["--history-only"][..], 0), (&["--range=HEAD~1..HEAD"], 0), (&["--dir", "."], 1)] {
        let run = scan(&repository, &config, &[source, &["--format=json"]].concat()).expect(1);
        let report = run.json();
        assert_eq!(left_out(&report).0, expected, "{source:?}");
        assert_eq!(report["findings"][0]["occurrences"][0]["path"], "a.txt", "{source:?}");
    }
    // And the other way: what is left out is not read, and the deletion is not a finding.
    repository.git(&["checkout", "-q", &first]);
    let range = format!("--range=main..{first}");
    scan(&repository, &config, &[&range, "--format=json"]).expect(0);
}

#[test]
fn matches_that_a_rule_allows_at_their_place_are_counted() {
    let (repository, config) = repository();
    repository.write("samples/a.txt", leak(1) + &leak(2));
    let commit = repository.commit("samples");
    let summary = |arguments: &[&str]| {
        let run = scan(&repository, &config, &[arguments, &["--format=json"]].concat()).expect(0);
        let report = run.json();
        assert_eq!(left_out(&report).0, 0, "{arguments:?}");
        report["summary"]["allowlisted"].as_u64().expect("a number")
    };
    for source in [&["--history-only"][..], &["--dir", "."], &["--history-only", "--compat=strict"]] {
        assert_eq!(summary(source), 2, "{source:?}");
    }
    let human = scan(&repository, &config, &["--history-only"]).expect(0).text();
    assert!(human.contains("not shown    2 findings by an allowlist, for its path or commit\n"), "{human}");

    // A commit that is allowed for all rules.
    let by_commit = repository.beside("commit.toml");
    let rules = CONFIG.replace("^samples/", "^nowhere/");
    std::fs::write(&by_commit, format!("{rules}[[allowlists]]\ncommits = [\"{commit}\"]\n")).unwrap();
    let flag = format!("--config={}", by_commit.display());
    let run = scan(&repository, &flag, &["--history-only", "--format=json"]).expect(0);
    assert_eq!((left_out(&run.json()).0, &run.json()["summary"]["allowlisted"]), (0, &2.into()));
}

#[test]
fn where_everything_is_allowed_nothing_was_scanned() {
    let (repository, config) = repository();
    repository.write("vendor/a.txt", leak(1));
    repository.write("vendor/b.txt", "nothing\n");
    repository.commit("allowed");
    repository.write("vendor/c.txt", "nothing more\n");
    repository.git(&["add", "-A"]);
    for source in [&["--history-only"][..], &[], &["--staged"], &["--dir", "."]] {
        let text = scan(&repository, &config, source).expect(0).text();
        assert!(text.starts_with("Nothing was scanned: everything in scope was left out.\n"), "{source:?}: {text}");
        assert!(text.contains(": at a path that the configuration allows"), "{source:?}: {text}");
        let report = scan(&repository, &config, &[source, &["--format=json"]].concat()).expect(0).json();
        assert_eq!(report["coverage"]["scanned_anything"], false, "{source:?}");
        let sarif = scan(&repository, &config, &[source, &["--format=sarif"]].concat()).expect(0);
        assert!(sarif.text().contains("nothing_scanned"), "{source:?}");
    }
    // From within, the paths do not begin with `vendor/`.
    let run = scan(&repository, &config, &["--dir", "vendor"]).expect(1);
    assert!(run.text().contains("scanned      3 of 3 files"), "{}", run.text());
}

/// A compressed archive with a leak at an allowed path and one that is not.
fn archive() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("vendor")).unwrap();
    std::fs::write(folder.path().join("vendor/inner.txt"), leak(1)).unwrap();
    std::fs::write(folder.path().join("inner.txt"), leak(2)).unwrap();
    let mut tar = std::process::Command::new("tar");
    let made = tar.args(["-czf", "-", "vendor/inner.txt", "inner.txt"]).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success());
    made.stdout
}

#[test]
fn entries_of_archives() {
    let (repository, config) = repository();
    repository.commit_file("README", "start\n", "start");
    repository.write("outer.tar.gz", archive());
    repository.commit("archive");
    for source in [&["--history-only"][..], &["--dir", "."], &["--range=HEAD~1..HEAD"]] {
        let run = scan(&repository, &config, &[source, &["--format=json"]].concat()).expect(1);
        let report = run.json();
        assert_eq!(left_out(&report), (1, 0, names(&["outer.tar.gz!vendor/inner.txt"])), "{source:?}");
        assert_eq!(report["findings"][0]["occurrences"][0]["path"], "outer.tar.gz!inner.txt", "{source:?}");
    }
    let run = keystile_with_input(repository.path(), &["scan", "-", &config, "--format=json"], &archive()).expect(1);
    assert_eq!(left_out(&run.json()), (1, 0, names(&["!vendor/inner.txt"])), "standard input");

    // An archive at an allowed path is left out with all that is in it.
    repository.git(&["rm", "-q", "outer.tar.gz"]);
    repository.write("vendor/outer.tar.gz", archive());
    repository.git(&["add", "-A"]);
    for source in [&["--staged"][..], &["--dir", "."]] {
        let report = scan(&repository, &config, &[source, &["--format=json"]].concat()).expect(0).json();
        assert_eq!((left_out(&report).0, left_out(&report).2), (1, names(&["vendor/outer.tar.gz"])), "{source:?}");
    }
}
