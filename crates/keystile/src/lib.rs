//! The command line of keystile: what it asks the libraries, and how it answers.

pub mod baseline;
pub mod ignore_file;
pub mod link;
pub mod mask;
pub mod report;
