//! A Secret or ConfigMap as the kubelet mounts it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder whose files are links through `..data` to a folder of one time. An update makes another folder and
/// swaps that one link, so that all files change at once and none is ever written to
/// (Kubernetes, `pkg/volume/util/atomic_writer.go`).
#[derive(Debug)]
pub(crate) struct Mounted {
    folder: TempDir,
    updates: usize,
}

impl Mounted {
    /// With these files: names and contents.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let mut mounted = Self { folder: tempfile::tempdir().expect("a temporary folder"), updates: 0 };
        mounted.update(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), mounted.path(name)).expect("a link is made");
        }
        mounted
    }

    /// Replaces all files at once.
    pub(crate) fn update(&mut self, files: &[(&str, &str)]) {
        let old = fs::read_link(self.path("..data")).ok();
        let new = format!("..{}", self.updates);
        self.updates += 1;
        fs::create_dir(self.path(&new)).expect("a folder is made");
        for (name, content) in files {
            fs::write(self.path(&new).join(name), content).expect("a file is written");
        }
        symlink(&new, self.path("..data_tmp")).expect("a link is made");
        fs::rename(self.path("..data_tmp"), self.path("..data")).expect("a link is renamed");
        if let Some(old) = old {
            fs::remove_dir_all(self.path("").join(old)).expect("the folder before goes away");
        }
    }

    /// The path of a file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
