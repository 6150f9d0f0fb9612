//! `admission.k8s.io/v1`: the request as it comes, the answer as it goes.
//!
//! Types and field names follow `k8s.io/api/admission/v1/types.go`. kube's own types are not used:
//! they read envelope and object in one go, so that an object that can't be read takes the uid with
//! it, and their `Debug` prints the object.

pub mod answer;
pub mod envelope;
pub mod json;
pub mod request;

pub use answer::Answer;
pub use envelope::{Envelope, Refusal, RefusalReason};
pub use request::{AdmissionRequest, GroupVersionKind, GroupVersionResource, operation_name};
