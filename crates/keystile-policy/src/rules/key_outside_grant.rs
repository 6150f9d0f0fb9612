//! A name outside of the grants.

use super::{KEY_ARN_FOREIGN, KEY_NOT_CANONICAL, Rule, STORE_NOT_GRANTED};
use crate::context::{Context, Resolved};
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Access;
use crate::provider::{EffectiveKey, KeyFault};
use crate::shown::Shown;
use crate::subject::Names;
use crate::subject::store::StoreFacts;
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
    if context.binding.is_none() {
        return;
    }
    for resolved in &context.resolved {
        if resolved.reference.access != Access::Read {
            continue;
        }
        let Lookup::Found(store) = &resolved.store else { continue };
        match &resolved.key {
            Some(Ok(key)) if !context.is_key_granted(store, Access::Read, key) => {
                outside(context, resolved, store, key, out);
            }
            Some(Err(fault)) => ungrantable(context, resolved, store, fault, out),
            _ => {}
        }
    }
}

/// A key that no grant covers, in a store that fits.
fn outside(
    context: &Context<'_>,
    resolved: &Resolved<'_>,
    store: &StoreFacts,
    key: &EffectiveKey<'_>,
    out: &mut Vec<Violation>,
) {
    let Some(binding) = context.binding else { return };
    if context.fitting(store).is_empty() {
        return; // store-not-granted says so
    }
    let grants = context.grants_shown(store, Access::Read);
    let is_granted = |name: &str| context.is_granted(store, Access::Read, name);
    for name in key.names().filter(|name| !is_granted(name)) {
        let slashed = format!("/{name}");
        let lower = name.to_ascii_lowercase();
        let cure = if is_granted(&format!("{name}/x")) {
            "it is the prefix itself, which may be anybody's: a grant covers what lies below".to_owned()
        } else if is_granted(&slashed) {
            format!("{} is granted: with its leading slash it is another secret", Shown(&slashed))
        } else if let Some(bare) = name.strip_prefix('/').filter(|bare| is_granted(bare)) {
            format!("{} is granted: without the leading slash it is another secret", Shown(bare))
        } else if is_granted(&lower) {
            format!("{} is granted: in other letters it is another secret", Shown(&lower))
        } else if grants.is_empty() {
            format!("nothing is granted to {binding} through {} {}", store.id.kind.as_str(), Shown(&store.id.name))
        } else {
            format!("{binding} may read {}", grants.join(", "))
        };
        let is_as_written = matches!(resolved.reference.names, Names::Key(key) if key == name);
        let message = if is_as_written || key.is_arn() {
            format!("{} is outside of what is granted", Shown(name))
        } else {
            format!("with the store it names {}, which is outside of what is granted", Shown(name))
        };
        out.push(
            Violation::new(&KEY_OUTSIDE_GRANT, &resolved.reference.path, name, message)
                .cure(cure)
                .place(context.place(store))
                .effective_key(name)
                .grants(grants.clone()),
        );
    }
    if key.is_arn() && key.names().all(is_granted) {
        // Each name is granted, in an account that the granting entry is not about; key-arn-foreign has
        // more to say, but a policy may allow that.
        let name = &*key.name;
        out.push(
            Violation::new(
                &KEY_OUTSIDE_GRANT,
                &resolved.reference.path,
                name,
                format!("{} is granted in another account", Shown(name)),
            )
            .effective_key(name)
            .grants(grants),
        );
    }
}

/// A key that no grant could cover. The rule about its fault says more; where a policy lets that pass,
/// the key is still outside of every grant.
fn ungrantable(
    context: &Context<'_>,
    resolved: &Resolved<'_>,
    store: &StoreFacts,
    fault: &KeyFault,
    out: &mut Vec<Violation>,
) {
    let rule = match fault {
        KeyFault::NotCanonical(_) | KeyFault::ArnBehindPrefix => &KEY_NOT_CANONICAL,
        KeyFault::ForeignArn(_) => &KEY_ARN_FOREIGN,
        KeyFault::ProviderNotJudged(_) => &STORE_NOT_GRANTED,
    };
    let Names::Key(key) = resolved.reference.names else { return };
    if context.policy.action(rule, context.env()) == Action::Deny {
        return;
    }
    let message = format!("{} can't be compared with what is granted", Shown(key));
    out.push(Violation::new(&KEY_OUTSIDE_GRANT, &resolved.reference.path, key, message).place(context.place(store)));
}
