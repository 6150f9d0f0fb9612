//! A provider that is not there, not known, or not granted.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::provider;
use crate::shown::Shown;
use crate::subject::StoreTarget;
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static OPERATOR_PROVIDER_UNKNOWN: Rule = Rule {
    id: "operator-provider-unknown",
    summary: "A SecretsManagerSecret uses an AWSProvider that is not there or not known, or that is of a region which the policy does not name.",
    why: "The provider decides region and credentials: which secret is written is not known without it.",
    example: "spec: {providerRef: {name: not-made-yet}, secretName: /prod/team-a/db}",
    instead: "Create the AWSProvider first, in a region that the policy names; offline, hand it in with --world.",
    references: &["https://github.com/andrebassi/infra-operator-aws"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let mut last = None;
    for resolved in &context.resolved {
        // Writing and deleting go through the same provider: it is named once.
        if last == Some(&resolved.reference.store) {
            continue;
        }
        last = Some(&resolved.reference.store);
        let violation = match (&resolved.reference.store, &resolved.store) {
            (StoreTarget::AwsProvider { name, path, .. }, Lookup::Absent) => Violation::new(
                &OPERATOR_PROVIDER_UNKNOWN,
                path,
                *name,
                format!("there is no AWSProvider {}", Shown(name)),
            )
            .cure("create it first"),
            (StoreTarget::AwsProvider { name, path, .. }, Lookup::Unknown) => Violation::new(
                &OPERATOR_PROVIDER_UNKNOWN,
                path,
                *name,
                format!("AWSProvider {} is not known here", Shown(name)),
            )
            .cure("hand it in, as a file of the same run or with --world")
            .not_evaluated(),
            (StoreTarget::AwsProvider { name, path, .. }, Lookup::Found(store)) => {
                let Some(misfit) = provider::fits_none(store, &context.policy.providers, context.env()) else {
                    continue;
                };
                Violation::new(
                    &OPERATOR_PROVIDER_UNKNOWN,
                    path,
                    *name,
                    format!(
                        "AWSProvider {} fits no provider of the policy: its region is {}",
                        Shown(name),
                        Shown(misfit.value)
                    ),
                )
                .cure("use one in a region that the policy names")
            }
            _ => Violation::new(
                &OPERATOR_PROVIDER_UNKNOWN,
                Path::of(&["spec", "providerRef"]),
                "",
                "no AWSProvider is named",
            )
            .cure("name one in providerRef.name"),
        };
        out.push(violation);
    }
}
