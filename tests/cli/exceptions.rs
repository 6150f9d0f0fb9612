//! Ignore files and baselines.

use serde_json::Value;

use crate::support::{Run, TestRepository, github_token, keystile};

fn scan(repository: &TestRepository, arguments: &[&str]) -> Run {
    keystile(repository.path(), [&["scan", "--format=json"], arguments].concat())
}

fn fingerprint(report: &Value, index: usize) -> String {
    report["findings"][index]["fingerprint"].as_str().expect("a fingerprint").to_owned()
}

fn unused(run: &Run) -> Vec<String> {
    let report = run.json();
    let entries = report["unused_entries"].as_array().expect("a list");
    entries.iter().map(|entry| entry["entry"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn ignored_findings() {
    let repository = TestRepository::new();
    repository.write("a.txt", github_token(1));
    repository.write("b.txt", github_token(2));
    let commit = repository.commit("leaks");
    let report = scan(&repository, &[]).expect(1).json();
    assert_eq!(report["summary"]["findings"], 2);
    let one = fingerprint(&report, 0);

    repository.write(".keystile/ignore", format!("# comment\n{one}  # reason: a test\n"));
    repository.write(".gitleaksignore", format!("{commit}:b.txt:github-pat:1\n"));
    // The work tree holds both as well: gitleaks' entry with a commit is about that commit alone.
    let run = scan(&repository, &["--history-only"]).expect(0);
    assert_eq!(run.json()["summary"]["ignored"], 2);
    let report = scan(&repository, &["--dir", "b.txt"]).expect(1).json();
    assert_eq!(report["findings"][0]["occurrences"][0]["path"], "b.txt");

    // A named file stands for those around.
    let named = repository.beside("named");
    std::fs::write(&named, "a.txt:github-pat:1  # reason: a test\n").unwrap();
    let named = format!("--ignore-file={}", named.display());
    let report = scan(&repository, &[&named]).expect(1).json();
    assert_eq!((&report["summary"]["findings"], &report["summary"]["ignored"]), (&1.into(), &1.into()));
    assert_eq!(report["findings"][0]["occurrences"][0]["path"], "b.txt");
    let second = repository.beside("second");
    std::fs::write(&second, "b.txt:github-pat:1  # reason: a test\n").unwrap();
    scan(&repository, &[&named, &format!("--ignore-file={}", second.display())]).expect(0);
}

#[test]
fn wrong_ignore_files_end_the_run() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", github_token(1), "leak");
    repository.write(".keystile/ignore", "nonsense  # reason: x\n\na.txt:github-pat:1\n");
    let run = scan(&repository, &[]).expect(2);
    for word in ["ignore:1:", "ignore:3:", "reason"] {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    for name in ["none", "folder/.gitleaksignore"] {
        let run = scan(&repository, &["--ignore-file", name]).expect(2);
        assert!(run.stderr.contains(name), "a mistyped name is no empty list: {}", run.stderr);
    }
}

#[test]
fn entries_that_excuse_nothing_are_reported_where_all_was_seen() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", github_token(1), "leak");
    repository.write(".keystile/ignore", "a.txt:github-pat:1  # reason: a\ngone.txt:github-pat:7  # reason: b\n");
    assert_eq!(unused(&scan(&repository, &[]).expect(0)), ["gone.txt:github-pat:7"]);
    let human = keystile(repository.path(), ["scan"]).expect(0).text();
    assert!(human.contains("gone.txt:github-pat:7") && human.contains("ignore:2"), "{human}");
    // What these runs see is not all that an entry can be about.
    repository.commit("more");
    for arguments in [
        &["--range=HEAD~1..HEAD"][..],
        &["--staged"],
        &["--history-only"],
        &["--enable-rule=private-key"],
        &["--dir", "a.txt"],
    ] {
        let run = scan(&repository, arguments).expect(0);
        assert_eq!(unused(&run), Vec::<String>::new(), "{arguments:?}");
    }
    let shallow = repository.beside("shallow");
    let url = format!("file://{}", repository.path().display());
    repository.git(&["clone", "-q", "--depth=1", &url, shallow.to_str().unwrap()]);
    let run = keystile(&shallow, ["scan", "--format=json"]).expect(3);
    assert_eq!(unused(&run), Vec::<String>::new(), "an incomplete scan knows nothing about what it did not see");
}

#[test]
fn a_baseline_is_made_used_and_kept_up_to_date() {
    let repository = TestRepository::new();
    let baseline = repository.path().join(".keystile/baseline.json");
    let read = || std::fs::read_to_string(&baseline).unwrap();
    repository.write("a.txt", github_token(1));
    repository.write("b.txt", github_token(2));
    repository.git(&["add", "-A"]);
    let run = scan(&repository, &["--update-baseline"]).expect(0);
    assert_eq!(run.json()["summary"]["in_baseline"], 2);
    let first = read();
    for token in [github_token(1), github_token(2)] {
        assert!(!first.contains(&token), "{first}");
    }
    scan(&repository, &["--update-baseline"]).expect(0);
    assert_eq!(read(), first, "the same findings, the same bytes");
    scan(&repository, &[]).expect(0);
    assert_eq!(unused(&scan(&repository, &[]).expect(0)), Vec::<String>::new());

    // Not known: reported alone. Known, at another place: still known.
    repository.write("c.txt", github_token(3));
    repository.write("deep/moved.txt", format!("\n\n{}\n", github_token(1)));
    let report = scan(&repository, &[]).expect(1).json();
    assert_eq!(report["summary"]["findings"], 1);
    assert_eq!(report["findings"][0]["occurrences"][0]["path"], "c.txt");

    // Gone: reported as unused, and dropped by an update that saw everything.
    std::fs::remove_file(repository.path().join("c.txt")).unwrap();
    repository.write("b.txt", "clean\n");
    repository.git(&["add", "-A"]);
    let run = scan(&repository, &[]).expect(0);
    assert_eq!(unused(&run).len(), 1, "{:?}", unused(&run));
    for arguments in [&["--update-baseline", "--enable-rule=private-key"][..], &["--update-baseline", "--history-only"]]
    {
        scan(&repository, arguments).expect(0);
        let kept = read().matches("github-pat").count();
        assert_eq!(kept, 2, "{arguments:?}: what this run did not look for is still known");
    }
    scan(&repository, &["--update-baseline"]).expect(0);
    assert_eq!(read().matches("github-pat").count(), 1);
}

#[test]
fn a_baseline_by_name_and_in_gitleaks_form() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", github_token(1), "leak");
    let path = repository.beside("known.json");
    let known = format!("--baseline={}", path.display());
    let run = scan(&repository, &[&known]).expect(2);
    assert!(run.stderr.contains("known.json"), "a mistyped name is no empty baseline: {}", run.stderr);
    scan(&repository, &[&known, "--update-baseline"]).expect(0);
    scan(&repository, &[&known]).expect(0);
    assert!(!repository.path().join(".keystile").exists(), "it was written where it was asked for");

    let report = keystile(repository.path(), ["scan", "--history-only", "--format=gitleaks", "--reveal"]).expect(1);
    std::fs::write(&path, &report.stdout).unwrap();
    scan(&repository, &["--history-only", &known]).expect(0);
    repository.commit_file("b.txt", github_token(2), "another");
    scan(&repository, &["--history-only", &known]).expect(1);
    std::fs::write(&path, "{ \"neither\": true }").unwrap();
    let run = scan(&repository, &[&known]).expect(2);
    assert!(run.stderr.contains("known.json"), "{}", run.stderr);
    let bare = repository.beside("bare.git");
    repository.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    let run = keystile(&bare, ["scan", "--update-baseline"]).expect(2);
    assert!(run.stderr.contains("--baseline"), "a bare repository has no folder for one: {}", run.stderr);
    let named = repository.beside("of-bare.json");
    keystile(&bare, ["scan", "--update-baseline", "--baseline", named.to_str().unwrap()]).expect(0);
    keystile(&bare, ["scan", "--baseline", named.to_str().unwrap()]).expect(0);
    for arguments in [["--update-baseline", "--staged"], ["--update-baseline", "--config-from=HEAD"]] {
        scan(&repository, &arguments).expect(2);
    }
}
