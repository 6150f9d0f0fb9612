//! What the commands do, one file each.

pub mod check;
pub mod completions;
pub mod demo;
pub mod gitleaks;
pub mod init;
pub mod inventory;
pub mod policy;
pub mod rotate;
pub mod rules;
pub mod scan;
