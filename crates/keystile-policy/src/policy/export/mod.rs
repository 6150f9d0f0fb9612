//! `keystile policy export`: what of a policy other guards can hold as well.
//!
//! An export is a second fence, not the policy: each names what it could not say. IAM is exact for what it
//! takes in, and takes in no more than the policy grants. A ValidatingAdmissionPolicy sees no stores: what
//! it refuses the policy refuses too, but not the other way round.

mod cel;
pub mod iam;
pub mod vap;

use serde_json::Value;

/// A document for another guard.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// The documents, in the other's own language.
    pub documents: Vec<Value>,
    /// What they could not say, and why.
    pub left_out: Vec<String>,
}
