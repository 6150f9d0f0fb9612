//! Live state that is not known.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::live;
use crate::live::Answer;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static INVENTORY_UNKNOWN: Rule = Rule {
    id: "inventory-unknown",
    summary: "Live state that the policy asks for is not known: there is no inventory, it is too old, or it does not tell.",
    why: "What was not looked at is not in order. Without an inventory nothing is said unless the policy sets a rule of the group `inventory` (`pci` does).",
    example: "# keystile check --inventory with a list of last month, or of another account",
    instead: "Hand in a fresh answer of `aws secretsmanager list-secrets` with --inventory, of each region and account.",
    references: &["https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html"],
    default_action: Action::Warn,
    kinds: live::KINDS,
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let live = context.live();
    // That there is none, or an old one, is said once, not for each of fifty keys.
    let mut is_said = false;
    for secret in live {
        let (about, message, cure) = match &secret.answer {
            Answer::Known(_) => continue,
            Answer::NoInventory | Answer::TooOld(_) if is_said => continue,
            Answer::NoInventory => (
                "no inventory",
                format!("the live state of {} is not known: there is no inventory", what(live)),
                "hand one in with --inventory, or set inventory-unknown to allow",
            ),
            Answer::TooOld(read_at) => (
                "old inventory",
                format!(
                    "the live state of {} is not known: the inventory is of {}, too old for the policy",
                    what(live),
                    read_at.strftime("%FT%TZ")
                ),
                "make it anew",
            ),
            Answer::Lacking(why) => (
                &*secret.name,
                format!("the live state of {} is not known: {why}", Shown(&secret.name)),
                "make an inventory that covers it",
            ),
        };
        is_said |= !matches!(secret.answer, Answer::Lacking(_));
        out.push(Violation::new(&INVENTORY_UNKNOWN, secret.path, about, message).cure(cure).not_evaluated());
    }
}

fn what(live: &[live::LiveSecret<'_>]) -> String {
    match live {
        [only] => Shown(&only.name).to_string(),
        several => format!("{} secrets", several.len()),
    }
}
