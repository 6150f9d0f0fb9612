//! `keystile policy test`: the cases beside a policy, and whether each gets what it expects.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use keystile_manifest::files::{self, Walk};
use keystile_policy::Engine;
use keystile_policy::policy::document::cases::{self, Case, Outcome, Suite};

use crate::check::basis::{find_policy, load_policy, read_document, render};
use crate::cli::policy::TestArgs;
use crate::exit::{Exit, UsageError};
use crate::report::text::printable;
use crate::scan_request::Destination;
use crate::scrub::Scrubber;
use crate::terminal;

pub(super) fn run(args: &TestArgs) -> anyhow::Result<Exit> {
    let now = args.at.unwrap_or_else(Timestamp::now);
    let policy = match &args.policy {
        Some(path) => path.clone(),
        None => find_policy()?,
    };
    let engine = crate::check::engine(load_policy(Some(&policy), now)?.policy);
    let files = if args.files.is_empty() { vec![beside(&policy)?] } else { args.files.clone() };
    let (mut text, mut count, mut failed) = (String::new(), 0_usize, 0_usize);
    for file in &files {
        let document = read_document(file, "file of cases")?;
        let (suite, warnings) = cases::read(&document.value).map_err(|problems| {
            let shown: Vec<_> = problems.iter().map(|problem| render(&document, problem)).collect();
            UsageError(format!("the cases can't be used\n{}", shown.join("\n")))
        })?;
        for warning in &warnings {
            terminal::warning(&format!("about the cases\n{}", render(&document, warning)));
        }
        for case in &suite.cases {
            let outcomes = outcomes(case, &suite, &engine, file, now)?;
            count += 1;
            failed += usize::from(outcomes.iter().any(|outcome| !outcome.faults.is_empty()));
            report(case, &outcomes, &mut text);
        }
    }
    if count == 0 {
        return Err(UsageError("there is no case in these files, so nothing was tested".to_owned()).into());
    }
    let cases = if count == 1 { "1 case".to_owned() } else { format!("{count} cases") };
    let _ = match failed {
        0 => writeln!(text, "\n{cases} passed"),
        failed => writeln!(text, "\n{failed} of {cases} failed"),
    };
    let text = Scrubber::new().scrub(&text);
    crate::commands::scan::hand_over(text.as_bytes(), &Destination::StandardOutput)?;
    Ok(Exit::of_scan(failed > 0, true, 1))
}

/// `policy.tests.yaml` beside `policy.yaml`.
fn beside(policy: &Path) -> anyhow::Result<PathBuf> {
    let file = policy.with_extension("tests.yaml");
    if file.is_file() {
        return Ok(file);
    }
    Err(UsageError(format!("there are no cases: no {}; write some, or name their file", file.display())).into())
}

/// What each object of a case comes to.
fn outcomes(case: &Case, suite: &Suite, engine: &Engine, file: &Path, now: Timestamp) -> anyhow::Result<Vec<Outcome>> {
    let Some(named) = &case.file else {
        return Ok(vec![case.run(suite, engine, case.object.as_ref(), now)]);
    };
    let path = file.parent().unwrap_or(Path::new("")).join(named);
    let found = files::read_paths(std::slice::from_ref(&path), Walk { honour_ignore_files: false });
    if let Some(gap) = found.gaps.first() {
        return Err(UsageError(format!("the case {}: {}: {}", case.name, gap.file, gap.message)).into());
    }
    if found.documents.is_empty() {
        return Err(UsageError(format!("the case {}: there is no object in {}", case.name, path.display())).into());
    }
    Ok(found.documents.iter().map(|document| case.run(suite, engine, Some(&document.value), now)).collect())
}

fn report(case: &Case, outcomes: &[Outcome], text: &mut String) {
    let faults: Vec<&String> = outcomes.iter().flat_map(|outcome| &outcome.faults).collect();
    let name = printable(&case.name);
    if faults.is_empty() {
        let rules: Vec<&str> = case.deny.iter().map(String::as_str).collect();
        let verdict = if rules.is_empty() { "passes".to_owned() } else { format!("refused by {}", rules.join(", ")) };
        let _ = writeln!(text, "ok    {name}: {verdict}");
        return;
    }
    let _ = writeln!(text, "FAIL  {name}");
    for fault in faults {
        let _ = writeln!(text, "      {}", printable(fault));
    }
    for judged in outcomes.iter().flat_map(|outcome| &outcome.judgement.violations) {
        let action = format!("{:?}", judged.action).to_lowercase();
        let _ = writeln!(text, "      {action}: {}", printable(&judged.violation.to_string()));
    }
}
