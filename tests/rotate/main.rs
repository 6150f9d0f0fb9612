//! From a leak to a proven rotation, over real HTTP: the emulator of AWS in `tests/emulator`, and a real
//! PostgreSQL.
//!
//! `tests/assets` installs what they need; where that is missing a test says so and is left out (with `CI=true` it
//! fails). Each test starts servers of its own, which end with it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod support;

mod inventory;
mod servers;
