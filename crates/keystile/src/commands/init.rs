//! `keystile init`: a starting configuration, the git hook, a CI snippet.
//!
//! Configuration and ignored findings that are there already are kept, always: they are people's work, and
//! another salt would change every fingerprint. A hook or CI snippet that is there already is replaced with
//! `--force` alone. What was written is listed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use keystile_git::Repository;

use crate::cli::init::{CiSystem, InitArgs, InitPart};
use crate::config_files::{FOLDER, GITLEAKS_CONFIG, OWN_CONFIG, OWN_IGNORE};
use crate::exit::{Exit, UsageError};

/// The hook that `init` writes.
const HOOK: &str = include_str!("../../templates/pre-commit");
/// `.keystile/scan.toml`; `{salt}` and `{extend}` are filled in.
const CONFIG: &str = include_str!("../../templates/scan.toml");
/// `.keystile/ignore`.
const IGNORE: &str = include_str!("../../templates/ignore");
/// A workflow for GitHub Actions.
const GITHUB: &str = include_str!("../../templates/github.yml");
/// A job for GitLab CI.
const GITLAB: &str = include_str!("../../../../deploy/ci/keystile.gitlab-ci.yml");

/// One file to write.
struct Planned {
    path: PathBuf,
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Kept where it is there.
    Configuration,
    /// Executable.
    Hook,
    CiSnippet,
}

impl Planned {
    fn is_kept(&self) -> bool {
        self.kind == Kind::Configuration && self.path.symlink_metadata().is_ok()
    }

    fn is_there_as_planned(&self) -> bool {
        fs::read(&self.path).is_ok_and(|present| present == self.text.as_bytes())
            && (self.kind != Kind::Hook || is_executable(&self.path))
    }
}

/// Writes what `args` asks for.
///
/// # Errors
/// If there is no repository, a file is there already, or one can't be written. Then nothing is written
/// that was not there before, but for files listed before the one that failed.
pub fn run(args: &InitArgs) -> anyhow::Result<Exit> {
    let start = args.path.clone().unwrap_or_else(|| PathBuf::from("."));
    let repository = Repository::open(&start)?;
    let Some(top) = repository.work_tree() else {
        return Err(UsageError(format!("{}: a bare repository has no files to write to", start.display())).into());
    };
    let wants = |part| args.only.contains(&part) || (args.only.is_empty() && args.ci.is_none());
    let mut planned = Vec::new();
    if wants(InitPart::Config) {
        planned.push(Planned { path: top.join(OWN_CONFIG), text: config(top)?, kind: Kind::Configuration });
        planned.push(Planned { path: top.join(OWN_IGNORE), text: IGNORE.to_owned(), kind: Kind::Configuration });
    }
    if wants(InitPart::Hook) {
        if let Some(hooks) = hooks_path(&repository, top) {
            return Err(UsageError(format!(
                "core.hooksPath is set to {hooks}: git runs the hooks there, not those of the repository; add `keystile scan --staged --no-progress` to the pre-commit hook there, and write the rest with --only config"
            ))
            .into());
        }
        let path = repository.common_dir().join("hooks/pre-commit");
        planned.push(Planned { path, text: HOOK.to_owned(), kind: Kind::Hook });
    }
    let snippet = match args.ci {
        Some(CiSystem::Github) => Some((".github/workflows/keystile.yml", GITHUB)),
        Some(CiSystem::Gitlab) => Some((".gitlab/keystile.gitlab-ci.yml", GITLAB)),
        None => None,
    };
    planned.extend(snippet.map(|(path, text)| Planned {
        path: top.join(path),
        text: text.to_owned(),
        kind: Kind::CiSnippet,
    }));
    refuse_to_overwrite(&planned, args.force)?;
    let mut said = String::new();
    for file in planned {
        if file.is_kept() || file.is_there_as_planned() {
            said.push_str(&format!("kept {}\n", file.path.display()));
            continue;
        }
        write(&file).with_context(|| format!("while writing {}", file.path.display()))?;
        said.push_str(&format!("wrote {}\n", file.path.display()));
    }
    if args.ci == Some(CiSystem::Gitlab) {
        said.push_str("add to .gitlab-ci.yml: include: [{ local: .gitlab/keystile.gitlab-ci.yml }]\n");
    }
    std::io::stdout().write_all(said.as_bytes())?;
    Ok(Exit::Clean)
}

/// Where `core.hooksPath` sends git, as far as any configuration sets it: the repository's, the user's or
/// the machine's, which git itself is asked for. An empty value is git's word for "nowhere else".
fn hooks_path(repository: &Repository, top: &Path) -> Option<String> {
    let asked = Command::new("git").arg("-C").arg(top).args(["config", "--get", "core.hooksPath"]).output();
    let path = match asked {
        Ok(answer) if answer.status.success() => String::from_utf8_lossy(&answer.stdout).trim_end().to_owned(),
        // Not set, or no git here to ask: what the repository's own configuration says.
        _ => repository.hooks_path()?.to_owned(),
    };
    // Some set it to where the hooks are anyway.
    let is_usual = || {
        let usual = repository.common_dir().join("hooks").canonicalize();
        usual.is_ok_and(|usual| top.join(&path).canonicalize().is_ok_and(|set| set == usual))
    };
    (!path.is_empty() && !is_usual()).then_some(path)
}

/// All or nothing: every file is looked at before the first is written.
fn refuse_to_overwrite(planned: &[Planned], force: bool) -> anyhow::Result<()> {
    if force {
        return Ok(());
    }
    let there: Vec<_> = planned
        .iter()
        .filter(|file| file.path.symlink_metadata().is_ok() && !file.is_kept() && !file.is_there_as_planned())
        .map(|file| file.path.display().to_string())
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(UsageError(format!(
        "{} there already: look at what is in it, then use --force to replace it, or add what keystile needs by hand (`keystile scan --staged --no-progress` in a hook)",
        match there.as_slice() {
            [one] => format!("{one} is"),
            many => format!("{} are", many.join(", ")),
        }
    ))
    .into())
}

fn write(file: &Planned) -> std::io::Result<()> {
    if let Some(folder) = file.path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&file.path, &file.text)?;
    #[cfg(unix)]
    if file.kind == Kind::Hook {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&file.path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Whether git would run it.
fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    {
        path.is_file()
    }
}

/// The starting configuration, with a random salt.
fn config(top: &Path) -> anyhow::Result<String> {
    let extend = if top.join(GITLEAKS_CONFIG).exists() {
        // The path is relative to the configuration's own folder.
        "path = \"../.gitleaks.toml\"".to_owned()
    } else {
        "useDefault = true".to_owned()
    };
    debug_assert!(OWN_CONFIG.starts_with(FOLDER));
    Ok(CONFIG.replace("{salt}", &random_salt()?).replace("{extend}", &extend))
}

/// 128 bits from the operating system, as hexadecimal digits.
fn random_salt() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("while asking the operating system for random bytes (/dev/urandom)")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
