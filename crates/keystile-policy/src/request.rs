//! What is asked: one object, what is done with it, by whom, when.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

/// What is done with the object, in the words of an AdmissionReview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The object is made. Offline checks ask this.
    Create,
    /// The object, its status or another subresource is changed.
    Update,
    /// The object is deleted; only the old object is there.
    Delete,
    /// A connection to a subresource; nothing that the policy speaks about.
    Connect,
}

/// Where the request comes from. The verdict is the same; some rules have facts at one door only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// The API server asks, through the webhook: unknown fields are pruned already, users are known.
    Admission,
    /// A file is checked, or an existing object audited: who applies it is not known.
    Offline,
}

/// Who asks, as the API server has authenticated them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name; `system:serviceaccount:NAMESPACE:NAME` for a service account.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

impl User {
    /// The service account, as `namespace/name`; `None` = the user is none.
    #[must_use]
    pub fn service_account(&self) -> Option<String> {
        let (namespace, name) = self.name.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        Some(format!("{namespace}/{name}"))
    }

    /// Whether this is a controller of Kubernetes that deletes what somebody's earlier, judged deletion
    /// leaves behind: stopping it would leave namespaces terminating for ever.
    /// Source: kube-controller-manager's service accounts; without `--use-service-account-credentials`
    /// it has one user for all.
    #[must_use]
    pub fn cleans_up(&self) -> bool {
        matches!(
            self.name.as_str(),
            "system:serviceaccount:kube-system:namespace-controller"
                | "system:serviceaccount:kube-system:generic-garbage-collector"
                | "system:kube-controller-manager"
        )
    }
}

/// One request to judge.
#[derive(Clone, Copy)]
pub struct Request<'o> {
    /// The API group of the object; empty for the core group.
    pub group: &'o str,
    /// The version of the API that the object is written in.
    pub version: &'o str,
    /// The kind of the object.
    pub kind: &'o str,
    /// The subresource, `status` for example; empty for the object itself.
    pub sub_resource: &'o str,
    /// The namespace; empty for cluster-scoped objects, and for a file that names none.
    pub namespace: &'o str,
    /// The name; empty where the server generates it.
    pub name: &'o str,
    /// What is done.
    pub operation: Operation,
    /// The object as it will be; `None` on DELETE.
    pub object: Option<&'o Value>,
    /// The object as it was; on UPDATE and DELETE.
    pub old_object: Option<&'o Value>,
    /// Who asks; `None` offline.
    pub user: Option<&'o User>,
    /// Where the request comes from.
    pub door: Door,
    /// The time of the request, for exceptions that expire and for live rules.
    pub now: Timestamp,
}

/// Ids only: an object may hold secret values.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("group", &self.group)
            .field("version", &self.version)
            .field("kind", &self.kind)
            .field("sub_resource", &self.sub_resource)
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .field("operation", &self.operation)
            .field("door", &self.door)
            .finish_non_exhaustive()
    }
}

impl<'o> Request<'o> {
    /// The request that an offline check makes of an object: it is created, by nobody known.
    ///
    /// `namespace` stands in where the object names none.
    #[must_use]
    pub fn offline(object: &'o Value, namespace: &'o str, now: Timestamp) -> Self {
        let text = |value: Option<&'o Value>| value.and_then(Value::as_str).unwrap_or("");
        let (group, version) = match text(object.get("apiVersion")).split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", text(object.get("apiVersion"))),
        };
        let metadata = object.get("metadata");
        let own = text(metadata.and_then(|metadata| metadata.get("namespace")));
        Self {
            group,
            version,
            kind: text(object.get("kind")),
            sub_resource: "",
            namespace: if own.is_empty() { namespace } else { own },
            name: text(metadata.and_then(|metadata| metadata.get("name"))),
            operation: Operation::Create,
            object: Some(object),
            old_object: None,
            user: None,
            door: Door::Offline,
            now,
        }
    }
}
