//! Who a store or a generator acts as: the Secrets, service accounts and roles that it names.

/// What kind of object a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectRefKind {
    /// A Secret (or a ConfigMap) with credentials.
    Secret,
    /// A service account, whose token is asked for.
    ServiceAccount,
    /// A Secret or ConfigMap with a certificate authority.
    Authority,
}

/// A reference to an object of the cluster that the operator reads or acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// What it names.
    pub kind: ObjectRefKind,
    /// The field that holds it, below the provider: `auth.jwt.serviceAccountRef`.
    pub field: &'static str,
    /// The name.
    pub name: Box<str>,
    /// The namespace, where one is written.
    pub namespace: Option<Box<str>>,
}

/// A role that is assumed or logged in with: of IAM, of Vault, or a service account of Google's that is
/// impersonated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The field below the provider.
    pub field: &'static str,
    /// Its place, where the field is a list.
    pub index: Option<u32>,
    /// The role.
    pub name: Box<str>,
}

/// Who a store or a generator acts as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The objects that it names.
    pub references: Box<[ObjectRef]>,
    /// The roles that it names.
    pub roles: Box<[Role]>,
    /// The field below the provider where the operator's own identity is what logs in: `auth` where
    /// there is none, or a method that names neither a Secret nor a service account.
    pub operator_field: Option<&'static str>,
    /// Fields that this release does not know, below the provider.
    pub unknown_fields: Box<[Box<str>]>,
}

impl Identity {
    /// The references of a kind.
    pub fn of_kind(&self, kind: ObjectRefKind) -> impl Iterator<Item = &ObjectRef> {
        self.references.iter().filter(move |reference| reference.kind == kind)
    }

    /// Credentials that lie in a Secret and log in: not those of a client certificate under `tls`.
    pub fn static_credentials(&self) -> impl Iterator<Item = &ObjectRef> {
        self.of_kind(ObjectRefKind::Secret).filter(|reference| reference.field.starts_with("auth"))
    }
}
