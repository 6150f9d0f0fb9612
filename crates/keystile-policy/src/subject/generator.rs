//! What a generator says: which kind it is, and who it acts as.
//!
//! A generator makes credentials without a remote name, so that no grant of names covers it: it is
//! listed by its kind, and judged by who it acts as.
//! Source: External Secrets 2.9.0, apis/generators/v1alpha1, and config/crds/bases.

use serde_json::{Map, Value};

use super::Fault;
use super::fields::Form::{Any, Flag, Number, Text, TextByName, Texts};
use super::fields::Meaning::{Authority, Plain, Role, Secret, ServiceAccount};
use super::fields::{self, Row};
use super::identity::Identity;
use super::store::tables::{AWS_AUTH, AWS_METHODS, GCP_AUTH, GCP_METHODS, VAULT, VAULT_METHODS};
use crate::field_path::Path;

/// A generator.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorFacts {
    /// Its kind; of a ClusterGenerator the one that it holds (`spec.kind`).
    pub kind: Box<str>,
    /// Whether it is a ClusterGenerator.
    pub is_cluster: bool,
    /// The fields from the object down to the generator's spec: `spec`, or `spec.generator.passwordSpec`.
    base: Vec<Box<str>>,
    /// Who it acts as; its fields are below the spec, a VaultDynamicSecret's below its `provider`.
    pub identity: Identity,
}

/// One kind of generator.
struct Shape {
    kind: &'static str,
    /// Its field in a ClusterGenerator's `spec.generator`.
    field: &'static str,
    tables: &'static [&'static [Row]],
    /// Ways to log in; none = it never acts as the operator.
    methods: &'static [&'static str],
}

const fn shape(
    kind: &'static str,
    field: &'static str,
    tables: &'static [&'static [Row]],
    methods: &'static [&'static str],
) -> Shape {
    Shape { kind, field, tables, methods }
}

static SHAPES: &[Shape] = &[
    shape(
        "ACRAccessToken",
        "acrAccessTokenSpec",
        &[ACR],
        &["auth.managedIdentity", "auth.servicePrincipal", "auth.workloadIdentity"],
    ),
    shape(
        "BeyondtrustWorkloadCredentialsDynamicSecret",
        "beyondtrustWorkloadCredentialsDynamicSecretSpec",
        &[BEYONDTRUST],
        &[],
    ),
    shape("CloudsmithAccessToken", "cloudsmithAccessTokenSpec", &[CLOUDSMITH], &[]),
    shape("ECRAuthorizationToken", "ecrAuthorizationTokenSpec", &[ECR, AWS_AUTH], AWS_METHODS),
    shape("Fake", "fakeSpec", &[FAKE], &[]),
    shape("GCRAccessToken", "gcrAccessTokenSpec", &[GCR, GCP_AUTH], GCP_METHODS),
    shape("GithubAccessToken", "githubAccessTokenSpec", &[GITHUB], &[]),
    shape("GitlabDeployToken", "gitlabDeployTokenSpec", &[GITLAB], &[]),
    shape("Grafana", "grafanaSpec", &[GRAFANA], &[]),
    shape("MFA", "mfaSpec", &[MFA], &[]),
    shape("Password", "passwordSpec", &[PASSWORD], &[]),
    shape("QuayAccessToken", "quayAccessTokenSpec", &[QUAY], &[]),
    shape("SSHKey", "sshKeySpec", &[SSH_KEY], &[]),
    shape("STSSessionToken", "stsSessionTokenSpec", &[STS, AWS_AUTH], AWS_METHODS),
    shape("UUID", "uuidSpec", &[], &[]),
    shape("VaultDynamicSecret", "vaultDynamicSecretSpec", &[VAULT_DYNAMIC], &[]),
    shape("Webhook", "webhookSpec", &[WEBHOOK], &[]),
];

static ACR: &[Row] = &[
    ("registry", Plain(Text)),
    ("scope", Plain(Text)),
    ("tenantId", Plain(Text)),
    ("environmentType", Plain(Text)),
    // An identity of the machines that the operator runs on.
    ("auth.managedIdentity.identityId", Plain(Text)),
    ("auth.servicePrincipal.secretRef.clientId", Secret),
    ("auth.servicePrincipal.secretRef.clientSecret", Secret),
    ("auth.workloadIdentity.serviceAccountRef", ServiceAccount),
];
static BEYONDTRUST: &[Row] = &[
    ("controller", Plain(Text)),
    ("retrySettings", Plain(Any)),
    ("provider.auth.apikey.token", Secret),
    ("provider.caBundle", Plain(Text)),
    ("provider.caProvider", Authority),
    ("provider.folderPath", Plain(Text)),
    ("provider.server.apiUrl", Plain(Text)),
    ("provider.server.siteId", Plain(Text)),
];
static CLOUDSMITH: &[Row] = &[
    ("apiUrl", Plain(Text)),
    ("orgSlug", Plain(Text)),
    ("serviceSlug", Plain(Text)),
    ("serviceAccountRef", ServiceAccount),
];
static ECR: &[Row] = &[("region", Plain(Text)), ("role", Role), ("scope", Plain(Text))];
static FAKE: &[Row] = &[("controller", Plain(Text)), ("data", Plain(TextByName))];
static GCR: &[Row] = &[("projectID", Plain(Text))];
static GITHUB: &[Row] = &[
    ("url", Plain(Text)),
    ("appID", Plain(Text)),
    ("installID", Plain(Text)),
    ("repositories", Plain(Texts)),
    ("permissions", Plain(TextByName)),
    ("auth.privateKey.secretRef", Secret),
];
static GITLAB: &[Row] = &[
    ("url", Plain(Text)),
    ("name", Plain(Text)),
    ("username", Plain(Text)),
    ("projectID", Plain(Any)),
    ("groupID", Plain(Any)),
    ("scopes", Plain(Texts)),
    ("expiresAt", Plain(Text)),
    ("auth.token.secretRef", Secret),
];
static GRAFANA: &[Row] = &[
    ("url", Plain(Text)),
    ("serviceAccount", Plain(Any)),
    ("auth.basic.username", Plain(Text)),
    ("auth.basic.password", Secret),
    ("auth.token", Secret),
];
static MFA: &[Row] = &[
    ("algorithm", Plain(Text)),
    ("length", Plain(Number)),
    ("timePeriod", Plain(Number)),
    ("when", Plain(Text)),
    ("secret", Secret),
];
static PASSWORD: &[Row] = &[
    ("allowRepeat", Plain(Flag)),
    ("digits", Plain(Number)),
    ("encoding", Plain(Text)),
    ("length", Plain(Number)),
    ("noUpper", Plain(Flag)),
    ("secretKeys", Plain(Texts)),
    ("symbolCharacters", Plain(Text)),
    ("symbols", Plain(Number)),
];
static QUAY: &[Row] = &[("url", Plain(Text)), ("robotAccount", Plain(Text)), ("serviceAccountRef", ServiceAccount)];
static SSH_KEY: &[Row] = &[("comment", Plain(Text)), ("keySize", Plain(Number)), ("keyType", Plain(Text))];
static STS: &[Row] = &[("region", Plain(Text)), ("role", Role), ("requestParameters", Plain(Any))];
static VAULT_DYNAMIC: &[Row] = &[
    ("allowEmptyResponse", Plain(Flag)),
    ("controller", Plain(Text)),
    ("getParameters", Plain(Any)),
    ("method", Plain(Text)),
    ("parameters", Plain(Any)),
    ("path", Plain(Text)),
    ("resultType", Plain(Text)),
    ("retrySettings", Plain(Any)),
    // Read by Vault's own table.
    ("provider", Plain(Any)),
];
static WEBHOOK: &[Row] = &[
    ("url", Plain(Text)),
    ("method", Plain(Text)),
    ("headers", Plain(TextByName)),
    ("body", Plain(Text)),
    ("timeout", Plain(Text)),
    ("result.jsonPath", Plain(Text)),
    // Each of its Secrets lies in the namespace that uses it.
    ("secrets", Plain(Any)),
    ("caBundle", Plain(Text)),
    ("caProvider", Authority),
    ("auth.ntlm.usernameSecret", Secret),
    ("auth.ntlm.passwordSecret", Secret),
];

impl GeneratorFacts {
    /// Reads a generator of any kind; what can't be read is a fault. A kind that is not known says
    /// nothing more: it is refused by its name.
    pub fn read(object: &Value, faults: &mut Vec<Fault>) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let own = text(object.get("kind"));
        let is_cluster = own == "ClusterGenerator";
        let kind = if is_cluster { text(object.pointer("/spec/kind")) } else { own };
        let shape = SHAPES.iter().find(|shape| shape.kind == kind);
        let mut base: Vec<Box<str>> = vec!["spec".into()];
        if is_cluster {
            base.push("generator".into());
            base.extend(shape.map(|shape| shape.field.into()));
        }
        let mut facts = Self { kind: kind.into(), is_cluster, base, identity: Identity::default() };
        let Some(shape) = shape else { return facts };
        let path = facts.base.iter().fold(Path::root(), |path, field| path.field(field));
        let fields = match facts.base.iter().try_fold(object, |value, field| value.get(&**field)) {
            Some(Value::Object(fields)) => fields,
            None | Some(Value::Null) if shape.methods.is_empty() && !is_cluster => return facts,
            None | Some(Value::Null) => {
                faults.push(Fault { path: path.into(), message: "is missing".to_owned() });
                return facts;
            }
            Some(other) => {
                faults.push(Fault::wrong(other, &path, "a map"));
                return facts;
            }
        };
        facts.identity = read_identity(shape, fields, &path, faults);
        if shape.kind == "VaultDynamicSecret" {
            facts.base.push("provider".into());
        }
        facts
    }

    /// The path of a field of [`GeneratorFacts::identity`].
    #[must_use]
    pub fn path<'s>(&'s self, field: &'s str) -> Path<'s> {
        let base = self.base.iter().fold(Path::root(), |path, field| path.field(field));
        field.split('.').filter(|field| !field.is_empty()).fold(base, |path, field| path.field(field))
    }
}

fn read_identity(shape: &Shape, fields: &Map<String, Value>, path: &Path<'_>, faults: &mut Vec<Fault>) -> Identity {
    if shape.kind == "VaultDynamicSecret" {
        fields::read(fields, path, shape.tables, faults);
        let path = path.field("provider");
        return match fields.get("provider") {
            Some(Value::Object(provider)) => super::store::identity(provider, &path, &[VAULT], VAULT_METHODS, faults),
            Some(other) if !other.is_null() => {
                faults.push(Fault::wrong(other, &path, "a map"));
                Identity::default()
            }
            _ => {
                faults.push(Fault { path: path.into(), message: "is missing".to_owned() });
                Identity::default()
            }
        };
    }
    let mut identity = super::store::identity(fields, path, shape.tables, shape.methods, faults);
    if shape.methods.is_empty() {
        identity.operator_field = None;
    }
    identity
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::document::words::GENERATOR_KINDS;
    use crate::subject::identity::ObjectRefKind;

    fn read(object: &Value) -> (GeneratorFacts, Vec<Fault>) {
        let mut faults = Vec::new();
        let facts = GeneratorFacts::read(object, &mut faults);
        (facts, faults)
    }

    #[test]
    fn every_kind_that_a_policy_can_list_can_be_read() {
        for kind in GENERATOR_KINDS.iter().filter(|kind| **kind != "ClusterGenerator") {
            assert!(SHAPES.iter().any(|shape| shape.kind == *kind), "{kind}");
        }
    }

    #[test]
    fn a_cluster_generator_is_the_generator_that_it_holds() {
        let (facts, faults) = read(&json!({
            "apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "ClusterGenerator",
            "metadata": {"name": "g"},
            "spec": {"kind": "ECRAuthorizationToken", "generator": {"ecrAuthorizationTokenSpec": {
                "region": "eu-west-1", "role": "arn:aws:iam::111111111111:role/x",
                "auth": {"jwt": {"serviceAccountRef": {"name": "reader", "namespace": "kube-system"}}},
            }}},
        }));
        assert_eq!(faults, []);
        assert!(facts.is_cluster);
        assert_eq!((&*facts.kind, facts.identity.operator_field), ("ECRAuthorizationToken", None));
        assert_eq!(&*facts.identity.roles[0].name, "arn:aws:iam::111111111111:role/x");
        let account = &facts.identity.references[0];
        assert_eq!(
            (account.kind, &*account.name, account.namespace.as_deref()),
            (ObjectRefKind::ServiceAccount, "reader", Some("kube-system"))
        );
        let path = facts.path(account.field).to_string();
        assert_eq!(path, "spec.generator.ecrAuthorizationTokenSpec.auth.jwt.serviceAccountRef");
    }

    #[test]
    fn who_logs_in_is_the_operator_where_nobody_is_named() {
        for (kind, spec, field) in [
            ("ECRAuthorizationToken", json!({"region": "eu-west-1"}), Some("auth")),
            ("STSSessionToken", json!({"region": "eu-west-1", "auth": {"jwt": {}}}), Some("auth.jwt")),
            ("GCRAccessToken", json!({"auth": {}, "projectID": "p"}), Some("auth")),
            ("ACRAccessToken", json!({"auth": {"managedIdentity": {}}, "registry": "r"}), Some("auth.managedIdentity")),
            (
                "VaultDynamicSecret",
                json!({"path": "db", "provider": {"server": "https://v", "auth": {"kubernetes": {"role": "r"}}}}),
                Some("auth.kubernetes"),
            ),
            ("Password", json!({"length": 20}), None),
            ("UUID", json!({}), None),
        ] {
            let (facts, faults) = read(&json!({"kind": kind, "spec": spec}));
            assert_eq!(faults, [], "{kind}");
            assert_eq!(facts.identity.operator_field, field, "{kind}");
        }
    }

    #[test]
    fn a_wrong_type_is_a_fault_and_an_unknown_kind_has_nothing_to_read() {
        let (_, faults) = read(&json!({"kind": "STSSessionToken", "spec": {"role": 1}}));
        assert_eq!(faults[0].path.to_string(), "spec.role");
        let (_, faults) = read(&json!({"kind": "GCRAccessToken"}));
        assert_eq!((faults[0].path.to_string(), faults[0].message.as_str()), ("spec".to_owned(), "is missing"));
        let (facts, faults) = read(&json!({"kind": "Novel", "spec": 1}));
        assert_eq!((faults.len(), &*facts.kind), (0, "Novel"));
    }
}
