//! The `json` format: all that is known, as one document. `null` says "not known" or "not asked"; no field is left out.

use jiff::Timestamp;
use keystile_inventory::findings::has_aws_managed_key;
use keystile_inventory::{InventoryFinding, Replica, RotationMeans, SecretRecord};
use serde_json::{Map, Value, json};

use super::referrers::{Referrer, Referrers};
use super::report::{InventoryReport, Item, Region, kind};
use crate::report::view::utc;

/// Version of the document; a field that changes its meaning or goes away makes it 2.
const SCHEMA_VERSION: u32 = 1;

pub(super) fn document(report: &InventoryReport, exit_code: u8) -> Value {
    let secrets = report.regions.iter().flat_map(|region| {
        let account = region.account();
        region.items.iter().map(move |item| secret(item, region, account, report.is_described, report.started))
    });
    json!({
        "schema_version": SCHEMA_VERSION,
        "tool": { "name": "keystile", "version": env!("CARGO_PKG_VERSION") },
        "verdict": report.verdict().as_str(),
        "exit_code": exit_code,
        "started": utc(report.started),
        "finished": utc(report.finished),
        "scope": {
            "prefixes": report.prefixes,
            "described": report.is_described,
            "referrers": report.referrers.is_some(),
        },
        "summary": { "secrets": report.items().count(), "findings": report.counts() },
        "regions": report.regions.iter().map(region).collect::<Vec<_>>(),
        "secrets": secrets.collect::<Vec<_>>(),
        "references": report.referrers.as_ref().map(|referrers| references(report, referrers)),
        "gaps": report.gaps(),
    })
}

fn region(region: &Region) -> Value {
    json!({
        "region": region.name,
        "account": region.account(),
        "read_at": utc(region.read_at),
        "secrets": region.items.len(),
        "complete": region.list_error.is_none() && region.undescribed.is_empty(),
        "error": region.list_error.as_ref().map(ToString::to_string),
    })
}

fn secret(item: &Item, region: &Region, account: Option<&str>, is_described: bool, now: Timestamp) -> Value {
    let record = &item.record;
    let time = |time: Option<Timestamp>| time.map(utc);
    let is_described = is_described && !region.undescribed.iter().any(|(name, _)| *name == record.name);
    json!({
        "name": record.name,
        "arn": record.arn,
        "region": region.name,
        "account": account,
        "kms_key_id": record.kms_key_id,
        "aws_managed_key": has_aws_managed_key(record),
        "rotation": rotation(record),
        "value_age_days": age_in_days(record, now),
        "created": time(record.created),
        "last_changed": time(record.last_changed),
        "last_accessed": time(record.last_accessed),
        "deletion_asked": time(record.deleted),
        "owning_service": record.owning_service,
        "primary_region": record.primary_region,
        "replicas": is_described.then(|| record.replicas.iter().map(replica).collect::<Vec<_>>()),
        "versions": record.versions.iter().map(|(version, stages)| (version.to_string(), json!(stages))).collect::<Map<_, _>>(),
        "tags": record.tags,
        "findings": item.findings.iter().map(finding).collect::<Vec<_>>(),
        "referrers": item.referrers.as_ref().map(|found| found.iter().map(referrer).collect::<Vec<_>>()),
    })
}

fn rotation(record: &SecretRecord) -> Value {
    let (means, function) = match &record.rotation {
        RotationMeans::Function { arn } => ("function", Some(arn)),
        RotationMeans::Service { .. } => ("service", None),
        RotationMeans::Notification { .. } => ("notification", None),
        RotationMeans::External => ("external", None),
        RotationMeans::Nobody => ("none", None),
    };
    json!({
        "enabled": record.rotation_enabled,
        "means": means,
        "function": function,
        "days": record.rotation_days,
        "schedule": record.rotation_schedule,
        "last": record.last_rotated.map(utc),
        "next": record.next_rotation.map(utc),
    })
}

/// Days since the value can last have changed: what the manager says of the last change, which may have been one of
/// settings alone.
pub(super) fn age_in_days(record: &SecretRecord, now: Timestamp) -> Option<i64> {
    let last = [record.last_rotated, record.last_changed, record.created].into_iter().flatten().max()?;
    Some((now.duration_since(last).as_secs() / 86_400).max(0))
}

fn replica(replica: &Replica) -> Value {
    json!({ "region": replica.region, "state": replica.state, "kms_key_id": replica.kms_key_id })
}

fn finding(finding: &InventoryFinding) -> Value {
    let mut shown = json!({ "kind": kind(finding) });
    match finding {
        InventoryFinding::OverdueRotation { since } => shown["since"] = json!(utc(*since)),
        InventoryFinding::FailingRotation { pending } => shown["pending_version"] = json!(pending),
        InventoryFinding::PendingDeletion { asked } => shown["asked"] = json!(utc(*asked)),
        InventoryFinding::FailedReplica { region } => shown["region"] = json!(region),
        InventoryFinding::AwsManagedKey => {}
    }
    shown
}

fn referrer(referrer: &Referrer) -> Value {
    json!({
        "kind": referrer.kind,
        "namespace": referrer.namespace,
        "name": referrer.name,
        "path": referrer.path,
        "access": referrer.access,
        "file": referrer.file,
        "line": referrer.line,
    })
}

fn references(report: &InventoryReport, referrers: &Referrers) -> Value {
    let unlisted = report.unlisted().into_iter().map(|named| {
        let mut shown = referrer(&named.referrer);
        shown["secret"] = json!(named.name);
        shown["region"] = json!(named.region);
        shown["account"] = json!(named.account);
        shown
    });
    json!({
        "objects": referrers.objects,
        "to_unlisted_secrets": unlisted.collect::<Vec<_>>(),
        "searches": referrers.searches.iter().map(referrer).collect::<Vec<_>>(),
        "to_other_providers": referrers.elsewhere,
    })
}
