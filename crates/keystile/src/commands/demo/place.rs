//! The folder that everything of the demo lies in.

use std::fs::{self, DirBuilder};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::random;

/// A temporary folder of this user alone. It is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// `None` once it was removed, or is kept.
    path: Option<PathBuf>,
    /// As it is shown.
    shown: PathBuf,
}

impl Place {
    /// A new one, with the folders `home` and `tmp` for the programs that are started.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn new() -> anyhow::Result<Self> {
        let name = format!("keystile-demo-{}", random::text(12)?);
        // Without links: programs compare paths.
        let parent = std::env::temp_dir();
        let parent = fs::canonicalize(&parent).unwrap_or(parent);
        let path = parent.join(name);
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| format!("while making the temporary folder {}", path.display()))?;
        let place = Self { path: Some(path.clone()), shown: path.clone() };
        for inner in ["home", "tmp"] {
            fs::create_dir(path.join(inner)).with_context(|| format!("while making a folder in {}", path.display()))?;
        }
        Ok(place)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.shown
    }

    /// Leaves it where it is.
    pub(super) fn keep(mut self) -> PathBuf {
        self.path = None;
        self.shown.clone()
    }

    /// Removes it.
    ///
    /// # Errors
    /// What is left, and why.
    pub(super) fn remove(mut self) -> Result<(), String> {
        self.remove_now()
    }

    fn remove_now(&mut self) -> Result<(), String> {
        let Some(path) = self.path.take() else { return Ok(()) };
        let mut last = None;
        // A program that was just killed may still be writing its last file.
        for _ in 0..10 {
            match fs::remove_dir_all(&path) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                Err(error) => last = Some(error),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let why = last.map(|error| error.to_string()).unwrap_or_default();
        Err(format!("the demo's folder {} could not be removed: {why}", path.display()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nowhere to report it: another error is on its way.
        let _ = self.remove_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_goes_with_its_content_unless_it_is_kept() {
        let place = Place::new().unwrap();
        let path = place.path().to_owned();
        fs::write(path.join("home/file"), "x").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        drop(place);
        assert!(!path.exists());
        let kept = Place::new().unwrap().keep();
        assert!(kept.is_dir());
        fs::remove_dir_all(kept).unwrap();
    }
}
