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
    /// Propose a policy for what is there: bindings from labels, grants for the names that are used
    Init(InitArgs),
    /// Print the values in force; with --resolved also those that the document leaves out, each with its origin
    Show(ShowArgs),
    /// Write what of the policy another guard can hold as well
    Export(ExportArgs),
    /// Run the cases beside the policy: objects and the rules that must refuse them
    Test(TestArgs),
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
annotations, and every value of a field that is made for plaintext.

With --consumers, who uses Secrets is kept as well, as names (docs/blast-radius.md); hand over pods,deployments,
statefulsets,daemonsets,replicasets,jobs,cronjobs,serviceaccounts,ingresses,csidrivers and secretproviderclasses too.")]
pub struct SnapshotArgs {
    /// What kubectl printed (may be repeated); without it, or `-`: standard input
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,

    /// Keep who uses Secrets as well: the names that workloads and the like mention, never a value
    #[arg(long)]
    pub consumers: bool,

    /// Write the snapshot to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `keystile policy init`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  keystile policy init deploy/                        from the manifests of a repository
  keystile policy init world/                         from what `keystile policy snapshot` wrote

Under the proposal nothing that is there is refused: what breaks a rule today is audited, rule by rule, with the
count. Read each grant as a question.

Exit status: 0 written; 2 usage, nothing written; 3 written, but something could not be read.")]
pub struct InitArgs {
    /// Manifests, a snapshot, and folders of them; `-`: standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Write to this file, which must not be there yet; `-`: standard output
    #[arg(short, long, value_name = "FILE", default_value = ".keystile/policy.yaml")]
    pub output: PathBuf,
}

/// `keystile policy show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The policy (default: .keystile/policy.yaml here or in a folder above, up to the repository's top)
    #[arg(short, long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Every value in force and what each rule does, with who says so: document, profile or default
    #[arg(long)]
    pub resolved: bool,

    /// Print the JSON Schema of policy documents instead, for editors
    #[arg(long, conflicts_with_all = ["resolved", "policy", "at"])]
    pub schema: bool,

    /// Read as of this time (RFC 3339) instead of now: exceptions expire
    #[arg(long, value_name = "TIME", value_parser = super::check::time)]
    pub at: Option<jiff::Timestamp>,
}

/// `keystile policy export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// For which guard.
    #[command(subcommand)]
    pub guard: ExportGuard,
}

/// Another guard.
#[derive(Debug, Subcommand)]
pub enum ExportGuard {
    /// An IAM policy for the role of one team in one environment: exactly the names that it is granted
    Iam(ExportIamArgs),
    /// A ValidatingAdmissionPolicy with its binding: what of the policy the API server can judge by itself
    Vap(ExportVapArgs),
}

/// `keystile policy export vap`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
  keystile policy export vap --store aws | kubectl apply --server-side -f -

A second fence for ExternalSecrets, which holds without the webhook. It sees no stores, so it refuses less than the
webhook; what it refuses the webhook refuses too. Names are judged only in references through the stores of --store:
each must be there, be of its service, fit the policy's providers and put no prefix before names.")]
pub struct ExportVapArgs {
    /// A ClusterSecretStore without a prefix, and its service: SecretsManager unless said, or ParameterStore (may be
    /// repeated)
    #[arg(long = "store", value_name = "NAME[=SERVICE]")]
    pub stores: Vec<String>,

    /// What the names of the objects begin with; -deny, -warn or -audit follows
    #[arg(long, value_name = "NAME", default_value = "keystile")]
    pub name: String,

    /// The policy (default: .keystile/policy.yaml here or in a folder above, up to the repository's top)
    #[arg(short, long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Read as of this time (RFC 3339) instead of now: exceptions expire
    #[arg(long, value_name = "TIME", value_parser = super::check::time)]
    pub at: Option<jiff::Timestamp>,
}

/// `keystile policy export iam`.
#[derive(Debug, Args)]
pub struct ExportIamArgs {
    /// The environment
    #[arg(long, value_name = "NAME")]
    pub env: String,

    /// The team
    #[arg(long, value_name = "NAME")]
    pub team: String,

    /// The policy (default: .keystile/policy.yaml here or in a folder above, up to the repository's top)
    #[arg(short, long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Read as of this time (RFC 3339) instead of now: exceptions expire
    #[arg(long, value_name = "TIME", value_parser = super::check::time)]
    pub at: Option<jiff::Timestamp>,
}

/// `keystile policy test`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A file of cases:

  apiVersion: keystile.dev/v1alpha1
  kind: SecretPolicyTest
  world:                                   # stores and whatever else lies around
  - {apiVersion: external-secrets.io/v1, kind: ClusterSecretStore, metadata: {name: aws}, spec: …}
  cases:
  - name: a team reads no neighbour's secret
    binding: {team: team-a, env: prod}     # or namespaceLabels
    object: {apiVersion: external-secrets.io/v1, kind: ExternalSecret, …}   # or file
    deny: [key-outside-grant]              # exactly these; unless said, none

Exit status: 0 every case passed; 1 one failed; 2 usage, or an error in the policy or the cases.")]
pub struct TestArgs {
    /// Files of cases (default: policy.tests.yaml beside policy.yaml)
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The policy (default: .keystile/policy.yaml here or in a folder above, up to the repository's top)
    #[arg(short, long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Judge as of this time (RFC 3339) instead of now: exceptions expire
    #[arg(long, value_name = "TIME", value_parser = super::check::time)]
    pub at: Option<jiff::Timestamp>,
}
