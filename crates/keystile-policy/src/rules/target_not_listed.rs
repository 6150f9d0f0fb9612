//! A target that is no Secret.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static TARGET_NOT_LISTED: Rule = Rule {
    id: "target-not-listed",
    summary: "An ExternalSecret writes an object that is no Secret, of a kind that the policy does not list.",
    why: "The operator makes it with its own rights: values land where every reader of a ConfigMap sees them, and an object is made (a RoleBinding, say) that its author may not make.",
    example: "spec:\n  target:\n    manifest: {apiVersion: v1, kind: ConfigMap}",
    instead: "Leave `target.manifest` out, or use a kind that `targets` lists: `ConfigMap`, `Certificate.cert-manager.io`.",
    references: &["https://external-secrets.io/latest/guides/targeting-custom-resources/"],
    default_action: Action::Deny,
    kinds: &[Kind::ExternalSecret, Kind::ClusterExternalSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some((refresh, manifest)) = context.refresh().and_then(|refresh| Some((refresh, refresh.manifest.as_ref()?)))
    else {
        return;
    };
    let group = manifest.api_version.split_once('/').map_or("", |(group, _)| group);
    if group.is_empty() && manifest.kind == "Secret" {
        return;
    }
    let kind = if group.is_empty() { manifest.kind.to_owned() } else { format!("{}.{group}", manifest.kind) };
    if context.policy.targets.allows(context.env(), |listed| *listed == kind) {
        return;
    }
    let listed = context.env().and_then(|env| context.policy.targets.get(env));
    let listed = super::acting::listed(listed.into_iter().flatten());
    let message =
        format!("the operator would write {}, which is no Secret and not a kind that the policy lists", Shown(&kind));
    out.push(
        Violation::new(&TARGET_NOT_LISTED, refresh.path.fields(&["target", "manifest"]), kind, message)
            .cure(format!("leave it out, or use a kind that it lists in targets: {listed}")),
    );
}
