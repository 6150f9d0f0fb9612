//! Programs that are not keystile's own: what `tests/assets` installs.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What `tests/assets` installs at `relative`: `bin/gitleaks`, `venv/bin/pre-commit`. Where it is missing,
/// the test that asks is left out and says so, past the test runner's capture; with `CI=true` it fails.
#[track_caller]
pub(crate) fn asset(relative: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("KEYSTILE_ASSETS").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let found = folder.map(|folder| folder.join(relative)).filter(|path| path.exists());
    if found.is_none() {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let message = format!("{test}: {relative} is missing: run the tests with tests/run, which installs it");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{message}");
        // Not `eprintln!`: the runner would swallow it.
        let _ = writeln!(std::io::stderr(), "LEFT OUT: {message}");
    }
    found
}

/// The repository of keystile itself.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A PATH with keystile on it.
pub(crate) fn path_with_keystile() -> OsString {
    let own = Path::new(env!("CARGO_BIN_EXE_keystile")).parent().expect("a file is in a folder");
    join([own.to_owned()].into_iter().chain(folders_without_keystile()))
}

/// A PATH with everything but keystile.
pub(crate) fn path_without_keystile() -> OsString {
    join(folders_without_keystile())
}

fn folders_without_keystile() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.into_iter().filter(|folder| !folder.join("keystile").exists())
}

fn join(folders: impl IntoIterator<Item = PathBuf>) -> OsString {
    std::env::join_paths(folders).expect("folders of a PATH make a PATH")
}

/// A YAML document, read by a YAML library that is not ours (`PyYAML`, which pre-commit brings along).
#[track_caller]
pub(crate) fn yaml(text: &str) -> Option<Value> {
    python("import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)", text)
}

/// The lines of a CSV document with a header, as objects; read by Python's library.
#[track_caller]
pub(crate) fn csv(text: &str) -> Option<Value> {
    python("import csv, json, sys; json.dump(list(csv.DictReader(sys.stdin)), sys.stdout)", text)
}

/// What `script` makes of `input`.
#[track_caller]
fn python(script: &str, input: &str) -> Option<Value> {
    let mut child = Command::new(asset("venv/bin/python")?)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("python reads");
    let output = child.wait_with_output().expect("python ends");
    assert!(output.status.success(), "{script} can't read:\n{input}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}
