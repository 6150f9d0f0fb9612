//! `keystile policy explain`: for each reference its store, what the provider is asked for, the grants
//! that were looked at, the verdict, and what would change it.

use std::fmt::Write as _;

use jiff::Timestamp;
use keystile_manifest::files::{self, Walk};
use keystile_policy::kind::Recognised;
use keystile_policy::policy::Access;
use keystile_policy::shown::Shown;
use keystile_policy::subject::{Names, StoreTarget};
use keystile_policy::{Action, Context, Engine, Judged, Lookup, Outcome, Request};

use crate::check::basis::{load_policy, read_around};
use crate::check::judge::{Subject, Subjects, subjects, world};
use crate::cli::policy::ExplainArgs;
use crate::exit::{Exit, UsageError};
use crate::report::text::printable;
use crate::scan_request::Destination;
use crate::scrub::Scrubber;
use crate::terminal;

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let now = args.basis.at.unwrap_or_else(Timestamp::now);
    let loaded = load_policy(args.basis.policy.as_deref(), now)?;
    let around = read_around(&args.basis)?;
    let mut files = files::read_paths(&args.paths, Walk { honour_ignore_files: true });
    for gap in &files.gaps {
        terminal::warning(&format!("not read: {}: {}", printable(&gap.file), printable(&gap.message)));
    }
    let is_complete = files.gaps.is_empty();
    let namespace = args.basis.namespace.as_deref();
    let Subjects { subjects, .. } = subjects(std::mem::take(&mut files.documents), namespace);
    if subjects.is_empty() && is_complete {
        return Err(UsageError("there is no object in these files that the policy speaks about".to_owned()).into());
    }
    let (snapshot, _) = world(&subjects, &around, namespace);
    let engine = crate::check::engine(loaded.policy);
    let mut text = String::new();
    let mut is_denied = false;
    let mut is_decided = is_complete;
    for subject in &subjects {
        let request = Request::offline(&subject.document.value, namespace.unwrap_or(""), now);
        let judgement = engine.judge(&request, &snapshot);
        for judged in &judgement.violations {
            is_denied |= judged.action == Action::Deny && judged.violation.outcome == Outcome::Failed;
            is_decided &= judged.action < Action::Warn || judged.violation.outcome == Outcome::Failed;
        }
        explain(&engine, subject, &request, &snapshot, &judgement.violations, &mut text);
    }
    let text = Scrubber::new().scrub(&text);
    crate::commands::scan::hand_over(text.as_bytes(), &Destination::StandardOutput)?;
    Ok(Exit::of_scan(is_denied, is_decided, 1))
}

fn explain(
    engine: &Engine,
    subject: &Subject,
    request: &Request<'_>,
    snapshot: &keystile_policy::Snapshot,
    violations: &[Judged],
    text: &mut String,
) {
    let document = &subject.document;
    let place = document.locate(&keystile_policy::FieldPath::default()).position;
    let _ = writeln!(text, "{} ({}:{place})", printable(&subject.name.to_string()), printable(document.source.name()));
    let Recognised::Known(kind) = subject.recognised else {
        for judged in violations {
            verdict(judged, "  ", text);
        }
        text.push('\n');
        return;
    };
    let binding = engine.binding_of(&subject.name.namespace, snapshot).found().flatten();
    let _ = match (&binding, subject.name.namespace.as_str()) {
        (Some(binding), namespace) => writeln!(text, "  namespace {} is {binding}", printable(namespace)),
        (None, "") => writeln!(text, "  in no namespace"),
        (None, namespace) => {
            writeln!(text, "  namespace {} is bound to nobody, as far as is known", printable(namespace))
        }
    };
    let facts = keystile_policy::subject::Subject::read(kind, &document.value);
    let context = Context::new(
        engine.policy(),
        request,
        kind,
        &document.value,
        None,
        &facts,
        &subject.name.namespace,
        binding.as_ref(),
        snapshot,
    );
    let mut told = vec![false; violations.len()];
    for resolved in &context.resolved {
        let reference = resolved.reference;
        let at = document.locate(&reference.path.to_owned()).position;
        let _ = writeln!(text, "  {} (line {}): {}", reference.path, at.line, access(reference.access));
        let _ = writeln!(text, "    names      {}", names(&reference.names));
        let _ = writeln!(text, "    store      {}", store(&reference.store, &resolved.store));
        match &resolved.key {
            Some(Ok(key)) => {
                let _ = writeln!(text, "    asks for   {}", Shown(&key.name));
            }
            Some(Err(_)) => {
                let _ = writeln!(text, "    asks for   nothing that can be told; see the verdict");
            }
            None => {}
        }
        if let Lookup::Found(store) = &resolved.store {
            let grants = context.grants_shown(store, reference.access);
            let grants = if grants.is_empty() { "none".to_owned() } else { grants.join(", ") };
            let _ = writeln!(text, "    grants     {grants}");
        }
        let base = reference.path.to_string();
        let mut found = false;
        for (judged, told) in violations.iter().zip(&mut told) {
            let path = judged.violation.path.to_string();
            let is_here = path == base
                || judged.violation.effective_key.is_some()
                    && resolved
                        .key
                        .as_ref()
                        .and_then(|key| key.as_ref().ok())
                        .is_some_and(|key| judged.violation.effective_key.as_deref() == Some(&*key.name));
            if is_here {
                *told = true;
                found = true;
                verdict(judged, "    ", text);
            }
        }
        if !found {
            let word =
                if resolved.store == Lookup::Unknown { "not decided, since the store is not known" } else { "passes" };
            let _ = writeln!(text, "    verdict    {word}");
        }
    }
    let rest: Vec<&Judged> =
        violations.iter().zip(&told).filter(|(_, told)| !**told).map(|(judged, _)| judged).collect();
    for judged in &rest {
        let _ = writeln!(text, "  {}", printable(&judged.violation.path.to_string()));
        verdict(judged, "    ", text);
    }
    if context.resolved.is_empty() && rest.is_empty() {
        let _ = writeln!(text, "  no reference, and nothing against it");
    }
    text.push('\n');
}

fn verdict(judged: &Judged, indent: &str, text: &mut String) {
    let violation = &judged.violation;
    let word = match (violation.outcome, judged.action) {
        (Outcome::NotEvaluated, _) => "not decided",
        (_, Action::Deny) => "refused",
        (_, Action::Warn) => "warned about",
        (_, Action::Audit | Action::Allow) => "noted",
    };
    let _ = writeln!(text, "{indent}verdict    {word} by {}: {}", violation.rule.id, printable(&violation.message));
    let change = if violation.cure.is_empty() { violation.rule.instead } else { &violation.cure };
    let _ = writeln!(text, "{indent}to change  {}", printable(change));
    if let Some(reason) = &judged.excused_by {
        let _ = writeln!(text, "{indent}excused    {}", printable(reason));
    }
}

fn access(access: Access) -> &'static str {
    match access {
        Access::Read => "reads",
        Access::Write => "writes",
        Access::Delete => "deletes",
    }
}

fn names(names: &Names<'_>) -> String {
    match names {
        Names::Key(key) => Shown(key).to_string(),
        Names::MadeAtRunTime => "made when it runs".to_owned(),
        Names::Find { path, regexp, tags } => {
            let mut parts = Vec::new();
            parts.extend(path.map(|path| format!("path {}", Shown(path))));
            parts.extend(regexp.map(|regexp| format!("expression {}", Shown(regexp))));
            parts.extend(tags.is_some().then(|| "tags".to_owned()));
            format!("all that is found by {}", parts.join(", "))
        }
    }
}

fn store(
    target: &StoreTarget<'_>,
    found: &Lookup<std::sync::Arc<keystile_policy::subject::store::StoreFacts>>,
) -> String {
    match target {
        StoreTarget::Named { kind, name, .. } => {
            let state = match found {
                Lookup::Found(_) => "",
                Lookup::Absent => " (there is none)",
                Lookup::Unknown => " (not known here)",
            };
            format!("{} {}{state}", kind.as_str(), Shown(name))
        }
        StoreTarget::ByLabel { kind, .. } => format!("every {} that has the labels", kind.as_str()),
        StoreTarget::UnknownKind { kind, .. } => format!("a kind that there is not: {}", Shown(kind)),
        StoreTarget::AwsProvider { namespace: Some(namespace), name, .. } => {
            format!("AWSProvider {} of namespace {}", Shown(name), Shown(namespace))
        }
        StoreTarget::AwsProvider { namespace: None, name, .. } => format!("AWSProvider {}", Shown(name)),
        StoreTarget::Missing => "none is named".to_owned(),
    }
}
