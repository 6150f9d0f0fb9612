//! AWS Secrets Manager and SSM Parameter Store.

use super::{EffectiveKey, KeyFault};
use crate::subject::store::AwsStore;

/// What Secrets Manager is asked for: the store's prefix and the key, put together as they are.
///
/// # Errors
///
/// See [`KeyFault`].
pub fn secrets_manager(store: &AwsStore, key: &str) -> Result<EffectiveKey, KeyFault> {
    let name = format!("{}{key}", store.prefix);
    Ok(EffectiveKey { name, name_without_suffix: None, is_arn: false })
}
