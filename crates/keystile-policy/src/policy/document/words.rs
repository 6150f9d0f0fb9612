//! Words that a policy document may use: kinds, rules.

use crate::rules::RULES;

/// Kinds of generators. Source: External Secrets 2.9.0, apis/generators/v1alpha1.
pub const GENERATOR_KINDS: &[&str] = &[
    "ACRAccessToken",
    "BeyondtrustWorkloadCredentialsDynamicSecret",
    "CloudsmithAccessToken",
    "ClusterGenerator",
    "ECRAuthorizationToken",
    "Fake",
    "GCRAccessToken",
    "GithubAccessToken",
    "GitlabDeployToken",
    "Grafana",
    "MFA",
    "Password",
    "QuayAccessToken",
    "SSHKey",
    "STSSessionToken",
    "UUID",
    "VaultDynamicSecret",
    "Webhook",
];

/// Kinds that lie in no namespace.
pub const CLUSTER_KINDS: &[&str] = &[
    "ClusterExternalSecret",
    "ClusterGenerator",
    "ClusterPushSecret",
    "ClusterSecretStore",
    "Namespace",
    "SecretPolicy",
];

/// Namespaced kinds that are judged, beside the generators.
const NAMESPACED_KINDS: &[&str] = &[
    "AWSProvider",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "ExternalSecret",
    "Job",
    "Pod",
    "PodTemplate",
    "PushSecret",
    "ReplicaSet",
    "ReplicationController",
    "SecretStore",
    "SecretsManagerSecret",
    "StatefulSet",
];

/// Resources of Terraform that are judged; they lie in no namespace.
pub const TERRAFORM_KINDS: &[&str] =
    &["aws_secretsmanager_secret", "aws_secretsmanager_secret_version", "aws_ssm_parameter"];

/// The kinds that an exception may name.
pub(super) fn object_kinds() -> Vec<&'static str> {
    [NAMESPACED_KINDS, CLUSTER_KINDS, GENERATOR_KINDS, TERRAFORM_KINDS].concat()
}

/// The ids of the rules.
pub(super) fn rule_ids() -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.id).collect()
}

/// The ids of the rules, their groups, and `all`.
pub(super) fn rule_names() -> Vec<&'static str> {
    let mut names = vec!["all"];
    names.extend(GROUPS.iter().map(|(group, _)| *group));
    names.extend(rule_ids());
    names
}

/// The groups of rules, with what they refuse.
pub const GROUPS: &[(&str, &str)] = &[
    ("binding", "namespaces without an owner, and whoever takes an owner's place"),
    ("deletion", "secrets that are gone before anyone can recover them"),
    ("fanout", "cluster-scoped objects that are wrong for a namespace that they can reach, now or later"),
    ("find", "searches that can leave the grant"),
    ("generator", "generators that are not listed"),
    ("inline", "values that stand in the object itself"),
    ("inventory", "what the live secrets are like"),
    ("key", "names outside of the grant, or not proved inside"),
    ("kms", "keys that are not the customer's, not allowed, or of another account or region"),
    ("object", "objects that can't be read for certain"),
    ("operator", "settings of the operator that take over another's secret or credentials"),
    ("policy", "policy documents with errors"),
    ("push", "writing and deleting without a grant"),
    ("refresh", "refreshes that never pick a rotation up"),
    ("rotation", "rotation that is missing, off or too slow"),
    ("store", "stores that reach further than their namespace"),
    ("tag", "tags that are missing"),
    ("target", "objects other than Secrets that the operator would write"),
    ("version", "pinned versions and stages"),
];
