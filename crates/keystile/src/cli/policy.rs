//! `keystile policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::check::BasisArgs;

/// `keystile policy`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// What to do with the policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// For each reference of the files: its store, what the provider is asked for, and which grants were looked at
    Explain(ExplainArgs),
    /// Write what a policy needs to know of a cluster, without values, from what `kubectl get -o json` prints
    Snapshot(SnapshotArgs),
}

/// `keystile policy explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Manifests and folders of them; `-`: standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// What to judge by.
    #[command(flatten)]
    pub basis: BasisArgs,
}

/// `keystile policy snapshot`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
keystile talks to no cluster itself: kubectl does, with the identity that is logged in.

  kubectl get -A -o json namespaces,secretstores,clustersecretstores,externalsecrets,clusterexternalsecrets,\\
pushsecrets,clusterpushsecrets | keystile policy snapshot --output world/cluster.json

Kept are the objects that rules look at; of a Namespace its name and labels. Left out are managed fields, status,
annotations, and every value of a field that is made for plaintext.")]
pub struct SnapshotArgs {
    /// What kubectl printed (may be repeated); without it, or `-`: standard input
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,

    /// Write the snapshot to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
