//! The fields of the providers that are judged, and what they mean.
//!
//! Source: External Secrets 2.9.0, config/crds/bases/external-secrets.io_secretstores.yaml.

use crate::subject::fields::Form::{Any, Flag, Number, Text, TextByName, Texts};
use crate::subject::fields::Meaning::{Authority, Plain, Role, Roles, Secret, ServiceAccount};
use crate::subject::fields::Row;

/// `spec.provider.aws`, without `auth`.
pub(crate) static AWS: &[Row] = &[
    ("service", Plain(Text)),
    ("region", Plain(Text)),
    ("prefix", Plain(Text)),
    // Assumed one after the other, and `role` last.
    ("additionalRoles", Roles),
    ("role", Role),
    ("externalID", Plain(Text)),
    ("sessionTags", Plain(Any)),
    ("transitiveTagKeys", Plain(Texts)),
    ("sessionTagsPolicy", Plain(Text)),
    ("customSessionTags", Plain(TextByName)),
    ("secretsManager.forceDeleteWithoutRecovery", Plain(Flag)),
    ("secretsManager.recoveryWindowInDays", Plain(Number)),
];

/// `auth` of AWS; generators have it too.
pub(crate) static AWS_AUTH: &[Row] = &[
    ("auth.secretRef.accessKeyIDSecretRef", Secret),
    ("auth.secretRef.secretAccessKeySecretRef", Secret),
    ("auth.secretRef.sessionTokenSecretRef", Secret),
    ("auth.jwt.serviceAccountRef", ServiceAccount),
];

/// Ways to log in to AWS.
pub(crate) static AWS_METHODS: &[&str] = &["auth.secretRef", "auth.jwt"];

/// `spec.provider.vault`; a VaultDynamicSecret has it too.
pub(crate) static VAULT: &[Row] = &[
    ("server", Plain(Text)),
    ("path", Plain(Text)),
    ("version", Plain(Text)),
    ("namespace", Plain(Text)),
    ("headers", Plain(TextByName)),
    ("readYourWrites", Plain(Flag)),
    ("forwardInconsistent", Plain(Flag)),
    ("checkAndSet.required", Plain(Flag)),
    ("caBundle", Plain(Text)),
    ("caProvider", Authority),
    ("tls.certSecretRef", Secret),
    ("tls.keySecretRef", Secret),
    ("auth.namespace", Plain(Text)),
    ("auth.tokenSecretRef", Secret),
    ("auth.appRole.path", Plain(Text)),
    ("auth.appRole.roleId", Plain(Text)),
    ("auth.appRole.roleRef", Secret),
    ("auth.appRole.secretRef", Secret),
    ("auth.kubernetes.mountPath", Plain(Text)),
    ("auth.kubernetes.role", Role),
    ("auth.kubernetes.secretRef", Secret),
    ("auth.kubernetes.serviceAccountRef", ServiceAccount),
    ("auth.ldap.path", Plain(Text)),
    ("auth.ldap.username", Plain(Text)),
    ("auth.ldap.secretRef", Secret),
    ("auth.userPass.path", Plain(Text)),
    ("auth.userPass.username", Plain(Text)),
    ("auth.userPass.secretRef", Secret),
    ("auth.jwt.path", Plain(Text)),
    ("auth.jwt.role", Role),
    ("auth.jwt.secretRef", Secret),
    ("auth.jwt.kubernetesServiceAccountToken.serviceAccountRef", ServiceAccount),
    ("auth.jwt.kubernetesServiceAccountToken.audiences", Plain(Texts)),
    ("auth.jwt.kubernetesServiceAccountToken.expirationSeconds", Plain(Number)),
    ("auth.cert.path", Plain(Text)),
    ("auth.cert.vaultRole", Role),
    ("auth.cert.clientCert", Secret),
    ("auth.cert.secretRef", Secret),
    ("auth.iam.path", Plain(Text)),
    ("auth.iam.region", Plain(Text)),
    ("auth.iam.role", Role),
    ("auth.iam.vaultRole", Role),
    ("auth.iam.externalID", Plain(Text)),
    ("auth.iam.vaultAwsIamServerID", Plain(Text)),
    ("auth.iam.jwt.serviceAccountRef", ServiceAccount),
    ("auth.iam.secretRef.accessKeyIDSecretRef", Secret),
    ("auth.iam.secretRef.secretAccessKeySecretRef", Secret),
    ("auth.iam.secretRef.sessionTokenSecretRef", Secret),
    ("auth.gcp.path", Plain(Text)),
    ("auth.gcp.role", Role),
    ("auth.gcp.projectID", Plain(Text)),
    ("auth.gcp.location", Plain(Text)),
    ("auth.gcp.serviceAccountRef", ServiceAccount),
    ("auth.gcp.secretRef.secretAccessKeySecretRef", Secret),
    ("auth.gcp.workloadIdentity.serviceAccountRef", ServiceAccount),
    ("auth.gcp.workloadIdentity.clusterLocation", Plain(Text)),
    ("auth.gcp.workloadIdentity.clusterName", Plain(Text)),
    ("auth.gcp.workloadIdentity.clusterProjectID", Plain(Text)),
];

/// Ways to log in to Vault.
pub(crate) static VAULT_METHODS: &[&str] = &[
    "auth.tokenSecretRef",
    "auth.appRole",
    "auth.kubernetes",
    "auth.ldap",
    "auth.userPass",
    "auth.jwt",
    "auth.cert",
    "auth.iam",
    "auth.gcp",
];

/// Where Vault's methods are mounted unless the store says otherwise.
pub(super) static VAULT_MOUNTS: &[(&str, &str, &str)] = &[
    // (method, field of the mount's path, the usual path)
    ("appRole", "auth.appRole.path", "approle"),
    ("ldap", "auth.ldap.path", "ldap"),
    ("userPass", "auth.userPass.path", "userpass"),
    ("jwt", "auth.jwt.path", "jwt"),
    ("cert", "auth.cert.path", "cert"),
    ("iam", "auth.iam.path", "aws"),
    ("gcp", "auth.gcp.path", "gcp"),
];

/// `spec.provider.gcpsm`, without `auth`.
pub(crate) static GCP: &[Row] =
    &[("projectID", Plain(Text)), ("location", Plain(Text)), ("secretVersionSelectionPolicy", Plain(Text))];

/// `auth` of Google Cloud; a GCRAccessToken has it too.
pub(crate) static GCP_AUTH: &[Row] = &[
    ("auth.secretRef.secretAccessKeySecretRef", Secret),
    ("auth.workloadIdentity.serviceAccountRef", ServiceAccount),
    ("auth.workloadIdentity.clusterLocation", Plain(Text)),
    ("auth.workloadIdentity.clusterName", Plain(Text)),
    ("auth.workloadIdentity.clusterProjectID", Plain(Text)),
    ("auth.workloadIdentityFederation.serviceAccountRef", ServiceAccount),
    ("auth.workloadIdentityFederation.credConfig", Secret),
    ("auth.workloadIdentityFederation.audience", Plain(Text)),
    // A service account of Google's that is impersonated.
    ("auth.workloadIdentityFederation.gcpServiceAccountEmail", Role),
    ("auth.workloadIdentityFederation.externalTokenEndpoint", Plain(Text)),
    ("auth.workloadIdentityFederation.awsSecurityCredentials.region", Plain(Text)),
    ("auth.workloadIdentityFederation.awsSecurityCredentials.awsCredentialsSecretRef", Secret),
];

/// Ways to log in to Google Cloud.
pub(crate) static GCP_METHODS: &[&str] =
    &["auth.secretRef", "auth.workloadIdentity", "auth.workloadIdentityFederation"];

/// `spec.provider.kubernetes`.
pub(crate) static KUBERNETES: &[Row] = &[
    ("server.url", Plain(Text)),
    ("server.caBundle", Plain(Text)),
    ("server.caProvider", Authority),
    ("remoteNamespace", Plain(Text)),
    ("authRef", Secret),
    ("auth.serviceAccount", ServiceAccount),
    ("auth.token.bearerToken", Secret),
    ("auth.cert.clientCert", Secret),
    ("auth.cert.clientKey", Secret),
];

/// Ways to log in to a Kubernetes cluster.
pub(crate) static KUBERNETES_METHODS: &[&str] = &["authRef", "auth.serviceAccount", "auth.token", "auth.cert"];
