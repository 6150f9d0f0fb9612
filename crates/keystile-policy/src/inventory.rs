//! The inventory of managed secrets, found by account, region and name.
//!
//! A name is one secret only within an account and region: both are read from the ARN of each entry. What
//! an inventory doesn't cover is unclear, never absent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::provider::arn::Arn;
use crate::shown::Shown;
use crate::world::{Inventory, InventoryEntry};

/// An inventory, by name, then by region and account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryIndex {
    by_name: BTreeMap<String, Vec<Place>>,
    /// (region, account) of every entry.
    covered: BTreeSet<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    region: String,
    account: String,
    entry: Arc<InventoryEntry>,
}

/// Region and account of an entry's ARN; `None` where it is none of Secrets Manager.
fn place_of(entry: &InventoryEntry) -> Option<(String, String)> {
    let arn = Arn::parse(&entry.arn).ok().filter(|arn| arn.service == "secretsmanager")?;
    Some((arn.region.to_owned(), arn.account.to_owned()))
}

impl FromIterator<InventoryEntry> for InventoryIndex {
    /// An entry whose ARN can't be read is in no region, so it is never found. Of two with one ARN's place
    /// and name the later counts.
    fn from_iter<I: IntoIterator<Item = InventoryEntry>>(entries: I) -> Self {
        let mut index = Self::default();
        for entry in entries {
            let Some((region, account)) = place_of(&entry) else { continue };
            index.covered.insert((region.clone(), account.clone()));
            let places = index.by_name.entry(entry.name.clone()).or_default();
            places.retain(|place| (&place.region, &place.account) != (&region, &account));
            places.push(Place { region, account, entry: Arc::new(entry) });
        }
        index
    }
}

impl InventoryIndex {
    /// The secret `name` of a region, in `account` where that is known.
    #[must_use]
    pub fn find(&self, account: Option<&str>, region: &str, name: &str, read_at: Timestamp) -> Inventory {
        let is_here = |of_region: &str, of_account: &str| {
            of_region == region && account.is_none_or(|account| account == of_account)
        };
        let found: Vec<&Place> = self
            .by_name
            .get(name)
            .into_iter()
            .flatten()
            .filter(|place| is_here(&place.region, &place.account))
            .collect();
        match found[..] {
            [only] => Inventory::Entry { entry: Arc::clone(&only.entry), read_at },
            [] if self.covered.iter().any(|(region, account)| is_here(region, account)) => {
                Inventory::Absent { read_at }
            }
            [] => {
                let of_account = account.map_or_else(String::new, |account| format!(", account {}", Shown(account)));
                Inventory::Unclear {
                    why: format!("the inventory has nothing of region {}{of_account}", Shown(region)),
                    read_at,
                }
            }
            _ => Inventory::Unclear {
                why: format!(
                    "the inventory has {} in {} accounts, and the store does not say which is meant",
                    Shown(name),
                    found.len()
                ),
                read_at,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(region: &str, account: &str, name: &str) -> InventoryEntry {
        InventoryEntry {
            name: name.to_owned(),
            arn: format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf"),
            ..InventoryEntry::default()
        }
    }

    #[test]
    fn a_name_is_found_in_its_region_and_account_only() {
        let index: InventoryIndex = [
            entry("eu-west-1", "111111111111", "db"),
            entry("us-east-1", "111111111111", "db"),
            entry("us-east-1", "222222222222", "db"),
            entry("eu-west-1", "222222222222", "other"),
            InventoryEntry { name: "lost".to_owned(), arn: "arn:…".to_owned(), ..InventoryEntry::default() },
        ]
        .into_iter()
        .collect();
        let find = |account, region, name| match index.find(account, region, name, Timestamp::UNIX_EPOCH) {
            Inventory::Entry { entry, .. } => entry.arn.clone(),
            Inventory::Absent { .. } => "absent".to_owned(),
            Inventory::Unclear { why, .. } => why,
            Inventory::None => "none".to_owned(),
        };
        let arn = |region, account| entry(region, account, "db").arn;
        assert_eq!(find(Some("111111111111"), "eu-west-1", "db"), arn("eu-west-1", "111111111111"));
        assert_eq!(find(None, "eu-west-1", "db"), arn("eu-west-1", "111111111111"), "one account has it");
        assert_eq!(find(Some("222222222222"), "us-east-1", "db"), arn("us-east-1", "222222222222"));
        assert_eq!(find(Some("222222222222"), "eu-west-1", "db"), "absent");
        assert_eq!(find(None, "eu-west-1", "lost"), "absent", "its ARN names no region");
        assert!(find(None, "us-east-1", "db").contains("in 2 accounts"));
        assert!(find(None, "eu-north-1", "db").contains("nothing of region \"eu-north-1\""));
        assert!(find(Some("333333333333"), "eu-west-1", "db").contains("account \"333333333333\""));
    }

    #[test]
    fn of_two_entries_of_one_place_the_later_counts() {
        let older = entry("eu-west-1", "111111111111", "db");
        let newer = InventoryEntry { rotation_enabled: Some(true), ..older.clone() };
        let index: InventoryIndex = [older, newer.clone()].into_iter().collect();
        let found = index.find(None, "eu-west-1", "db", Timestamp::UNIX_EPOCH);
        assert_eq!(found, Inventory::Entry { entry: Arc::new(newer), read_at: Timestamp::UNIX_EPOCH });
    }
}
