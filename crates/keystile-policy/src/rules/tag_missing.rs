//! A tag that is required.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::managed::Setting;
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
    let Some(required) =
        context.policy.required_tags.strictest(context.env(), |a, b| if b.len() > a.len() { b } else { a })
    else {
        return;
    };
    for secret in &context.subject.managed {
        let Some(tags) = &secret.tags else { continue };
        for tag in required {
            let name = secret.name_shown();
            let about = format!("{name} {tag}");
            match &tags.setting {
                Setting::Is(keys) if keys.iter().any(|key| key == tag) => {}
                Setting::Undecidable(text) => out.push(
                    Violation::new(
                        &TAG_MISSING,
                        &tags.path,
                        about,
                        format!("the tags of {name} are not known here: {}", Shown(text)),
                    )
                    .not_evaluated(),
                ),
                Setting::Is(_) | Setting::Absent => out.push(
                    Violation::new(&TAG_MISSING, &tags.path, about, format!("{name} has no tag {}", Shown(tag)))
                        .cure("add it"),
                ),
            }
        }
    }
}
