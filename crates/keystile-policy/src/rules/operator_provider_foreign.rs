//! A provider of another namespace.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::StoreTarget;
use crate::violation::Violation;

/// See the rule's texts.
pub static OPERATOR_PROVIDER_FOREIGN: Rule = Rule {
    id: "operator-provider-foreign",
    summary: "A SecretsManagerSecret uses an AWSProvider of another namespace.",
    why: "The credentials of that namespace would write and delete secrets for this one.",
    example: "spec: {providerRef: {name: aws, namespace: team-b}}   # in namespace a",
    instead: "Use an AWSProvider of the own namespace.",
    references: &["https://github.com/andrebassi/infra-operator-aws"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let mut seen = Vec::new();
    for reference in &context.subject.references {
        let StoreTarget::AwsProvider { namespace: Some(namespace), name, path } = &reference.store else { continue };
        if *namespace == context.namespace || seen.contains(&(*namespace, *name)) {
            continue;
        }
        seen.push((*namespace, *name));
        out.push(
            Violation::new(
                &OPERATOR_PROVIDER_FOREIGN,
                path,
                *namespace,
                format!("AWSProvider {} is of namespace {}", Shown(name), Shown(namespace)),
            )
            .cure("use one of the own namespace"),
        );
    }
}
