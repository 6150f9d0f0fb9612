//! The webhook's server over real TLS connections on 127.0.0.1.
//!
//! No test measures time: limits are set so short or so long that only one outcome can come, and a
//! test that hangs fails after [`support::PATIENCE`].
#![allow(missing_docs, unreachable_pub, reason = "a test program has no readers of its interface")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail where they stand")]

mod bad_input;
#[path = "../../../../tests/threats/case.rs"]
mod case;
mod connections;
mod damaged;
#[expect(dead_code, unused_imports, reason = "shared with tests/rotate, which uses all of it")]
#[path = "../../../../tests/rotate/support/mod.rs"]
mod emulated;
mod large;
mod live_state;
mod load;
mod policy;
mod process;
mod reference_page;
mod rotation;
mod routes;
mod shutdown;
mod support;
mod threats;
