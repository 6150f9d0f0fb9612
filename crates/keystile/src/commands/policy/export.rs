//! `keystile policy export`: what of the policy another guard can hold as well.

use anyhow::Context as _;
use jiff::Timestamp;
use keystile_policy::policy::document::syntax::{is_dns_label, is_dns_subdomain};
use keystile_policy::policy::export::vap::{self, Service, VouchedStore};
use keystile_policy::policy::export::{Export, iam};
use keystile_policy::{Binding, Policy};

use crate::check::basis::load_policy;
use crate::cli::policy::{ExportArgs, ExportGuard, ExportIamArgs, ExportVapArgs};
use crate::exit::{Exit, UsageError};
use crate::report::text::printable;
use crate::scan_request::Destination;
use crate::scrub::Scrubber;
use crate::terminal;

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<Exit> {
    match &args.guard {
        ExportGuard::Iam(args) => export_iam(args),
        ExportGuard::Vap(args) => export_vap(args),
    }
}

fn export_iam(args: &ExportIamArgs) -> anyhow::Result<Exit> {
    let policy = load_policy(args.policy.as_deref(), args.at.unwrap_or_else(Timestamp::now))?.policy;
    let binding = binding(&policy, &args.env, &args.team)?;
    let export = iam::policy(&policy, &binding);
    warn_of(&export);
    let [document] = export.documents.as_slice() else {
        return Err(UsageError(format!("nothing is granted to {binding} that an IAM policy can say")).into());
    };
    print(document)
}

fn export_vap(args: &ExportVapArgs) -> anyhow::Result<Exit> {
    if !is_dns_label(&args.name) {
        return Err(UsageError(format!("--name {}: is no name of an object", printable(&args.name))).into());
    }
    let stores = args.stores.iter().map(|written| vouched(written)).collect::<anyhow::Result<Vec<_>>>()?;
    let policy = load_policy(args.policy.as_deref(), args.at.unwrap_or_else(Timestamp::now))?.policy;
    let export = vap::policies(&policy, &args.name, &stores);
    warn_of(&export);
    print(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": export.documents}))
}

/// A store as `--store` has it.
fn vouched(written: &str) -> anyhow::Result<VouchedStore> {
    let (name, service) = match written.split_once('=') {
        None | Some((_, "SecretsManager")) => (written, Service::SecretsManager),
        Some((_, "ParameterStore")) => (written, Service::ParameterStore),
        Some(_) => {
            let message = format!("--store {}: the service is SecretsManager or ParameterStore", printable(written));
            return Err(UsageError(message).into());
        }
    };
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    if name.is_empty() {
        return Err(UsageError(format!("--store {}: names no store", printable(written))).into());
    }
    if !is_dns_subdomain(name) {
        return Err(UsageError(format!("--store {}: is no name of a store", printable(written))).into());
    }
    Ok(VouchedStore { name: name.to_owned(), service })
}

fn warn_of(export: &Export) {
    for left_out in &export.left_out {
        terminal::warning(&format!("left out: {}", printable(left_out)));
    }
}

fn print(document: &serde_json::Value) -> anyhow::Result<Exit> {
    let text = serde_json::to_string_pretty(document).context("while writing the policy")?;
    let text = Scrubber::new().scrub(&format!("{text}\n"));
    crate::commands::scan::hand_over(text.as_bytes(), &Destination::StandardOutput)?;
    Ok(Exit::Clean)
}

/// The environment and the team, where a namespace can be bound to them.
fn binding(policy: &Policy, env: &str, team: &str) -> anyhow::Result<Binding> {
    let envs = policy.environments();
    // The empty text stands for any other: the policy lists none.
    if !is_dns_label(env) || (!envs.contains(&"") && !envs.contains(&env)) {
        return Err(UsageError(format!("--env {}: the policy has no such environment", printable(env))).into());
    }
    if !is_dns_label(team) || policy.binding.reserved_teams.iter().any(|reserved| reserved == team) {
        return Err(UsageError(format!("--team {}: no namespace can be bound to this team", printable(team))).into());
    }
    Ok(Binding::new(env, team))
}
