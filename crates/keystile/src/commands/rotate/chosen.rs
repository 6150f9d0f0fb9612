//! Which items of a plan are meant.

use keystile_rotate::RotationPlan;

use crate::exit::UsageError;

/// The numbers of the items: those that were named, else all.
///
/// # Errors
/// The plan has no such item.
pub(super) fn items(named: &[u32], plan: &RotationPlan) -> anyhow::Result<Vec<u32>> {
    let all: Vec<u32> = plan.items.iter().map(|item| item.number).collect();
    if named.is_empty() {
        return Ok(all);
    }
    if let Some(unknown) = named.iter().find(|number| !all.contains(number)) {
        let known = all.last().map_or("it has none".to_owned(), |last| format!("they are 1 to {last}"));
        return Err(UsageError(format!("--item {unknown}: the plan has no such item; {known}")).into());
    }
    Ok(named.to_vec())
}
