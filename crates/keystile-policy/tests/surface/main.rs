//! The fields of the judged kinds, held against the real definitions: `src/fields.txt` knows them, and each
//! place below a reference, a store or a managed secret is classified in `surface.txt`.
//!
//! `KEYSTILE_CRDS` names folders with definitions, parted by `:`; where it is not set, External Secrets'
//! definitions are those of `KEYSTILE_ASSETS`, which `tests/run` sets. Where there are none the tests say so and pass.

mod fields;
mod paths;
mod schema;

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The folders with definitions; empty where none are to be had, which is said.
pub(crate) fn folders() -> Vec<PathBuf> {
    if let Some(named) = env::var_os("KEYSTILE_CRDS") {
        return env::split_paths(&named).collect();
    }
    let assets = env::var_os("KEYSTILE_ASSETS").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let found = assets.map(|assets| assets.join("crds")).filter(|crds| crds.is_dir());
    found.map_or_else(
        || {
            assert_ne!(env::var("CI").as_deref(), Ok("true"), "there are no definitions");
            // Not `eprintln!`: the runner would swallow it.
            let _ = writeln!(
                std::io::stderr(),
                "LEFT OUT: there are no definitions: run the tests with tests/run, which installs them"
            );
            Vec::new()
        },
        |crds| vec![crds],
    )
}
