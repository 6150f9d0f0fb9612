//! The `table` format: one line per secret, and what it comes to below.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use keystile_inventory::findings::has_aws_managed_key;
use keystile_inventory::{InventoryFinding, ReplicaState, RotationMeans, SecretRecord};

use super::referrers::in_short;
use super::report::{InventoryReport, Item, Region, Verdict};
use crate::report::text::{columns, count, printable};

/// How it is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    pub(super) color: bool,
    /// Columns of the terminal; `None`: nothing is cut.
    pub(super) width: Option<usize>,
    /// Leave secrets out that nothing is wrong with.
    pub(super) findings_only: bool,
}

/// So many references to secrets that are not there are named.
const MOST_UNLISTED: usize = 10;

/// No column is cut below this.
const NARROWEST: usize = 12;
/// Names, by which all else is found.
const NARROWEST_NAME: usize = 24;
/// `AWS-managed key`, and one more.
const NARROWEST_FINDING: usize = 16;

/// Between two columns.
const GAP: usize = 2;

/// A column of the table.
struct Column {
    title: &'static str,
    /// Whether it may be cut to the terminal's width.
    cut: Cut,
    cells: Vec<String>,
}

impl Column {
    fn narrowest(&self) -> usize {
        match (self.title, self.cut) {
            (_, Cut::No) => usize::MAX,
            ("SECRET", _) => NARROWEST_NAME,
            ("FINDINGS", _) => NARROWEST_FINDING,
            _ => NARROWEST,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    No,
    /// Names: what tells them apart is at their end.
    Start,
    End,
}

pub(super) fn render(report: &InventoryReport, options: Options) -> String {
    let style = Style { on: options.color };
    let mut text = String::new();
    let shown: Vec<(&Region, &Item)> = report
        .regions
        .iter()
        .flat_map(|region| region.items.iter().map(move |item| (region, item)))
        .filter(|(_, item)| !options.findings_only || !item.findings.is_empty())
        .collect();
    if !shown.is_empty() {
        write_table(&mut text, &table(report, &shown), options, style);
        text.push('\n');
    }
    for gap in report.gaps() {
        let _ = writeln!(text, "{}not read{}: {}", style.code("33"), style.code("0"), printable(&gap));
    }
    write_references(&mut text, report, style);
    let code = match report.verdict() {
        Verdict::Findings => "1;31",
        Verdict::Incomplete => "1;33",
        Verdict::Clean if report.is_empty() => "1;33",
        Verdict::Clean => "1;32",
    };
    let _ = writeln!(text, "{}{}.{}", style.code(code), summary(report), style.code("0"));
    text
}

fn table(report: &InventoryReport, shown: &[(&Region, &Item)]) -> Vec<Column> {
    let now = report.started;
    let column = |title, cut, cell: &dyn Fn(&Region, &Item) -> String| {
        let cells = shown.iter().map(|(region, item)| printable(&cell(region, item)).into_owned()).collect();
        Column { title, cut, cells }
    };
    let mut columns = vec![column("SECRET", Cut::Start, &|_, item| item.record.name.clone())];
    if report.regions.len() > 1 {
        columns.push(column("REGION", Cut::No, &|region, _| region.name.clone()));
    }
    columns.push(column("KMS KEY", Cut::Start, &|_, item| key(&item.record)));
    columns.push(column("ROTATION", Cut::No, &|_, item| rotation(&item.record)));
    columns.push(column("ROTATED", Cut::No, &|_, item| last_rotated(&item.record, now)));
    columns.push(column("NEXT", Cut::No, &|_, item| next_rotation(&item.record, now)));
    if report.is_described {
        columns.push(column("REPLICAS", Cut::End, &|_, item| replicas(&item.record)));
    }
    if report.referrers.is_some() {
        let referrers = |_: &Region, item: &Item| in_short(item.referrers.as_deref().unwrap_or_default());
        columns.push(column("REFERRERS", Cut::End, &referrers));
    }
    columns.push(column("FINDINGS", Cut::End, &|_, item| findings(item, now)));
    columns
}

fn write_table(text: &mut String, table: &[Column], options: Options, style: Style) {
    let widths = widths(table, options.width);
    let mut line = |cells: Vec<Cow<'_, str>>, row_code: &str, last_code: &str| {
        let (row_on, last_on) = (style.code(row_code), style.code(last_code));
        let off = if style.on { "\u{1b}[0m" } else { "" };
        let mut row = String::new();
        let last = cells.len() - 1;
        for (cell, width) in cells[..last].iter().zip(&widths) {
            let padding = (width + GAP).saturating_sub(width_of(cell));
            let _ = write!(row, "{cell}{}", " ".repeat(padding));
        }
        let end = match cells[last].as_ref() {
            "" => String::new(),
            cell if last_code.is_empty() => cell.to_owned(),
            cell => format!("{last_on}{cell}{off}"),
        };
        let row = format!("{row}{end}");
        let _ = match row_code {
            "" => writeln!(text, "{}", row.trim_end()),
            _ => writeln!(text, "{row_on}{}{off}", row.trim_end()),
        };
    };
    line(table.iter().map(|column| column.title.into()).collect(), "2", "");
    for nth in 0..table[0].cells.len() {
        let cells = table.iter().zip(&widths).map(|(column, width)| cut(&column.cells[nth], *width, column.cut));
        line(cells.collect(), "", "31");
    }
}

/// How wide each column is. Where not all of it has room, the widest ones are cut first.
fn widths(table: &[Column], limit: Option<usize>) -> Vec<usize> {
    let widest =
        |column: &Column| column.cells.iter().map(|cell| width_of(cell)).max().unwrap_or(0).max(width_of(column.title));
    let mut widths: Vec<usize> = table.iter().map(widest).collect();
    let Some(limit) = limit else { return widths };
    let mut over = (widths.iter().sum::<usize>() + GAP * (widths.len() - 1)).saturating_sub(limit);
    while over > 0 {
        let cuttable = table.iter().zip(&mut widths).filter(|(column, width)| **width > column.narrowest());
        let Some((_, width)) = cuttable.max_by_key(|(_, width)| **width) else { break };
        *width -= 1;
        over -= 1;
    }
    widths
}

/// `text` in at most `width` columns; `…` stands for what is left out.
fn cut(text: &str, width: usize, from: Cut) -> Cow<'_, str> {
    if from == Cut::No || width_of(text) <= width {
        return Cow::Borrowed(text);
    }
    let mut room = width.saturating_sub(1);
    let mut fits = |character: &char| {
        let wide = columns(*character);
        let fits = wide <= room;
        room = room.saturating_sub(wide);
        fits
    };
    if from == Cut::End {
        let kept: String = text.chars().take_while(|character| fits(character)).collect();
        return Cow::Owned(format!("{kept}…"));
    }
    let kept: Vec<char> = text.chars().rev().take_while(|character| fits(character)).collect();
    Cow::Owned(std::iter::once('…').chain(kept.into_iter().rev()).collect())
}

fn width_of(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The key by its alias, where it is named by one.
fn key(record: &SecretRecord) -> String {
    match record.kms_key_id.as_deref() {
        _ if has_aws_managed_key(record) => "AWS-managed".to_owned(),
        Some(key) => {
            key.rsplit_once(":key/").or_else(|| key.rsplit_once(":alias/")).map_or(key, |(_, id)| id).to_owned()
        }
        None => String::new(),
    }
}

/// Who rotates, and how often.
fn rotation(record: &SecretRecord) -> String {
    let means = match &record.rotation {
        RotationMeans::Function { .. } => "function",
        RotationMeans::Service { name } => name,
        RotationMeans::Notification { .. } => "notification",
        RotationMeans::External => "partner",
        RotationMeans::Nobody => "nobody",
    };
    let interval = match (&record.rotation_schedule, record.rotation_days) {
        (Some(schedule), _) => format!(" {schedule}"),
        (None, Some(days)) => format!(" {days}d"),
        (None, None) => String::new(),
    };
    match (record.rotation_enabled, &record.rotation) {
        (Some(true), _) => format!("{means}{interval}"),
        (Some(false), _) => "off".to_owned(),
        (None, RotationMeans::Nobody) => "none".to_owned(),
        (None, _) => format!("none ({means})"),
    }
}

/// How long ago; where it never was, how old the secret is.
fn last_rotated(record: &SecretRecord, now: Timestamp) -> String {
    match (record.last_rotated, record.created) {
        (Some(last), _) => format!("{} ago", span(now.duration_since(last))),
        (None, Some(created)) => format!("never, {} old", span(now.duration_since(created))),
        (None, None) => "never".to_owned(),
    }
}

fn next_rotation(record: &SecretRecord, now: Timestamp) -> String {
    match record.next_rotation {
        // The date of a schedule that is switched off means nothing.
        Some(next) if record.rotation_enabled == Some(true) => match now.duration_since(next) {
            ahead if ahead.is_negative() => format!("in {}", span(ahead.abs())),
            behind => format!("{} ago", span(behind)),
        },
        _ => "-".to_owned(),
    }
}

/// A time span in its largest unit, as kubectl shows ages.
fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn replicas(record: &SecretRecord) -> String {
    let shown = record.replicas.iter().map(|replica| match replica.state {
        Some(ReplicaState::InSync) => replica.region.clone(),
        Some(ReplicaState::InProgress) => format!("{} (in progress)", replica.region),
        Some(ReplicaState::Failed) => format!("{} (failed)", replica.region),
        None => format!("{} (state not said)", replica.region),
    });
    match (shown.collect::<Vec<_>>().join(", "), &record.primary_region) {
        (none, Some(primary)) if none.is_empty() => format!("of {primary}"),
        (none, None) if none.is_empty() => "-".to_owned(),
        (some, _) => some,
    }
}

fn findings(item: &Item, now: Timestamp) -> String {
    let shown = item.findings.iter().map(|finding| match finding {
        InventoryFinding::OverdueRotation { since } => {
            format!("overdue {}", span(now.duration_since(*since)))
        }
        InventoryFinding::FailingRotation { .. } => "rotation fails".to_owned(),
        InventoryFinding::FailedReplica { region } => format!("no replica in {region}"),
        InventoryFinding::AwsManagedKey => "AWS-managed key".to_owned(),
        InventoryFinding::PendingDeletion { asked } => {
            format!("deletion asked {} ago", span(now.duration_since(*asked)))
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// References that a list does not answer.
fn write_references(text: &mut String, report: &InventoryReport, style: Style) {
    let (yellow, reset) = (style.code("33"), style.code("0"));
    let unlisted = report.unlisted();
    for named in unlisted.iter().take(MOST_UNLISTED) {
        let one = &named.referrer;
        let place = format!("{}:{}", one.file, one.line);
        let object = in_short(std::slice::from_ref(one));
        let _ = writeln!(
            text,
            "{yellow}not listed{reset}: {}: {} {} {}, which {} does not have",
            printable(&place),
            printable(&object),
            one.access,
            printable(&named.name),
            named.region
        );
    }
    if unlisted.len() > MOST_UNLISTED {
        let _ =
            writeln!(text, "… and {} more references to secrets that are not listed", unlisted.len() - MOST_UNLISTED);
    }
    let Some(referrers) = &report.referrers else { return };
    if !referrers.searches.is_empty() {
        let searches = count(referrers.searches.len() as u64, "search", "searches");
        let _ = writeln!(text, "{searches} (dataFrom[].find) may find more secrets than their names here tell");
    }
}

/// The end in one sentence, without a full stop.
fn summary(report: &InventoryReport) -> String {
    if report.is_empty() {
        return report.nothing_listed();
    }
    let whole = report.regions.iter().map(|region| {
        let account = region.account().map(|account| format!(" (account {account})")).unwrap_or_default();
        format!("{} in {}{account}", count(region.items.len() as u64, "secret", "secrets"), region.name)
    });
    let prefixes = match report.prefixes.is_empty() {
        true => String::new(),
        false => format!(" below {}", report.prefixes.join(", ")),
    };
    let counts = report.counts();
    let number = |kind: &str| counts.get(kind).copied().unwrap_or(0) as u64;
    let mut parts = Vec::new();
    for (found, one, many) in [
        (number("overdue-rotation"), "overdue rotation", "overdue rotations"),
        (number("failing-rotation"), "failing rotation", "failing rotations"),
        (number("aws-managed-key"), "AWS-managed key", "AWS-managed keys"),
        (number("pending-deletion"), "pending deletion", "pending deletions"),
        (number("failed-replica"), "failed replica", "failed replicas"),
        (report.gaps().len() as u64, "thing that could not be read", "things that could not be read"),
    ] {
        if found > 0 {
            parts.push(count(found, one, many));
        }
    }
    let parts = if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") };
    format!("{}{prefixes}: {parts}", whole.collect::<Vec<_>>().join(", "))
}

#[derive(Clone, Copy)]
struct Style {
    on: bool,
}

impl Style {
    fn code(self, code: &str) -> String {
        if self.on && !code.is_empty() { format!("\u{1b}[{code}m") } else { String::new() }
    }
}
