//! What keystile asks a repository's configuration, and whether its format is one it can read.
//!
//! Only the repository's own files are read (`config`, and `config.worktree` where that is switched
//! on): what a user or a machine configures does not change what a scan covers.

use std::path::{Path, PathBuf};

use bstr::{BString, ByteSlice as _};
use git2::{Config, ConfigLevel};

use super::Promisor;
use crate::error::Error;

/// The answers.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) object_hash: gix_hash::Kind,
    pub(super) is_bare: bool,
    pub(super) work_tree: Option<PathBuf>,
    pub(super) promisor: Option<Promisor>,
    pub(super) origin_url: Option<String>,
    pub(super) hooks_path: Option<String>,
}

/// Extensions that change nothing a reader must know, from git's `Documentation/technical/repository-version.txt`
/// and `setup.c`: `noop` and `noop-v1` are for tests, `preciousObjects` concerns pruning, `compatObjectFormat`
/// adds names beside the main ones, `relativeWorktrees` allows relative paths in pointers (always
/// understood here), `submodulePathConfig` moves submodules' directories. The others are handled by name.
const HARMLESS_EXTENSIONS: &[&str] =
    &["noop", "noop-v1", "preciousobjects", "compatobjectformat", "relativeworktrees", "submodulepathconfig"];

impl Settings {
    pub(super) fn read(git_dir: &Path, common_dir: &Path) -> Result<Self, Error> {
        let path = common_dir.join("config");
        let failed = |path: &Path| {
            let what = path.display().to_string();
            move |source| Error::Git { what, source }
        };
        if !path.exists() {
            return Self::resolve(&[]);
        }
        if !path.is_file() {
            // Opening a pipe would wait for ever.
            let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a file");
            return Err(Error::Read { what: path.display().to_string(), source });
        }
        let mut config = Config::open(&path).map_err(failed(&path))?;
        let mut entries = read_entries(&config).map_err(failed(&path))?;
        let of_work_tree = git_dir.join("config.worktree");
        if boolean(&entries, "extensions.worktreeconfig") && of_work_tree.is_file() {
            config.add_file(&of_work_tree, ConfigLevel::Worktree, false).map_err(failed(&of_work_tree))?;
            entries = read_entries(&config).map_err(failed(&of_work_tree))?;
        }
        Self::resolve(&entries)
    }

    fn resolve(entries: &[Entry]) -> Result<Self, Error> {
        let object_hash = check_format(entries)?;
        let origin_url = last(entries, "remote.origin.url").or_else(|| only_remote_url(entries));
        Ok(Self {
            object_hash,
            is_bare: boolean(entries, "core.bare"),
            work_tree: last(entries, "core.worktree").map(|path| path.to_path_lossy().into_owned()),
            promisor: promisor(entries),
            origin_url: origin_url.map(|url| without_credentials(&url.to_str_lossy())),
            hooks_path: last(entries, "core.hookspath").map(|path| path.to_str_lossy().into_owned()),
        })
    }
}

/// Name (section and key in lower case) and value.
type Entry = (BString, BString);

fn read_entries(config: &Config) -> Result<Vec<Entry>, git2::Error> {
    let mut entries = Vec::new();
    let mut iterator = config.entries(None)?;
    while let Some(entry) = iterator.next() {
        let entry = entry?;
        // A key without `=` is a boolean that is true.
        let value = if entry.has_value() { entry.value_bytes() } else { b"true".as_slice() };
        entries.push((entry.name_bytes().into(), value.into()));
    }
    Ok(entries)
}

fn last<'a>(entries: &'a [Entry], name: &str) -> Option<&'a BString> {
    entries.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn boolean(entries: &[Entry], name: &str) -> bool {
    last(entries, name).is_some_and(|value| is_true(value))
}

/// git's `git_parse_maybe_bool`.
fn is_true(value: &[u8]) -> bool {
    let value = value.to_ascii_lowercase();
    match value.as_slice() {
        b"true" | b"yes" | b"on" => true,
        digits => digits.to_str().ok().and_then(|text| text.parse::<i64>().ok()).is_some_and(|number| number != 0),
    }
}

/// Checks `core.repositoryFormatVersion` and the extensions, as git's `verify_repository_format` does.
fn check_format(entries: &[Entry]) -> Result<gix_hash::Kind, Error> {
    let unsupported = |what: String, cure: &str| Err(Error::Unsupported { what, cure: cure.to_owned() });
    let version = match last(entries, "core.repositoryformatversion") {
        None => 0,
        Some(value) => match value.to_str().ok().and_then(|text| text.trim().parse::<u32>().ok()) {
            Some(version) => version,
            None => {
                return unsupported(
                    "a repository whose core.repositoryFormatVersion is not a number".to_owned(),
                    "correct its config file",
                );
            }
        },
    };
    if version > 1 {
        return unsupported(
            format!("repository format version {version}"),
            "keystile reads versions 0 and 1; scan a clone that an older git makes, or a checkout with --dir",
        );
    }
    let mut object_hash = gix_hash::Kind::Sha1;
    for (key, value) in entries {
        let Some(name) = key.strip_prefix(b"extensions.").map(|name| name.as_bstr().to_string()) else { continue };
        match (name.as_str(), version) {
            ("partialclone" | "worktreeconfig", _) => {}
            ("objectformat", 1) => match value.to_ascii_lowercase().as_slice() {
                b"sha1" => object_hash = gix_hash::Kind::Sha1,
                b"sha256" => object_hash = gix_hash::Kind::Sha256,
                _ => {
                    return unsupported(
                        format!("the object format \"{value}\""),
                        "keystile reads sha1 and sha256; scan a checkout with --dir",
                    );
                }
            },
            ("refstorage", 1) => {
                if !value.eq_ignore_ascii_case(b"files") {
                    return unsupported(
                        format!("the reference format \"{value}\""),
                        "run `git refs migrate --ref-format=files` in a copy of the repository, or scan a clone made with `git clone --mirror --ref-format=files`",
                    );
                }
            }
            // git ends here too: such a repository is half-made.
            ("objectformat" | "refstorage", _) => {
                return unsupported(
                    format!("extensions.{name} with repository format version 0"),
                    "correct core.repositoryFormatVersion in its config file (git refuses it too)",
                );
            }
            // Version 0 is older than extensions: git ignores those that it does not know.
            (_, 0) => {}
            (known, _) if HARMLESS_EXTENSIONS.contains(&known) => {}
            _ => {
                return unsupported(
                    format!("the repository extension \"{name}\""),
                    "scan a plain clone (`git clone --mirror`), or a checkout with --dir",
                );
            }
        }
    }
    Ok(object_hash)
}

/// `extensions.partialClone` names the remote; so does, since git 2.24, `remote.NAME.promisor`.
fn promisor(entries: &[Entry]) -> Option<Promisor> {
    let by_extension = last(entries, "extensions.partialclone").cloned();
    let remote = by_extension.or_else(|| {
        entries
            .iter()
            .filter(|(_, value)| is_true(value))
            .find_map(|(key, _)| key.strip_prefix(b"remote.")?.strip_suffix(b".promisor").map(BString::from))
    })?;
    let filter = last(entries, &format!("remote.{remote}.partialclonefilter")).cloned();
    Some(Promisor { remote: Some(remote), filter })
}

fn only_remote_url(entries: &[Entry]) -> Option<&BString> {
    let mut urls = entries.iter().filter(|(key, _)| key.starts_with(b"remote.") && key.ends_with(b".url"));
    let first = urls.next()?;
    urls.all(|(key, _)| *key == first.0).then_some(&first.1)
}

/// A URL without what stands before `@` in its authority part (RFC 3986, 3.2.1), and without query
/// and fragment, where tokens are put as well. The short form `user@host:path` keeps its user: there is no
/// place for a password in it.
pub(super) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_credentials_from_urls() {
        for (url, expected) in [
            ("https://github.com/a/b.git", "https://github.com/a/b.git"),
            ("https://user@github.com/a/b", "https://github.com/a/b"),
            ("https://user~word@github.com:8443/a@b/c", "https://github.com:8443/a@b/c"),
            ("https://user~w@rd@github.com/a", "https://github.com/a"),
            ("https://github.com/a?token=word#x", "https://github.com/a"),
            ("ssh://git@github.com/a", "ssh://github.com/a"),
            ("git@github.com:a/b.git", "git@github.com:a/b.git"),
            ("/srv/a@b.git", "/srv/a@b.git"),
        ] {
            // No address with a password stands in the source: a scanner would find it.
            let url = url.replace('~', ":");
            assert_eq!(without_credentials(&url), expected, "{url}");
        }
    }
}
