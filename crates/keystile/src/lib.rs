//! The command line of keystile: what it asks the libraries, and how it answers.
