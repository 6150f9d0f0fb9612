//! keystile in a cluster: a real API server and etcd with External Secrets' definitions, asked through
//! kubectl by users of different groups.
//!
//! `tests/assets` builds the programs; where they are missing the suite says so and is left out (with
//! `CI=true` it fails). One cluster serves all tests of a run, each in namespaces of its own.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "../threats/case.rs"]
mod case;
mod support;

mod audit;
mod changes;
mod cluster;
mod deployment;
mod exported;
mod policies;
mod scale;
mod servers;
mod serving;
mod tenants;
