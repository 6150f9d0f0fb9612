//! A world of manifests, for trials and tests: what the folder lacks is taken to be absent.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use arc_swap::ArcSwapOption;
use keystile_manifest::files::{Walk, read_paths};
use keystile_policy::subject::store::{StoreFacts, StoreKind};
use keystile_policy::world::{GeneratorId, Inventory, Namespace, Objects, StoredObject};
use keystile_policy::{Lookup, Snapshot, World};
use serde_json::Value;

use super::inventory::Held;

/// The manifests, and an inventory that may be renewed.
#[derive(Debug)]
pub struct FolderWorld {
    manifests: Snapshot,
    inventory: ArcSwapOption<Held>,
}

impl FolderWorld {
    /// Takes an inventory in, in place of the one before.
    pub fn set_inventory(&self, inventory: Held) {
        self.inventory.store(Some(Arc::new(inventory)));
    }
}

impl From<Snapshot> for FolderWorld {
    fn from(manifests: Snapshot) -> Self {
        Self { manifests, inventory: ArcSwapOption::empty() }
    }
}

impl World for FolderWorld {
    fn namespace(&self, name: &str) -> Lookup<Arc<Namespace>> {
        self.manifests.namespace(name)
    }

    fn namespaces(&self) -> Lookup<Vec<Arc<Namespace>>> {
        self.manifests.namespaces()
    }

    fn store(&self, kind: StoreKind, namespace: &str, name: &str) -> Lookup<Arc<StoreFacts>> {
        self.manifests.store(kind, namespace, name)
    }

    fn stores(&self, kind: StoreKind, namespace: &str) -> Lookup<Vec<Arc<StoreFacts>>> {
        self.manifests.stores(kind, namespace)
    }

    fn generator(&self, id: &GeneratorId) -> Lookup<Arc<Value>> {
        self.manifests.generator(id)
    }

    fn aws_provider(&self, namespace: &str, name: &str) -> Lookup<Arc<Value>> {
        self.manifests.aws_provider(namespace, name)
    }

    fn count(&self, wanted: Objects<'_>) -> usize {
        self.manifests.count(wanted)
    }

    fn visit(&self, wanted: Objects<'_>, each: &mut dyn FnMut(StoredObject) -> ControlFlow<()>) {
        self.manifests.visit(wanted, each);
    }

    fn inventory(&self, account: Option<&str>, region: &str, name: &str) -> Inventory {
        match &*self.inventory.load() {
            Some(held) => held.find(account, region, name),
            None => self.manifests.inventory(account, region, name),
        }
    }
}

/// Most faults that are named.
const MAX_NAMED: usize = 10;

/// Reads every manifest of a folder.
///
/// # Errors
///
/// When the folder is none, or anything in it can't be read: a world with a hole would refuse what it
/// should let pass, and nobody would know why.
pub fn read(folder: &Path) -> anyhow::Result<Snapshot> {
    if !folder.is_dir() {
        bail!("{} is not a folder: --world takes one with manifests", folder.display());
    }
    let files = read_paths(&[folder.to_owned()], Walk { honour_ignore_files: false });
    if !files.gaps.is_empty() {
        let named: Vec<String> = files
            .gaps
            .iter()
            .take(MAX_NAMED)
            .map(|gap| match gap.position {
                Some(position) => format!("{}:{position}: {}", gap.file, gap.message),
                None => format!("{}: {}", gap.file, gap.message),
            })
            .collect();
        bail!("{} of the world's manifests can't be read: {}", files.gaps.len(), named.join("; "));
    }
    let mut snapshot = Snapshot::complete();
    let objects = files.documents.len();
    for document in files.documents {
        snapshot.insert(document.value);
    }
    let skipped: usize = files.skipped.values().sum();
    tracing::info!(folder = %folder.display(), files = files.read, objects, skipped, "the world is read");
    Ok(snapshot)
}

#[cfg(test)]
mod tests {
    use keystile_policy::{Lookup, World as _};

    use super::*;

    #[test]
    fn manifests_are_the_whole_world_and_one_that_cannot_be_read_stops_it() {
        let folder = tempfile::tempdir().unwrap();
        let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {team: t}}\n";
        std::fs::write(folder.path().join("a.yaml"), namespace).unwrap();
        let world = read(folder.path()).unwrap();
        assert_eq!(world.namespace("a").found().unwrap().labels["team"], "t");
        assert_eq!(world.namespace("b"), Lookup::Absent);

        std::fs::write(folder.path().join("b.yaml"), "a: [").unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("b.yaml:1:"), "{error}");
        assert!(read(&folder.path().join("none")).is_err());
    }
}
