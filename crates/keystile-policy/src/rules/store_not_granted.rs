//! A store that fits no entry of the policy.

use std::collections::HashSet;

use super::Rule;
use crate::context::Context;
use crate::field_path::{FieldPath, Path};
use crate::judgement::Action;
use crate::kind::Kind;
use crate::provider::{self, Misfit};
use crate::shown::Shown;
use crate::subject::StoreTarget;
use crate::subject::store::{StoreFacts, StoreKind, StoreProvider};
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static STORE_NOT_GRANTED: Rule = Rule {
    id: "store-not-granted",
    summary: "A store's provider, service, region, account, server, mount or project is not one that the policy names.",
    why: "Names mean something only where they are looked up: the same name in another region, account or Vault is somebody else's secret, and another provider reads names by other rules.",
    example: "apiVersion: external-secrets.io/v1\nkind: SecretStore\nspec:\n  provider:\n    aws: {service: SecretsManager, region: us-east-1}   # the policy names eu-west-1",
    instead: "Use a store that fits one entry of the policy's `providers` as a whole, or have an entry added.",
    references: &["https://external-secrets.io/latest/guides/security-best-practices/"],
    default_action: Action::Deny,
    kinds: &[
        Kind::ExternalSecret,
        Kind::ClusterExternalSecret,
        Kind::PushSecret,
        Kind::ClusterPushSecret,
        Kind::SecretStore,
        Kind::ClusterSecretStore,
    ],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if let Some(store) = &context.subject.store {
        let env = match store.id.kind {
            StoreKind::SecretStore | StoreKind::AwsProvider => context.env(),
            StoreKind::ClusterSecretStore => context.policy.stores.cluster.as_ref().and_then(|own| own.env.as_deref()),
        };
        if let Some(misfit) = provider::fits_none(store, &context.policy.providers, env) {
            let fields: Vec<&str> = misfit.field.split('.').collect();
            out.push(violation(context, env, Path::of(&fields), "the store", store, &misfit));
        }
        return;
    }
    // Most references go through the same store: it is judged once.
    let mut last: Option<&StoreFacts> = None;
    let mut said = HashSet::new();
    for resolved in &context.resolved {
        let (StoreTarget::Named { path, .. }, Lookup::Found(store)) = (&resolved.reference.store, &resolved.store)
        else {
            continue;
        };
        if last.is_some_and(|last| std::ptr::eq(last, &**store)) {
            continue;
        }
        last = Some(store);
        let Some(misfit) = provider::fits_none(store, &context.policy.providers, context.env()) else { continue };
        let name = format!("{} {}", store.id.kind.as_str(), Shown(&store.id.name));
        let violation = violation(context, context.env(), path, &name, store, &misfit);
        if said.insert(violation.about.clone()) {
            out.push(violation);
        }
    }
}

fn violation(
    context: &Context<'_>,
    env: Option<&str>,
    path: impl Into<FieldPath>,
    store: &str,
    facts: &StoreFacts,
    misfit: &Misfit<'_>,
) -> Violation {
    let message = match misfit.value {
        why if matches!(facts.provider, StoreProvider::Unreadable(_)) => {
            format!("what {store} would do can't be said: {}", Shown(why))
        }
        "" => format!("{store} fits no provider of the policy: its {} is not written", misfit.field),
        value => format!("{store} fits no provider of the policy: its {} is {}", misfit.field, Shown(value)),
    };
    let cure = match &facts.provider {
        StoreProvider::Gcp(gcp) if misfit.field == provider::GCP_LOCATION => {
            let granted = provider::locations_of(gcp, &context.policy.providers, env);
            let listed = super::acting::listed(granted.iter().filter(|location| !location.is_empty()));
            match (granted.contains(""), listed.as_str()) {
                (true, "none") => "leave it out: only the project's global secrets are granted".to_owned(),
                (true, listed) => format!("granted are {listed}, and without a location the global secrets"),
                (false, listed) => format!("the locations that are granted: {listed}"),
            }
        }
        _ => "use a store that fits one entry of the policy's providers as a whole".to_owned(),
    };
    Violation::new(&STORE_NOT_GRANTED, path, format!("{store} {} {}", misfit.field, misfit.value), message).cure(cure)
}
