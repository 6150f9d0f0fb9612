//! Checks the built-in rules when keystile is built.
fn main() {}
