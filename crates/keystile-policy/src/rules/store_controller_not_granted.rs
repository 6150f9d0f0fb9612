//! A store that is handled by another operator.

use super::Rule;
use super::acting::{Acting, For, listed};
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_CONTROLLER_NOT_GRANTED: Rule = Rule {
    id: "store-controller-not-granted",
    summary: "A store names a controller class that the policy does not list.",
    why: "Another External Secrets in the cluster has another identity, another version and other flags: who may choose it chooses those.",
    example: "spec:\n  controller: platform\n  provider: …",
    instead: "Leave `spec.controller` out, or use a value of `stores.controllers`.",
    references: &["https://external-secrets.io/latest/api/secretstore/"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let (Some(store), Some(acting)) = (context.subject.store.as_deref(), Acting::store(context)) else { return };
    let whom = For::new(context, acting);
    let controllers = &context.policy.stores.controllers;
    if controllers.allows(whom.env(), |allowed| **allowed == *store.controller) {
        return;
    }
    let allowed = listed(whom.env().and_then(|env| controllers.get(env)).into_iter().flatten().map(|name| Shown(name)));
    out.push(
        Violation::new(
            &STORE_CONTROLLER_NOT_GRANTED,
            Path::of(&["spec", "controller"]),
            &*store.controller,
            format!("the controller class {} is not one that {} may choose", Shown(&store.controller), acting.kinds()),
        )
        .cure(format!("use one that the policy lists in stores.controllers: {allowed}")),
    );
}
