//! What the commands do, one file each.

pub mod completions;
pub mod gitleaks;
pub mod init;
pub mod rules;
pub mod scan;
