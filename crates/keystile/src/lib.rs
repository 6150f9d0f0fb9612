//! The command line of keystile: what it asks the libraries, and how it answers.

pub mod link;
pub mod mask;
pub mod report;
