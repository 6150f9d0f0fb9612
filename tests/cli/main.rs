//! The real binary on real repositories: what it finds, where, and how it ends.
//!
//! Every test builds what it scans with git itself, at fixed names and dates, in a folder of its own, and
//! runs `keystile` with a scrubbed environment. Tokens are made at run time: no file here holds one.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod support;

mod action;
mod allowlists;
mod changes;
mod check;
mod check_terraform;
mod check_threats;
mod config_page;
mod configuration;
mod damage;
mod endings;
mod exceptions;
mod exits;
mod files;
mod git_hook;
mod gitlab;
mod gitleaks_commands;
mod gitleaks_equivalence;
mod history;
mod hostile;
mod init;
mod layouts;
mod memory;
mod mistyped;
mod policy;
mod policy_documents;
mod pre_commit;
mod reports;
mod verify;
