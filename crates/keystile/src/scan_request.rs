//! What a scan is asked for, resolved: the same whether it was asked for with keystile's or gitleaks' flags.

use std::path::{Path, PathBuf};

use keystile_git::Error;
use keystile_git::Repository;
use keystile_git::repository::Location;
use keystile_rotate::guard::Guards;
use keystile_rotate::search::Pace;

use crate::cli::rotate::PlanArgs;
use crate::cli::scan::{Compat, ScanArgs, When};
use crate::exit::UsageError;
use crate::managed::ManagedRequest;
use crate::report::Format;
use crate::verify::VerifyRequest;

/// A scan.
#[derive(Debug)]
pub struct ScanRequest {
    /// What to scan.
    pub target: Target,
    /// Scan the messages of commits and tags as well.
    pub messages: bool,
    /// Scan unreachable objects as well.
    pub unreachable: bool,
    /// Rules to use.
    pub config: Option<PathBuf>,
    /// Where configuration and exceptions lie, if not at the top of the work tree.
    pub config_folder: Option<PathBuf>,
    /// Go on without bad rules.
    pub skip_bad_rules: bool,
    /// Use these rules alone; empty: all.
    pub enable_rule: Vec<String>,
    /// Commit to take configuration and exceptions from.
    pub config_from: Option<String>,
    /// Keep gitleaks' faults.
    pub strict: bool,
    /// How deep encoded text is decoded.
    pub decode_depth: u32,
    /// How deep archives are opened.
    pub archive_depth: u32,
    /// Leave binary content out.
    pub skip_binary: bool,
    /// Leave larger content out.
    pub max_bytes: Option<u64>,
    /// Whether comments excuse.
    pub inline_allow: bool,
    /// Ignore files that were named.
    pub ignore_files: Vec<PathBuf>,
    /// Ignore files that were named, in gitleaks' format whatever they are called.
    pub gitleaks_ignore_files: Vec<PathBuf>,
    /// Read the ignore files that lie around as well.
    pub ignore_files_around: bool,
    /// Known findings.
    pub baseline: Option<PathBuf>,
    /// Leave out what the baseline has.
    pub with_baseline: bool,
    /// Write the baseline.
    pub update_baseline: bool,
    /// Reports, the one for standard output first.
    pub reports: Vec<(Format, Destination)>,
    /// How much of a secret to hide: 100 all of it, 0 nothing.
    pub redact_percent: u8,
    /// The same for what is printed for people.
    pub redact_human_percent: u8,
    /// Exit status when there are findings.
    pub exit_code: u8,
    /// An incomplete scan counts as complete.
    pub allow_incomplete: bool,
    /// Colour.
    pub color: When,
    /// Show progress.
    pub progress: bool,
    /// Print nothing where there is nothing to report.
    pub quiet: bool,
    /// Say more.
    pub verbose: bool,
    /// Threads.
    pub threads: usize,
    /// Reuse scans of delta bases.
    pub delta: bool,
    /// Check the id of every packed object.
    pub verify_objects: bool,
    /// Say which findings a managed secret holds.
    pub managed: Option<ManagedRequest>,
    /// Ask the issuers of what is found.
    pub verify: Option<VerifyRequest>,
}

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    StandardOutput,
    /// A file; replaced whole.
    File(PathBuf),
}

impl Destination {
    /// The file.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::StandardOutput => None,
            Self::File(path) => Some(path),
        }
    }
}

/// What to scan.
#[derive(Debug)]
pub enum Target {
    /// A repository.
    Repository {
        /// It.
        repository: Box<Repository>,
        /// As the user named it.
        path: PathBuf,
        /// Which part of it.
        part: Part,
    },
    /// Files as they lie.
    Directory {
        /// Folders and files.
        paths: Vec<PathBuf>,
        /// Leave out what ignore files name.
        honour_ignore_files: bool,
        /// Follow symbolic links.
        follow_symlinks: bool,
        /// Paths in reports begin with the folder as it was named.
        paths_as_named: bool,
    },
    /// Standard input.
    StandardInput,
}

/// Which part of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// History, index and work tree.
    Everything {
        /// Leave out untracked files that ignore files name.
        honour_ignore_files: bool,
    },
    /// All of the history.
    History,
    /// What these commits introduce.
    Range(String),
    /// What the commit about to be made adds.
    Staged,
    /// What the work tree's tracked files have that the index lacks (gitleaks' `--pre-commit`).
    Unstaged,
}

/// gitleaks 8.30's default for `--max-decode-depth`.
const STRICT_DECODE_DEPTH: u32 = 5;
/// keystile's own.
const DECODE_DEPTH: u32 = 2;
/// keystile's own; gitleaks' is 0.
const ARCHIVE_DEPTH: u32 = 2;

impl ScanRequest {
    /// What `args` asks for.
    ///
    /// # Errors
    /// If the arguments contradict each other, or there is nothing at the path.
    pub fn from_args(args: ScanArgs) -> anyhow::Result<Self> {
        let target = target(&Choice {
            paths: &args.paths,
            staged: args.staged,
            range: args.range.as_deref(),
            dir: args.dir,
            history_only: args.history_only,
            no_ignore: args.no_ignore,
            follow_symlinks: args.follow_symlinks,
        })?;
        let strict = args.compat == Compat::Strict;
        let redact_percent = if args.reveal { 0 } else { args.redact.unwrap_or(100) };
        let verify = args.verify.then(|| VerifyRequest {
            options: keystile_verify::Options {
                hosts: args.verify_host,
                endpoints: args.verify_endpoint,
                allow_private: args.verify_allow_private,
                timeout: std::time::Duration::from_secs(args.verify_timeout.into()),
            },
            only_live: args.only_verified,
        });
        let main = args.output.map_or(Destination::StandardOutput, Destination::File);
        let mut reports = vec![(args.format, main)];
        reports.extend(args.report.into_iter().map(|(format, file)| (format, Destination::File(file))));
        Ok(Self {
            target,
            messages: args.messages,
            unreachable: args.unreachable,
            config: args.config,
            config_folder: None,
            skip_bad_rules: args.skip_bad_rules,
            enable_rule: args.enable_rule,
            config_from: args.config_from,
            strict,
            decode_depth: args.max_decode_depth.unwrap_or(if strict { STRICT_DECODE_DEPTH } else { DECODE_DEPTH }),
            archive_depth: args.max_archive_depth.unwrap_or(if strict { 0 } else { ARCHIVE_DEPTH }),
            skip_binary: args.skip_binary || strict,
            max_bytes: args.max_target_megabytes.map(|megabytes| megabytes.saturating_mul(1_000_000)),
            inline_allow: !args.no_inline_allow,
            ignore_files_around: args.ignore_file.is_empty(),
            ignore_files: args.ignore_file,
            gitleaks_ignore_files: Vec::new(),
            baseline: args.baseline,
            with_baseline: true,
            update_baseline: args.update_baseline,
            reports,
            redact_percent,
            redact_human_percent: redact_percent,
            exit_code: args.exit_code,
            allow_incomplete: args.allow_incomplete,
            color: args.color,
            progress: !args.no_progress && !args.quiet,
            quiet: args.quiet,
            verbose: args.verbose,
            threads: threads(args.threads),
            delta: !args.no_delta,
            verify_objects: args.verify_objects,
            verify,
            managed: args.managed.then_some(ManagedRequest {
                managers: args.managers,
                prefixes: closed(args.managed_prefix)?,
                pace: Pace::DEFAULT,
            }),
        })
    }

    /// What `keystile rotate plan` looks for leaks in. What the baseline has is in it: a leak that is known is not one
    /// that was rotated.
    ///
    /// # Errors
    /// If there is nothing at the path.
    pub fn for_rotation(args: &PlanArgs) -> anyhow::Result<Self> {
        let target = target(&Choice {
            paths: args.path.as_slice(),
            staged: false,
            range: args.range.as_deref(),
            dir: args.dir,
            history_only: false,
            no_ignore: false,
            follow_symlinks: false,
        })?;
        Ok(Self {
            target,
            messages: args.messages,
            unreachable: false,
            config: args.config.clone(),
            config_folder: None,
            skip_bad_rules: false,
            enable_rule: args.enable_rule.clone(),
            config_from: None,
            strict: false,
            decode_depth: DECODE_DEPTH,
            archive_depth: ARCHIVE_DEPTH,
            skip_binary: false,
            max_bytes: None,
            inline_allow: true,
            ignore_files_around: args.ignore_file.is_empty(),
            ignore_files: args.ignore_file.clone(),
            gitleaks_ignore_files: Vec::new(),
            baseline: None,
            with_baseline: false,
            update_baseline: false,
            reports: Vec::new(),
            redact_percent: 100,
            redact_human_percent: 100,
            exit_code: 1,
            allow_incomplete: false,
            color: args.show.color,
            progress: !args.show.no_progress,
            quiet: false,
            verbose: false,
            threads: threads(None),
            delta: true,
            verify_objects: false,
            verify: None,
            managed: None,
        })
    }
}

/// As many threads as asked for, or as there are cores.
#[must_use]
pub fn threads(wanted: Option<std::num::NonZeroUsize>) -> usize {
    wanted.or_else(|| std::thread::available_parallelism().ok()).map_or(1, std::num::NonZeroUsize::get)
}

/// What was named as the source, whatever the command.
struct Choice<'a> {
    paths: &'a [PathBuf],
    staged: bool,
    range: Option<&'a str>,
    dir: bool,
    history_only: bool,
    no_ignore: bool,
    follow_symlinks: bool,
}

fn target(args: &Choice<'_>) -> anyhow::Result<Target> {
    let usage = |message: String| Err(UsageError(message).into());
    let of_repository = args.staged || args.range.is_some() || args.history_only;
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        if args.paths.len() > 1 || of_repository || args.dir {
            return usage("`-` is standard input, and goes with no other source".to_owned());
        }
        return Ok(Target::StandardInput);
    }
    for path in args.paths {
        if path.symlink_metadata().is_err() {
            return usage(format!("{}: there is no such file or folder", path.display()));
        }
    }
    let directory = |paths: Vec<PathBuf>| Target::Directory {
        paths,
        honour_ignore_files: !args.no_ignore,
        follow_symlinks: args.follow_symlinks,
        paths_as_named: false,
    };
    if args.dir {
        return Ok(directory(if args.paths.is_empty() { vec![".".into()] } else { args.paths.to_vec() }));
    }
    let path = match args.paths {
        [] => Path::new("."),
        [one] => one,
        many if many.iter().all(|path| path.is_file()) && !of_repository => return Ok(directory(many.to_vec())),
        _ => return usage("one repository at a time; with --dir any number of folders and files".to_owned()),
    };
    if path.is_file() {
        if of_repository {
            return usage(format!("{} is a file; name the repository", path.display()));
        }
        return Ok(directory(vec![path.to_owned()]));
    }
    let part = match args.range {
        Some(range) => Part::Range(range.to_owned()),
        None if args.staged => Part::Staged,
        None if args.history_only => Part::History,
        None => Part::Everything { honour_ignore_files: !args.no_ignore },
    };
    match open_repository(path, args.paths.is_empty()) {
        Ok(repository) => Ok(Target::Repository { repository: Box::new(repository), path: path.to_owned(), part }),
        Err(Error::NotARepository { .. }) if !of_repository => Ok(directory(vec![path.to_owned()])),
        Err(error) => Err(error.into()),
    }
}

/// Opens the repository at `path`. Where no path was given, git's environment variables count, as they do
/// for git: a hook is started with them.
///
/// # Errors
/// If there is none, or it can't be read.
pub fn open_repository(path: &Path, with_environment: bool) -> Result<Repository, Error> {
    let mut location = Location { path: path.to_owned(), ..Location::default() };
    if with_environment {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        location.git_dir = variable("GIT_DIR").map(PathBuf::from);
        location.common_dir = variable("GIT_COMMON_DIR").map(PathBuf::from);
        location.work_tree = variable("GIT_WORK_TREE").map(PathBuf::from);
        location.index_file = variable("GIT_INDEX_FILE").map(PathBuf::from);
        location.object_directory = variable("GIT_OBJECT_DIRECTORY").map(PathBuf::from);
        location.alternate_object_directories = variable("GIT_ALTERNATE_OBJECT_DIRECTORIES")
            .map(|paths| std::env::split_paths(&paths).collect())
            .unwrap_or_default();
    }
    Repository::open_at(&location)
}
/// Prefixes of managed secrets: whoever reads what begins with one must not read other teams' too.
///
/// # Errors
/// One has no separator at its end.
fn closed(prefixes: Vec<String>) -> anyhow::Result<Vec<String>> {
    let guards = Guards { prefixes, ..Guards::default() };
    guards.check().map_err(|error| UsageError(error.to_string()))?;
    Ok(guards.prefixes)
}
