//! A tag that is required.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static TAG_MISSING: Rule = Rule {
    id: "tag-missing",
    summary: "A managed secret lacks a tag that the policy requires.",
    why: "Cost, ownership and access by attributes are read from tags; a secret without them is nobody's.",
    example: "spec: {tags: {Team: team-a}}   # the policy requires Team and Environment",
    instead: "Add the tag.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/userguide/managing-secrets_tagging.html"],
    default_action: Action::Deny,
    kinds: &[
        Kind::SecretsManagerSecret,
        Kind::PushSecret,
        Kind::ClusterPushSecret,
        Kind::TerraformSecret,
        Kind::TerraformParameter,
    ],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let required = context.required_tags();
    if required.is_empty() {
        return;
    }
    for secret in &context.subject.managed {
        let Some(tags) = &secret.tags else { continue };
        let name = secret.name_shown();
        if let Some(text) = tags.undecidable() {
            let message = format!("the tags of {name} are not known here: {}", Shown(text));
            out.push(Violation::new(&TAG_MISSING, &tags.path, &*name, message).not_evaluated());
            continue;
        }
        let has = |tag: &str| tags.setting.known().is_some_and(|keys| keys.iter().any(|key| key == tag));
        for tag in required.iter().filter(|tag| !has(tag)) {
            let message = format!("{name} has no tag {}", Shown(tag));
            out.push(Violation::new(&TAG_MISSING, &tags.path, format!("{name} {tag}"), message).cure("add it"));
        }
    }
}
