//! A pushed Secret that lands in another namespace than its store's.

use super::{Rule, push_settings};
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::push_metadata::Reader;
use crate::subject::store::StoreProvider;
use crate::violation::Violation;

/// See the rule's texts.
pub static PUSH_OTHER_NAMESPACE: Rule = Rule {
    id: "push-other-namespace",
    summary: "The metadata of a PushSecret sends a Secret to another namespace of the remote cluster than its store's.",
    why: "A grant is for the namespace that the store names. Through a ClusterSecretStore the operator takes `remoteNamespace` from the object, so any namespace could be written to.",
    example: "metadata:\n  apiVersion: kubernetes.external-secrets.io/v1alpha1\n  kind: PushSecretMetadata\n  spec: {remoteNamespace: kube-system}",
    instead: "Leave `remoteNamespace` out, and use a store of that namespace.",
    references: &["https://external-secrets.io/latest/provider/kubernetes/"],
    default_action: Action::Deny,
    kinds: &[Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    push_settings::for_each_settings(context, true, |pushed, settings| {
        let StoreProvider::Kubernetes(store) = &pushed.store.provider else { return };
        let Some((path, namespace)) = settings.text("remoteNamespace") else { return };
        if pushed.reader != Reader::Kubernetes || namespace == &*store.remote_namespace {
            return;
        }
        let message = format!(
            "the Secret would land in namespace {}, not in the store's {}",
            Shown(namespace),
            Shown(&store.remote_namespace)
        );
        let violation = Violation::new(&PUSH_OTHER_NAMESPACE, path, namespace, message)
            .cure("leave remoteNamespace out, and use a store of that namespace");
        if !out.last().is_some_and(|last| last.is_same(&violation) && last.path == violation.path) {
            out.push(violation);
        }
    });
}
