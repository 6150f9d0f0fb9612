//! `keystile init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `keystile init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The repository (default: the one around the current folder)
    pub path: Option<PathBuf>,

    /// Write only this (may be repeated); without it: configuration and hook
    #[arg(long, value_name = "WHAT")]
    pub only: Vec<InitPart>,

    /// The CI system to write a snippet for
    #[arg(long, value_name = "SYSTEM")]
    pub ci: Option<CiSystem>,

    /// Replace a hook or CI snippet that is there already (configuration is always kept)
    #[arg(long)]
    pub force: bool,
}

/// What `init` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InitPart {
    /// `.keystile/scan.toml` and `.keystile/ignore`.
    Config,
    /// The repository's `pre-commit` hook.
    Hook,
}

/// A CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CiSystem {
    /// GitHub Actions: `.github/workflows/keystile.yml`.
    Github,
    /// GitLab CI: `.gitlab/keystile.gitlab-ci.yml`.
    Gitlab,
}
