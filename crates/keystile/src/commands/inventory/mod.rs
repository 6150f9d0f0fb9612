//! `keystile inventory`: managed secrets with what is wrong with them, and who refers to them.
//!
//! [`report`] is what was found, [`referrers`] finds who refers to what, [`table`] and [`json`] write it down. All
//! that is asked is asked by `keystile-inventory`, which has no call that reads a value.

mod json;
mod referrers;
mod report;
mod table;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use keystile_git::Progress;
use keystile_inventory::aws::connection::PATIENT_ATTEMPTS;
use keystile_inventory::aws::{self, AwsOptions, Connection, Pace, RegionRead, Scope, Secrets};
use keystile_inventory::{CallErrorKind, listing};
use keystile_policy::shown::Shown;

use self::referrers::read_referrers;
use self::report::{InventoryReport, Verdict};
use crate::cli::inventory::{InventoryArgs, InventoryFormat};
use crate::commands::scan::{check_destinations, hand_over, wants_color};
use crate::exit::{Exit, UsageError};
use crate::progress_display::ProgressDisplay;
use crate::report::text::printable;
use crate::scan_request::Destination;
use crate::terminal;

/// Lists what `args` asks for.
///
/// # Errors
/// There are no credentials or no region, a path is not there, or the report can't be written.
pub fn run(args: &InventoryArgs) -> anyhow::Result<Exit> {
    let destination = args.output.clone().map_or(Destination::StandardOutput, Destination::File);
    check_destinations(&[(args.format, destination.clone())])?;
    let referrers = match (args.manifests.is_empty(), args.world.is_empty()) {
        (true, true) => None,
        _ => Some(read_referrers(&args.manifests, &args.world, args.namespace.as_deref())?),
    };
    let started = Timestamp::now();
    let progress = Arc::new(Progress::default());
    let regions = {
        let _display = ProgressDisplay::start(&progress, !args.no_progress);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("while starting the network's thread")?;
        runtime.block_on(read_regions(args, &progress))?
    };
    if let Some(error) = cause_of_nothing(&regions, args.profile.as_deref()) {
        return Err(UsageError(error).into());
    }
    let report = InventoryReport::new(regions, args, referrers, started, Timestamp::now());
    hand_over(render(&report, args, &destination)?.as_bytes(), &destination)?;
    tell(&report, args, &destination);
    Ok(exit(&report, args))
}

/// Each region in turn, in the order of the flags.
async fn read_regions(args: &InventoryArgs, progress: &Progress) -> anyhow::Result<Vec<RegionRead>> {
    let options = AwsOptions {
        profile: args.profile.clone(),
        region: args.region.first().cloned(),
        endpoint_url: args.endpoint_url.clone(),
        attempts: Some(PATIENT_ATTEMPTS),
        ..AwsOptions::default()
    };
    let connection = Connection::open(&options).await.map_err(|error| UsageError(error.message))?;
    let scope = Scope { prefixes: args.prefix.clone(), describe: args.describe.then_some(Pace::DEFAULT) };
    let mut regions = Vec::new();
    let mut seen = BTreeSet::new();
    let wanted: Vec<&str> = match args.region.is_empty() {
        true => vec![connection.region()],
        false => args.region.iter().map(String::as_str).collect(),
    };
    for region in wanted.into_iter().filter(|region| seen.insert(*region)) {
        let secrets = Secrets::new(&connection.in_region(region));
        let mut before = None;
        let mut show = |now| show_progress(progress, &mut before, now);
        regions.push(aws::region::read(&secrets, &scope, Timestamp::now(), &mut show).await);
    }
    Ok(regions)
}

fn show_progress(progress: &Progress, before: &mut Option<aws::Progress>, now: aws::Progress) {
    match (&before, now) {
        (Some(aws::Progress::Listed(_)), aws::Progress::Listed(_))
        | (Some(aws::Progress::Described(..)), aws::Progress::Described(..)) => progress.advance(1),
        (_, aws::Progress::Listed(_)) => progress.begin("listing secrets", 0),
        (_, aws::Progress::Described(_, all)) => progress.begin("describing secrets", all as u64),
    }
    *before = Some(now);
}

/// What to say where nobody could be asked anything, for want of credentials or by the settings.
fn cause_of_nothing(regions: &[RegionRead], profile: Option<&str>) -> Option<String> {
    let errors: Vec<_> = regions.iter().map(|region| region.list_error.as_ref()).collect::<Option<_>>()?;
    let is_ours = |kind| matches!(kind, CallErrorKind::NoCredentials | CallErrorKind::Misconfigured);
    let first = errors.first().filter(|_| errors.iter().all(|error| is_ours(error.kind)))?;
    let cure = match (first.kind, profile) {
        (CallErrorKind::NoCredentials, Some(profile)) => {
            format!("; see whether the profile {} is there and signed in (`aws sso login`)", Shown(profile))
        }
        (CallErrorKind::NoCredentials, None) => {
            "; sign in (`aws sso login`), name a profile with --profile, or set the variables of an access key"
                .to_owned()
        }
        _ => String::new(),
    };
    Some(format!("nothing could be listed: {first}{cure}"))
}

fn render(report: &InventoryReport, args: &InventoryArgs, destination: &Destination) -> anyhow::Result<String> {
    let pretty =
        |value| serde_json::to_string_pretty(&value).map(|text| text + "\n").context("while writing the report");
    match args.format {
        InventoryFormat::Table => {
            let to_terminal = *destination == Destination::StandardOutput;
            let options = table::Options {
                color: to_terminal && wants_color(args.color),
                width: (to_terminal && std::io::stdout().is_terminal()).then(terminal::width).flatten(),
                findings_only: args.findings_only,
            };
            Ok(table::render(report, options))
        }
        InventoryFormat::Json => pretty(json::document(report, exit(report, args).code())),
        // A list that breaks off must not be taken for one that ends there.
        InventoryFormat::ListSecrets => {
            let whole = report.regions.iter().filter(|region| region.list_error.is_none());
            pretty(listing(whole.flat_map(|region| region.items.iter().map(|item| &item.record))))
        }
    }
}

/// What the report itself does not say, or says where nobody is looking.
fn tell(report: &InventoryReport, args: &InventoryArgs, destination: &Destination) {
    let says_it_itself = args.format == InventoryFormat::Table && *destination == Destination::StandardOutput;
    if says_it_itself {
        return;
    }
    for gap in report.gaps() {
        terminal::warning(&printable(&gap));
    }
    if report.is_empty() {
        terminal::warning(&printable(&report.nothing_listed()));
    }
}

fn exit(report: &InventoryReport, args: &InventoryArgs) -> Exit {
    match (report.verdict(), args.format) {
        (Verdict::Findings, InventoryFormat::ListSecrets) if report.is_whole() => Exit::Clean,
        (Verdict::Findings, InventoryFormat::ListSecrets) | (Verdict::Incomplete, _) => Exit::Incomplete,
        (Verdict::Findings, _) => Exit::Findings(args.exit_code),
        (Verdict::Clean, _) => Exit::Clean,
    }
}
