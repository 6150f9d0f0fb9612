//! What the rules about writing and about destroying share: is the name granted, and what is said.

use std::collections::{HashMap, HashSet};

use super::{KEY_ARN_FOREIGN, KEY_NOT_CANONICAL, Rule, STORE_NOT_GRANTED};
use crate::context::{Context, Resolved};
use crate::field_path::FieldPath;
use crate::judgement::Action;
use crate::policy::Access;
use crate::provider::{self, EffectiveKey, KeyFault};
use crate::shown::Shown;
use crate::subject::store::StoreFacts;
use crate::subject::{Names, StoreTarget};
use crate::violation::Violation;
use crate::world::Lookup;

/// Adds a violation of `rule` for every name that is not granted with `access`.
/// What was said of one entry: names, and the places in which they are looked up.
#[derive(Default)]
struct Said {
    path: Option<FieldPath>,
    places: HashMap<String, HashSet<String>>,
}

pub(super) fn check(context: &Context<'_>, rule: &'static Rule, access: Access, out: &mut Vec<Violation>) {
    let mut said = Said::default();
    for resolved in context.resolved.iter().filter(|resolved| resolved.reference.access == access) {
        let Lookup::Found(store) = &resolved.store else { continue };
        match &resolved.key {
            Some(Ok(key)) if !context.is_key_granted(store, access, key) => {
                outside(context, rule, resolved, store, key, &mut said, out);
            }
            Some(Err(fault)) => ungrantable(context, rule, resolved, store, fault, out),
            _ => {}
        }
    }
}

fn outside(
    context: &Context<'_>,
    rule: &'static Rule,
    resolved: &Resolved<'_>,
    store: &StoreFacts,
    key: &EffectiveKey<'_>,
    said: &mut Said,
    out: &mut Vec<Violation>,
) {
    let reference = resolved.reference;
    let is_said = !context.is_deletion()
        && matches!(reference.store, StoreTarget::Named { .. })
        && context.policy.action(&STORE_NOT_GRANTED, context.env()) == Action::Deny
        && STORE_NOT_GRANTED.kinds.contains(&context.kind)
        && provider::fits_none(store, &context.policy.providers, context.env()).is_some();
    if is_said {
        return; // store-not-granted says so
    }
    let grants = context.grants_shown(store, reference.access);
    let (verb, done) = words(reference.access);
    for name in key.names().filter(|name| !context.is_granted(store, reference.access, name) || key.is_arn()) {
        let shown = Shown(name);
        let cure = match context.binding {
            None => "its namespace is bound to nobody".to_owned(),
            Some(binding) if grants.is_empty() => {
                format!(
                    "nobody granted {binding} to {verb} anything through {} {}",
                    store.id.kind.as_str(),
                    Shown(&store.id.name)
                )
            }
            Some(binding) => format!("{binding} may {verb} {}", grants.join(", ")),
        };
        let is_as_written = matches!(reference.names, Names::Key(key) if key == name);
        let message = match is_as_written || key.is_arn() {
            true => format!("{shown} would be {done}, which is not granted"),
            false => format!("with the store it names {shown}, which would be {done} and is not granted"),
        };
        let mut violation = Violation::new(rule, &reference.path, name, message)
            .cure(cure)
            .place(context.place(store))
            .effective_key(name)
            .grants(grants.clone());
        // An entry goes to several stores; what is wrong in each is said once, and of other secrets where they are.
        if said.path.as_ref() != Some(&violation.path) {
            *said = Said { path: Some(violation.path.clone()), places: HashMap::new() };
        }
        let places = said.places.entry(name.to_owned()).or_default();
        let is_first = places.is_empty();
        if places.insert(violation.place.clone()) {
            if !is_first {
                violation.message.push_str(&format!(" (through {})", store.shown()));
            }
            out.push(violation);
        }
    }
}

/// A key that no grant could cover: the rule about its fault says more, unless the policy lets that pass.
fn ungrantable(
    context: &Context<'_>,
    rule: &'static Rule,
    resolved: &Resolved<'_>,
    store: &StoreFacts,
    fault: &KeyFault,
    out: &mut Vec<Violation>,
) {
    let Names::Key(key) = resolved.reference.names else { return };
    let about_fault = match fault {
        KeyFault::NotCanonical(_) | KeyFault::ArnBehindPrefix => &KEY_NOT_CANONICAL,
        KeyFault::ForeignArn(_) => &KEY_ARN_FOREIGN,
        KeyFault::ProviderNotJudged(_) => &STORE_NOT_GRANTED,
    };
    let is_named = matches!(resolved.reference.store, StoreTarget::Named { .. });
    let is_asked = about_fault.kinds.contains(&context.kind)
        && !context.is_deletion()
        && (is_named || !std::ptr::eq(about_fault, &raw const STORE_NOT_GRANTED));
    if is_asked && context.policy.action(about_fault, context.env()) == Action::Deny {
        return;
    }
    let message = format!("{} can't be compared with what is granted", Shown(key));
    out.push(Violation::new(rule, &resolved.reference.path, key, message).place(context.place(store)));
}

/// What is done, as `may …` and `would be …` go on.
pub(super) fn words(access: Access) -> (&'static str, &'static str) {
    match access {
        Access::Read => ("read", "read"),
        Access::Write => ("write", "written"),
        Access::Delete => ("destroy", "destroyed"),
    }
}
