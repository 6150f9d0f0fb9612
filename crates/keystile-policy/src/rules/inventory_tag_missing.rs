//! A live secret without a required tag.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::live;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static INVENTORY_TAG_MISSING: Rule = Rule {
    id: "inventory-tag-missing",
    summary: "A live secret lacks a tag that the policy requires.",
    why: "Tags in an object are set when the secret is made; one that is there already keeps the tags that it has.",
    example: "# list-secrets prints no tag Team for /prod/team-a/db, and the policy requires it",
    instead: "Tag the secret (TagResource).",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html"],
    default_action: Action::Deny,
    kinds: live::KINDS,
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let required = context.required_tags();
    if required.is_empty() {
        return;
    }
    for secret in context.live() {
        let Some(entry) = secret.known() else { continue };
        for tag in required.iter().filter(|tag| !entry.tags.contains_key(**tag)) {
            out.push(
                Violation::new(
                    &INVENTORY_TAG_MISSING,
                    secret.path,
                    format!("{} {tag}", secret.name),
                    format!("{} has no tag {}", Shown(&secret.name), Shown(tag)),
                )
                .cure("tag it")
                .effective_key(&*secret.name),
            );
        }
    }
}
