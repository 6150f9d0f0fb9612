//! The places a report names, in one line each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Run, TestRepository, keystile};

/// Every occurrence as `KIND PATH:LINE:COLUMN` and, of a commit, the first line of its message; sorted.
pub(crate) fn places(report: &Value) -> Vec<String> {
    let mut places: Vec<String> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .flat_map(|finding| finding["occurrences"].as_array().expect("occurrences"))
        .map(|occurrence| {
            let text = |name: &str| occurrence[name].as_str().unwrap_or_default().to_owned();
            let path = occurrence["path_encoded"].as_str().map_or_else(|| text("path"), str::to_owned);
            let message = occurrence["commit"]["message"].as_str().unwrap_or_default();
            let subject = message.lines().next().unwrap_or_default();
            let (line, column) = (&occurrence["start_line"], &occurrence["start_column"]);
            format!("{} {path}:{line}:{column} {subject}", text("kind")).trim_end().to_owned()
        })
        .collect();
    places.sort();
    places
}

/// The kinds of the gaps, with how many there are of each.
pub(crate) fn gaps(report: &Value) -> BTreeMap<String, usize> {
    let mut gaps = BTreeMap::new();
    for gap in report["coverage"]["gaps"].as_array().expect("gaps") {
        *gaps.entry(gap["kind"].as_str().expect("a kind").to_owned()).or_default() += 1;
    }
    gaps
}

/// Scans `repository` and fails unless the run ends with `status`, finds just `expected`, and leaves every
/// file as it was.
#[track_caller]
pub(crate) fn expect_places(repository: &TestRepository, arguments: &[&str], status: i32, expected: &[&str]) -> Run {
    let before = repository.snapshot();
    let run = keystile(repository.path(), [&["scan", "--format=json"], arguments].concat()).expect(status);
    assert_eq!(places(&run.json()), expected, "{arguments:?}");
    assert!(repository.snapshot() == before, "{arguments:?}: the repository was written to");
    run
}
