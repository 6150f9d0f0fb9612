//! Google Cloud Secret Manager, over its REST interface (v1).
//!
//! Facts are from the API's reference and its definition (`google/cloud/secretmanager/v1`), and from the pages named
//! beside them; nothing here was tried against Google itself.

mod client;
mod crc32c;
mod login;
mod manager;
mod resource;
mod settings;

pub use manager::GcpSecretManager;
pub use settings::{GcpLogin, GcpSettings};
