//! `--compat=strict` held against gitleaks itself: the same repository, the same configuration (gitleaks'
//! own), the same findings at the same places.
//!
//! gitleaks and its configuration come by `tests/assets`; without them these tests say that they are left out.
//! `benches/gitleaks_equivalence.py` does the same on public repositories.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use keystile_scan::config::Loader;
use keystile_scan::rule::RuleSet;
use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::Value;

use crate::support::assets::asset;
use crate::support::{TestRepository, gaps, github_token, keystile, places, random};

/// gitleaks 8.30.1 and its default configuration.
struct Gitleaks {
    program: PathBuf,
    config: PathBuf,
}

impl Gitleaks {
    /// `None`: it is not there, and that was said.
    fn find() -> Option<Self> {
        Some(Self { program: asset("bin/gitleaks")?, config: asset("gitleaks.toml")? })
    }

    fn rules(&self) -> RuleSet {
        let text = std::fs::read_to_string(&self.config).expect("gitleaks' configuration");
        let read = |path: &str| -> Result<String, String> { Err(format!("{path} is not expected to be read")) };
        let loader = Loader { builtin: "", read: &read, skip_bad_rules: false, strict: true };
        loader.load("gitleaks.toml", &text).expect("a configuration that loads").rules
    }

    /// `range`: as in `--log-opts`; empty: the whole history.
    fn scan(&self, repository: &TestRepository, range: &str, flags: &[&str]) -> Value {
        let report = repository.beside("gitleaks.json");
        let output = Command::new(&self.program)
            .args(["git", "--no-banner", "--exit-code=0", "--report-format=json", "--report-path"])
            .arg(&report)
            .arg("--config")
            .arg(&self.config)
            .arg(format!("--log-opts={range}"))
            .args(flags)
            .arg(repository.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", repository.beside("home"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .expect("gitleaks starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&std::fs::read(report).expect("gitleaks' report")).expect("JSON")
    }
}

/// What both programs say of a finding, and how often they say it.
fn findings(report: &Value) -> BTreeMap<String, usize> {
    let mut findings = BTreeMap::new();
    for found in report.as_array().expect("a list") {
        let field = |name: &str| found[name].to_string();
        let names = [
            "Commit",
            "File",
            "StartLine",
            "EndLine",
            "StartColumn",
            "EndColumn",
            "RuleID",
            "Secret",
            "Match",
            "Entropy",
            "Author",
            "Email",
            "Date",
            "Message",
            "Tags",
            "Fingerprint",
        ];
        let line = names.map(field).join(" ");
        *findings.entry(line).or_default() += 1;
    }
    findings
}

/// Fails unless both find the same in the history of `repository`; gives how many findings there are.
#[track_caller]
fn expect_equal(gitleaks: &Gitleaks, repository: &TestRepository) -> usize {
    expect_equal_in(gitleaks, repository, "", &[])
}

/// The same for a range of commits and with flags that both have.
#[track_caller]
fn expect_equal_in(gitleaks: &Gitleaks, repository: &TestRepository, range: &str, flags: &[&str]) -> usize {
    let config = format!("--config={}", gitleaks.config.display());
    let range_argument = format!("--range={range}");
    let part = if range.is_empty() { "--history-only" } else { &range_argument };
    let arguments = ["scan", part, "--compat=strict", "--reveal", "--format=gitleaks", &config];
    let run = keystile(repository.path(), [&arguments[..], flags].concat());
    assert!(matches!(run.status, Some(0 | 1)), "{run:?}");
    let (theirs, ours) = (findings(&gitleaks.scan(repository, range, flags)), findings(&run.json()));
    let only = |one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| -> Vec<String> {
        let missing = one.iter().filter(|(found, count)| other.get(*found) != Some(count));
        missing.map(|(found, count)| format!("{count} × {found}")).take(20).collect()
    };
    let (only_theirs, only_ours) = (only(&theirs, &ours), only(&ours, &theirs));
    assert!(
        only_theirs.is_empty() && only_ours.is_empty(),
        "gitleaks only:\n{}\n\nkeystile only:\n{}",
        only_theirs.join("\n"),
        only_ours.join("\n")
    );
    ours.values().sum()
}

#[test]
fn every_rule_of_gitleaks_loads() {
    let Some(gitleaks) = Gitleaks::find() else { return };
    let rules = gitleaks.rules();
    assert_eq!(rules.rules.len(), 222);
    let scanner = keystile_scan::Scanner::new(rules, keystile_scan::ScanOptions::default());
    assert_eq!(scanner.check_all(), Ok(()));
}

#[test]
fn a_match_across_an_unchanged_line_is_found_but_not_in_strict() {
    let repository = TestRepository::new();
    let config = repository.beside("scan.toml");
    std::fs::write(&config, "[[rules]]\nid = 'block'\nregex = '''BEGIN\\n\\w+\\nEND'''\n").unwrap();
    repository.commit_file("a.txt", "x\nunchanged\ny\n", "start");
    repository.commit_file("a.txt", "BEGIN\nunchanged\nEND\n", "around it");
    let config = format!("--config={}", config.display());
    keystile(repository.path(), ["scan", "--history-only", &config]).expect(1);
    keystile(repository.path(), ["scan", "--history-only", "--compat=strict", &config]).expect(0);
}

#[test]
fn the_configuration_file_is_scanned_too() {
    let repository = TestRepository::new();
    let text = format!("[extend]\nuseDefault = true\n# {}\n", github_token(1));
    repository.commit_file(".gitleaks.toml", text, "configuration");
    keystile(repository.path(), ["scan", "--config=.gitleaks.toml"]).expect(1);
}

#[test]
fn strict_mode_names_what_is_missing_and_scans_the_rest() {
    let repository = TestRepository::new();
    repository.write("here.txt", leak(1));
    repository.write("gone.txt", leak(2));
    repository.commit("two files");
    repository.git(&["rm", "-q", "gone.txt"]);
    repository.commit_file("later.txt", leak(3), "a third, and one less");
    let id = repository.git(&["rev-parse", "HEAD~1:gone.txt"]);
    std::fs::remove_file(repository.path().join(".git/objects").join(&id[..2]).join(&id[2..])).unwrap();
    let arguments = ["scan", "--history-only", "--compat=strict", "--format=json"];
    let report = keystile(repository.path(), arguments).expect(1).json();
    let expected = ["commit here.txt:1:10 two files", "commit later.txt:1:10 a third, and one less"];
    assert_eq!(places(&report), expected);
    // As a file that was made, and as one that may have become `later.txt`.
    assert_eq!(gaps(&report), [("missing_object".to_owned(), 2)].into());
    let coverage = &report["coverage"];
    assert_eq!(
        (&coverage["commits"], &coverage["blobs"], &coverage["blobs_scanned"]),
        (&2.into(), &3.into(), &2.into())
    );
}

#[test]
fn strict_mode_says_which_repositories_it_can_not_read() {
    let repository = TestRepository::with(&["--initial-branch=main", "--object-format=sha256"]);
    repository.commit_file("a.txt", leak(1), "leak");
    keystile(repository.path(), ["scan", "--history-only"]).expect(1);
    let run = keystile(repository.path(), ["scan", "--history-only", "--compat=strict"]).expect(2);
    assert!(run.stderr.contains("sha256") && run.stderr.contains("leave --compat=strict out"), "{}", run.stderr);
}

/// Texts that the rules' own expressions describe, in the surroundings that secrets have.
#[test]
fn each_rule_finds_the_same() {
    let Some(gitleaks) = Gitleaks::find() else { return };
    let rules = gitleaks.rules();
    let repository = TestRepository::new();
    let mut planted = std::collections::BTreeSet::new();
    for (index, rule) in rules.rules.iter().enumerate() {
        let Some(regex) = &rule.regex else { continue };
        let hir = regex_syntax::parse(&regex.translated).expect("a pattern that loads");
        let mut content = String::new();
        for seed in 0..8 {
            let mut dice = Dice::new(index as u64 * 100 + seed);
            let mut text = String::new();
            generate(&hir, &mut dice, &mut text);
            let around = [("", "\n"), ("key: \"", "\"\n"), ("x=", "; y\r\n"), ("\t", " # comment\n")];
            let (before, after) = around[dice.below(4)];
            content.push_str(&format!("{before}{text}{after}"));
            if dice.below(4) == 0 {
                content.push_str("some line\n\n");
            }
        }
        repository.write(&format!("planted/{}.txt", rule.id), content);
        planted.insert(rule.id.to_string());
    }
    repository.write("keys/store.p12", "text that no rule's expression matches\n");
    repository.commit("plant");
    let found = expect_equal(&gitleaks, &repository);
    assert!(found > planted.len(), "{found} findings for {} rules: the texts don't match", planted.len());
}

/// A line with a token that gitleaks' rules know.
fn leak(seed: u64) -> String {
    format!("token = \"{}\"\n", github_token(seed))
}

/// `count` different lines without any.
fn lines(name: &str, count: usize) -> String {
    (0..count).map(|line| format!("{name} line {line} says {}\n", line * line)).collect()
}

#[test]
fn histories_with_all_that_a_patch_can_hold() {
    let Some(gitleaks) = Gitleaks::find() else { return };
    let repository = TestRepository::new();
    repository.commit_file(
        "src/a.txt",
        format!("{}{}{}", lines("a", 20), leak(1), lines("b", 20)),
        "start\n\nbody\there\n",
    );
    let hunks = format!("{}{}{}{}{}{}", leak(2), lines("a", 20), leak(3), leak(1), lines("b", 20), leak(4).trim_end());
    repository.commit_file("src/a.txt", hunks.clone(), "three hunks, no line feed at the end");
    repository.commit_file("src/a.txt", format!("{hunks}\nx {} y", github_token(5)), "the last line gets its end");
    repository.git(&["mv", "src/a.txt", "src/renamed.txt"]);
    repository.commit("pure rename");
    repository.git(&["mv", "src/renamed.txt", "src/again.txt"]);
    repository.commit_file("src/again.txt", format!("{}{hunks}", leak(6)), "rename with a change");
    repository.commit_file("src/copy.txt", &hunks, "copy");
    repository.commit_file(
        "src/crlf.txt",
        lines("c", 3).replace('\n', "\r\n") + &leak(7).replace('\n', "\r\n"),
        "CRLF",
    );
    repository.commit_file(
        "src/bytes.txt",
        [b"\xff\xfe\xfd ".as_slice(), leak(8).as_bytes(), b"\xc3("].concat(),
        "no UTF-8",
    );
    repository.commit_file("src/binary.bin", [b"\0", leak(9).as_bytes()].concat(), "binary");
    repository.commit_file(
        "src/late.bin",
        [lines("l", 400).as_bytes(), b"\0", leak(10).as_bytes()].concat(),
        "late NUL",
    );
    let late = [lines("l", 400).as_bytes(), b"\0", leak(10).as_bytes(), leak(11).as_bytes(), b"\0\n"].concat();
    repository.commit_file("src/late.bin", late, "late NULs in a hunk");
    repository.commit_file("store.p12", "text\n", "a path that is a finding");
    repository.commit_file("store.p12", "", "and emptied");
    repository.commit_file("go.sum", leak(12), "a path that is excused");
    repository.commit_file("allow.txt", format!("{} # gitleaks:allow\n{}", leak(13).trim_end(), leak(14)), "comments");
    repository.commit_file(
        "allow.txt",
        format!("x # gitleaks:allow\n{}", leak(15).trim_end()),
        "a comment before an unclosed line",
    );
    std::fs::remove_file(repository.path().join("allow.txt")).unwrap();
    repository.commit("deletion");
    for name in
        ["with space.txt", "tab\tname.txt", "quote\"name.txt", "ümläut.txt", "line\nfeed.txt", "back\\slash.txt"]
    {
        repository.commit_file(&format!("names/{name}"), leak(16), name);
        repository.commit_file(&format!("names/{name}"), leak(16) + &leak(17), "change");
    }
    repository.commit_file(
        "message.txt",
        leak(18),
        "commit of something\n\ncommit 0123456789abcdef\ndiff --git a/x b/x\n+++ b/x\n",
    );
    repository.commit_file(
        "diff.txt",
        format!("++ b/x\n-- a/x\n@@ -1 +1 @@\ndiff --git a/x b/x\n{}", leak(19)),
        "looks like a patch",
    );
    repository.commit_file("diff.txt", format!("commit 0123\n++ b/y\n-- a/y\n{}", leak(20)), "looks like another");
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let script = repository.path().join("script.sh");
        repository.commit_file("script.sh", leak(21), "script");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        repository.commit("mode");
        std::fs::remove_file(&script).unwrap();
        symlink(github_token(22), &script).unwrap();
        repository.commit("a link in its place");
        symlink(github_token(23), repository.path().join("link")).unwrap();
        repository.commit("another link");
    }
    let found = expect_equal(&gitleaks, &repository);
    assert!(found > 30, "{found} findings");
    let in_range = expect_equal_in(&gitleaks, &repository, "HEAD~12..HEAD", &[]);
    assert!((5..found).contains(&in_range), "{in_range} findings");
}

#[test]
fn attributes_decide_what_is_binary() {
    let Some(gitleaks) = Gitleaks::find() else { return };
    let repository = TestRepository::new();
    let attributes = "*.hidden -diff\n*.macro binary\n*.forced diff\n*.driver diff=none\nsub/*.txt -diff\n";
    repository.commit_file(".gitattributes", attributes, "attributes");
    repository.write("sub/.gitattributes", "*.hidden diff\n");
    for (seed, name) in (1..).zip(["a.hidden", "b.macro", "c.forced", "d.driver", "sub/e.txt", "sub/f.hidden"]) {
        repository.write(name, format!("\n{}", leak(seed)));
    }
    repository.commit("text");
    for (seed, name) in (11..).zip(["c.forced", "d.driver", "g.txt"]) {
        repository.write(name, format!("\0\n{}", leak(seed)));
    }
    repository.commit("with NUL");
    repository.git(&["mv", "a.hidden", "shown.txt"]);
    repository.git(&["mv", "c.forced", "c.hidden"]);
    repository.commit("renames");
    let found = expect_equal(&gitleaks, &repository);
    assert!(found >= 4, "{found} findings");
}

/// A rule that finds every line, and files that are much alike: each hunk and each rename shows.
#[test]
fn patches_are_those_of_git() {
    let Some(mut gitleaks) = Gitleaks::find() else { return };
    let repository = TestRepository::new();
    gitleaks.config = repository.beside("lines.toml");
    let config = "[[rules]]\nid = 'line'\ndescription = 'line'\nregex = '[^\\n]+'\n";
    std::fs::write(&gitleaks.config, config).unwrap();
    let mut dice = Dice::new(11);
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for step in 0..80 {
        for _ in 0..=dice.below(6) {
            rearrange(&mut files, &mut dice);
        }
        for content in files.values_mut() {
            if dice.below(3) == 0 {
                edit(content, &mut dice);
            }
        }
        for folder in FOLDERS {
            let _ = std::fs::remove_dir_all(repository.path().join(folder));
        }
        for (name, content) in &files {
            repository.write(name, content.concat());
        }
        repository.commit(&format!("step {step}"));
    }
    let found = expect_equal(&gitleaks, &repository);
    assert!(found > 2000, "{found} lines");
    let renamed = repository.git(&["log", "--all", "--diff-filter=R", "--name-only", "--format="]);
    assert!(renamed.lines().count() > 20, "there are renames");
}

const FOLDERS: [&str; 3] = ["a", "b", "c"];

/// Makes, copies, renames or deletes a file.
fn rearrange(files: &mut BTreeMap<String, Vec<String>>, dice: &mut Dice) {
    let new_name = format!("{}/{}.txt", FOLDERS[dice.below(FOLDERS.len())], dice.below(12));
    let names: Vec<&String> = files.keys().collect();
    let old_name = (!names.is_empty()).then(|| names[dice.below(names.len())].clone());
    match (old_name, dice.below(8)) {
        (None, _) | (_, 0) => {
            files.insert(new_name, (0..dice.below(150)).map(|_| line(dice)).collect());
        }
        (Some(old), 1) => drop(files.remove(&old)),
        (Some(old), 2 | 3) => {
            let content = files.remove(&old).unwrap_or_default();
            files.insert(new_name, content);
        }
        (Some(old), 4) => {
            files.insert(new_name, files[&old].clone());
        }
        _ => {}
    }
}

/// Half of them the few that come again and again in code: what makes the choice of new lines ambiguous.
fn line(dice: &mut Dice) -> String {
    let often = ["\n", "    }\n", "}\n", "    return\n", "    {\n"];
    let name = dice.below(40);
    if dice.below(2) == 0 {
        often[dice.below(often.len())].to_owned()
    } else {
        format!("    let name_{name} = {name};\n")
    }
}

/// Removes, repeats, moves and inserts lines.
fn edit(content: &mut Vec<String>, dice: &mut Dice) {
    for _ in 0..dice.below(8) {
        let at = dice.below(content.len() + 1);
        let end = (at + dice.below(12)).min(content.len());
        match dice.below(5) {
            0 => drop(content.drain(at..end)),
            1 => {
                let block = content[at..end].to_vec();
                content.splice(at..at, block);
            }
            2 => {
                let block: Vec<String> = content.drain(at..end).collect();
                let to = dice.below(content.len() + 1);
                content.splice(to..to, block);
            }
            _ => content.insert(at, line(dice)),
        }
    }
}

#[test]
fn archives_are_opened_when_asked_for() {
    let Some(gitleaks) = Gitleaks::find() else { return };
    let repository = TestRepository::new();
    repository.commit_file("in/a.txt", lines("a", 3) + &leak(1), "start");
    let archive = |name: &str| {
        let file = repository.beside(name);
        repository.git(&["archive", "-o", file.to_str().unwrap(), "HEAD"]);
        std::fs::read(file).unwrap()
    };
    let (zip, tar) = (archive("one.zip"), archive("two.tar.gz"));
    repository.write("one.zip", &zip);
    repository.commit_file("two.tar.gz", &tar, "archives");
    repository.commit_file("three.zip", archive("three.zip"), "an archive in an archive");
    for (depth, expected) in [("0", 1), ("1", 4), ("2", 6)] {
        let depth = format!("--max-archive-depth={depth}");
        assert_eq!(expect_equal_in(&gitleaks, &repository, "", &[&depth]), expected, "{depth}");
    }
}

#[test]
fn references_merges_and_stashes() {
    let Some(gitleaks) = Gitleaks::find() else { return };
    let repository = TestRepository::new();
    repository.commit_file("a.txt", lines("a", 10), "start");
    repository.git(&["checkout", "-q", "-b", "side"]);
    repository.commit_file("side.txt", leak(1), "side");
    repository.git(&["checkout", "-q", "main"]);
    repository.commit_file("main.txt", leak(2), "main");
    repository.git(&["merge", "-q", "--no-commit", "side"]);
    repository.write("a.txt", lines("a", 5) + &leak(3));
    repository.commit("what gitleaks never sees");
    repository.git(&["checkout", "-q", "--orphan", "other"]);
    repository.commit_file("other.txt", leak(4), "another root");
    repository.git(&["tag", "-a", "-m", "annotated", "v1"]);
    repository.git(&["checkout", "-q", "--detach"]);
    repository.commit_file("detached.txt", leak(5), "detached");
    repository.write("detached.txt", leak(6));
    repository.write("untracked.txt", leak(7));
    repository.git(&["stash", "push", "-q", "--include-untracked"]);
    repository.write("detached.txt", leak(9));
    repository.git(&["stash", "push", "-q"]);
    let worktree = repository.beside("worktree");
    repository.git(&["worktree", "add", "-q", "--detach", worktree.to_str().unwrap()]);
    std::fs::write(worktree.join("elsewhere.txt"), leak(10)).unwrap();
    repository.git_in(&worktree, &["add", "-A"]);
    repository.git_in(&worktree, &["commit", "-q", "-m", "in another work tree"]);
    // gitleaks would take the note for a part of the message.
    repository.git(&["notes", "add", "-m", leak(8).trim(), "main"]);
    repository.git(&["update-ref", "refs/tags/tree", "HEAD^{tree}"]);
    repository.git(&["checkout", "-q", "main"]);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},module")]);
    repository.git(&["commit", "-q", "-m", "submodule"]);
    let found = expect_equal(&gitleaks, &repository);
    assert!(found >= 6, "{found} findings");
    assert_eq!(
        expect_equal_in(&gitleaks, &repository, "main~2..main", &[]),
        1,
        "side.txt alone is not an ancestor of main~2"
    );
}

#[test]
fn secrets_that_are_encoded() {
    let Some(gitleaks) = Gitleaks::find() else { return };
    let repository = TestRepository::new();
    let mut content = lines("plain", 3);
    for (seed, encode) in [
        base64 as fn(&[u8]) -> String,
        hex,
        percent,
        units,
        |text| base64(hex(text).as_bytes()),
        |text| hex(base64(base64(text).as_bytes()).as_bytes()),
    ]
    .into_iter()
    .enumerate()
    {
        for (index, around) in
            [("", "\n"), ("data: ", " # comment\n"), ("a=\"", "\";\n"), ("x_", "_y\n")].into_iter().enumerate()
        {
            let secret = leak(100 + (seed * 10 + index) as u64);
            content.push_str(&format!("{}{}{}", around.0, encode(secret.as_bytes()), around.1));
        }
    }
    content.push_str(&format!("{} # gitleaks:allow\n", base64(leak(200).as_bytes())));
    content.push_str(&format!("{}\n", base64(format!("{} # gitleaks:allow", leak(201)).as_bytes())));
    repository.commit_file("encoded.txt", &content, "encoded");
    repository.commit_file("encoded.txt", content.replace("line 1", "another"), "a line before");
    for seed in 0..40 {
        let part = random(seed, 7);
        let secret = format!("password_{part} = {}\nother = {}", random(seed + 50, 30), leak(300 + seed));
        repository.write(
            &format!("more/{seed}.txt"),
            format!("k: {}{part}\n{}", base64(secret.as_bytes()), lines("more", 2)),
        );
    }
    repository.commit("more");
    let found = expect_equal(&gitleaks, &repository);
    assert!(found > 40, "{found} findings");
}

fn base64(text: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, index| bits << 8 | u32::from(*chunk.get(index).unwrap_or(&0)));
        for index in 0..4 {
            let character = ALPHABET[(bits >> (18 - 6 * index) & 63) as usize];
            out.push(if index <= chunk.len() { char::from(character) } else { '=' });
        }
    }
    out
}

fn hex(text: &[u8]) -> String {
    text.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(text: &[u8]) -> String {
    text.iter().map(|byte| format!("%{byte:02X}")).collect()
}

fn units(text: &[u8]) -> String {
    text.iter().map(|byte| format!("\\u{byte:04x}")).collect()
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((value ^ (value >> 31)) % limit as u64).expect("less than the limit")
    }
}

/// A text that `hir` matches, but for what it asks of its surroundings.
fn generate(hir: &Hir, dice: &mut Dice, out: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => out.push(pick(class, dice)),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min + 6).min(repetition.min + 6);
            let count = repetition.min as usize + dice.below((most - repetition.min) as usize + 1);
            (0..count).for_each(|_| generate(&repetition.sub, dice, out));
        }
        HirKind::Capture(capture) => generate(&capture.sub, dice, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| generate(part, dice, out)),
        HirKind::Alternation(parts) => generate(&parts[dice.below(parts.len())], dice, out),
    }
}

/// A printable character of ASCII, if the class has one.
fn pick(class: &Class, dice: &mut Dice) -> char {
    let is_in = |character: char| match class {
        Class::Unicode(class) => {
            class.ranges().iter().any(|range| range.start() <= character && character <= range.end())
        }
        Class::Bytes(class) => {
            let byte = character as u32;
            class.ranges().iter().any(|range| u32::from(range.start()) <= byte && byte <= u32::from(range.end()))
        }
    };
    let printable: Vec<char> = (' '..='~').filter(|character| is_in(*character)).collect();
    match printable.len() {
        0 => ('\0'..='\u{7f}').find(|character| is_in(*character)).unwrap_or('\u{e9}'),
        length => printable[dice.below(length)],
    }
}
