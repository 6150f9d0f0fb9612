//! A reference to one version of a secret.

use super::Rule;
use crate::context::{Context, Resolved};
use crate::field_path::{FieldPath, Path};
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Access;
use crate::shown::Shown;
use crate::subject::store::StoreProvider;
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static VERSION_PINNED: Rule = Rule {
    id: "version-pinned",
    summary: "A reference names one version, stage or label of a secret instead of the current value.",
    why: "A pinned value is read on after it was rotated out, so the rotation changes nothing for who uses it; a pending one is read before it was tried.",
    example: "spec:\n  data:\n  - secretKey: password\n    remoteRef: {key: /prod/team-a/db, version: AWSPREVIOUS}",
    instead: "Leave `version` out: the provider then gives the current value.",
    references: &[
        "https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html#term_version",
        "https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html",
    ],
    default_action: Action::Deny,
    kinds: &[Kind::ExternalSecret, Kind::ClusterExternalSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for resolved in context.resolved.iter().filter(|resolved| resolved.reference.access == Access::Read) {
        let in_key = match &resolved.key {
            Some(Ok(key)) => key.version,
            _ => None,
        };
        if let Some(version) = in_key {
            push(context, resolved, resolved.reference.path.to_owned(), version, out);
        }
        if let Some(version) = resolved.reference.version.filter(|version| !is_current(resolved, version)) {
            push(context, resolved, beside(&resolved.reference.path), version, out);
        }
    }
}

/// Whether `version` is another word for the current value.
///
/// Source: External Secrets 2.9.0: Secrets Manager's default stage is AWSCURRENT, GCP's default version
/// `latest`; Vault's API reads version 0 as the latest; Secrets of Kubernetes have no versions, and the
/// field is not looked at.
fn is_current(resolved: &Resolved<'_>, version: &str) -> bool {
    let Lookup::Found(store) = &resolved.store else { return version.is_empty() };
    match &store.provider {
        StoreProvider::Aws(aws) if &*aws.service == "SecretsManager" => matches!(version, "" | "AWSCURRENT"),
        StoreProvider::Gcp(_) => matches!(version, "" | "latest"),
        StoreProvider::Vault(_) => matches!(version, "" | "0"),
        StoreProvider::Kubernetes(_) => true,
        StoreProvider::Aws(_) | StoreProvider::Other(_) | StoreProvider::Unreadable(_) => version.is_empty(),
    }
}

/// `version` beside the `key` at `path`.
fn beside(path: &Path<'_>) -> FieldPath {
    match path.to_owned().parent() {
        Some(parent) => parent.steps().fold(Path::root(), |path, step| path.step(step)).field("version").to_owned(),
        None => path.to_owned(),
    }
}

fn push(context: &Context<'_>, resolved: &Resolved<'_>, path: FieldPath, version: &str, out: &mut Vec<Violation>) {
    let name = match &resolved.key {
        Some(Ok(key)) => &*key.name,
        _ => "",
    };
    let violation = Violation::new(
        &VERSION_PINNED,
        path,
        format!("{name} {version}"),
        format!("{} is one version of the secret, and stays it when the secret is rotated", Shown(version)),
    )
    .cure("leave it out, to read the current value");
    let violation = match &resolved.store {
        Lookup::Found(store) => violation.place(context.place(store)),
        Lookup::Absent | Lookup::Unknown => violation,
    };
    out.push(if name.is_empty() { violation } else { violation.effective_key(name) });
}
