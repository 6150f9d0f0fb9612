//! The cluster of tests/admission.
#![allow(dead_code, reason = "the suite that it is of uses the rest")]

#[path = "../../../../tests/admission/support/cluster.rs"]
pub(crate) mod cluster;
#[path = "../../../../tests/admission/support/identities.rs"]
pub(crate) mod identities;
#[path = "../../../../tests/admission/support/kubectl.rs"]
pub(crate) mod kubectl;
#[path = "../../../../tests/admission/support/programs.rs"]
pub(crate) mod programs;
#[path = "../../../../tests/admission/support/server.rs"]
pub(crate) mod server;
