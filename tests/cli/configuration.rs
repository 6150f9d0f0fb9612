//! Where rules come from: files, variables, a commit; and what happens to wrong ones.

use std::path::Path;

use crate::support::run::{command, finish, keystile_with_input};
use crate::support::{Run, TestRepository, github_token, keystile};

/// A configuration with one rule, `id`, that finds `acme_` and digits.
fn rule(id: &str) -> String {
    format!("[[rules]]\nid = \"{id}\"\nregex = '''acme_[0-9]{{8}}'''\n")
}

/// What every rule of this file finds.
fn leak() -> String {
    format!("acme_{}\n", 12_345_678)
}

fn rules(run: &Run) -> Vec<String> {
    let report = run.json();
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().map(|finding| finding["rule_id"].as_str().expect("a rule").to_owned()).collect()
}

#[test]
fn the_first_place_that_has_a_configuration_is_the_one() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", leak(), "leak");
    let beside = |name: &str| {
        let path = repository.beside(&format!("{name}.toml"));
        std::fs::write(&path, rule(name)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (flag, keystile_config, gitleaks_config) = (beside("flag"), beside("keystile"), beside("gitleaks"));
    repository.write(".keystile/scan.toml", rule("own-file"));
    repository.write(".gitleaks.toml", rule("gitleaks-file"));
    let text = rule("text");
    let all = [
        ("KEYSTILE_CONFIG", keystile_config.as_str()),
        ("GITLEAKS_CONFIG", &gitleaks_config),
        ("GITLEAKS_CONFIG_TOML", &text),
    ];
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(repository.path());
        finish(command.args(["scan", "--format=json"]).args(arguments).envs(variables.iter().copied()))
    };
    let flag = format!("--config={flag}");
    for (arguments, variables, expected) in [
        (&[flag.as_str()][..], &all[..], "flag"),
        (&[], &all, "keystile"),
        (&[], &all[1..], "gitleaks"),
        (&[], &all[2..], "text"),
        (&[], &[("KEYSTILE_CONFIG", ""), ("GITLEAKS_CONFIG", ""), ("GITLEAKS_CONFIG_TOML", "")], "own-file"),
    ] {
        let run = run(arguments, variables).expect(1);
        assert_eq!(rules(&run), [expected], "{variables:?}");
    }
    std::fs::remove_dir_all(repository.path().join(".keystile")).unwrap();
    assert_eq!(rules(&run(&[], &[]).expect(1)), ["gitleaks-file"]);
    std::fs::remove_file(repository.path().join(".gitleaks.toml")).unwrap();
    run(&[], &[]).expect(0);
    let said = run(&["--verbose"], &[]).expect(0).stderr;
    assert!(said.contains("configuration: the built-in rules"), "{said}");
    let said = run(&["--verbose"], &all[1..]).expect(1).stderr;
    assert!(said.contains("GITLEAKS_CONFIG=") && said.contains("rules: 1"), "{said}");
}

#[test]
fn a_pipe_that_lies_around_does_not_block() {
    for name in [".keystile/scan.toml", ".gitleaks.toml", ".keystile/ignore", ".gitleaksignore"] {
        let repository = TestRepository::new();
        let path = repository.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let run = keystile(repository.path(), ["scan"]).expect(2);
        assert!(run.stderr.contains(name) && run.stderr.contains("a pipe or a device"), "{name}: {}", run.stderr);
    }
}

#[test]
fn it_is_looked_for_at_the_top_of_what_is_scanned() {
    let repository = TestRepository::new();
    repository.write(".gitleaks.toml", rule("top"));
    repository.write("sub/.gitleaks.toml", rule("sub"));
    repository.commit_file("sub/a.txt", leak(), "leak");
    let sub = repository.path().join("sub");
    let json = |folder: &Path, arguments: &[&str]| {
        rules(&keystile(folder, [&["scan", "--format=json"], arguments].concat()).expect(1))
    };
    assert_eq!(json(&sub, &[]), ["top"], "the repository's, from a folder below");
    assert_eq!(json(repository.path(), &["--dir", "sub"]), ["sub"]);
    assert_eq!(json(repository.path(), &["--dir"]), ["top"]);
    assert_eq!(json(repository.path(), &["sub/a.txt"]), ["top"], "for a file, that of the current folder");
    let run = keystile_with_input(&sub, &["scan", "--format=json", "-"], leak().as_bytes()).expect(1);
    assert_eq!(rules(&run), ["sub"], "for standard input, that of the current folder");
}

#[test]
fn from_a_commit() {
    let repository = TestRepository::new();
    repository.write("extended.toml", rule("extended"));
    repository.commit_file(".keystile/scan.toml", "[extend]\npath = \"../extended.toml\"\n", "rules");
    repository.git(&["tag", "-a", "-m", "tag", "rules"]);
    repository.write("extended.toml", rule("later"));
    repository.write("sub/other.toml", rule("other"));
    repository.commit_file("a.txt", leak(), "leak");
    let json = |folder: &Path, arguments: &[&str]| {
        keystile(folder, [&["scan", "--format=json", "--history-only"], arguments].concat())
    };
    let of = |arguments: &[&str]| rules(&json(repository.path(), arguments).expect(1));
    assert_eq!(of(&[]), ["later"]);
    assert_eq!(of(&["--config-from=rules"]), ["extended"]);
    assert_eq!(of(&["--config-from=HEAD~1"]), ["extended"]);
    assert_eq!(of(&["--config-from=HEAD", "--config=sub/other.toml"]), ["other"]);
    let inside = repository.path().join("sub/../extended.toml");
    let inside = format!("--config={}", inside.display());
    assert_eq!(of(&["--config-from=rules", &inside]), ["extended"], "a whole path into the work tree");
    let outside = repository.beside("outside.toml");
    std::fs::write(&outside, rule("outside")).unwrap();
    let outside = format!("--config={}", outside.display());
    assert_eq!(of(&["--config-from=rules", &outside]), ["outside"], "not part of the change");

    for variable in ["KEYSTILE_CONFIG", "GITLEAKS_CONFIG"] {
        let mut command = command(repository.path());
        command.args(["scan", "--format=json", "--history-only", "--config-from=rules"]).env(variable, "extended.toml");
        assert_eq!(rules(&finish(&mut command).expect(1)), ["extended"], "{variable}");
    }

    let bare = repository.beside("bare.git");
    repository.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    assert_eq!(rules(&json(&bare, &["--config-from=rules"]).expect(1)), ["extended"]);
    for (arguments, word) in
        [(&["--config-from=none"][..], "none"), (&["--config-from=rules", "--config=sub/other.toml"], "sub/other.toml")]
    {
        let run = json(repository.path(), arguments).expect(2);
        assert!(run.stderr.contains(word), "{}", run.stderr);
    }
    let folder = repository.beside("folder");
    std::fs::create_dir(&folder).unwrap();
    keystile(&folder, ["scan", "--config-from=HEAD"]).expect(2);
}

#[test]
fn what_a_configuration_of_a_commit_extends_is_of_that_commit() {
    let repository = TestRepository::new();
    repository.write("ci/shared.toml", rule("shared"));
    repository.commit_file("ci/rules.toml", "[extend]\npath = \"shared.toml\"\n", "rules");
    let outside = repository.beside("outside.toml");
    std::fs::write(&outside, "[extend]\npath = \"ci/shared.toml\"\n").unwrap();
    let outside = format!("--config={}", outside.display());
    type Change = fn(&TestRepository);
    let changes: [(&str, Change); 3] = [
        ("changed", |r| r.write("ci/shared.toml", rule("shared").replace("acme", "nothing"))),
        ("deleted", |r| std::fs::remove_file(r.path().join("ci/shared.toml")).unwrap()),
        ("one at the top", |r| r.write("shared.toml", rule("other"))),
    ];
    for (name, change) in changes {
        repository.git(&["checkout", "-q", "-B", "topic", "main"]);
        change(&repository);
        repository.commit_file("a.txt", leak(), "leak");
        for config in ["--config=ci/rules.toml", &outside] {
            let arguments = ["scan", "--range=main..topic", "--config-from=main", "--format=json", config];
            let run = keystile(repository.path(), arguments);
            assert_eq!(run.status, Some(1), "{name} {config}: {}", run.stderr);
            assert_eq!(rules(&run), ["shared"], "{name} {config}");
        }
    }
}

#[test]
fn a_link_out_of_the_work_tree_is_not_followed_into_the_change() {
    let repository = TestRepository::new();
    repository.commit_file("rules.toml", rule("base"), "rules");
    repository.git(&["checkout", "-q", "-b", "topic"]);
    repository.write("rules.toml", rule("silent").replace("acme", "nothing"));
    repository.commit_file("a.txt", leak(), "leak");
    // Reached by other names: through a link to the repository, and through a link to the file.
    let link = repository.beside("link");
    std::os::unix::fs::symlink(repository.path(), &link).unwrap();
    let file = repository.beside("file.toml");
    std::os::unix::fs::symlink(repository.path().join("rules.toml"), &file).unwrap();
    for path in [link.join("rules.toml"), file] {
        let config = format!("--config={}", path.display());
        let arguments = ["scan", "--range=main..topic", "--config-from=main", "--format=json", &config];
        assert_eq!(rules(&keystile(repository.path(), arguments).expect(1)), ["base"], "{config}");
    }
    // In the commit itself a link is no configuration.
    repository.git(&["checkout", "-q", "main"]);
    std::os::unix::fs::symlink("rules.toml", repository.path().join(".gitleaks.toml")).unwrap();
    repository.commit("link");
    let run = keystile(repository.path(), ["scan", "--history-only", "--config-from=main"]).expect(2);
    assert!(run.stderr.contains(".gitleaks.toml") && run.stderr.contains("symbolic link"), "{}", run.stderr);
    keystile(repository.path(), ["scan", "--history-only"]).expect(1);
    repository.git(&["rm", "-q", ".gitleaks.toml"]);
    repository.write("ours/scan.toml", rule("linked"));
    std::os::unix::fs::symlink("ours", repository.path().join(".keystile")).unwrap();
    repository.commit("folder");
    let run = keystile(repository.path(), ["scan", "--history-only", "--config-from=main"]).expect(2);
    assert!(run.stderr.contains(".keystile is a symbolic link"), "{}", run.stderr);
}

#[test]
fn single_rules() {
    let repository = TestRepository::new();
    let composite = "\
[[rules]]\nid = \"pair\"\nregex = '''secret_[0-9]{4}'''\n[[rules.required]]\nid = \"id\"\nwithinLines = 2\n\
[[rules]]\nid = \"id\"\nregex = '''id_[0-9]{4}'''\n";
    repository.write(".gitleaks.toml", format!("{}{composite}", rule("acme")));
    repository.commit_file("a.txt", format!("{}id_1234\nsecret_5678\n", leak()), "leak");
    let with = |arguments: &[&str]| {
        let mut found = rules(&keystile(repository.path(), [&["scan", "--format=json"], arguments].concat()).expect(1));
        found.sort();
        found
    };
    assert_eq!(with(&[]), ["acme", "id", "pair"]);
    assert_eq!(with(&["--enable-rule=acme"]), ["acme"]);
    assert_eq!(with(&["--enable-rule=acme", "--enable-rule=id"]), ["acme", "id"]);
    assert_eq!(with(&["--enable-rule=acme,id"]), ["acme", "id"]);
    assert_eq!(with(&["--enable-rule=pair"]), ["pair"], "what it requires is looked for, not reported");
    let run = keystile(repository.path(), ["scan", "--enable-rule=acme,none"]).expect(2);
    assert!(run.stderr.contains("none") && run.stderr.contains("rules list"), "{}", run.stderr);
}

#[test]
fn wrong_rules_end_the_run_and_are_left_out_on_demand() {
    let repository = TestRepository::new();
    let wrong =
        "[[rules]]\nid = \"look-around\"\nregex = '''(?=x)acme'''\n[[rules]]\nid = \"open\"\nregex = '''(acme'''\n";
    repository.write(".gitleaks.toml", format!("{wrong}{}", rule("right")));
    repository.commit_file("a.txt", leak(), "leak");
    let run = keystile(repository.path(), ["scan"]).expect(2);
    for place in [".gitleaks.toml:3:", ".gitleaks.toml:6:", "look-around", "open"] {
        assert!(run.stderr.contains(place), "{place}: all at once, with their places: {}", run.stderr);
    }
    assert_eq!(run.text(), "");
    let run = keystile(repository.path(), ["scan", "--skip-bad-rules", "--format=json"]).expect(1);
    assert_eq!(rules(&run), ["right"]);
    for word in ["look-around", "open", ".gitleaks.toml:3:", ".gitleaks.toml:6:"] {
        assert!(run.stderr.contains(word), "{word}: what was left out is listed: {}", run.stderr);
    }
    repository.write(".gitleaks.toml", wrong);
    let run = keystile(repository.path(), ["scan", "--skip-bad-rules"]).expect(2);
    assert!(run.stderr.contains("no rule"), "nothing could be found: {}", run.stderr);
}

#[test]
fn what_can_not_be_a_configuration_is_named() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", leak(), "leak");
    for (content, word) in [(&b"[[rules]\n"[..], ":1:"), (b"x = 1\n\xff\n", ":2: not UTF-8"), (b"", "no rule")] {
        repository.write(".gitleaks.toml", content);
        let run = keystile(repository.path(), ["scan"]).expect(2);
        assert!(run.stderr.contains(".gitleaks.toml") && run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    std::fs::remove_file(repository.path().join(".gitleaks.toml")).unwrap();
    std::fs::create_dir(repository.path().join(".gitleaks.toml")).unwrap();
    let run = keystile(repository.path(), ["scan"]).expect(2);
    assert!(run.stderr.contains(".gitleaks.toml"), "{}", run.stderr);
}

#[test]
fn a_message_about_a_faulty_file_does_not_quote_a_secret_in_it() {
    let repository = TestRepository::new();
    repository.commit_file("a.txt", "x\n", "one");
    let token = github_token(7);
    for (name, path, text) in [
        ("a syntax error", ".gitleaks.toml", format!("[[rules]]\nid = \"x\" {token}\n")),
        ("a bad expression", ".gitleaks.toml", format!("[[rules]]\nid = \"x\"\nregex = \"({token}\"\n")),
        ("an ignore file", ".keystile/ignore", format!("{token}\n")),
    ] {
        repository.write(path, text);
        let run = keystile(repository.path(), ["scan"]).expect(2);
        assert!(run.stderr.contains(path), "{name}: {}", run.stderr);
        assert!(!run.stderr.contains(&token), "{name}: the message quotes the token");
        std::fs::remove_file(repository.path().join(path)).unwrap();
    }
    let run = keystile(repository.path(), ["scan", "--range", &format!("{token}..HEAD")]).expect(2);
    assert!(!run.stderr.contains(&token), "{}", run.stderr.replace(&token, "(the token)"));
}
