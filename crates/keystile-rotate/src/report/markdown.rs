//! The `markdown` format: the written record of an incident, for a ticket, a pull request or a folder of post-mortems
//! (GitHub flavoured, but any Markdown shows it).
//!
//! Names stand in code spans, or in `<code>` elements where a code span could not hold them; sentences have every
//! sign that Markdown reads as syntax written as a character reference. No pipe ends a cell, and nobody is called by
//! a name like `@team`: see [`escape`].

mod escape;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use keystile_inventory::RotationMeans;
use keystile_scan::text::printable;

use self::escape::{code, prose};
use super::consumers;
use super::exposure::{Weight, alternates, ended, stages};
use super::incident::{Incident, ItemReport, Stand, ToDo};
use super::steps::{Phase, about, ranges, span, utc};
use super::table::{key_facts, place};
use super::words::{self, enumerate};
use crate::consumers::{Consumers, PickUp};
use crate::leak::Place;
use crate::outcome::Outcome;
use crate::plan::Held;

/// So many places of an item are listed; the JSON report has all.
const PLACES: usize = 20;

/// The report as Markdown.
#[must_use]
pub fn markdown(incident: &Incident) -> String {
    let mut page = String::new();
    head(&mut page, incident);
    exposure(&mut page, incident);
    overview(&mut page, incident);
    let is_managed = |item: &&ItemReport| item.secret.is_some() || item.access_key.is_some();
    let (managed, unmanaged): (Vec<_>, Vec<_>) = incident.items.iter().partition(is_managed);
    for item in managed {
        details(&mut page, item);
    }
    without_secret(&mut page, &unmanaged);
    timeline(&mut page, incident);
    next_steps(&mut page, incident);
    provenance(&mut page, incident);
    page
}

fn head(page: &mut String, incident: &Incident) {
    let sign = match (incident.worst(), incident.exit_status) {
        (None | Some(Stand::Over), 0) => "✅",
        (None | Some(Stand::Over | Stand::Unclear), _) => "⚠️",
        (Some(_), _) => "❌",
    };
    let title =
        if incident.carried_out { "Leaked secrets: incident report" } else { "Leaked secrets: plan of rotation" };
    let _ = writeln!(page, "# {title}\n\n{sign} **{}.**\n", prose(&incident.verdict));
    let mut facts = vec![
        ("Report", utc(incident.made_at)),
        ("Plan", format!("{}, digest {}", utc(incident.plan.made_at), code(short(&incident.plan.digest)))),
    ];
    if !incident.plan.source.what.is_empty() {
        facts.push(("Scanned", code(&incident.plan.source.what)));
    }
    if let (Some(first), Some(last)) = (incident.runs.first(), incident.runs.last()) {
        let end = last.ended.map_or("not ended".to_owned(), utc);
        facts.push((
            "Carried out",
            format!("{} to {end} ({})", utc(first.began), number(incident.runs.len(), "run", "runs")),
        ));
    }
    facts.push(("Exit status", format!("{}: {}", incident.exit_status, incident.exit_meaning())));
    if let Some(command) = &incident.next_command {
        facts.push(("Next", code(command)));
    }
    table(page, &["", ""], facts.into_iter().map(|(label, text)| vec![label.to_owned(), text]));
    if incident.masked {
        page.push_str("\nNames of accounts, callers and ARNs are replaced in this report.\n");
    }
}

fn exposure(page: &mut String, incident: &Incident) {
    if incident.items.is_empty() {
        return;
    }
    page.push_str("\n## What is still open\n\n");
    let open: Vec<_> = incident.exposure.iter().filter(|one| one.weight != Weight::Remains).collect();
    if open.is_empty() {
        page.push_str("Nothing that is known.\n");
    } else {
        table(
            page,
            &["", "Items", "What", "Since"],
            open.iter().map(|one| {
                let weight = if one.weight == Weight::Open { "**open**" } else { "not known" };
                vec![weight.to_owned(), numbers(&one.items), prose(&one.text), one.since.map(utc).unwrap_or_default()]
            }),
        );
    }
    let stays: Vec<_> = incident.exposure.iter().filter(|one| one.weight == Weight::Remains).collect();
    if !stays.is_empty() {
        page.push_str("\n**What stays, and has to be known**\n\n");
        for one in stays {
            let since = one.since.filter(|_| one.kind == super::ExposureKind::LoginEnded);
            let since = since.map(|at| format!(" Since {} at the latest.", utc(at))).unwrap_or_default();
            let _ = writeln!(page, "- {}: {}.{since}", capital(&about(&one.items)), prose(&one.text));
        }
    }
}

fn overview(page: &mut String, incident: &Incident) {
    if incident.items.is_empty() {
        return;
    }
    page.push_str("\n## Leaks\n\n");
    table(
        page,
        &["Item", "State", "Secret", "Rule", "Leaked at", "Proof"],
        incident.items.iter().map(|item| {
            let more =
                if item.places.len() > 1 { format!(" and {} more", item.places.len() - 1) } else { String::new() };
            let at = item.places.first().map(|first| code(&place(first))).unwrap_or_default();
            let proof = match &item.comparison {
                Some(compared) => format!(
                    "{} → {}, values differ: {}",
                    code(short(&compared.leaked.0)),
                    code(short(&compared.current.0)),
                    yes(compared.differ)
                ),
                None => String::new(),
            };
            vec![
                item.number.to_string(),
                format!("{} {}", sign(item), state(item)),
                code(&item.name()),
                code(&item.rule),
                format!("{at}{more}"),
                proof,
            ]
        }),
    );
}

fn details(page: &mut String, item: &ItemReport) {
    let _ = writeln!(page, "\n### Item {}: {}\n\n{}\n", item.number, code(&item.name()), prose(&item.status.meaning));
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(held) = &item.secret {
        secret(held, &mut rows);
    }
    if let Some(key) = &item.access_key {
        rows.push(("Access key", prose(&key_facts(key).join("; "))));
        if !key.quarantine.is_empty() {
            rows.push(("Quarantine", prose(&format!("AWS has put its user there: {}", enumerate(&key.quarantine)))));
        }
    }
    if item.status.outcome.is_some() && item.action != ToDo::Nothing {
        rows.push(("Planned", prose(item.action.clause())));
    }
    if let Some(compared) = &item.comparison {
        let text = format!(
            "leaked {} → current {}: values differ: **{}**",
            code(&compared.leaked.0),
            code(&compared.current.0),
            yes(compared.differ)
        );
        rows.push(("Compared", text));
    }
    for (label, time) in [
        ("Committed", item.times.committed),
        ("Asked for", item.times.asked),
        ("Accepted", item.times.accepted),
        ("Over since, at the latest", item.times.proved.and(item.times.since)),
        ("Proved", item.times.proved),
    ] {
        if let Some(time) = time {
            rows.push((label, utc(time)));
        }
    }
    if let (Some(from), Some(until)) = (item.times.committed, ended(item)) {
        rows.push(("Exposed for", span(from, until)));
    }
    rows.push(("What to do", prose(&item.status.what_to_do)));
    table(page, &["", ""], rows.into_iter().map(|(label, text)| vec![label.to_owned(), text]));
    page.push_str("\n**Found at**\n\n");
    table(
        page,
        &["Place", "Authored", "HEAD"],
        item.places.iter().take(PLACES).map(|at| vec![code(&place(at)), authored(at), head_of(at).to_owned()]),
    );
    if item.places.len() > PLACES {
        let _ = writeln!(page, "\n… and {} more places; the JSON report has them.", item.places.len() - PLACES);
    }
    list(page, if item.comparison.is_some() { "Proof" } else { "Why" }, item.proof.iter().map(|text| prose(text)));
    list(
        page,
        "Blocked",
        item.blocked.iter().map(|block| format!("{}: {}", code(&block.outcome.to_string()), prose(&block.why))),
    );
    list(page, "Warnings", item.warnings.iter().map(|text| prose(text)));
    list(page, "By hand", item.guidance.iter().map(|text| prose(text)));
    if !item.calls.is_empty() {
        page.push_str("\n**Calls**\n\n");
        table(
            page,
            &["Time", "Call", "Version", "Answer", "Request"],
            item.calls.iter().map(|call| {
                let answer = match (&call.error, call.answered) {
                    (Some(error), _) => prose(error),
                    (None, Some(at)) => format!("accepted, {}", utc(at)),
                    (None, None) => "none was written down".to_owned(),
                };
                vec![
                    utc(call.at),
                    words::call(call.call).to_owned(),
                    code(call.version.as_str()),
                    answer,
                    call.request_id.as_deref().map(code).unwrap_or_default(),
                ]
            }),
        );
    }
    if let Some(consumers) = &item.consumers {
        consumed(page, consumers);
    }
}

fn consumed(page: &mut String, consumers: &Consumers) {
    let _ = writeln!(page, "\n**Consumers:** {}\n", prose(&consumers::tally(consumers)));
    if !consumers.consumers.is_empty() {
        table(
            page,
            &["Who", "Where", "Has the new value", "Why"],
            consumers.consumers.iter().map(|consumer| {
                let places: Vec<String> = consumer
                    .uses
                    .iter()
                    .map(|one| match &one.through {
                        Some(through) => format!("{} of {}", code(&one.place), code(&through.to_string())),
                        None => code(&one.place),
                    })
                    .collect();
                let mut when = prose(&consumers::when(consumer.pick_up));
                if !matches!(consumer.pick_up, PickUp::ByItself { .. }) {
                    when = format!("**{when}**");
                }
                vec![code(&consumers::who(consumer)), places.join("<br>"), when, prose(&consumers::why(consumer))]
            }),
        );
    }
    list(
        page,
        "Written by",
        consumers.writers.iter().map(|writer| {
            format!("{} ({}): {}", code(&writer.object.to_string()), code(&writer.place), prose(&writer.why))
        }),
    );
    let commands: Vec<String> = consumers::commands(consumers).map(|line| printable(line).into_owned()).collect();
    if !commands.is_empty() {
        // Longer than any run of backticks inside, so that nothing in it can end the block.
        let longest =
            commands.iter().map(|line| line.split(|c| c != '`').map(str::len).max().unwrap_or_default()).max();
        let fence = "`".repeat(longest.unwrap_or_default().max(2) + 1);
        let _ = writeln!(page, "\n{fence}sh\n{}\n{fence}", commands.join("\n"));
    }
}

/// What no managed secret holds: little more is known of it than where it is.
fn without_secret(page: &mut String, items: &[&ItemReport]) {
    if items.is_empty() {
        return;
    }
    let outcome = Outcome::Unmanaged;
    let _ = writeln!(page, "\n### Unmanaged\n\n{} {}\n", prose(outcome.sentence()), prose(outcome.what_to_do()));
    table(
        page,
        &["Item", "Rule", "Leaked at", "Authored", "HEAD"],
        items.iter().flat_map(|item| {
            item.places.iter().take(PLACES).map(|at| {
                vec![item.number.to_string(), code(&item.rule), code(&place(at)), authored(at), head_of(at).to_owned()]
            })
        }),
    );
    let left_out: usize = items.iter().map(|item| item.places.len().saturating_sub(PLACES)).sum();
    if left_out > 0 {
        let _ = writeln!(page, "\n… and {left_out} more places; the JSON report has them.");
    }
    for (title, of) in [
        ("Why", (|item| item.proof.clone()) as fn(&ItemReport) -> Vec<String>),
        ("Blocked", |item| item.blocked.iter().map(|block| format!("{}: {}", block.outcome, block.why)).collect()),
        ("Warnings", |item| item.warnings.clone()),
        ("By hand", |item| item.guidance.clone()),
    ] {
        let mut said: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for item in items {
            for text in of(item) {
                said.entry(text).or_default().push(item.number);
            }
        }
        let entries = said.iter().map(|(text, items)| format!("{} ({})", prose(text), about(items)));
        list(page, title, entries);
    }
}

fn authored(at: &Place) -> String {
    at.date.as_deref().map(|date| date.parse().map_or_else(|_| code(date), utc)).unwrap_or_default()
}

const fn head_of(at: &Place) -> &'static str {
    match at.in_head {
        Some(true) => "**still there**",
        Some(false) => "not there",
        None => "",
    }
}

fn secret(held: &Held, rows: &mut Vec<(&str, String)>) {
    rows.push(("Secret", code(&held.arn.0)));
    let pointer = if held.pointer.is_empty() { String::new() } else { format!(" at {}", code(&held.pointer)) };
    let how = match &held.normalisation[..] {
        [] => String::new(),
        steps => format!(", as {}", prose(&steps.join(", "))),
    };
    rows.push(("Held by", format!("version {} ({}){pointer}{how}", code(&held.version.0), prose(&stages(held)))));
    let two = if alternates(held) { "; two users take turns" } else { "" };
    let means = match &held.rotation {
        RotationMeans::Function { arn } => format!("the function {}", code(arn)),
        RotationMeans::Service { name } => format!("the service {}", code(name)),
        RotationMeans::Notification { topics } => {
            let topics: Vec<String> = topics.iter().map(|topic| code(topic)).collect();
            format!("whoever listens to {}", enumerate(&topics))
        }
        RotationMeans::External => "the partner that holds it".to_owned(),
        RotationMeans::Nobody => "nobody".to_owned(),
    };
    let last = held.last_rotated.map(|at| format!("; last on {}", utc(at))).unwrap_or_default();
    rows.push(("Rotated by", format!("{means}{two}{last}")));
    if !held.replicas.is_empty() {
        rows.push(("Copies", prose(&enumerate(&held.replicas))));
    }
}

fn timeline(page: &mut String, incident: &Incident) {
    page.push_str("\n## Timeline\n\n");
    table(
        page,
        &["Time", "Items", "What", "Request"],
        incident.timeline.iter().map(|moment| {
            vec![
                utc(moment.at),
                numbers(&moment.items),
                prose(&moment.what),
                moment.request_id.as_deref().map(code).unwrap_or_default(),
            ]
        }),
    );
}

fn next_steps(page: &mut String, incident: &Incident) {
    if incident.next_steps.is_empty() {
        return;
    }
    page.push_str("\n## Next steps\n");
    for phase in Phase::ALL {
        let _ = writeln!(page, "\n**{}**\n", phase.title());
        for step in incident.next_steps.iter().filter(|step| step.phase == phase) {
            let about = about(&step.items);
            let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
            let _ = writeln!(page, "- [{}] {}{about}", if step.done { "x" } else { " " }, prose(&step.text));
        }
    }
}

fn provenance(page: &mut String, incident: &Incident) {
    page.push_str("\n## Who asked whom\n\n");
    table(
        page,
        &["Manager", "Account", "Region", "Caller", "Endpoint"],
        incident.identities.iter().map(|identity| {
            let manager = serde_json::to_value(identity.backend).ok();
            vec![
                manager.as_ref().and_then(|manager| manager.as_str()).map(code).unwrap_or_default(),
                code(&identity.account),
                identity.region.as_deref().map(code).unwrap_or_default(),
                code(&identity.caller),
                code(&identity.endpoint),
            ]
        }),
    );
    page.push_str("\n## What this report can't tell\n\n");
    for limit in &incident.limits {
        let _ = writeln!(page, "- {}", prose(limit));
    }
    let _ = writeln!(
        page,
        "\n<sub>Made by keystile {} at {}. It holds no secret value.</sub>",
        code(&incident.keystile),
        utc(incident.made_at)
    );
}

/// A table: every row has as many cells as the heading.
fn table(page: &mut String, heading: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(page, "| {} |\n|{}", heading.join(" | "), "---|".repeat(heading.len()));
    for row in rows {
        let _ = writeln!(page, "| {} |", row.join(" | "));
    }
}

fn list(page: &mut String, title: &str, entries: impl ExactSizeIterator<Item = String>) {
    if entries.len() > 0 {
        let _ = writeln!(page, "\n**{title}**\n");
        for entry in entries {
            let _ = writeln!(page, "- {entry}");
        }
    }
}

fn sign(item: &ItemReport) -> &'static str {
    match item.status.stand {
        _ if item.status.outcome.is_none() => "⏳",
        Stand::Active | Stand::Unable => "❌",
        Stand::Unclear => "⚠️",
        Stand::Over => "✅",
    }
}

fn state(item: &ItemReport) -> String {
    item.status.outcome.map_or_else(|| format!("to do: {}", item.action.verb()), |outcome| code(&outcome.to_string()))
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn number(number: usize, one: &str, many: &str) -> String {
    keystile_scan::text::count(number as u64, one, many)
}

fn numbers(items: &[u32]) -> String {
    ranges(items).join(", ")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// The beginning of a digest or a version's id, for a table; the details have all of it.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
