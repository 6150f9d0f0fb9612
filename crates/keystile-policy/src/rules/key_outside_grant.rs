//! A name outside of the grants.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Access;
use crate::shown::Shown;
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static KEY_OUTSIDE_GRANT: Rule = Rule {
    id: "key-outside-grant",
    summary: "A reference names a secret that no grant of its namespace covers.",
    why: "The operator reads with one identity for many teams: whoever may write an ExternalSecret could read every secret that this identity can.",
    example: "spec:\n  data:\n  - secretKey: password\n    remoteRef: {key: /prod/team-b/db}   # in a namespace of team-a",
    instead: "Name a secret below the team's own prefix, or ask for a grant.",
    references: &["https://external-secrets.io/latest/guides/multi-tenancy/"],
    default_action: Action::Deny,
    kinds: &[Kind::ExternalSecret, Kind::ClusterExternalSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(binding) = context.binding else { return };
    for resolved in &context.resolved {
        if resolved.reference.access != Access::Read {
            continue;
        }
        let (Lookup::Found(store), Some(Ok(key))) = (&resolved.store, &resolved.key) else { continue };
        let names = std::iter::once(&key.name).chain(&key.name_without_suffix);
        for name in names {
            if context.is_granted(store, Access::Read, name) {
                continue;
            }
            let grants = context.grants_shown(store, Access::Read);
            let cure = match grants.as_slice() {
                [] => format!(
                    "nothing is granted to {binding} through {} {}",
                    store.id.kind.as_str(),
                    Shown(&store.id.name)
                ),
                grants => format!("{binding} may read {}", grants.join(", ")),
            };
            out.push(
                Violation::new(
                    &KEY_OUTSIDE_GRANT,
                    &resolved.reference.path,
                    name.as_str(),
                    format!("{} is outside of what is granted", Shown(name)),
                )
                .cure(cure)
                .effective_key(name.as_str())
                .grants(grants),
            );
        }
    }
}
