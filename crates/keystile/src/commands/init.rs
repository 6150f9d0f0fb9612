//! `keystile init`: a starting configuration, the git hook, a CI snippet.
//!
//! Nothing that is there already is changed, unless `--force` is given; what was written is listed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

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
    is_program: bool,
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
        planned.push(plan(top.join(OWN_CONFIG), config(top)?));
        planned.push(plan(top.join(OWN_IGNORE), IGNORE.to_owned()));
    }
    if wants(InitPart::Hook) {
        if let Some(hooks) = repository.hooks_path() {
            return Err(UsageError(format!(
                "core.hooksPath is set to {hooks}: another tool manages the hooks; add `keystile scan --staged --no-progress` to its pre-commit hook"
            ))
            .into());
        }
        let path = repository.common_dir().join("hooks/pre-commit");
        planned.push(Planned { path, text: HOOK.to_owned(), is_program: true });
    }
    match args.ci {
        Some(CiSystem::Github) => planned.push(plan(top.join(".github/workflows/keystile.yml"), GITHUB.to_owned())),
        Some(CiSystem::Gitlab) => planned.push(plan(top.join(".gitlab/keystile.gitlab-ci.yml"), GITLAB.to_owned())),
        None => {}
    }
    refuse_to_overwrite(&planned, args.force)?;
    let mut said = String::new();
    for file in planned {
        if fs::read(&file.path).is_ok_and(|present| present == file.text.as_bytes()) {
            said.push_str(&format!("unchanged {}\n", file.path.display()));
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

fn plan(path: PathBuf, text: String) -> Planned {
    Planned { path, text, is_program: false }
}

/// All or nothing: every file is looked at before the first is written.
fn refuse_to_overwrite(planned: &[Planned], force: bool) -> anyhow::Result<()> {
    if force {
        return Ok(());
    }
    let there: Vec<_> = planned
        .iter()
        .filter(|file| {
            file.path.symlink_metadata().is_ok()
                && !fs::read(&file.path).is_ok_and(|present| present == file.text.as_bytes())
        })
        .map(|file| file.path.display().to_string())
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(UsageError(format!(
        "{} there already: look at what is in it, then use --force to replace it, or --only to write the rest",
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
    if file.is_program {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&file.path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// The starting configuration, with a random salt. One that is there keeps its salt, or every
/// fingerprint would change.
fn config(top: &Path) -> anyhow::Result<String> {
    let present = top.join(OWN_CONFIG);
    if let Ok(text) = fs::read_to_string(&present)
        && text.contains("salt")
    {
        return Ok(text);
    }
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
