//! The `keystile` program.
fn main() {}
