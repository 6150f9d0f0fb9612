//! Roles that a store or a generator may assume or log in with: shared by the two rules about them.

use super::Rule;
use super::acting::{Acting, For, listed};
use crate::context::Context;
use crate::shown::Shown;
use crate::violation::Violation;

/// Every role of the chain is judged: a role that may be assumed on the way is one that is held.
pub(super) fn judge(rule: &'static Rule, context: &Context<'_>, acting: Acting<'_>, out: &mut Vec<Violation>) {
    if acting.identity().roles.is_empty() {
        return;
    }
    let whom = For::new(context, acting);
    let settings = &context.policy.stores;
    for role in &acting.identity().roles {
        let is_granted = match whom.cluster {
            Some(cluster) => cluster
                .is_some_and(|cluster| cluster.roles.iter().any(|granted| granted.matches(&role.name, &whom.binding))),
            None => settings.roles.allows(whom.env(), |granted| granted.matches(&role.name, &whom.binding)),
        };
        if is_granted {
            continue;
        }
        let (section, roles) = match whom.cluster {
            Some(cluster) => ("stores.cluster.roles", listed(cluster.iter().flat_map(|cluster| &cluster.roles))),
            None => {
                let granted = whom.env().and_then(|env| settings.roles.get(env));
                ("stores.roles", listed(granted.into_iter().flatten()))
            }
        };
        let path = acting.path(role.field);
        let path = role.index.map_or_else(|| path.clone(), |index| path.item(index as usize));
        let message = format!("{} of {} may not use the role {}", acting.kinds(), whom.binding, Shown(&role.name));
        out.push(
            Violation::new(rule, path, &*role.name, message)
                .cure(format!("use one that the policy lists in {section}: {roles}")),
        );
    }
}
