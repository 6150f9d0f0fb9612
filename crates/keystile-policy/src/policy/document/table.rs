//! The language as a table: every field of a policy document with its shape, its meaning and what holds
//! where it is not written. The reader asks it which fields there are and what they default to; the JSON
//! Schema and the reference page are made from it, so that neither can say something else.

use super::syntax::Syntax;

/// A field of an object of the document.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it says: a clause for the reference page and for editors.
    pub meaning: &'static str,
    /// What may be written.
    pub shape: Shape,
    /// What holds where it is not written.
    pub unsaid: Unsaid,
}

/// What may be written in a field.
#[derive(Debug)]
pub enum Shape {
    /// One value.
    One(Syntax),
    /// One value, once or by environment.
    OneByEnv(Syntax),
    /// A list.
    List(Syntax),
    /// A list, once or by environment.
    ListByEnv(Syntax),
    /// An object with these fields.
    Object(&'static [Field]),
    /// A list of objects with these fields.
    Objects(&'static [Field]),
    /// Whatever is written: an object of Kubernetes.
    Anything,
    /// Any number of names, each with an object of these fields.
    ObjectByName(Syntax, &'static [Field]),
    /// Any number of names, each with one value, once or by environment.
    OneByName(Syntax, Syntax),
}

/// What holds where a field is not written.
#[derive(Clone, Copy, Debug)]
pub enum Unsaid {
    /// The document is refused.
    Refused,
    /// Nothing is said; the text says what that means.
    Nothing(&'static str),
    /// This, as JSON.
    Is(&'static str),
    /// What the profile says, as JSON.
    Profile {
        /// In `baseline`.
        baseline: &'static str,
        /// In `pci`.
        pci: &'static str,
    },
}

const fn field(name: &'static str, shape: Shape, unsaid: Unsaid, meaning: &'static str) -> Field {
    Field { name, meaning, shape, unsaid }
}

use Shape::{List, ListByEnv, Object, ObjectByName, Objects, One, OneByEnv, OneByName};
use Unsaid::{Is, Nothing, Profile, Refused};

/// The document.
pub static DOCUMENT: &[Field] = &[
    field("apiVersion", One(Syntax::Words(&["keystile.dev/v1alpha1"])), Refused, "the version of the language"),
    field("kind", One(Syntax::Words(&["SecretPolicy"])), Refused, "the kind"),
    field("metadata", Object(METADATA), Refused, "as of every Kubernetes object; only the name counts"),
    field("spec", Object(SPEC), Refused, "the policy"),
    field("status", Object(&[]), Nothing("written by keystile-webhook"), "what became of the document in the cluster"),
];

/// What of `metadata` is read; other fields are the API server's.
pub static METADATA: &[Field] = &[field(
    "name",
    One(Syntax::DnsSubdomain),
    Refused,
    "the name; exactly one document is in force in a cluster, chosen by name",
)];

/// The policy.
pub static SPEC: &[Field] = &[
    field(
        "profile",
        One(Syntax::Words(&["baseline", "pci"])),
        Is("\"baseline\""),
        "a named set of values for what the document leaves out",
    ),
    field("binding", Object(BINDING), Refused, "who a namespace is, from Namespace objects alone"),
    field(
        "namespaces",
        ObjectByName(Syntax::DnsLabel, NAMESPACE),
        Nothing("labels alone bind"),
        "namespaces bound by name; they win over labels, and only admins create them",
    ),
    field("admins", Object(ADMINS), Nothing("see below"), "who alone touches guarded labels and cluster-scoped kinds"),
    field(
        "providers",
        Objects(PROVIDER),
        Nothing("no secret may be named"),
        "where secrets are, in a store's own words, and what is granted there; a store fits one entry as a whole",
    ),
    field("stores", Object(STORES), Nothing("see below"), "what stores may use; Vault Agent annotations too"),
    field("generators", ListByEnv(Syntax::GeneratorKind), Is("[]"), "kinds of generators that may be used and made"),
    field(
        "targets",
        ListByEnv(Syntax::Text),
        Is("[]"),
        "kinds besides Secret that an ExternalSecret may write, with the group where they have one (Certificate.cert-manager.io)",
    ),
    field("push", Object(PUSH), Nothing("see below"), "what PushSecrets may"),
    field(
        "kms",
        Object(KMS),
        Nothing("any customer-managed key of the provider's accounts"),
        "what KMS keys may be used",
    ),
    field("rotation", Object(ROTATION), Nothing("see below"), "how often managed secrets are rotated"),
    field("refresh", Object(REFRESH), Nothing("see below"), "how soon a rotated value is picked up"),
    field("deletion", Object(DELETION), Nothing("see below"), "how a managed secret may be deleted"),
    field("tags", Object(TAGS), Nothing("see below"), "tags of managed secrets"),
    field("inventory", Object(INVENTORY), Nothing("see below"), "live state, under the same rules"),
    field(
        "rules",
        OneByName(Syntax::RuleName, Syntax::Action),
        Nothing("each rule does what its own page says, nearly always deny"),
        "what a broken rule does: by rule, by the group it begins with, or all; the longest wins",
    ),
    field(
        "exceptions",
        Objects(EXCEPTION),
        Nothing("nothing is excused"),
        "one object each, excused from one rule until a day",
    ),
];

static BINDING: &[Field] = &[
    field("team", Object(TEAM), Refused, "where the team comes from"),
    field("env", Object(ENV), Refused, "where the environment comes from: a label, or one value for the cluster"),
];

static TEAM: &[Field] = &[
    field("label", One(Syntax::LabelKey), Refused, "the label that holds the team, a whole DNS label"),
    field("reserved", List(Syntax::DnsLabel), Is("[]"), "values that bind nothing, because names use them otherwise"),
];

static ENV: &[Field] = &[
    field(
        "label",
        One(Syntax::LabelKey),
        Nothing("`value` is written instead"),
        "the label that holds the environment",
    ),
    field(
        "values",
        List(Syntax::DnsLabel),
        Nothing("every DNS label is an environment"),
        "the environments that there are; another value of the label binds nothing",
    ),
    field("value", One(Syntax::DnsLabel), Nothing("`label` is written instead"), "the one environment of the cluster"),
];

static NAMESPACE: &[Field] = &[
    field("team", One(Syntax::DnsLabel), Refused, "its team"),
    field("env", One(Syntax::DnsLabel), Refused, "its environment"),
];

static ADMINS: &[Field] = &[
    field(
        "groups",
        List(Syntax::Text),
        Is(r#"["system:masters"]"#),
        "groups of the API server's users; nobody else touches guarded labels and cluster-scoped kinds",
    ),
    field(
        "labels",
        List(Syntax::LabelKey),
        Is("[]"),
        "labels of Namespaces that are guarded beside those of the binding",
    ),
];

static PROVIDER: &[Field] = &[
    field("aws", Object(AWS), Nothing("another provider is written"), "AWS; names are parted by `/`"),
    field(
        "vault",
        Object(VAULT),
        Nothing("another provider is written"),
        "HashiCorp Vault's KV engine; names are parted by `/`",
    ),
    field(
        "gcp",
        Object(GCP),
        Nothing("another provider is written"),
        "GCP Secret Manager; names are parted by `_`, which no team's name can hold",
    ),
    field(
        "kubernetes",
        Object(KUBERNETES),
        Nothing("another provider is written"),
        "Secrets of a cluster; names are parted by `.`, which no team's name can hold",
    ),
    field(
        "grants",
        Objects(GRANT),
        Refused,
        "names and what may be done with them; grants only add, their order never matters",
    ),
];

static AWS: &[Field] = &[
    field(
        "services",
        ListByEnv(Syntax::Words(&["SecretsManager", "ParameterStore"])),
        Is(r#"["SecretsManager"]"#),
        "services of AWS",
    ),
    field(
        "accounts",
        ListByEnv(Syntax::Account),
        Is("[]"),
        "accounts of the stores' roles, of ARNs and of keys; a store without a role counts as here",
    ),
    field("regions", ListByEnv(Syntax::Region), Refused, "regions that stores may name"),
    field("replicaRegions", ListByEnv(Syntax::Region), Is("[]"), "regions that secrets may be replicated to"),
];

static VAULT: &[Field] = &[
    field("server", OneByEnv(Syntax::Url), Refused, "the URL of the server, as stores write it"),
    field("paths", ListByEnv(Syntax::Text), Refused, "mounts of the KV engine"),
    field("version", OneByEnv(Syntax::Words(&["v1", "v2"])), Is("\"v2\""), "the version of the KV engine"),
    field("namespaces", ListByEnv(Syntax::TextOrEmpty), Is(r#"[""]"#), "Vault namespaces; the empty text is none"),
    field(
        "mountPaths",
        ListByEnv(Syntax::Text),
        Is(r#"["kubernetes"]"#),
        "mount paths of the Kubernetes authentication method",
    ),
];

static GCP: &[Field] = &[
    field("projects", ListByEnv(Syntax::Text), Refused, "ids of projects"),
    field(
        "locations",
        ListByEnv(Syntax::LocationOrEmpty),
        Is(r#"[""]"#),
        "locations whose regional secrets stores may name; the empty text is the global secrets, which are others, and so is an empty list",
    ),
];

static KUBERNETES: &[Field] = &[
    field(
        "servers",
        ListByEnv(Syntax::Text),
        Is(r#"["kubernetes.default"]"#),
        "API servers, as stores write them in `server.url`; that of External Secrets' own cluster unless said",
    ),
    field("remoteNamespaces", ListByEnv(Syntax::DnsLabel), Refused, "namespaces there"),
];

static GRANT: &[Field] = &[
    field(
        "names",
        One(Syntax::Names),
        Refused,
        "the names as the provider will see them: `{env}` and `{team}` are filled from the binding, `*` is one segment, a final `**` one or more",
    ),
    field(
        "access",
        ListByEnv(Syntax::Words(&["read", "write", "delete"])),
        Refused,
        "what may be done: `read` covers properties and tags, `write` every change, `delete` what destroys the secret; none implies another",
    ),
    field("teams", List(Syntax::DnsLabel), Nothing("every team"), "the teams that have the grant"),
    field(
        "secretStoreRefs",
        Objects(STORE_REF),
        Nothing("every store that fits the entry"),
        "the stores through which it counts",
    ),
];

static STORE_REF: &[Field] = &[
    field("kind", One(Syntax::Words(&["SecretStore", "ClusterSecretStore"])), Is("\"SecretStore\""), "the kind"),
    field("name", One(Syntax::DnsSubdomain), Refused, "the name"),
];

static STORES: &[Field] = &[
    field(
        "serviceAccounts",
        ListByEnv(Syntax::ServiceAccount),
        Is("[]"),
        "service accounts whose tokens a SecretStore may use, in its own namespace; may hold `{env}` and `{team}`",
    ),
    field(
        "roles",
        ListByEnv(Syntax::Role),
        Is("[]"),
        "IAM roles (ARNs) and Vault roles that a SecretStore or a Vault Agent annotation may name; may hold `{env}` and `{team}`",
    ),
    field(
        "controllers",
        ListByEnv(Syntax::TextOrEmpty),
        Is(r#"[""]"#),
        "values of a store's `spec.controller`; the empty text is the default controller",
    ),
    field(
        "cluster",
        Object(CLUSTER_STORES),
        Nothing("no ClusterSecretStore may name a service account or a role"),
        "what a ClusterSecretStore may use",
    ),
];

static CLUSTER_STORES: &[Field] = &[
    field(
        "env",
        One(Syntax::DnsLabel),
        Nothing("the strictest of every environment"),
        "the environment whose values and actions count for cluster stores",
    ),
    field("serviceAccounts", List(Syntax::NamespacedName), Is("[]"), "service accounts, as `namespace/name`"),
    field("roles", List(Syntax::Role), Is("[]"), "IAM roles (ARNs) and Vault roles; may hold `{env}`"),
];

static PUSH: &[Field] = &[field(
    "statusWriters",
    ListByEnv(Syntax::NamespacedName),
    Is("[]"),
    "service accounts, as `namespace/name`, that may write the status of PushSecrets, and GeneratorStates: the operator's. Who writes them says what is deleted",
)];

static KMS: &[Field] = &[
    field(
        "accounts",
        ListByEnv(Syntax::Account),
        Nothing("the accounts of the provider"),
        "accounts that keys may be of",
    ),
    field(
        "aliases",
        ListByEnv(Syntax::KmsAlias),
        Nothing("any customer-managed key, unless `keys` are written"),
        "aliases that may be used; may hold `{env}` and `{team}`",
    ),
    field(
        "keys",
        ListByEnv(Syntax::KmsKey),
        Nothing("any customer-managed key, unless `aliases` are written"),
        "ids and ARNs of keys that may be used",
    ),
];

static ROTATION: &[Field] = &[field(
    "maxAge",
    OneByEnv(Syntax::Duration),
    Profile { baseline: "\"180d\"", pci: "\"90d\"" },
    "the longest time between two rotations: the longest gap of days, `rate()` or `cron()`; of live secrets, the age",
)];

static REFRESH: &[Field] = &[field(
    "maxInterval",
    OneByEnv(Syntax::Duration),
    Profile { baseline: "\"24h\"", pci: "\"1h\"" },
    "the longest time between two refreshes of an ExternalSecret",
)];

static DELETION: &[Field] = &[field(
    "minRecoveryWindow",
    OneByEnv(Syntax::RecoveryWindow),
    Profile { baseline: "\"7d\"", pci: "\"30d\"" },
    "the shortest time in which a deleted secret can be recovered; whole days, AWS has 7 to 30",
)];

static TAGS: &[Field] =
    &[field("required", ListByEnv(Syntax::Text), Is("[]"), "keys of tags that each managed secret must have")];

static INVENTORY: &[Field] = &[field(
    "maxAge",
    OneByEnv(Syntax::Duration),
    Profile { baseline: "\"24h\"", pci: "\"24h\"" },
    "how old an inventory may be to count",
)];

static EXCEPTION: &[Field] = &[
    field("rule", One(Syntax::RuleId), Refused, "the rule's id"),
    field("namespace", One(Syntax::DnsLabel), Nothing("the object is cluster-scoped"), "the object's namespace"),
    field("kind", One(Syntax::ObjectKind), Refused, "the object's kind"),
    field("name", One(Syntax::Text), Refused, "the object's name"),
    field(
        "value",
        One(Syntax::Text),
        Nothing("whatever the rule says of the object"),
        "the one name or role that is excused; required where the rule is about names or roles",
    ),
    field("owner", One(Syntax::Text), Refused, "who answers for it"),
    field("reason", One(Syntax::Text), Refused, "why"),
    field("expires", One(Syntax::Date), Refused, "the last day on which it counts (UTC)"),
];
