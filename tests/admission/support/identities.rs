//! The users of the cluster. Each has a token made at run time; what they may do is in `../rbac.yaml`.

use std::fmt::Write as _;

/// A user as the API server sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// What `userInfo.username` says.
    pub(crate) user: &'static str,
    pub(crate) groups: &'static [&'static str],
    /// The name of their kubeconfig.
    name: &'static str,
}

/// Runs the cluster: may do everything (`system:masters`).
pub(crate) const PLATFORM_ADMIN: Identity =
    Identity { user: "platform-admin", groups: &["system:masters"], name: "platform-admin" };
/// An admin of keystile's policy (group `secrets-admins`), not of the cluster.
pub(crate) const SECRETS_ADMIN: Identity =
    Identity { user: "sasha", groups: &["secrets-admins"], name: "secrets-admin" };
/// Of team a; edits the namespaces bound to them.
pub(crate) const TENANT_A: Identity = Identity { user: "tina", groups: &["team-a"], name: "tenant-a" };
/// Of team b.
pub(crate) const TENANT_B: Identity = Identity { user: "tom", groups: &["team-b"], name: "tenant-b" };
/// Creates and relabels namespaces, and is no admin of the policy.
pub(crate) const NAMESPACE_CREATOR: Identity =
    Identity { user: "nora", groups: &["namespace-creators"], name: "namespace-creator" };
/// Is known, and may do nothing.
pub(crate) const STRANGER: Identity = Identity { user: "stranger", groups: &["strangers"], name: "stranger" };
/// External Secrets' controller.
pub(crate) const OPERATOR: Identity = Identity {
    user: "system:serviceaccount:external-secrets:external-secrets",
    groups: &["system:serviceaccounts", "system:serviceaccounts:external-secrets"],
    name: "external-secrets",
};
/// Deletes what is in a namespace that goes away. The API server grants it what it needs.
pub(crate) const NAMESPACE_CONTROLLER: Identity = Identity {
    user: "system:serviceaccount:kube-system:namespace-controller",
    groups: &["system:serviceaccounts", "system:serviceaccounts:kube-system"],
    name: "namespace-controller",
};
/// Deletes what an owner leaves behind. The API server grants it what it needs.
pub(crate) const GARBAGE_COLLECTOR: Identity = Identity {
    user: "system:serviceaccount:kube-system:generic-garbage-collector",
    groups: &["system:serviceaccounts", "system:serviceaccounts:kube-system"],
    name: "garbage-collector",
};
/// keystile-webhook itself, with the rights that `deploy/` gives its service account.
pub(crate) const WEBHOOK: Identity = Identity {
    user: "system:serviceaccount:keystile-system:keystile-webhook",
    groups: &["system:serviceaccounts", "system:serviceaccounts:keystile-system"],
    name: "keystile-webhook",
};

/// Everybody.
pub(crate) const ALL: [Identity; 10] = [
    PLATFORM_ADMIN,
    SECRETS_ADMIN,
    TENANT_A,
    TENANT_B,
    NAMESPACE_CREATOR,
    STRANGER,
    OPERATOR,
    NAMESPACE_CONTROLLER,
    GARBAGE_COLLECTOR,
    WEBHOOK,
];

impl Identity {
    /// The file name of their kubeconfig.
    pub(crate) fn kubeconfig(&self) -> String {
        format!("{}.kubeconfig", self.name)
    }
}

/// The API server's file of static tokens: `token,user,uid,"group,group"`
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file>).
pub(crate) fn tokens_csv(tokens: &[(Identity, String)]) -> String {
    let mut csv = String::new();
    for (identity, token) in tokens {
        let groups = identity.groups.join(",");
        writeln!(csv, "{token},{},{},\"{groups}\"", identity.user, identity.name).expect("a string takes text");
    }
    csv
}
