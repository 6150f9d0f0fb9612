//! What the tests share: the cluster, its users, kubectl.

pub(crate) mod certificates;
pub(crate) mod cluster;
pub(crate) mod identities;
pub(crate) mod kubectl;
pub(crate) mod mounted;
pub(crate) mod programs;
pub(crate) mod server;
pub(crate) mod webhook;

pub(crate) use cluster::{Cluster, cluster};
pub(crate) use webhook::Webhook;
