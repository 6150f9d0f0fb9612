//! The inventory of managed secrets, found by account, region and name.
//!
//! A name is one secret only within an account and region: both are read from the ARN of each entry. What
//! an inventory doesn't cover is unclear, never absent.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use jiff::Timestamp;

use crate::provider::arn::Arn;
use crate::shown::Shown;
use crate::world::{Inventory, InventoryEntry};

/// An inventory, by account, region and name. A webhook holds one of every secret of an account, so what many secrets
/// share (keys, schedules, tags) is held once, and an entry is made when it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryIndex {
    places: Vec<Place>,
}

/// An account's secrets in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    region: Box<str>,
    account: Box<str>,
    secrets: BTreeMap<Arc<str>, Arc<Held>>,
}

impl Place {
    fn is(&self, region: &str, account: &str) -> bool {
        &*self.region == region && &*self.account == account
    }
}

/// An entry without its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    arn: Box<str>,
    kms_key_id: Option<Arc<str>>,
    rotation_enabled: Option<bool>,
    rotation_days: Option<u32>,
    rotation_schedule: Option<Arc<str>>,
    owning_service: Option<Arc<str>>,
    last_rotated: Option<Timestamp>,
    last_changed: Option<Timestamp>,
    created: Option<Timestamp>,
    deleted: Option<Timestamp>,
    tags: Arc<Tags>,
}

type Tags = [(Arc<str>, Arc<str>)];

impl Held {
    fn entry(&self, name: &str) -> InventoryEntry {
        let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        InventoryEntry {
            name: name.to_owned(),
            arn: self.arn.to_string(),
            kms_key_id: text(&self.kms_key_id),
            rotation_enabled: self.rotation_enabled,
            rotation_days: self.rotation_days,
            rotation_schedule: text(&self.rotation_schedule),
            owning_service: text(&self.owning_service),
            last_rotated: self.last_rotated,
            last_changed: self.last_changed,
            created: self.created,
            deleted: self.deleted,
            tags: self.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        }
    }
}

/// Makes an index, an entry at a time.
#[derive(Debug, Default)]
pub struct InventoryIndexBuilder {
    before: InventoryIndex,
    index: InventoryIndex,
    texts: HashSet<Arc<str>>,
    tags: HashSet<Arc<Tags>>,
}

impl InventoryIndexBuilder {
    /// Of a list that is likely to say what `before` says: what is the same is held once for both.
    #[must_use]
    pub fn after(before: InventoryIndex) -> Self {
        Self { before, ..Self::default() }
    }

    /// Takes an entry in. One whose ARN is none of Secrets Manager is in no region, so it is never found. Of two with
    /// one ARN's place and name the later counts.
    pub fn insert(&mut self, entry: InventoryEntry) {
        let Ok(arn) = Arn::parse(&entry.arn) else { return };
        if arn.service != "secretsmanager" {
            return;
        }
        let known = self.before.places.iter().find(|place| place.is(arn.region, arn.account));
        let known = known.and_then(|place| place.secrets.get_key_value(entry.name.as_str()));
        let known = known.map(|(name, held)| (Arc::clone(name), Arc::clone(held)));
        let nth = self.place(arn.region, arn.account);
        let tags: Vec<_> = entry
            .tags
            .iter()
            .map(|(key, value)| (shared(&mut self.texts, key), shared(&mut self.texts, value)))
            .collect();
        let mut text = |text: Option<String>| text.map(|text| shared(&mut self.texts, &text));
        let held = Held {
            kms_key_id: text(entry.kms_key_id),
            rotation_schedule: text(entry.rotation_schedule),
            owning_service: text(entry.owning_service),
            arn: entry.arn.into(),
            rotation_enabled: entry.rotation_enabled,
            rotation_days: entry.rotation_days,
            last_rotated: entry.last_rotated,
            last_changed: entry.last_changed,
            created: entry.created,
            deleted: entry.deleted,
            tags: shared(&mut self.tags, &tags[..]),
        };
        let (name, held) = match known {
            Some((name, known)) if *known == held => (name, known),
            Some((name, _)) => (name, Arc::new(held)),
            None => (entry.name.into(), Arc::new(held)),
        };
        self.index.places[nth].secrets.insert(name, held);
    }

    fn place(&mut self, region: &str, account: &str) -> usize {
        let places = &mut self.index.places;
        let known = places.iter().position(|place| place.is(region, account));
        known.unwrap_or_else(|| {
            places.push(Place { region: region.into(), account: account.into(), secrets: BTreeMap::new() });
            places.len() - 1
        })
    }

    /// How many secrets it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.places.iter().map(|place| place.secrets.len()).sum()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.places.is_empty()
    }

    /// The index.
    #[must_use]
    pub fn build(self) -> InventoryIndex {
        let mut index = self.index;
        // Two indexes of the same entries are equal, in whatever order those came.
        index.places.sort_by(|one, other| (&one.region, &one.account).cmp(&(&other.region, &other.account)));
        index
    }
}

/// The one copy of `value` among `known`.
fn shared<T: ?Sized + Eq + Hash>(known: &mut HashSet<Arc<T>>, value: &T) -> Arc<T>
where
    for<'v> Arc<T>: From<&'v T>,
{
    if let Some(known) = known.get(value) {
        return Arc::clone(known);
    }
    let new: Arc<T> = Arc::from(value);
    known.insert(Arc::clone(&new));
    new
}

impl FromIterator<InventoryEntry> for InventoryIndex {
    /// As [`InventoryIndexBuilder::insert`] takes them in.
    fn from_iter<I: IntoIterator<Item = InventoryEntry>>(entries: I) -> Self {
        let mut builder = InventoryIndexBuilder::default();
        entries.into_iter().for_each(|entry| builder.insert(entry));
        builder.build()
    }
}

impl InventoryIndex {
    /// The secret `name` of a region, in `account` where that is known.
    #[must_use]
    pub fn find(&self, account: Option<&str>, region: &str, name: &str, read_at: Timestamp) -> Inventory {
        let is_here =
            |place: &&Place| &*place.region == region && account.is_none_or(|account| account == &*place.account);
        let here: Vec<&Place> = self.places.iter().filter(is_here).collect();
        let found: Vec<&Held> = here.iter().filter_map(|place| place.secrets.get(name)).map(|held| &**held).collect();
        match found[..] {
            [only] => Inventory::Entry { entry: Arc::new(only.entry(name)), read_at },
            [] if !here.is_empty() => Inventory::Absent { read_at },
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

    #[test]
    fn an_entry_comes_out_as_it_went_in_and_what_is_the_same_is_held_once() {
        let at = |seconds| Some(Timestamp::from_second(seconds).unwrap());
        let full = |name: &str| InventoryEntry {
            kms_key_id: Some("alias/k".to_owned()),
            rotation_enabled: Some(false),
            rotation_days: Some(30),
            rotation_schedule: Some("rate(30 days)".to_owned()),
            owning_service: Some("rds".to_owned()),
            last_rotated: at(1),
            last_changed: at(2),
            created: at(3),
            deleted: at(4),
            tags: [("Team".to_owned(), "a".to_owned()), ("Env".to_owned(), "prod".to_owned())].into(),
            ..entry("eu-west-1", "111111111111", name)
        };
        let others = [entry("eu-west-1", "111111111111", "bare"), entry("us-east-1", "111111111111", "far")];
        let entries: Vec<InventoryEntry> = [full("a"), full("b")].into_iter().chain(others).collect();
        let index: InventoryIndex = entries.iter().cloned().collect();
        for expected in &entries {
            let region = if expected.name == "far" { "us-east-1" } else { "eu-west-1" };
            let found = index.find(None, region, &expected.name, Timestamp::UNIX_EPOCH);
            assert_eq!(found, Inventory::Entry { entry: Arc::new(expected.clone()), read_at: Timestamp::UNIX_EPOCH });
        }
        let held = |name: &str| index.places[0].secrets[name].clone();
        assert!(Arc::ptr_eq(&held("a").tags, &held("b").tags));
        let mut later = InventoryIndexBuilder::after(index.clone());
        let changed = InventoryEntry { rotation_days: Some(31), ..full("a") };
        [changed.clone(), full("b")].into_iter().for_each(|entry| later.insert(entry));
        let later = later.build();
        let found = later.find(None, "eu-west-1", "a", Timestamp::UNIX_EPOCH);
        assert_eq!(found, Inventory::Entry { entry: Arc::new(changed), read_at: Timestamp::UNIX_EPOCH });
        assert!(Arc::ptr_eq(&held("b"), &later.places[0].secrets["b"]));
        assert!(matches!(later.find(None, "us-east-1", "far", Timestamp::UNIX_EPOCH), Inventory::Unclear { .. }));

        let backwards: InventoryIndex = entries.into_iter().rev().collect();
        assert_eq!(index, backwards);
    }
}
