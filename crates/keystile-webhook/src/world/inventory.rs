//! An inventory of the secrets that exist (`aws secretsmanager list-secrets`), in a file that somebody
//! else renews: keystile itself asks no cloud.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keystile_manifest::Source;
use keystile_manifest::inventory::read_inventory;
use keystile_policy::inventory::InventoryIndex;
use keystile_policy::world::{Inventory, InventoryEntry};

use super::cache::Cache;

/// What an inventory says, by account, region and name.
#[derive(Debug)]
pub struct Held {
    entries: InventoryIndex,
    read_at: Timestamp,
}

impl Held {
    /// Entries that were listed at `read_at`.
    #[must_use]
    pub fn new(entries: Vec<InventoryEntry>, read_at: Timestamp) -> Self {
        Self { entries: entries.into_iter().collect(), read_at }
    }

    /// What it says of a secret of a region, in `account` where that is known.
    #[must_use]
    pub fn find(&self, account: Option<&str>, region: &str, name: &str) -> Inventory {
        self.entries.find(account, region, name, self.read_at)
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

    /// Looks every `interval`, for ever; the cache has the last one that could be read. Its age is judged by
    /// the policy (`inventory.maxAge`), so one that is not renewed any more stops to count by itself.
    pub async fn watch(mut self, cache: Arc<Cache>, interval: Duration) {
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
                    cache.set_inventory(Held::new(entries, read_at));
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
