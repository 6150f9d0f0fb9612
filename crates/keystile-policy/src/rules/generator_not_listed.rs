//! A generator of a kind that the policy does not list.

use super::Rule;
use crate::context::Context;
use crate::field_path::{FieldPath, Path};
use crate::judgement::Action;
use crate::kind::{GENERATORS, Kind};
use crate::shown::Shown;
use crate::subject::reference::GeneratorRef;
use crate::violation::Violation;
use crate::world::{GeneratorId, Lookup, Query};

/// See the rule's texts.
pub static GENERATOR_NOT_LISTED: Rule = Rule {
    id: "generator-not-listed",
    summary: "A generator is made or used whose kind the policy does not list.",
    why: "A generator hands out credentials that no remote name stands for, so no grant of names covers it: a Vault or STS token, the answer of any web server, or a value in plain text.",
    example: "spec:\n  dataFrom:\n  - sourceRef:\n      generatorRef: {apiVersion: generators.external-secrets.io/v1alpha1, kind: STSSessionToken, name: g}",
    instead: "Use a kind that `generators` lists; of a ClusterGenerator both ClusterGenerator and the kind that it holds must be listed.",
    references: &["https://external-secrets.io/latest/api/generator/"],
    default_action: Action::Deny,
    kinds: &[
        Kind::ExternalSecret,
        Kind::ClusterExternalSecret,
        Kind::PushSecret,
        Kind::ClusterPushSecret,
        Kind::Generator,
    ],
    check,
};

/// The group is not looked at in an object: the engine has recognised it.
const CLUSTER: &str = "ClusterGenerator";

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if let Some(generator) = context.subject.generator.as_deref() {
        if context.request.kind == "GeneratorState" {
            return; // generator-state-forged
        }
        if generator.is_cluster && !is_listed(context, CLUSTER) {
            out.push(not_listed(context, Path::of(&["kind"]), CLUSTER, CLUSTER));
        }
        if !is_listed(context, &generator.kind) {
            let path = if generator.is_cluster { Path::of(&["spec", "kind"]) } else { Path::of(&["kind"]) };
            out.push(not_listed(context, path, &generator.kind, &generator.kind));
        }
        return;
    }
    for reference in &context.subject.generators {
        used(context, reference, out);
    }
}

fn used(context: &Context<'_>, reference: &GeneratorRef<'_>, out: &mut Vec<Violation>) {
    let path = reference.path.field("kind");
    let group = reference.api_version.split_once('/').map_or(reference.api_version, |(group, _)| group);
    // Without an apiVersion the operator takes the generators' group.
    if !group.is_empty() && group != GENERATORS {
        let kind = format!("{} of {}", reference.kind, reference.api_version);
        out.push(not_listed(context, reference.path.field("apiVersion"), &kind, &kind));
        return;
    }
    if !is_listed(context, reference.kind) {
        out.push(not_listed(context, path, reference.kind, reference.kind));
        return;
    }
    if reference.kind != CLUSTER {
        return;
    }
    let name = reference.path.field("name");
    let id = GeneratorId { kind: CLUSTER.to_owned(), namespace: String::new(), name: reference.name.to_owned() };
    let shown = Shown(reference.name);
    match context.world.generator(&id) {
        Lookup::Found(object) => {
            let kind = object.pointer("/spec/kind").and_then(serde_json::Value::as_str).unwrap_or_default();
            if !is_listed(context, kind) {
                let what = format!("ClusterGenerator {shown}, which is a {}", Shown(kind));
                out.push(violation(context, name, format!("{CLUSTER} {kind}"), &what));
            }
        }
        Lookup::Absent => {
            out.push(violation(
                context,
                name,
                reference.name,
                &format!("ClusterGenerator {shown}, which is not there"),
            ));
        }
        Lookup::Unknown => {
            context.note(Query::Generator(id));
            let what = format!("ClusterGenerator {shown}, whose kind is not known here");
            out.push(violation(context, name, reference.name, &what).not_evaluated());
        }
    }
}

/// The environment whose list counts: of what is of the cluster that of cluster stores.
fn env<'c>(context: &Context<'c>) -> Option<&'c str> {
    match context.subject.generator.as_deref() {
        Some(generator) if generator.is_cluster => context.policy.stores.cluster.as_ref()?.env.as_deref(),
        _ => context.env(),
    }
}

fn is_listed(context: &Context<'_>, kind: &str) -> bool {
    context.policy.generators.allows(env(context), |listed| listed == kind)
}

fn not_listed(context: &Context<'_>, path: impl Into<FieldPath>, about: &str, kind: &str) -> Violation {
    let what = match kind {
        "Fake" => "\"Fake\", which holds its values in plain text,".to_owned(),
        kind => Shown(kind).to_string(),
    };
    violation(context, path, about, &format!("a generator of kind {what}"))
}

fn violation(context: &Context<'_>, path: impl Into<FieldPath>, about: impl Into<String>, what: &str) -> Violation {
    let listed = env(context).and_then(|env| context.policy.generators.get(env));
    let listed = super::acting::listed(listed.into_iter().flatten());
    Violation::new(&GENERATOR_NOT_LISTED, path, about, format!("{what} is not one that the policy lists"))
        .cure(format!("use one that it lists in generators: {listed}"))
}
