//! Every place of a repository that holds objects: packs, loose objects, alternates.
//!
//! Nothing is ever written into the repository, nothing is fetched, and what can't be read is a gap
//! beside everything that can. File formats as in git's `Documentation/gitformat-pack.adoc` and
//! `gitrepository-layout.adoc`; index files and mapping by gix-pack. A multi-pack index is not
//! needed: each pack has an index of its own, and where it has none, one is made in memory.
//!
//! Memory: beside the mapped files, one byte an object for the look-up table, and four more if
//! there is more than one pack, or if there are loose objects ([`number`]).

pub(crate) mod alternates;
pub mod delta;
pub(crate) mod entry;
pub(crate) mod index;
pub(crate) mod inflate;
pub(crate) mod loose;
pub(crate) mod number;
pub(crate) mod pack;
mod read;
mod rebuild;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use self::index::PackIndex;
use self::loose::LooseObjects;
use self::number::{Ids, Numbering};
use self::pack::{Pack, PackBytes};
use self::read::BaseCache;
pub(crate) use self::read::PlaceKey;
use crate::coverage::{Gap, GapKind};
use crate::error::Error;
use crate::object::{HashKind, Kind, ObjectId, ObjectIndex, oid};

/// All objects of a repository, numbered. Shared by all threads.
#[derive(Debug)]
pub struct ObjectStore {
    hash: HashKind,
    /// The first place of an object is in the first source that has it: packs before loose objects, as in git.
    sources: Vec<Source>,
    numbering: Numbering,
    bases: BaseCache,
    gaps: Vec<Gap>,
    notes: Vec<String>,
}

/// A pack, or the loose objects of one directory.
#[derive(Debug)]
pub(crate) enum Source {
    Pack(Pack),
    Loose(LooseObjects),
}

impl Source {
    pub(crate) fn ids(&self) -> &dyn Ids {
        match self {
            Self::Pack(pack) => &pack.index,
            Self::Loose(loose) => loose,
        }
    }
}

/// Why an object that is there could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("object {id}: {detail}")]
pub struct ReadError {
    /// Which.
    pub id: ObjectId,
    /// What is wrong with it, in one sentence.
    pub detail: String,
}

impl ObjectStore {
    /// Opens the objects under `objects` (`.git/objects`) and all alternates. Indexes are checked against their
    /// own checksums; a pack without a usable index is read as a whole.
    ///
    /// # Errors
    /// The directory itself can't be read, or there are more than 2³² objects. Whatever else is wrong is
    /// one of [`Self::gaps`].
    pub fn open(objects: &Path, hash: HashKind) -> Result<Self, Error> {
        std::fs::read_dir(objects).map_err(|source| Error::Read { what: objects.display().to_string(), source })?;
        let mut gaps = Vec::new();
        let directories = alternates::directories(objects, &mut gaps);
        let mut store = Self::open_directories(&directories, hash)?;
        store.gaps.splice(0..0, gaps);
        Ok(store)
    }

    /// Opens the objects in `directories`, and no others: alternates are theirs who call.
    ///
    /// # Errors
    /// There are more than 2³² objects. Whatever else is wrong is one of [`Self::gaps`].
    pub fn open_directories(directories: &[PathBuf], hash: HashKind) -> Result<Self, Error> {
        let what = || directories.first().map_or_else(String::new, |directory| directory.display().to_string());
        let mut store = Self {
            hash,
            sources: Vec::new(),
            numbering: Numbering::default(),
            bases: BaseCache::default(),
            gaps: Vec::new(),
            notes: Vec::new(),
        };
        let mut unindexed = Vec::new();
        for directory in directories {
            store.open_packs(&directory.join("pack"), &mut unindexed);
        }
        for directory in directories {
            let loose = LooseObjects::list(directory, hash, &mut store.gaps);
            if !loose.ids.is_empty() {
                store.sources.push(Source::Loose(loose));
            }
        }
        for (path, bytes, why) in unindexed {
            store.open_unindexed(path, bytes, why);
        }
        let sources: Vec<&dyn Ids> = store.sources.iter().map(Source::ids).collect();
        store.numbering = Numbering::new(&sources).ok_or_else(|| Error::Unsupported {
            what: format!("{}: more than 2³² objects", what()),
            cure: "scan parts of it with --range".to_owned(),
        })?;
        Ok(store)
    }

    /// Opens the packs of one directory; those without a usable index are put aside, with the reason.
    fn open_packs(&mut self, directory: &Path, unindexed: &mut Vec<(PathBuf, PackBytes, Option<String>)>) {
        // By name without ending: is there a pack, is there an index?
        let mut files: BTreeMap<PathBuf, (bool, bool)> = BTreeMap::new();
        match std::fs::read_dir(directory) {
            Ok(entries) => {
                for entry in entries {
                    let path = match entry {
                        Ok(entry) => entry.path(),
                        Err(error) => {
                            self.gap(GapKind::CorruptPack, directory, format!("it can't be listed: {error}"));
                            continue;
                        }
                    };
                    match path.extension().and_then(std::ffi::OsStr::to_str) {
                        Some("pack") => files.entry(path.with_extension("")).or_default().0 = true,
                        Some("idx") => files.entry(path.with_extension("")).or_default().1 = true,
                        _ => {}
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.gap(GapKind::CorruptPack, directory, format!("it can't be listed: {error}")),
        }
        for (stem, (has_pack, has_index)) in files {
            // Not `with_extension`: a stem may have a dot of its own.
            let with = |ending: &str| {
                let mut path = stem.clone().into_os_string();
                path.push(ending);
                PathBuf::from(path)
            };
            let (pack_path, index_path) = (with(".pack"), with(".idx"));
            let index = if has_index { Some(PackIndex::open(&index_path, self.hash)) } else { None };
            if !has_pack {
                let many = index.and_then(Result::ok).map_or_else(String::new, |index| format!(" {}", index.len()));
                self.gap(
                    GapKind::CorruptPack,
                    &index_path,
                    format!("its pack is not there, nor are its{many} objects"),
                );
                continue;
            }
            let bytes = match PackBytes::open(&pack_path, self.hash) {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.gap(GapKind::CorruptPack, &pack_path, format!("it can't be opened: {error}"));
                    continue;
                }
            };
            match index {
                Some(Ok(index)) => self.add_pack(pack_path, bytes, index),
                Some(Err(error)) => unindexed.push((pack_path, bytes, Some(error))),
                None => unindexed.push((pack_path, bytes, None)),
            }
        }
    }

    fn add_pack(&mut self, path: PathBuf, bytes: PackBytes, index: PackIndex) {
        let (pack, wrong) = Pack::new(path, bytes, index, self.hash);
        if let Some(wrong) = wrong {
            self.gap(GapKind::CorruptPack, &pack.path, wrong);
        }
        self.sources.push(Source::Pack(pack));
    }

    /// Reads a pack whose index is missing, or broken (`why`).
    fn open_unindexed(&mut self, path: PathBuf, bytes: PackBytes, why: Option<String>) {
        let rebuilt = rebuild::rebuild(bytes.as_slice(), bytes.announced(), self.hash, &|id| {
            self.read_anywhere(id).ok().flatten()
        });
        let name = path.display();
        let count = rebuilt.entries.len();
        let cure = format!("git index-pack {name}");
        match why {
            Some(why) => {
                let detail = format!(
                    "its index is broken: {why}; {count} objects were read without it; `{cure}` makes a new one"
                );
                self.gap(GapKind::CorruptPack, &path, detail);
            }
            None => self.notes.push(format!(
                "{name} has no index, so that git does not see it; its {count} objects were read; `{cure}` makes one"
            )),
        }
        if let Some(wrong) = rebuilt.wrong {
            self.gap(GapKind::CorruptPack, &path, format!("it has no usable index, and {wrong}"));
        }
        let (pack, _) = Pack::new(path, bytes, PackIndex::Memory(rebuilt.entries), self.hash);
        self.sources.push(Source::Pack(pack));
    }

    fn gap(&mut self, kind: GapKind, what: &Path, detail: String) {
        self.gaps.push(Gap { kind, what: what.display().to_string(), detail });
    }

    /// What of it could not be opened: packs, alternates, directories.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Things worth knowing that lose nothing (a pack without an index, say): one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How ids are made.
    #[must_use]
    pub fn hash(&self) -> HashKind {
        self.hash
    }

    /// How many distinct objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbering.len() as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of an object, if it is there. A few cache misses; no system call, no lock.
    #[must_use]
    pub fn lookup(&self, id: &oid) -> Option<ObjectIndex> {
        self.numbering.lookup(|source, at| self.sources[source].ids().id(at), id).map(ObjectIndex)
    }

    /// The id of a numbered object.
    ///
    /// # Panics
    /// If the number is not one of this store.
    #[must_use]
    pub fn id(&self, index: ObjectIndex) -> ObjectId {
        assert!(index.as_usize() < self.len(), "object {} of {}", index.0, self.len());
        let (source, at) = self.numbering.place(self.numbering.slot(index.0));
        self.sources[source].ids().id(at).to_owned()
    }

    /// Reads one object and checks its id; `None` if it is not there. For what is asked on demand: in bulk,
    /// [`crate::walk`] is many times faster.
    ///
    /// # Errors
    /// The object is there, but no copy of it can be decoded.
    pub fn read(&self, id: &oid) -> Result<Option<(Kind, Vec<u8>)>, ReadError> {
        if id.kind() != self.hash { Ok(None) } else { self.read_anywhere(id) }
    }

    /// An object's kind, from headers alone where they tell; `None` if it is not there.
    ///
    /// # Errors
    /// The object is there, but no copy of it can be decoded.
    pub fn kind(&self, id: &oid) -> Result<Option<Kind>, ReadError> {
        if id.kind() != self.hash { Ok(None) } else { self.kind_anywhere(id) }
    }

    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(crate) fn numbering(&self) -> &Numbering {
        &self.numbering
    }
}
