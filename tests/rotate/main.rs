//! From a leak to a proven rotation, over real HTTP: the emulator of AWS in `tests/emulator`, and a real
//! PostgreSQL.
//!
//! `tests/assets` installs what they need; where that is missing a test says so and is left out (with `CI=true` it
//! fails). Each test starts servers of its own, which end with it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "../cli/support/repository.rs"]
#[expect(dead_code, reason = "shared with tests/cli, which uses all of it")]
mod repository;
#[path = "../cli/support/run.rs"]
#[expect(dead_code, reason = "shared with tests/cli, which uses all of it")]
mod run;
mod support;
#[path = "../cli/support/token.rs"]
#[expect(dead_code, reason = "shared with tests/cli, which uses all of it")]
mod token;

mod access_keys;
mod alternating;
mod demo;
mod hostile;
mod interruptions;
mod inventory;
mod leak;
mod outcomes;
mod scale;
mod secrecy;
mod servers;
mod story;
mod users;
mod vault;
