//! An inventory of the secrets that exist (`aws secretsmanager list-secrets`): what one says, and a file with one
//! that somebody else renews. [`refresh`](super::refresh) asks the cloud itself, where it is asked to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keystile_manifest::Source;
use keystile_manifest::inventory::read_inventory;
use keystile_policy::inventory::InventoryIndex;
use keystile_policy::world::{Inventory, InventoryEntry};

use super::SharedSurroundings;

/// What an inventory says, by account, region and name.
#[derive(Clone, Debug)]
pub struct Held(Parts);

#[derive(Clone, Debug)]
enum Parts {
    /// Of one time, whatever it covers.
    Whole(Arc<Listed>),
    /// Each region of its own time; one without a list has not been read since `since`.
    ByRegion { regions: BTreeMap<String, Option<Arc<Listed>>>, since: Timestamp },
}

/// What was listed at one time.
#[derive(Debug)]
pub struct Listed {
    entries: InventoryIndex,
    read_at: Timestamp,
}

impl Listed {
    /// What was listed at `read_at`.
    #[must_use]
    pub const fn new(entries: InventoryIndex, read_at: Timestamp) -> Self {
        Self { entries, read_at }
    }
}

impl Held {
    /// Entries that were listed at `read_at`.
    #[must_use]
    pub fn new(entries: Vec<InventoryEntry>, read_at: Timestamp) -> Self {
        Self(Parts::Whole(Arc::new(Listed::new(entries.into_iter().collect(), read_at))))
    }

    /// Nothing yet of any of `regions`, at `since`.
    #[must_use]
    pub fn of_regions(regions: impl IntoIterator<Item = String>, since: Timestamp) -> Self {
        Self(Parts::ByRegion { regions: regions.into_iter().map(|region| (region, None)).collect(), since })
    }

    /// The same with `listed` in the place of what it had of `region`.
    #[must_use]
    pub fn with_region(mut self, region: &str, listed: Listed) -> Self {
        if let Parts::ByRegion { regions, .. } = &mut self.0 {
            regions.insert(region.to_owned(), Some(Arc::new(listed)));
        }
        self
    }

    /// All that it says of a region that is listed by itself; empty where nothing is known yet.
    #[must_use]
    pub fn of_region(&self, region: &str) -> InventoryIndex {
        match &self.0 {
            Parts::ByRegion { regions, .. } => {
                regions.get(region).and_then(|listed| Some(listed.as_ref()?.entries.clone())).unwrap_or_default()
            }
            Parts::Whole(_) => InventoryIndex::default(),
        }
    }

    /// What it says of a secret of a region, in `account` where that is known.
    #[must_use]
    pub fn find(&self, account: Option<&str>, region: &str, name: &str) -> Inventory {
        let (listed, since) = match &self.0 {
            Parts::Whole(listed) => return listed.entries.find(account, region, name, listed.read_at),
            Parts::ByRegion { regions, since } => (regions.get(region), *since),
        };
        match listed {
            Some(Some(listed)) => listed.entries.find(account, region, name, listed.read_at),
            Some(None) => Inventory::Unclear { why: format!("region {region} was not listed yet"), read_at: since },
            // As of a file that has nothing of the region.
            None => InventoryIndex::default().find(account, region, name, self.oldest()),
        }
    }

    /// When the part was read that was read longest ago.
    fn oldest(&self) -> Timestamp {
        match &self.0 {
            Parts::Whole(listed) => listed.read_at,
            Parts::ByRegion { regions, since } => {
                let times = regions.values().map(|listed| listed.as_ref().map_or(*since, |listed| listed.read_at));
                times.min().unwrap_or(*since)
            }
        }
    }

    /// Whether it says the same of every secret as `other`; when that was read does not count.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Parts::Whole(one), Parts::Whole(other)) => one.entries == other.entries,
            (Parts::ByRegion { regions: one, .. }, Parts::ByRegion { regions: other, .. }) => {
                let is_same = |(one, other): (&Option<Arc<Listed>>, &Option<Arc<Listed>>)| match (one, other) {
                    (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one.entries == other.entries,
                    (None, None) => true,
                    _ => false,
                };
                one.keys().eq(other.keys()) && one.values().zip(other.values()).all(is_same)
            }
            _ => false,
        }
    }
}

/// A file with an inventory.
#[derive(Debug)]
pub struct InventoryFile {
    file: PathBuf,
    /// Content and time of the last look.
    seen: Option<([u8; 32], Timestamp)>,
}

impl InventoryFile {
    /// Not looked at yet.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), seen: None }
    }

    /// One look: the entries and when they were listed (the file's own time), where the file is another
    /// than at the last look.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is no inventory; told once for each content.
    pub fn look(&mut self) -> Result<Option<(Vec<InventoryEntry>, Timestamp)>, String> {
        let name = self.file.display().to_string();
        let failed = |error: std::io::Error| format!("{name}: {error}");
        let bytes = std::fs::read(&self.file).map_err(failed)?;
        let modified = std::fs::metadata(&self.file).and_then(|metadata| metadata.modified()).map_err(failed)?;
        let read_at = Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH);
        let seen = (crate::policy::digest(&bytes), read_at);
        if self.seen.replace(seen) == Some(seen) {
            return Ok(None);
        }
        let source = Source::from_bytes(name.clone(), bytes).map_err(|error| format!("{name}: {error}"))?;
        let entries = read_inventory(&Arc::new(source)).map_err(|error| error.to_string())?;
        Ok(Some((entries, read_at)))
    }

    /// Looks every `interval`, for ever; `surroundings` have the last one that could be read. Its age is judged by
    /// the policy (`inventory.maxAge`), so one that is not renewed any more stops to count by itself.
    pub async fn watch(mut self, surroundings: SharedSurroundings, interval: Duration) {
        let mut is_broken = false;
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                let found = self.look();
                (self, found)
            });
            let found = match looked.await {
                Ok((file, found)) => {
                    self = file;
                    found
                }
                Err(error) => {
                    tracing::error!(%error, "reading the inventory failed, it is not looked at again");
                    return;
                }
            };
            match found {
                Ok(Some((entries, read_at))) => {
                    tracing::info!(entries = entries.len(), %read_at, "the inventory is read");
                    surroundings.set_inventory(Held::new(entries, read_at));
                    is_broken = false;
                }
                Ok(None) => {}
                Err(error) => {
                    if !is_broken {
                        tracing::error!(error, "the inventory can't be used, the one before stays");
                    }
                    is_broken = true;
                }
            }
            tokio::time::sleep(interval).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use keystile_policy::World as _;

    use super::*;
    use crate::world::cache::Cache;

    fn entry(region: &str, name: &str) -> InventoryEntry {
        InventoryEntry {
            name: name.to_owned(),
            arn: format!("arn:aws:secretsmanager:{region}:111111111111:secret:{name}-abcdef"),
            ..InventoryEntry::default()
        }
    }

    fn listed(region: &str, name: &str, read_at: Timestamp) -> Listed {
        Listed::new([entry(region, name)].into_iter().collect(), read_at)
    }

    #[test]
    fn regions_are_of_their_own_time_and_one_that_was_never_read_is_unclear() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let regions = ["eu-west-1".to_owned(), "eu-north-1".to_owned()];
        let none = Held::of_regions(regions, at(10));
        let Inventory::Unclear { why, read_at } = none.find(None, "eu-west-1", "a") else { panic!("{none:?}") };
        assert_eq!((why.as_str(), read_at), ("region eu-west-1 was not listed yet", at(10)));

        let one = none.clone().with_region("eu-west-1", listed("eu-west-1", "a", at(20)));
        assert!(matches!(one.find(None, "eu-west-1", "a"), Inventory::Entry { read_at, .. } if read_at == at(20)));
        assert_eq!(one.find(None, "eu-west-1", "b"), Inventory::Absent { read_at: at(20) });
        assert!(matches!(one.find(None, "eu-north-1", "a"), Inventory::Unclear { read_at, .. } if read_at == at(10)));
        // Of a region that nobody lists it says what a file says that lacks it.
        let file = Held::new(vec![entry("eu-west-1", "a")], at(10));
        assert_eq!(one.find(None, "us-east-1", "a"), file.find(None, "us-east-1", "a"));

        let again = one.clone().with_region("eu-west-1", listed("eu-west-1", "a", at(30)));
        let other = one.clone().with_region("eu-west-1", listed("eu-west-1", "b", at(30)));
        assert!(one.says_the_same(&again) && !one.says_the_same(&other) && !one.says_the_same(&none));
    }

    #[test]
    fn an_inventory_is_read_when_it_changes_and_a_broken_one_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory.json");
        let list = |name: &str| {
            let arn = format!("arn:aws:secretsmanager:eu-west-1:111111111111:secret:{name}-abcdef");
            serde_json::json!({"SecretList": [{"Name": name, "ARN": arn}]}).to_string()
        };
        std::fs::write(&path, list("/prod/a")).unwrap();
        let mut file = InventoryFile::new(&path);
        let (entries, read_at) = file.look().unwrap().unwrap();
        assert!(file.look().unwrap().is_none());

        let cache = Cache::default();
        assert_eq!(cache.inventory(None, "eu-west-1", "/prod/a"), Inventory::None);
        cache.set_inventory(Held::new(entries, read_at));
        assert!(matches!(cache.inventory(None, "eu-west-1", "/prod/a"), Inventory::Entry { .. }));
        assert_eq!(cache.inventory(None, "eu-west-1", "/prod/b"), Inventory::Absent { read_at });
        // The same name elsewhere is another secret, of which the inventory says nothing.
        assert!(matches!(cache.inventory(None, "us-east-1", "/prod/a"), Inventory::Unclear { .. }));
        assert!(matches!(cache.inventory(Some("222222222222"), "eu-west-1", "/prod/a"), Inventory::Unclear { .. }));

        std::fs::write(&path, "{").unwrap();
        assert!(file.look().unwrap_err().contains("inventory.json:1:"));
        assert!(matches!(file.look(), Ok(None)));
        std::fs::write(&path, list("/prod/b")).unwrap();
        assert_eq!(file.look().unwrap().unwrap().0[0].name, "/prod/b");
    }
}
