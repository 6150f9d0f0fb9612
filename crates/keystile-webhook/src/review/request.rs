//! One admission request, read whole, and as the policy engine wants to see it.

use std::fmt;

use jiff::Timestamp;
use keystile_policy::{Door, Operation, Request, User};
use serde::Deserialize;
use serde_json::Value;

/// What is asked of the policy. `Debug` prints ids alone, on purpose: an object may hold values.
#[derive(Clone, PartialEq)]
pub struct AdmissionRequest {
    /// Identifies request and answer.
    pub uid: String,
    /// The kind of [`Self::object`], as the webhook's rule asked for it.
    pub kind: GroupVersionKind,
    /// The resource that is changed, as the webhook's rule asked for it.
    pub resource: GroupVersionResource,
    /// `status`, say; empty for the object itself.
    pub sub_resource: String,
    /// The kind of the request before the API server converted the object (`matchPolicy: Equivalent`).
    pub request_kind: Option<GroupVersionKind>,
    /// The object's name. Empty while the API server has yet to make one from `generateName`.
    pub name: String,
    /// The object's namespace; of a Namespace its own name; empty for other cluster-scoped objects.
    pub namespace: String,
    /// What is done.
    pub operation: Operation,
    /// Who does it, as the API server authenticated them.
    pub user: User,
    /// The new object; none when it is deleted.
    pub object: Option<Value>,
    /// The object as it is stored; none when it is created.
    pub old_object: Option<Value>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// The length of the review's body.
    pub bytes: usize,
}

/// Ids alone: an object may hold what must not be logged, a user's extra fields too.
impl fmt::Debug for AdmissionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmissionRequest")
            .field("uid", &self.uid)
            .field("kind", &self.kind.kind)
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

impl AdmissionRequest {
    /// The request as the policy engine judges it.
    ///
    /// Of a Namespace the API server gives the name as the request's namespace too; the engine wants
    /// it empty, as for everything that lies in no namespace.
    #[must_use]
    pub fn to_judge(&self, now: Timestamp) -> Request<'_> {
        let is_namespace = self.kind.group.is_empty() && self.kind.kind == "Namespace";
        Request {
            group: &self.kind.group,
            version: &self.kind.version,
            kind: &self.kind.kind,
            sub_resource: &self.sub_resource,
            namespace: if is_namespace { "" } else { &self.namespace },
            name: &self.name,
            operation: self.operation,
            object: self.object.as_ref(),
            old_object: self.old_object.as_ref(),
            user: Some(&self.user),
            door: Door::Admission,
            now,
        }
    }
}

/// A kind with its group and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GroupVersionKind {
    /// Empty for the core group.
    pub group: String,
    /// `v1`, say.
    pub version: String,
    /// `ExternalSecret`, say.
    pub kind: String,
}

impl GroupVersionKind {
    /// As objects write it: `external-secrets.io/v1`, `v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// A resource with its group and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GroupVersionResource {
    /// Empty for the core group.
    pub group: String,
    /// `v1`, say.
    pub version: String,
    /// `externalsecrets`, say.
    pub resource: String,
}

/// The operation as Kubernetes writes it.
#[must_use]
pub fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    }
}

/// The operation that Kubernetes writes so.
#[must_use]
pub fn operation_of(name: &str) -> Option<Operation> {
    [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect]
        .into_iter()
        .find(|operation| operation_name(*operation) == name)
}
