//! From a body to a request, in two steps: the envelope with its uid, then the objects.
//!
//! The first step reads one level of the review and one of its request, so a body whose object can't
//! be read still yields the uid that every answer must echo. Where even the envelope is broken,
//! [`find_uid`] has a last look.

use std::fmt;

use keystile_policy::{Operation, User};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::json::{Fields, JsonError, find_uid, read_value};
use super::request::{AdmissionRequest, GroupVersionKind, operation_of};

/// Longest uid that is echoed, in bytes. The API server's are 36 characters of a UUID.
const MAX_UID_BYTES: usize = 256;

/// The two service accounts that take down what belongs to a namespace or an owner that is gone.
/// Nothing that keystile can't read may keep them from it, or namespaces would hang in `Terminating`.
const CLEANERS: [&str; 2] = [
    "system:serviceaccount:kube-system:namespace-controller",
    "system:serviceaccount:kube-system:generic-garbage-collector",
];

/// Why keystile did not come to a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// The body is no `AdmissionReview` that can be understood.
    Malformed,
    /// The object can't be read, or is past a limit.
    UnreadableObject,
    /// The body is larger than allowed.
    TooLarge,
    /// The body did not come in time.
    SlowBody,
    /// No judgement before the deadline.
    Deadline,
    /// Too many requests at once.
    Overloaded,
    /// The judge panicked.
    Panic,
}

impl RefusalReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::UnreadableObject,
        Self::TooLarge,
        Self::SlowBody,
        Self::Deadline,
        Self::Overloaded,
        Self::Panic,
    ];

    /// As it stands in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnreadableObject => "unreadable-object",
            Self::TooLarge => "too-large",
            Self::SlowBody => "slow-body",
            Self::Deadline => "deadline",
            Self::Overloaded => "overloaded",
            Self::Panic => "panic",
        }
    }

    /// `status.code` and `status.reason` of the denial: what `k8s.io/apimachinery` gives such errors.
    #[must_use]
    pub fn status(self) -> (u16, &'static str) {
        match self {
            Self::Malformed | Self::UnreadableObject => (403, "Forbidden"),
            Self::TooLarge => (413, "RequestEntityTooLarge"),
            Self::SlowBody | Self::Deadline => (504, "Timeout"),
            Self::Overloaded => (429, "TooManyRequests"),
            Self::Panic => (500, "InternalError"),
        }
    }
}

/// A denial that is no judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Nothing when the body has none that can be read: then there is no one to deny to, and the
    /// answer is HTTP 400.
    pub uid: Option<String>,
    /// Which `apiVersion` the answer has.
    pub api_version: &'static str,
    /// For metrics, logs and the status code.
    pub reason: RefusalReason,
    /// For people: what is wrong and what cures it.
    pub message: String,
}

impl Refusal {
    /// A refusal of a body of which nothing but its bytes is known.
    #[must_use]
    pub fn of_bytes(body: &[u8], reason: RefusalReason, message: String) -> Self {
        Self { uid: find_uid(body).filter(|uid| is_uid(uid)), api_version: V1, reason, message }
    }
}

/// The version that is spoken here, and by every API server since 1.16.
pub const V1: &str = "admission.k8s.io/v1";
/// Its predecessor. Refused, in its own words: an answer in another version counts as a failed call.
pub const V1BETA1: &str = "admission.k8s.io/v1beta1";

fn is_uid(uid: &str) -> bool {
    !uid.is_empty() && uid.len() <= MAX_UID_BYTES
}

/// A review whose uid is known and whose objects are unread.
pub struct Envelope<'a> {
    uid: String,
    /// Of the whole body.
    bytes: usize,
    request: Fields<'a>,
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("uid", &self.uid).finish_non_exhaustive()
    }
}

impl<'a> Envelope<'a> {
    /// Reads the envelope.
    ///
    /// # Errors
    ///
    /// When the body is no `AdmissionReview` of version v1 with a request and a uid.
    pub fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        let malformed = |message: String| Refusal::of_bytes(body, RefusalReason::Malformed, message);
        let text = std::str::from_utf8(body)
            .map_err(|error| malformed(format!("the body is not UTF-8 at byte {}", error.valid_up_to())))?;
        let review =
            Fields::read(text).map_err(|error| malformed(format!("the body is no AdmissionReview: {error}")))?;
        let Some(request) = review.get("request") else {
            return Err(malformed("the AdmissionReview has no request".into()));
        };
        let request = Fields::read(request.get())
            .map_err(|error| malformed(format!("request of the AdmissionReview can't be read: {error}")))?;
        let Some(uid) = request.text("uid").filter(|uid| is_uid(uid)) else {
            // Two uids are none: whichever were echoed might be the wrong one.
            return Err(Refusal {
                uid: None,
                api_version: V1,
                reason: RefusalReason::Malformed,
                message: format!("request.uid must be there once, a text of 1 to {MAX_UID_BYTES} bytes"),
            });
        };
        let envelope = Self { uid: uid.into_owned(), bytes: body.len(), request };
        let api_version = review.text("apiVersion");
        let refuse = |message: &str| {
            Err(Refusal {
                api_version: if api_version.as_deref() == Some(V1BETA1) { V1BETA1 } else { V1 },
                ..envelope.refuse(RefusalReason::Malformed, message.into())
            })
        };
        if review.repeated() {
            return refuse("a field of the AdmissionReview stands twice");
        }
        if envelope.request.repeated() {
            return refuse("a field of request in the AdmissionReview stands twice");
        }
        if review.text("kind").as_deref() != Some("AdmissionReview") {
            return refuse("the body's kind is not AdmissionReview");
        }
        if api_version.as_deref() != Some(V1) {
            return refuse(
                "the AdmissionReview's apiVersion is not admission.k8s.io/v1: set admissionReviewVersions: [v1] in the ValidatingWebhookConfiguration",
            );
        }
        Ok(envelope)
    }

    /// The request's uid.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// A denial of this request that is no judgement.
    #[must_use]
    pub fn refuse(&self, reason: RefusalReason, message: String) -> Refusal {
        Refusal { uid: Some(self.uid.clone()), api_version: V1, reason, message }
    }

    /// Reads the rest, objects included.
    ///
    /// # Errors
    ///
    /// When a field has the wrong type, an object is missing, can't be read, is past a limit, or is
    /// of another kind than the request says. Two cases pass all the same, with what can be read:
    ///
    /// * a change of `metadata` alone of a custom resource that can't be read (a finalizer goes), and
    /// * its deletion by the namespace controller or the garbage collector.
    pub fn open(self) -> Result<Opened, Refusal> {
        let kind: GroupVersionKind = self.field("kind")?;
        if kind.kind.is_empty() || kind.version.is_empty() {
            return Err(self.refuse(RefusalReason::Malformed, "request.kind names no kind or no version".into()));
        }
        let Some(operation) = operation_of(&self.field::<String>("operation")?) else {
            let message = "request.operation must be CREATE, UPDATE, DELETE or CONNECT".into();
            return Err(self.refuse(RefusalReason::Malformed, message));
        };
        let UserInfo { username, groups } = self.field("userInfo")?;
        let mut request = AdmissionRequest {
            uid: self.uid.clone(),
            kind,
            resource: self.field("resource")?,
            sub_resource: self.field("subResource")?,
            request_kind: self.field("requestKind")?,
            name: self.field("name")?,
            namespace: self.field("namespace")?,
            operation,
            user: User { name: username, groups },
            object: None,
            old_object: None,
            dry_run: self.field("dryRun")?,
            bytes: self.bytes,
        };
        let (wants_object, wants_old) = match operation {
            Operation::Create => (true, false),
            Operation::Update => (true, true),
            Operation::Delete => (false, true),
            Operation::Connect => (false, false),
        };
        let object = self.object("object", wants_object, &request.kind);
        let old_object = self.object("oldObject", wants_old, &request.kind);
        let unreadable = match (object, old_object) {
            (Ok(object), Ok(old_object)) => {
                let values = [&object, &old_object].into_iter().flatten().map(|(_, values)| values).sum();
                request.object = object.map(|(object, _)| object);
                request.old_object = old_object.map(|(object, _)| object);
                return Ok(Opened { request, to_judge: true, values });
            }
            // The stored object can't be read and the new one can: that is how it is mended.
            // Judged as if it were new, which is the stricter way.
            (Ok(Some((object, values))), Err(Unreadable::Content(_))) if operation == Operation::Update => {
                request.object = Some(object);
                return Ok(Opened { request, to_judge: true, values });
            }
            (Err(error), _) | (_, Err(error)) => error,
        };
        let message = match unreadable {
            Unreadable::Missing(message) => return Err(self.refuse(RefusalReason::Malformed, message)),
            Unreadable::Content(message) => message,
        };
        let passes = match operation {
            // In the core group metadata is what is judged: a Namespace's labels, a Pod's annotations.
            Operation::Update => !request.kind.group.is_empty() && self.changes_metadata_alone(),
            Operation::Delete => CLEANERS.contains(&request.user.name.as_str()),
            Operation::Create | Operation::Connect => false,
        };
        if passes {
            return Ok(Opened { request, to_judge: false, values: 0 });
        }
        Err(self.refuse(RefusalReason::UnreadableObject, format!("{message} (object-unparsable)")))
    }

    /// A field of the request; its type's default when it is absent.
    fn field<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, Refusal> {
        let Some(value) = self.request.get(name) else { return Ok(T::default()) };
        // The error's own text may quote the value.
        serde_json::from_str(value.get()).map_err(|_| {
            self.refuse(
                RefusalReason::Malformed,
                format!("request.{name} does not have the type that admission.k8s.io/v1 gives it"),
            )
        })
    }

    fn object(&self, name: &str, wanted: bool, kind: &GroupVersionKind) -> Result<Option<(Value, usize)>, Unreadable> {
        let Some(text) = self.request.get(name) else {
            if wanted {
                return Err(Unreadable::Missing(format!("request.{name} is missing")));
            }
            return Ok(None);
        };
        let (value, values) = read_value(text.get())
            .map_err(|error: JsonError| Unreadable::Content(format!("request.{name} can't be judged: {error}")))?;
        if !value.is_object() {
            return Err(Unreadable::Missing(format!("request.{name} is no object")));
        }
        let says = |field: &str, expected: &str| value.get(field).is_none_or(|value| value.as_str() == Some(expected));
        if !says("kind", &kind.kind) || !says("apiVersion", &kind.api_version()) {
            return Err(Unreadable::Missing(format!(
                "request.{name} is of another kind or version than request.kind says"
            )));
        }
        Ok(Some((value, values)))
    }

    /// Whether the two objects are the same text in every field but `metadata`. The API server writes
    /// both with one encoder, so equal content is equal text; a difference only makes it stricter.
    fn changes_metadata_alone(&self) -> bool {
        let fields = |name| self.request.get(name).and_then(|text| Fields::read(text.get()).ok());
        let (Some(new), Some(old)) = (fields("object"), fields("oldObject")) else { return false };
        if new.repeated() || old.repeated() {
            return false;
        }
        let rest = |fields: &Fields<'a>| -> Vec<(String, &'a str)> {
            let mut rest: Vec<_> = fields
                .iter()
                .filter(|(key, _)| *key != "metadata")
                .map(|(key, value)| (key.to_owned(), value))
                .collect();
            rest.sort_unstable();
            rest
        };
        rest(&new) == rest(&old)
    }
}

/// `k8s.io/api/authentication/v1`, `UserInfo`, as far as the policy asks for it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct UserInfo {
    username: String,
    groups: Vec<String>,
}

/// Why there is no object.
enum Unreadable {
    /// Absent, or of the wrong kind: the request is malformed.
    Missing(String),
    /// There, but it can't be read.
    Content(String),
}

/// A request that was read.
#[derive(Debug)]
pub struct Opened {
    /// The request.
    pub request: AdmissionRequest,
    /// Whether it is to be judged. Otherwise it passes, without its objects: it changes nothing that
    /// could be judged. See [`Envelope::open`].
    pub to_judge: bool,
    /// How many JSON values its objects hold together.
    pub values: usize,
}

impl Opened {
    /// About how much memory the objects take beside their texts, in bytes: each value stands in a
    /// vector or a map that may have grown to twice of what is needed.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.values * 2 * size_of::<Value>()
    }
}
