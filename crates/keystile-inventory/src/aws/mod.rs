//! AWS Secrets Manager: `ListSecrets` and `DescribeSecret`.
//!
//! Facts of the API are from its reference (AWS Secrets Manager, version 2017-10-17) and from the model that
//! the SDK is generated from.

mod bounded;
pub mod connection;
mod convert;
pub mod endpoint;
pub mod error;
pub mod region;
pub mod secrets;

pub use connection::{AwsIdentity, AwsOptions, Connection};
pub use region::{Pace, Progress, RegionRead, Scope};
pub use secrets::Secrets;
