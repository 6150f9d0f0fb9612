//! A live value that is too old.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::live;
use crate::shown::Shown;
use crate::violation::Violation;
use jiff::Timestamp;

/// See the rule's texts.
pub static INVENTORY_VALUE_OLD: Rule = Rule {
    id: "inventory-value-old",
    summary: "The value of a live secret has not changed for longer than the policy allows.",
    why: "Whoever copied it once can still use it: into a log, a backup, a laptop.",
    example: "# LastChangedDate: a year ago; the policy says 90d",
    instead: "Rotate the secret, and turn rotation on.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html"],
    default_action: Action::Deny,
    kinds: live::KINDS,
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(longest) = context.policy.rotation_max_age.strictest(context.env(), |a, b| a.min(b)) else { return };
    for secret in context.live() {
        let Some(entry) = secret.known() else { continue };
        let name = Shown(&secret.name);
        let violation = |message: String| {
            Violation::new(&INVENTORY_VALUE_OLD, secret.path, &*secret.name, message)
                .cure("rotate it")
                .effective_key(&*secret.name)
        };
        let is_young = |time: Timestamp| live::age(context, time) <= *longest;
        // A value is as young as its rotation, or as its secret.
        if [entry.last_rotated, entry.created].into_iter().flatten().any(is_young) {
            continue;
        }
        // LastChangedDate moves with tags and descriptions as well: old, it proves that the value is old;
        // young, it proves nothing.
        let latest = [entry.last_rotated, entry.created, entry.last_changed].into_iter().flatten().max();
        match latest {
            Some(latest) if !is_young(latest) => out.push(violation(format!(
                "the value of {name} is at least {} days old; {} are allowed",
                live::days(live::age(context, latest)),
                live::days(*longest)
            ))),
            Some(_) => out.push(
                violation(format!(
                    "how old the value of {name} is, is not known: something of the secret changed since, \
                     which need not be the value"
                ))
                .not_evaluated(),
            ),
            None => out.push(violation(format!("how old the value of {name} is, is not known")).not_evaluated()),
        }
    }
}
