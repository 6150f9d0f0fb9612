//! The kinds of object that the policy judges, and the versions of them that it can read.
//!
//! Source: External Secrets 2.9.0, config/crds/bases; infra-operator-aws bf53ff5, config/crd/bases.

/// A kind that the policy judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `external-secrets.io` ExternalSecret.
    ExternalSecret,
    /// `external-secrets.io` ClusterExternalSecret.
    ClusterExternalSecret,
    /// `external-secrets.io` PushSecret.
    PushSecret,
    /// `external-secrets.io` ClusterPushSecret.
    ClusterPushSecret,
    /// `external-secrets.io` SecretStore.
    SecretStore,
    /// `external-secrets.io` ClusterSecretStore.
    ClusterSecretStore,
    /// Any kind of `generators.external-secrets.io`; which one is in the object.
    Generator,
    /// `aws-infra-operator.runner.codes` SecretsManagerSecret.
    SecretsManagerSecret,
    /// `aws-infra-operator.runner.codes` AWSProvider.
    AwsProvider,
    /// `keystile.dev` SecretPolicy.
    SecretPolicy,
    /// Namespace, for its binding labels.
    Namespace,
    /// A Pod, or a workload with a pod template, for its Vault Agent Injector annotations.
    Workload,
    /// Terraform's `aws_secretsmanager_secret`, with the rotation and version that belong to it. Files only.
    TerraformSecret,
    /// Terraform's `aws_secretsmanager_secret_version` of a secret that is elsewhere. Files only.
    TerraformVersion,
    /// Terraform's `aws_ssm_parameter`. Files only.
    TerraformParameter,
}

/// The group of External Secrets' kinds.
pub const EXTERNAL_SECRETS: &str = "external-secrets.io";
/// The group of External Secrets' generators.
pub const GENERATORS: &str = "generators.external-secrets.io";
/// The group of the operator's kinds.
pub const INFRA_OPERATOR: &str = "aws-infra-operator.runner.codes";
/// The group that stands for Terraform's resources. No API server has it: a group of its own has a dot.
pub const TERRAFORM: &str = "terraform";
/// The group of keystile's own kinds.
pub const KEYSTILE: &str = "keystile.dev";

/// What an object's `apiVersion` and `kind` say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// A kind that is judged, in a version that can be read.
    Known(Kind),
    /// A group that is judged, with a kind that it is not known to have.
    UnknownKind,
    /// A kind that is judged, in a version that can't be read.
    UnknownVersion(Kind),
    /// Nothing that the policy speaks about.
    Foreign,
}

/// Tells what `group`, `version` and `kind` name. `group` is empty for the core group.
#[must_use]
pub fn recognise(group: &str, version: &str, kind: &str) -> Recognised {
    let (found, versions): (Kind, &[&str]) = match (group, kind) {
        (EXTERNAL_SECRETS, "ExternalSecret") => (Kind::ExternalSecret, &["v1", "v1beta1", "v1alpha1"]),
        (EXTERNAL_SECRETS, "ClusterExternalSecret") => (Kind::ClusterExternalSecret, &["v1", "v1beta1"]),
        (EXTERNAL_SECRETS, "PushSecret") => (Kind::PushSecret, &["v1alpha1"]),
        (EXTERNAL_SECRETS, "ClusterPushSecret") => (Kind::ClusterPushSecret, &["v1alpha1"]),
        (EXTERNAL_SECRETS, "SecretStore") => (Kind::SecretStore, &["v1", "v1beta1", "v1alpha1"]),
        (EXTERNAL_SECRETS, "ClusterSecretStore") => (Kind::ClusterSecretStore, &["v1", "v1beta1", "v1alpha1"]),
        (GENERATORS, _) => (Kind::Generator, &["v1alpha1"]),
        (INFRA_OPERATOR, "SecretsManagerSecret") => (Kind::SecretsManagerSecret, &["v1alpha1"]),
        (INFRA_OPERATOR, "AWSProvider") => (Kind::AwsProvider, &["v1alpha1"]),
        (TERRAFORM, "aws_secretsmanager_secret") => (Kind::TerraformSecret, &["v1"]),
        (TERRAFORM, "aws_secretsmanager_secret_version") => (Kind::TerraformVersion, &["v1"]),
        (TERRAFORM, "aws_ssm_parameter") => (Kind::TerraformParameter, &["v1"]),
        (KEYSTILE, "SecretPolicy") => (Kind::SecretPolicy, &["v1alpha1"]),
        ("", "Namespace") => (Kind::Namespace, &["v1"]),
        ("", "Pod" | "ReplicationController" | "PodTemplate")
        | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "Job" | "CronJob") => return Recognised::Known(Kind::Workload),
        (EXTERNAL_SECRETS, _) => return Recognised::UnknownKind,
        // The operator has kinds for many services; two of them are about secrets.
        _ => return Recognised::Foreign,
    };
    if versions.contains(&version) { Recognised::Known(found) } else { Recognised::UnknownVersion(found) }
}

impl Kind {
    /// Whether objects of the kind lie in no namespace. A [`Kind::Generator`] is namespaced but for
    /// ClusterGenerator.
    #[must_use]
    pub fn is_cluster_scoped(self) -> bool {
        matches!(
            self,
            Self::ClusterExternalSecret
                | Self::ClusterPushSecret
                | Self::ClusterSecretStore
                | Self::SecretPolicy
                | Self::Namespace
        )
    }

    /// Whether it is Terraform's: its settings are judged whoever it is for, its name where that is said.
    #[must_use]
    pub fn is_terraform(self) -> bool {
        matches!(self, Self::TerraformSecret | Self::TerraformVersion | Self::TerraformParameter)
    }
}
