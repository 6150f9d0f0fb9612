//! The guards once more, right before a plan is carried out: it may be old, or made by somebody who allowed more.

use jiff::Timestamp;
use keystile_inventory::Stage;
use keystile_rotate::guard::Guards;
use keystile_rotate::journal::History;
use keystile_rotate::plan::{Action, Held};
use keystile_rotate::token::Purpose;
use keystile_rotate::{Outcome, PlanItem, Token};

use crate::cli::rotate::GuardArgs;
use crate::exit::UsageError;
use crate::managed::Managers;

/// Holds the tags, the schedule, other writers and the time of the last rotation against what is allowed now.
///
/// Left to the run are secrets that can't be described, those whose leaked version is not current any more, and what an
/// earlier run has begun.
///
/// # Errors
/// A guard refuses an item. Nothing was done.
pub(super) fn recheck(
    args: &GuardArgs,
    managers: &Managers,
    acting: &[&PlanItem],
    history: &History,
) -> anyhow::Result<()> {
    for item in acting {
        let Some(held) = &item.secret else { continue };
        if is_begun(held, item.action, history) {
            continue;
        }
        let manager = managers.backends().find(|(identity, _)| {
            identity.backend == held.backend && identity.region == held.region && identity.account == held.account
        });
        let Some((identity, backend)) = manager else { continue };
        let Ok(record) = backend.describe(&held.arn) else { continue };
        if !record.is_at(&held.version, &Stage::Current) {
            continue;
        }
        let guards = Guards {
            // Accounts and prefixes were looked at before anybody was asked.
            accounts: vec![identity.account.clone()],
            prefixes: vec![record.name.clone()],
            needs_tag: !args.allow_untagged,
            may_reenable: args.allow_reenable,
            may_generate: item.action == Action::Generate,
            ignores_writers: args.force,
            history: history.clone(),
        };
        let blocks = guards.blocks(identity, &record, item.action, Timestamp::now());
        if let Some(block) = blocks.iter().find(|block| block.outcome == Outcome::Blocked) {
            let text = format!("item {}: {}: {}; or leave the item out with --item", item.number, held.name, block.why);
            return Err(UsageError(text).into());
        }
    }
    Ok(())
}

/// Whether an earlier run has asked for the version that would be asked for first.
fn is_begun(held: &Held, action: Action, history: &History) -> bool {
    let purpose = match action {
        Action::Rotate(purpose) => purpose,
        _ => Purpose::First,
    };
    history.first_asked(&Token::derive(&held.arn, &held.version, purpose, 0)).is_some()
}
