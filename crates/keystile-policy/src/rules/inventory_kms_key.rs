//! The KMS key that a live secret is encrypted with.

use super::Rule;
use crate::context::Context;
use crate::context::Listing;
use crate::judgement::Action;
use crate::live;
use crate::provider::kms::KmsKey;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static INVENTORY_KMS_KEY: Rule = Rule {
    id: "inventory-kms-key",
    summary: "A live secret is encrypted with the key that AWS manages, or with one that the policy does not allow.",
    why: "A setting in an object counts when the secret is made; a secret that is there already keeps the key that it has, whatever a manifest says.",
    example: "# list-secrets prints no KmsKeyId for /prod/team-a/db: it uses aws/secretsmanager",
    instead: "Change the key of the secret (UpdateSecret), which encrypts its current versions again.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html"],
    default_action: Action::Deny,
    kinds: live::KINDS,
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for secret in context.live() {
        let Some(entry) = secret.known() else { continue };
        let name = Shown(&secret.name);
        let violation = |message: String| {
            Violation::new(&INVENTORY_KMS_KEY, secret.path, &*secret.name, message)
                .cure("change the secret's key to one of the policy (UpdateSecret)")
                .effective_key(&*secret.name)
        };
        // AWS leaves the field out where its own key is used.
        let Some(text) = entry.kms_key_id.as_deref().filter(|text| !text.is_empty()) else {
            out.push(violation(format!("{name} is encrypted with the key that AWS manages")));
            continue;
        };
        let key = KmsKey::read(text);
        if key.is_aws_managed() {
            out.push(violation(format!("{name} is encrypted with {}, which AWS manages", Shown(text))));
        } else if let Some((_, account)) = key.place.filter(|(_, account)| !context.is_kms_account(account)) {
            out.push(violation(format!("{name} is encrypted with a key of account {}", Shown(account))));
        } else if context.kms_listing(text) == Listing::NotListed {
            // AWS answers with what the key was given as: an id says nothing about its aliases.
            let may_have_listed_alias = !key.id.starts_with("alias/") && !context.policy.kms.aliases.is_unsaid();
            if may_have_listed_alias {
                out.push(
                    violation(format!(
                        "{name} is encrypted with {}: whether that is the key of a listed alias is not known",
                        Shown(text)
                    ))
                    .cure("list the key's id under kms.keys of the policy")
                    .not_evaluated(),
                );
            } else {
                out.push(violation(format!(
                    "{name} is encrypted with {}, which the policy does not list",
                    Shown(text)
                )));
            }
        }
    }
}
