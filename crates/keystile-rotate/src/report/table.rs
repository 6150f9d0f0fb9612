//! The `table` format: for a person at a terminal, or reading the log of a job. What is open comes first, then an
//! overview, then each item with what proves it.
//!
//! In the style of a scan's report: labels in a column of their own, colours only where asked for, every text that
//! is not ours made printable.

use std::collections::BTreeMap;

use keystile_inventory::RotationMeans;
use keystile_scan::text::{columns, printable};

use super::consumers;
use super::exposure::{Exposure, Weight, alternates, ended, stages};
use super::incident::{Incident, ItemReport, KeyReport, Stand};
use super::steps::{Phase, about, span, utc};
use super::words::{self, enumerate};
use crate::consumers::{Consumers, PickUp};
use crate::leak::{Place, PlaceKind};
use crate::outcome::Outcome;
use crate::plan::Held;

/// So many places of an item are listed without `verbose`.
const PLACES: usize = 5;
/// So many items with their details, things that are open, and steps.
const DETAILS: usize = 50;
/// So many consumers that do not take the new value by themselves.
const CONSUMERS: usize = 10;
/// Columns before the text of a line with a label.
const INDENT: usize = 15;
/// No text gets fewer columns than this, however narrow the terminal is.
const LEAST: usize = 30;

/// How the table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableOptions {
    /// Columns of the terminal, to which lines are broken; `None` = not a terminal, lines stay whole.
    pub width: Option<usize>,
    /// Whether colours are used.
    pub color: bool,
    /// Whether every place, call and step is listed.
    pub verbose: bool,
}

/// The report for a terminal.
#[must_use]
pub fn table(incident: &Incident, options: TableOptions) -> String {
    let mut page = Page { text: String::new(), options, style: Style { on: options.color } };
    page.exposure(incident);
    page.overview(incident);
    let mut stays: BTreeMap<u32, Vec<&Exposure>> = BTreeMap::new();
    for one in incident.exposure.iter().filter(|one| one.weight == Weight::Remains) {
        for item in &one.items {
            stays.entry(*item).or_default().push(one);
        }
    }
    let shown = if options.verbose { usize::MAX } else { DETAILS };
    for item in incident.items.iter().take(shown) {
        page.item(item, stays.get(&item.number).map_or(&[], Vec::as_slice));
    }
    if incident.items.len() > shown {
        let more = incident.items.len() - shown;
        page.line(&format!("… details of {more} more items (--verbose lists all, and the other formats do)\n"));
    }
    page.end(incident);
    page.text
}

struct Page {
    text: String,
    options: TableOptions,
    style: Style,
}

impl Page {
    /// The verdict and what is open.
    fn exposure(&mut self, incident: &Incident) {
        let style = self.style;
        let color = match (incident.worst(), incident.exit_status) {
            (None | Some(Stand::Over), 0) => style.green(),
            (None | Some(Stand::Over | Stand::Unclear), _) => style.yellow(),
            (Some(_), _) => style.red(),
        };
        let room = self.options.width.map(|width| width.max(LEAST));
        for line in wrap(&format!("{}.", incident.verdict), room) {
            self.line(&format!("{}{color}{line}{}", style.bold(), style.reset()));
        }
        let open = incident.exposure.iter().filter(|one| one.weight != Weight::Remains).count();
        let limit = if self.options.verbose { usize::MAX } else { DETAILS };
        for one in incident.exposure.iter().filter(|one| one.weight != Weight::Remains).take(limit) {
            let (label, color) = match one.weight {
                Weight::Open => ("still open", style.red()),
                Weight::Unknown => ("not known", style.yellow()),
                // Told at the item.
                Weight::Remains => continue,
            };
            self.labelled(label, color, &format!("{}: {}", about(&one.items), one.text));
        }
        if open > limit {
            self.entry("", &format!("… {} more (--verbose lists all)", open - limit));
        }
        self.text.push('\n');
    }

    /// One line for each item, where there are several.
    fn overview(&mut self, incident: &Incident) {
        if incident.items.len() < 2 {
            return;
        }
        let rows: Vec<[String; 4]> = incident
            .items
            .iter()
            .map(|item| {
                let at = item.places.first().map(place).unwrap_or_default();
                let more = if item.places.len() > 1 { format!(" +{}", item.places.len() - 1) } else { String::new() };
                // An unmanaged one is called by its place, which stands beside it.
                let name = item.secret.is_some() || item.access_key.is_some();
                let name = if name { printable(&item.name()).into_owned() } else { "(unmanaged)".to_owned() };
                [item.number.to_string(), state(item), name, format!("{at}{more}")]
            })
            .collect();
        let wide = |text: &str| text.chars().map(columns).sum::<usize>();
        let widest = |column: usize| rows.iter().map(|row| wide(&row[column])).max().unwrap_or_default();
        let [number, first, mut names, mut places] = [0, 1, 2, 3].map(widest);
        let fixed = number + 2 + first + 2 + 2;
        if let Some(width) = self.options.width {
            // Each gets what it needs, or half of what is there and what the other one leaves.
            let room = width.saturating_sub(fixed + 2).max(LEAST);
            if names + places > room {
                let half = room / 2;
                (names, places) = if names <= half {
                    (names, room - names)
                } else if places <= half {
                    (room - places, places)
                } else {
                    (half, room - half)
                };
            }
        }
        for (item, row) in incident.items.iter().zip(&rows) {
            let style = self.style;
            let line = format!(
                "  {:>number$}  {}{}{}  {}  {}",
                row[0],
                style.of(item.status.stand, item.status.outcome.is_none()),
                pad(&row[1], first),
                style.reset(),
                pad(&cut(&row[2], names), names),
                cut(&row[3], places),
            );
            self.line(&line);
        }
        self.text.push('\n');
    }

    fn item(&mut self, item: &ItemReport, stays: &[&Exposure]) {
        let style = self.style;
        let (bold, dim, reset) = (style.bold(), style.dim(), style.reset());
        let color = style.of(item.status.stand, item.status.outcome.is_none());
        self.line(&format!(
            "{bold}{color}{}{reset}  {bold}{}{reset}  {dim}[{}]  item {}{reset}",
            state(item),
            printable(&item.name()),
            printable(&item.rule),
            item.number,
        ));
        self.entry("meaning", &item.status.meaning);
        self.places(item);
        if let Some(held) = &item.secret {
            self.secret(held);
        }
        if let Some(key) = &item.access_key {
            self.access_key(key);
        }
        for block in &item.blocked {
            let outcome = Some(block.outcome).filter(|outcome| *outcome != Outcome::Blocked);
            let outcome = outcome.map(|outcome| format!("{outcome}: ")).unwrap_or_default();
            self.labelled("blocked", style.red(), &format!("{outcome}{}", block.why));
        }
        for warning in &item.warnings {
            self.labelled("warning", style.yellow(), warning);
        }
        if let Some(compared) = &item.comparison {
            let differ = if compared.differ { "yes" } else { "NO" };
            self.entry(
                "compared",
                &format!("{} (leaked) → {} (current): values differ: {differ}", compared.leaked, compared.current),
            );
        }
        for sentence in &item.proof {
            self.entry(if item.comparison.is_some() { "proof" } else { "why" }, sentence);
        }
        self.calls(item);
        if let (Some(from), Some(until)) = (item.times.committed, ended(item)) {
            self.entry("exposed", &format!("{}, from the commit on", span(from, until)));
        }
        for one in stays {
            let since = one.since.filter(|_| one.kind == super::ExposureKind::LoginEnded);
            let since = since.map(|at| format!(" (since {} at the latest)", utc(at))).unwrap_or_default();
            self.entry("stays", &format!("{}{since}", one.text));
        }
        if let Some(consumers) = &item.consumers {
            self.consumers(consumers);
        }
        for guidance in &item.guidance {
            self.entry("by hand", guidance);
        }
        if item.status.outcome.is_some() {
            self.entry("what to do", &item.status.what_to_do);
        }
        self.text.push('\n');
    }

    fn places(&mut self, item: &ItemReport) {
        let limit = if self.options.verbose { usize::MAX } else { PLACES };
        for (index, at) in item.places.iter().take(limit).enumerate() {
            let day = at.date.as_deref().and_then(|date| date.get(..10)).unwrap_or_default();
            let head = match at.in_head {
                Some(true) => "in HEAD",
                Some(false) if at.commit.is_some() => "in history only",
                _ => "",
            };
            let parts: Vec<&str> = [day, head].into_iter().filter(|part| !part.is_empty()).collect();
            let line = format!("{}  {}", place(at), parts.join("  "));
            self.entry(if index == 0 { "found at" } else { "also at" }, line.trim_end());
        }
        if item.places.len() > limit {
            self.entry("", &format!("… {} more places (--verbose lists all)", item.places.len() - limit));
        }
    }

    fn secret(&mut self, held: &Held) {
        self.entry("secret", &held.arn.0);
        let pointer = if held.pointer.is_empty() { String::new() } else { format!(" at {}", held.pointer) };
        let how = match &held.normalisation[..] {
            [] => String::new(),
            steps => format!(" ({})", steps.join(", ")),
        };
        self.entry("held by", &format!("version {} ({}){pointer}{how}", held.version, stages(held)));
        let two = if alternates(held) { "; two users take turns" } else { "" };
        let means = match &held.rotation {
            RotationMeans::Function { arn } => format!("the function {arn}"),
            RotationMeans::Service { name } => format!("the service {name}"),
            RotationMeans::Notification { topics } => format!("whoever listens to {}", enumerate(topics)),
            RotationMeans::External => "the partner that holds it".to_owned(),
            RotationMeans::Nobody => "nobody".to_owned(),
        };
        let last = held.last_rotated.map(|at| format!("; last on {}", utc(at))).unwrap_or_default();
        self.entry("rotated by", &format!("{means}{two}{last}"));
        if !held.replicas.is_empty() {
            self.entry("copies", &format!("in {}", enumerate(&held.replicas)));
        }
    }

    fn access_key(&mut self, key: &KeyReport) {
        self.entry("access key", &key_facts(key).join("; "));
        if !key.quarantine.is_empty() {
            self.entry("quarantine", &format!("AWS has put its user there: {}", enumerate(&key.quarantine)));
        }
    }

    fn consumers(&mut self, consumers: &Consumers) {
        self.entry("consumers", &consumers::tally(consumers));
        let mut shown: Vec<_> = consumers.late().collect();
        let mut left_out = 0;
        if self.options.verbose {
            shown.extend(
                consumers.consumers.iter().filter(|consumer| matches!(consumer.pick_up, PickUp::ByItself { .. })),
            );
        } else {
            left_out = shown.len().saturating_sub(CONSUMERS);
            shown.truncate(CONSUMERS);
        }
        for consumer in shown {
            let text = format!("{}: {}", consumers::who(consumer), consumers::when(consumer.pick_up));
            let why = consumers::why(consumer);
            self.entry("", &if why.is_empty() { text } else { format!("{text}: {why}") });
        }
        if left_out > 0 {
            self.entry("", &format!("… {left_out} more (--verbose lists all)"));
        }
        for writer in &consumers.writers {
            self.labelled("written by", self.style.yellow(), &format!("{}: {}", writer.object, writer.why));
        }
        for command in consumers::commands(consumers) {
            self.entry("command", command);
        }
    }

    fn calls(&mut self, item: &ItemReport) {
        let shown = if self.options.verbose { item.calls.len() } else { item.calls.len().min(PLACES) };
        for call in item.calls.iter().skip(item.calls.len() - shown) {
            // An error names the request itself.
            let request = call.request_id.as_ref().filter(|_| call.error.is_none());
            let request = request.map(|id| format!(", request {id}")).unwrap_or_default();
            let answer = match (&call.error, call.answered) {
                (Some(error), _) => format!("not accepted: {error}"),
                (None, Some(_)) => "accepted".to_owned(),
                (None, None) => "no answer was written down".to_owned(),
            };
            self.entry("call", &format!("{}  {}: {answer}{request}", utc(call.at), words::call(call.call)));
        }
        if let Some(at) = item.times.proved {
            self.entry("proved at", &utc(at));
        }
    }

    fn end(&mut self, incident: &Incident) {
        let style = self.style;
        for phase in Phase::ALL {
            let steps = incident.next_steps.iter().filter(|step| step.phase == phase && !step.done);
            let limit = match phase {
                _ if self.options.verbose => usize::MAX,
                Phase::End => DETAILS,
                _ => continue,
            };
            let left_out = steps.clone().count().saturating_sub(limit);
            for step in steps.take(limit) {
                let about = about(&step.items);
                let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
                self.entry(&phase.title().to_lowercase(), &format!("{}{about}", step.text));
            }
            if left_out > 0 {
                self.entry("", &format!("… {left_out} more (--verbose lists all)"));
            }
        }
        for limit in &incident.limits {
            self.entry("limits", limit);
        }
        // What stopped an earlier run is over.
        if let Some(run) = incident.runs.last() {
            if let Some(why) = &run.stopped {
                self.labelled("stopped", style.yellow(), &format!("run {}: {why}", run.run));
            } else if run.ended.is_none() {
                self.labelled("stopped", style.yellow(), &format!("run {} wrote down no end", run.run));
            }
        }
        if let Some(command) = &incident.next_command {
            self.entry("next", command);
        }
        let status = incident.exit_status;
        self.entry("exit status", &format!("{status}: {}", incident.exit_meaning()));
    }

    fn entry(&mut self, label: &str, text: &str) {
        self.labelled(label, self.style.dim(), text);
    }

    /// A label in its column, and a text beside it, broken to the terminal's width.
    fn labelled(&mut self, label: &str, color: &str, text: &str) {
        let text = printable(text);
        let room = self.options.width.map(|width| width.saturating_sub(INDENT).max(LEAST));
        for (index, line) in wrap(&text, room).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let (color, reset) = if label.is_empty() { ("", "") } else { (color, self.style.reset()) };
            self.line(&format!("  {color}{label:<11}{reset}  {line}"));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

/// The outcome's id, or what is planned.
fn state(item: &ItemReport) -> String {
    item.status.outcome.map_or_else(|| format!("to do: {}", item.action.verb()), |outcome| outcome.to_string())
}

/// What is known of an access key, as clauses.
pub(super) fn key_facts(key: &KeyReport) -> Vec<String> {
    let mut facts = vec![key.id.clone()];
    facts.extend(key.user.as_ref().map(|user| format!("of the user {user}")));
    facts.extend(key.account.as_ref().map(|account| format!("account {account}")));
    facts.extend(key.status.as_ref().map(|status| format!("{status} when the plan was made")));
    facts.extend(key.created.map(|at| format!("made {}", utc(at))));
    if let Some(last) = &key.last_used {
        let what = last.service.as_ref().map(|service| format!(" for {service}")).unwrap_or_default();
        let place = last.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
        facts.push(format!("last used {}{what}{place}", utc(last.at)));
    } else if key.user.is_some() {
        facts.push("never used, as far as AWS has written down".to_owned());
    }
    if !key.other_active.is_empty() {
        facts.push(format!("its user's other keys that work: {}", enumerate(&key.other_active)));
    }
    facts
}

/// Where a leak stands, on one line: `COMMIT:PATH:LINE`, or what it is where it is no file.
pub(super) fn place(place: &Place) -> String {
    let what = match place.kind {
        PlaceKind::CommitMessage => "commit message".to_owned(),
        PlaceKind::TagMessage => format!("message of the tag {}", printable(&place.path)),
        PlaceKind::Unreachable => format!("object {}, which no reference leads to", printable(&place.path)),
        PlaceKind::StandardInput => "standard input".to_owned(),
        PlaceKind::Commit | PlaceKind::Index | PlaceKind::WorkTree | PlaceKind::File => {
            printable(&place.path).into_owned()
        }
    };
    let commit = place.commit.as_deref().map(|commit| format!("{}:", printable(commit.get(..12).unwrap_or(commit))));
    let line = if place.line > 0 { format!(":{}", place.line) } else { String::new() };
    format!("{}{what}{line}", commit.unwrap_or_default())
}

/// Fills up with spaces to `width` columns.
fn pad(text: &str, width: usize) -> String {
    let used: usize = text.chars().map(columns).sum();
    format!("{text}{}", " ".repeat(width.saturating_sub(used)))
}

/// Cuts to `width` columns: the end is what tells names and places apart, so the beginning goes.
fn cut(text: &str, width: usize) -> String {
    if text.chars().map(columns).sum::<usize>() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let mut from = text.len();
    for (at, character) in text.char_indices().rev() {
        used += columns(character);
        if used > width {
            break;
        }
        from = at;
    }
    format!("…{}", &text[from..])
}

/// Breaks a text at its spaces into lines of at most `room` columns; a longer word stays whole.
fn wrap(text: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room else { return vec![text.to_owned()] };
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let width: usize = word.chars().map(columns).sum();
        if !line.is_empty() && used + 1 + width > room {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if !line.is_empty() {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += width;
    }
    lines.push(line);
    lines
}

/// SGR sequences (ECMA-48), or nothing.
#[derive(Clone, Copy)]
struct Style {
    on: bool,
}

macro_rules! sgr {
    ($($name:ident $code:literal),*) => {
        impl Style {
            $(fn $name(self) -> &'static str { if self.on { concat!("\x1b[", $code, "m") } else { "" } })*
        }
    };
}

sgr!(bold "1", dim "2", red "31", green "32", yellow "33", blue "34", magenta "35", reset "0");

impl Style {
    fn of(self, stand: Stand, is_planned: bool) -> &'static str {
        match stand {
            _ if is_planned => self.blue(),
            Stand::Active => self.red(),
            Stand::Unable => self.magenta(),
            Stand::Unclear => self.yellow(),
            Stand::Over => self.green(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_spaces_and_cut_at_the_front() {
        assert_eq!(wrap("one two three", Some(7)), ["one two", "three"]);
        assert_eq!(wrap("a-very-long-word b", Some(5)), ["a-very-long-word", "b"]);
        assert_eq!(wrap("one  two", None), ["one  two"]);
        assert_eq!(wrap("", Some(5)), [""]);
        assert_eq!(
            [cut("/prod/team-a/db", 8), cut("漢字漢字", 5), cut("short", 8)],
            ["…team-a/db"[..].replace("team-a/db", "am-a/db"), "…漢字".to_owned(), "short".to_owned()]
        );
        assert_eq!(pad("漢", 4), "漢  ");
    }
}
