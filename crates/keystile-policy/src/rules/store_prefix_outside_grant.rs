//! A prefix that no grant covers.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Access;
use crate::provider;
use crate::shown::Shown;
use crate::subject::store::StoreProvider;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_PREFIX_OUTSIDE_GRANT: Rule = Rule {
    id: "store-prefix-outside-grant",
    summary: "A SecretStore's prefix lies in no grant of its namespace.",
    why: "Whatever is read through such a store is another's. It is told where the store is made, not at each reference that somebody adds later.",
    example: "kind: SecretStore   # in a namespace of team-a\nspec:\n  provider:\n    aws: {service: SecretsManager, region: eu-west-1, prefix: /prod/team-b/}",
    instead: "Use a prefix inside the team's own grant, or none.",
    references: &["https://external-secrets.io/latest/provider/aws-secrets-manager/"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore],
    check,
};

/// A name below the prefix that no pattern can spell: it matches a wildcard or nothing.
const BELOW: &str = "*";

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(store) = context.subject.store.as_deref() else { return };
    let StoreProvider::Aws(aws) = &store.provider else { return };
    if aws.prefix.is_empty() {
        return;
    }
    if provider::fits_none(store, &context.policy.providers, context.env()).is_some() {
        return; // store-not-granted says so, and no grant counts
    }
    let shown = Shown(&aws.prefix);
    let violation = |message: String| {
        Violation::new(&STORE_PREFIX_OUTSIDE_GRANT, store.path("prefix"), &*aws.prefix, message)
            .effective_key(&*aws.prefix)
            .grants(context.grants_shown(store, Access::Read))
    };
    // A prefix that makes every name one that is not canonical is compared with nothing.
    if provider::effective_key(store, "x", false).is_err() {
        out.push(
            violation(format!("the prefix {shown} begins no canonical name"))
                .cure("write it as the provider lists names"),
        );
        return;
    }
    let below = format!("{}{BELOW}", aws.prefix);
    let is_granted = [Access::Read, Access::Write, Access::Delete]
        .into_iter()
        .any(|access| context.is_granted(store, access, &below));
    if is_granted {
        return;
    }
    let cure = match (context.binding, context.grants_shown(store, Access::Read)) {
        (Some(binding), grants) if !grants.is_empty() => format!("{binding} may read {}", grants.join(", ")),
        (Some(binding), _) => format!("nothing is granted to {binding} through this store"),
        (None, _) => "the namespace is nobody's, so nothing is granted to it".to_owned(),
    };
    out.push(violation(format!("the prefix {shown} lies in no grant")).cure(cure));
}
