//! Where reports go.

use crate::support::run::{command, finish};
use crate::support::{TestRepository, github_token, keystile};

fn leaking() -> TestRepository {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", github_token(1), "leak");
    repository
}

#[test]
fn several_reports_of_one_run() {
    let repository = leaking();
    let path = |name: &str| repository.beside(name).to_str().unwrap().to_owned();
    let formats = ["json", "jsonl", "sarif", "csv", "junit", "gitlab", "markdown", "gitleaks", "human"];
    let reports = formats.map(|format| format!("--report={format}={}", path(format)));
    let arguments = ["scan"].into_iter().chain(reports.iter().map(String::as_str));
    let run = keystile(repository.path(), arguments).expect(1);
    assert!(run.text().contains("1 secret found"), "the main report is beside them: {}", run.text());
    for format in formats {
        let report = std::fs::read_to_string(path(format)).unwrap();
        assert!(report.contains("github-pat"), "{format}: {report}");
        assert!(!report.contains(&github_token(1)) && !report.contains('\u{1b}'), "{format}: {report}");
    }
    let run = keystile(repository.path(), ["scan", "--format=sarif", "--output", &path("main")]).expect(1);
    assert_eq!(run.text(), "");
    assert!(std::fs::read_to_string(path("main")).unwrap().contains("\"2.1.0\""));
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let repository = leaking();
    let folder = repository.beside("reports");
    std::fs::create_dir(&folder).unwrap();
    let (report, link) = (folder.join("report.json"), folder.join("link.json"));
    std::fs::write(&report, "from before").unwrap();
    std::os::unix::fs::symlink("report.json", &link).unwrap();
    let arguments =
        |path: &std::path::Path| vec!["scan".to_owned(), "-fjson".into(), "-o".into(), path.display().to_string()];
    // A run that does not come to a report leaves the old one.
    keystile(repository.path(), [&arguments(&report)[..], &["--config=none.toml".into()]].concat()).expect(2);
    assert_eq!(std::fs::read_to_string(&report).unwrap(), "from before");
    keystile(repository.path(), arguments(&link)).expect(1);
    assert!(link.symlink_metadata().unwrap().is_symlink(), "the link stays a link");
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).expect("JSON");
    assert_eq!(written["exit_code"], 1);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn a_report_without_a_place_is_an_error_before_the_work() {
    let repository = leaking();
    let folder = repository.path().to_str().unwrap();
    for (arguments, word) in [
        (&["--output=none/report"][..], "none/report"),
        (&["--report=sarif=none/report"], "none/report"),
        (&["--output", folder], "folder"),
        (&["--report=sarif=same", "--report=json=same"], "two reports"),
        (&["--report=sarif"], "FORMAT=FILE"),
        (&["--report=none=file"], "none"),
        (&["--report=sarif="], "missing"),
    ] {
        let run = keystile(repository.path(), [&["scan"], arguments].concat()).expect(2);
        assert!(run.stderr.contains(word), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.text(), "", "{arguments:?}");
    }
}

#[test]
fn devices_and_pipes_are_written_to() {
    let repository = leaking();
    let run = keystile(repository.path(), ["scan", "--format=json", "--output=/dev/stdout"]).expect(1);
    assert_eq!(run.json()["exit_code"], 1);
    keystile(repository.path(), ["scan", "--output=/dev/null"]).expect(1);
}

#[test]
fn quiet_says_nothing_where_there_is_nothing_to_say() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", "one\n", "start");
    repository.commit_file("a.txt", "two\n", "more");
    let run = keystile(repository.path(), ["scan", "--quiet"]).expect(0);
    assert_eq!((run.text().as_str(), run.stderr.as_str()), ("", ""));
    let run = keystile(repository.path(), ["scan", "--quiet", "--format=json"]).expect(0);
    assert_eq!(run.json()["outcome"], "clean", "who asks for JSON gets it");
    let shallow = repository.beside("shallow");
    let url = format!("file://{}", repository.path().display());
    repository.git(&["clone", "-q", "--depth=1", &url, shallow.to_str().unwrap()]);
    let run = keystile(&shallow, ["scan", "--quiet"]).expect(3);
    assert!(run.text().contains("shallow"), "a gap is something to say: {}", run.text());
    let run = keystile(&shallow, ["scan", "--quiet", "--allow-incomplete"]).expect(0);
    assert!(run.text().contains("shallow"), "also where it is allowed: {}", run.text());
    repository.write("b.txt", github_token(1));
    let run = keystile(repository.path(), ["scan", "--quiet"]).expect(1);
    assert!(run.text().contains("github-pat"), "{}", run.text());
    keystile(repository.path(), ["scan", "--quiet", "--verbose"]).expect(2);
}

#[test]
fn verbose_says_where_the_rules_come_from_and_lists_all_places() {
    let repository = TestRepository::new();
    for number in 0..30 {
        repository.write(&format!("{number:02}.txt"), github_token(1));
    }
    repository.commit("leaks");
    let brief = keystile(repository.path(), ["scan"]).expect(1);
    assert!(!brief.text().contains("29.txt") && brief.text().contains("--verbose"), "{}", brief.text());
    assert!(!brief.stderr.contains("configuration"), "{}", brief.stderr);
    let verbose = keystile(repository.path(), ["scan", "--verbose"]).expect(1);
    for number in 0..30 {
        assert!(verbose.text().contains(&format!("{number:02}.txt")), "{number}");
    }
    assert!(verbose.stderr.contains("configuration: the built-in rules"), "{}", verbose.stderr);
}

#[test]
fn colour_on_demand() {
    let repository = leaking();
    let colour = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(repository.path());
        let run = finish(command.arg("scan").args(arguments).envs(variables.iter().copied())).expect(1);
        run.text().contains('\u{1b}')
    };
    assert!(!colour(&[], &[]), "not in a pipe");
    assert!(colour(&["--color=always"], &[("NO_COLOR", "1")]), "the flag has the last word");
    assert!(!colour(&["--color=never"], &[]));
}
