//! The command line of keystile: what it asks the libraries, and how it answers.
//!
//! [`cli`] is what can be typed, [`commands`] what it does; a scan goes through [`config_files`] (which
//! rules, which exceptions), a source of `keystile-git`, [`assemble`] (occurrences to findings) and
//! [`report`]; a check of manifests through [`check`] and [`check_report`].

pub mod assemble;
pub mod atomic_file;
pub mod baseline;
pub mod check;
pub mod check_report;
pub mod cli;
pub mod commands;
pub mod config_files;
pub mod exceptions;
pub mod exit;
pub mod find;
pub mod ignore_file;
pub mod link;
pub mod log;
pub mod managed;
pub mod mask;
pub mod progress_display;
pub mod report;
pub mod scan_request;
pub mod scrub;
pub mod sources;
pub mod terminal;
pub mod verify;
