//! A deletion policy that is not written.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::managed::{Maker, Setting};
use crate::violation::Violation;

/// See the rule's texts.
pub static DELETION_POLICY_ABSENT: Rule = Rule {
    id: "deletion-policy-absent",
    summary: "What becomes of the remote secret when the object is deleted is not said, and unsaid means that it is deleted.",
    why: "Who removes an object from a repository, or a namespace, destroys the secret with it.",
    example: "kind: SecretsManagerSecret\nspec: {secretName: /prod/team-a/db}   # the default of deletionPolicy is Delete",
    instead: "Write deletionPolicy: Retain, or Delete with a recovery window and a grant to delete.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for (secret, deletion) in context.subject.deletions() {
        if secret.maker == Maker::SecretsManagerSecret && deletion.policy.setting == Setting::Absent {
            let name = secret.name_shown();
            out.push(
                Violation::new(
                    &DELETION_POLICY_ABSENT,
                    &deletion.policy.path,
                    &*name,
                    format!("{name} is deleted with this object, since nothing else is said"),
                )
                .cure("write deletionPolicy: Retain"),
            );
        }
    }
}
