//! What is written about secrets holds none: keystile's scan of its own repository stays clean.

use std::fs;
use std::path::{Path, PathBuf};

use keystile_scan::{Place, Verdict};

use crate::builtin::scanner;
use crate::document::repository;

#[test]
fn rule_files_and_their_reference_hold_nothing_that_a_rule_finds() {
    let scanner = scanner();
    let mut scratch = scanner.scratch();
    let mut files = vec![repository("docs/rules.md")];
    collect(&repository("rules"), &mut files);
    collect(&repository("crates/keystile-rules"), &mut files);
    assert!(files.len() > 15, "the files are there: {files:?}");
    for file in files {
        let content = fs::read(&file).expect("a file of ours can be read");
        let name = file.to_string_lossy();
        let matches = scanner.scan(&mut scratch, &content).matches;
        let verdicts = scanner.judge(&matches, Place { path: name.as_ref().into(), commit: "" });
        for (found, verdict) in matches.iter().zip(verdicts) {
            let id = &scanner.rule(found).id;
            assert!(verdict != Verdict::Finding, "{name}:{}: {id}", found.start.line);
        }
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a folder of ours can be read") {
        let path = entry.expect("a folder of ours can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
