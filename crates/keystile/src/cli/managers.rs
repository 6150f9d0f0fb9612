//! Flags that say where managed secrets are.

use clap::{Args, ValueEnum};

/// Where managed secrets are.
#[derive(Debug, Clone, Args)]
pub struct ManagerArgs {
    /// Which secret manager (may be repeated); Vault and Google Cloud are reached by the variables of their own command
    /// lines (VAULT_ADDR, VAULT_TOKEN; GOOGLE_CLOUD_PROJECT, GOOGLE_APPLICATION_CREDENTIALS): docs/rotation-backends.md
    #[arg(
        long,
        value_name = "MANAGER",
        help_heading = "Managed secrets",
        default_value = "aws",
        value_delimiter = ','
    )]
    pub manager: Vec<Manager>,

    /// AWS: profile of the shared configuration files (default: AWS_PROFILE)
    #[arg(long, value_name = "NAME", help_heading = "Managed secrets")]
    pub profile: Option<String>,

    /// AWS: the region (default: AWS_REGION, then the profile's; may be repeated)
    #[arg(long, value_name = "REGION", help_heading = "Managed secrets")]
    pub region: Vec<String>,
}

/// Secret managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Manager {
    /// AWS Secrets Manager, and IAM for access keys.
    Aws,
    /// `HashiCorp` Vault, KV version 2.
    VaultKv,
    /// `HashiCorp` Vault, static roles of the database engine.
    VaultDatabase,
    /// Google Cloud Secret Manager.
    Gcp,
}
