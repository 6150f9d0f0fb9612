//! Where configuration and exceptions come from: the files beside the scanned content, or a commit.
//!
//! A check in CI takes them from the base of a change (`--config-from`), so that the change can't excuse
//! itself.

use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use keystile_git::CommittedFiles;
use keystile_scan::config::{Config, Loader};

use crate::exit::UsageError;
use crate::terminal;

/// The folder of what a repository keeps for keystile.
pub const FOLDER: &str = ".keystile";
/// keystile's own configuration.
pub const OWN_CONFIG: &str = ".keystile/scan.toml";
/// gitleaks' configuration.
pub const GITLEAKS_CONFIG: &str = ".gitleaks.toml";
/// keystile's own list of ignored findings.
pub const OWN_IGNORE: &str = ".keystile/ignore";
/// gitleaks' list of ignored findings.
pub const GITLEAKS_IGNORE: &str = ".gitleaksignore";
/// The baseline that is used where it exists.
pub const OWN_BASELINE: &str = ".keystile/baseline.json";

/// The place that files without a flag are taken from.
#[derive(Debug)]
pub enum ConfigFiles<'a> {
    /// A folder: the top of the work tree, or what is scanned.
    Folder(PathBuf),
    /// A commit. What lies in the work tree is what a change under review made of it, so a file of the work
    /// tree that is named on the command line or in the environment is taken from the commit too.
    Commit {
        /// Its files.
        files: Box<CommittedFiles<'a>>,
        /// The top of the work tree.
        work_tree: Option<PathBuf>,
    },
    /// None: a bare repository.
    Nowhere,
}

/// A file, with the name that messages give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedText {
    /// `path`, or `path at COMMIT`.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl ConfigFiles<'_> {
    /// The file at `relative`, if there is one.
    ///
    /// # Errors
    /// If it is there but can't be read, or is not UTF-8.
    pub fn read(&self, relative: &str) -> anyhow::Result<Option<NamedText>> {
        let (name, bytes) = match self {
            Self::Nowhere => return Ok(None),
            Self::Folder(folder) => {
                let path = folder.join(relative);
                match read_lying_around(&path) {
                    Ok(bytes) => (path.display().to_string(), bytes),
                    Err(error) if is_absent(&error) => return Ok(None),
                    Err(error) => return Err(error).with_context(|| format!("while reading {}", path.display())),
                }
            }
            Self::Commit { files, .. } => match files.read(relative.into())? {
                Some(bytes) => (format!("{relative} at {}", files.commit().to_hex_with_len(12)), bytes),
                None => return Ok(None),
            },
        };
        Ok(Some(NamedText { text: utf8(bytes, &name)?, name }))
    }

    /// Reads a file that the user named.
    ///
    /// # Errors
    /// If it is not there, can't be read or is not UTF-8.
    pub fn read_named(&self, path: &Path) -> anyhow::Result<NamedText> {
        if let Some(file) = self.find_named(path)? {
            return Ok(file);
        }
        let why = match self.committed(path) {
            Some((files, relative)) => format!(
                "there is no {relative} at {}, and with --config-from files of the work tree are taken from there; put a file that is made on the way outside of the work tree",
                files.commit()
            ),
            None => "there is no such file".to_owned(),
        };
        Err(UsageError(format!("{}: {why}", path.display())).into())
    }

    /// The same, if there is one.
    fn find_named(&self, path: &Path) -> anyhow::Result<Option<NamedText>> {
        if let Some((_, relative)) = self.committed(path) {
            return self.read(&relative);
        }
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(NamedText { text: utf8(bytes, &name)?, name })),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("while reading {name}")),
        }
    }

    /// What a path into the work tree stands for where files are taken from a commit.
    fn committed(&self, path: &Path) -> Option<(&CommittedFiles<'_>, String)> {
        match self {
            Self::Commit { files, work_tree: Some(top) } => Some((files, inside(path, top)?)),
            _ => None,
        }
    }
}

/// `path` as seen from `top`, if it lies there: as written, or where its links lead.
fn inside(path: &Path, top: &Path) -> Option<String> {
    let top = top.canonicalize().ok()?;
    let written = normal(&std::path::absolute(path).ok()?);
    // The folder may be reached through a link; one inside of the work tree is none of ours to follow.
    let mut ancestors: Vec<_> = written.ancestors().skip(1).collect();
    ancestors.reverse();
    let above = ancestors.into_iter().find(|folder| folder.canonicalize().is_ok_and(|folder| folder == top));
    let relative = match above {
        Some(folder) => written.strip_prefix(folder).ok()?.to_owned(),
        None => path.canonicalize().ok()?.strip_prefix(&top).ok()?.to_owned(),
    };
    Some(relative.to_string_lossy().into_owned())
}

/// Without `.` and `..`, by name alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// Reads a file that nobody named, so one that is a pipe or a device is no wish to wait for it.
fn read_lying_around(path: &Path) -> std::io::Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is a pipe or a device; take it away"));
    }
    std::fs::read(path)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn utf8(bytes: Vec<u8>, name: &str) -> anyhow::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count() + 1;
        UsageError(format!("{name}:{line}: not UTF-8; save the file as UTF-8")).into()
    })
}

/// How the configuration is chosen, beside the files that are lying around.
#[derive(Debug, Default, Clone)]
pub struct ConfigChoice<'a> {
    /// `--config`.
    pub flag: Option<&'a Path>,
    /// Go on without bad rules.
    pub skip_bad_rules: bool,
    /// Use these rules alone; empty: all.
    pub enable_rule: &'a [String],
    /// Merge files exactly as gitleaks does.
    pub strict: bool,
}

/// A configuration and where it came from.
#[derive(Debug)]
pub struct LoadedConfig {
    /// The rules.
    pub config: Config,
    /// `--config rules.toml`, `.gitleaks.toml`, `the built-in rules`.
    pub origin: String,
}

/// Finds and reads the configuration: flag, `KEYSTILE_CONFIG`, `GITLEAKS_CONFIG`, `GITLEAKS_CONFIG_TOML`
/// (the text itself), `.keystile/scan.toml`, `.gitleaks.toml`, the built-in rules. An empty variable
/// counts as not set. Warnings go to standard error.
///
/// # Errors
/// If the chosen file can't be read or is wrong; each fault is named with file, line and column.
pub fn load(choice: &ConfigChoice<'_>, files: &ConfigFiles<'_>) -> anyhow::Result<LoadedConfig> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let (found, origin, base) = if let Some(path) = choice.flag {
        (Some(files.read_named(path)?), format!("--config {}", path.display()), Base::beside(path))
    } else if let Some((name, path)) =
        ["KEYSTILE_CONFIG", "GITLEAKS_CONFIG"].iter().find_map(|name| Some((*name, PathBuf::from(variable(name)?))))
    {
        let text = files.read_named(&path).with_context(|| format!("{name} names the configuration"))?;
        (Some(text), format!("{name}={}", path.display()), Base::beside(&path))
    } else if let Some(text) = variable("GITLEAKS_CONFIG_TOML") {
        let name = "GITLEAKS_CONFIG_TOML".to_owned();
        let text = utf8(text.into_encoded_bytes(), &name)?;
        (Some(NamedText { name: name.clone(), text }), name, Base::Disk(PathBuf::new()))
    } else if let Some(own) = files.read(OWN_CONFIG)? {
        let origin = own.name.clone();
        (Some(own), origin, Base::Files(FOLDER))
    } else if let Some(gitleaks) = files.read(GITLEAKS_CONFIG)? {
        let origin = gitleaks.name.clone();
        (Some(gitleaks), origin, Base::Files(""))
    } else {
        (None, "the built-in rules".to_owned(), Base::Files(""))
    };
    let found = found.unwrap_or_else(|| NamedText {
        name: "the built-in rules".to_owned(),
        text: keystile_rules::BUILTIN.to_owned(),
    });
    let read = |path: &str| read_extended(path, &base, files);
    let loader = Loader {
        builtin: keystile_rules::BUILTIN,
        read: &read,
        skip_bad_rules: choice.skip_bad_rules,
        strict: choice.strict,
    };
    let mut config = loader.load(&found.name, &found.text).map_err(|errors| {
        let text: Vec<_> = errors.0.iter().map(|diagnostic| diagnostic.rendered.trim_end().to_owned()).collect();
        UsageError(format!("the configuration can't be used\n{}", text.join("\n")))
    })?;
    for warning in &config.warnings {
        terminal::warning(&format!("{}:{}:{}: {}", warning.file, warning.line, warning.column, warning.message));
    }
    enable_only(&mut config, choice.enable_rule)?;
    if config.rules.rules.is_empty() {
        return Err(UsageError(format!(
            "{origin}: there is no rule in it, so nothing could be found; add rules, or `[extend]` with `useDefault = true`"
        ))
        .into());
    }
    Ok(LoadedConfig { config, origin })
}

/// What `[extend] path` is relative to.
enum Base {
    /// A folder on disk.
    Disk(PathBuf),
    /// A folder among the [`ConfigFiles`].
    Files(&'static str),
}

impl Base {
    fn beside(config: &Path) -> Self {
        Self::Disk(config.parent().map(Path::to_owned).unwrap_or_default())
    }
}

/// The file that `[extend] path` names: relative to the configuration's folder or, as gitleaks has it,
/// to the current one. A configuration out of a commit reads only files of that commit.
fn read_extended(path: &str, base: &Base, files: &ConfigFiles<'_>) -> Result<String, String> {
    let say = |error: &dyn std::fmt::Display| format!("{path} can't be read: {error}");
    let folder = match (base, files) {
        (Base::Files(folder), ConfigFiles::Commit { .. }) => {
            for candidate in [Path::new(folder).join(path), PathBuf::from(path)] {
                let candidate = normal(&candidate).to_string_lossy().into_owned();
                if let Some(file) = files.read(&candidate).map_err(|error| say(&error))? {
                    return Ok(file.text);
                }
            }
            return Err(format!("{path} is not in that commit"));
        }
        (Base::Files(folder), ConfigFiles::Folder(top)) => top.join(folder),
        (Base::Files(folder), ConfigFiles::Nowhere) => PathBuf::from(folder),
        (Base::Disk(folder), _) => folder.clone(),
    };
    for candidate in [folder.join(path), PathBuf::from(path)] {
        if let Some(file) = files.find_named(&candidate).map_err(|error| say(&format!("{error:#}")))? {
            return Ok(file.text);
        }
    }
    Err(say(&"there is no such file"))
}

/// Keeps the named rules, and those that they require (which report nothing themselves then).
fn enable_only(config: &mut Config, ids: &[String]) -> anyhow::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    for id in ids {
        if config.rules.get(id).is_none() {
            return Err(UsageError(format!(
                "--enable-rule {id}: there is no such rule; `keystile rules list` shows them"
            ))
            .into());
        }
    }
    let mut required: Vec<_> = ids
        .iter()
        .filter_map(|id| config.rules.get(id))
        .flat_map(|rule| rule.required.clone())
        .map(|other| other.id)
        .collect();
    required.retain(|id| !ids.iter().any(|enabled| enabled == id.as_str()));
    config.rules.rules.retain(|rule| ids.iter().any(|id| id == rule.id.as_str()) || required.contains(&rule.id));
    for rule in &mut config.rules.rules {
        rule.skip_report |= required.contains(&rule.id);
    }
    Ok(())
}
