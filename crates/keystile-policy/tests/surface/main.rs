//! The fields of the judged kinds, held against the real definitions: `src/fields.txt` knows them, and each
//! place below a reference, a store or a managed secret is classified in `surface.txt`.
//!
//! `KEYSTILE_CRDS` names folders with definitions, parted by `:`; where it is not set, External Secrets'
//! definitions are those that `tests/assets` has fetched. Where there are none the tests say so and pass.

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
#[expect(clippy::print_stderr, reason = "what is left out must be seen")]
pub(crate) fn folders() -> Vec<PathBuf> {
    if let Some(named) = env::var_os("KEYSTILE_CRDS") {
        return env::split_paths(&named).collect();
    }
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
        .map(|cache| cache.join("keystile-assets"));
    let versions = cache.and_then(|cache| std::fs::read_dir(cache).ok()).into_iter().flatten();
    let mut found: Vec<PathBuf> =
        versions.flatten().map(|version| version.path().join("crds")).filter(|crds| crds.is_dir()).collect();
    found.sort();
    found.pop().map_or_else(
        || {
            assert_ne!(env::var("CI").as_deref(), Ok("true"), "no definitions: run tests/assets");
            // Not `eprintln!`: the runner would swallow it.
            let _ = writeln!(std::io::stderr(), "LEFT OUT: there are no definitions; tests/assets fetches them");
            Vec::new()
        },
        |newest| vec![newest],
    )
}
