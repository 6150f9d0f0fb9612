//! A store that acts as the operator itself.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::store::StoreProvider;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_CONTROLLER_IDENTITY: Rule = Rule {
    id: "store-controller-identity",
    summary: "A store names nobody to log in as, so it acts as the operator's own pod.",
    why: "The operator's identity is nearly always the broadest one: it reads for every team. With AWS a role that the policy grants limits it; without one nothing does.",
    example: "spec:\n  provider:\n    aws: {service: SecretsManager, region: eu-west-1}   # no auth, no role",
    instead: "Name a service account under `auth`, or (AWS) a granted `role`.",
    references: &[
        "https://external-secrets.io/latest/provider/aws-access/",
        "https://external-secrets.io/latest/guides/multi-tenancy/",
    ],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(store) = context.subject.store.as_deref() else { return };
    let Some(field) = store.identity.operator_field else { return };
    // What reads is then the role, which is judged on its own.
    if matches!(store.provider, StoreProvider::Aws(_)) && !store.identity.roles.is_empty() {
        return;
    }
    let message = match field {
        "auth" => "it names nobody to log in as, so it acts as the operator itself",
        _ => "it names neither a service account nor a Secret, so it acts as the operator itself",
    };
    let cure = match store.provider {
        StoreProvider::Aws(_) => "name a service account in auth.jwt.serviceAccountRef, or a granted role",
        _ => "name a service account under auth",
    };
    out.push(Violation::new(&STORE_CONTROLLER_IDENTITY, store.path(field), field, message).cure(cure));
}
