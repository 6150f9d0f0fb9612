//! AWS Secrets Manager and SSM Parameter Store.
//!
//! Source: External Secrets 2.9.0, providers/v1/aws/secretsmanager/secretsmanager.go (`fetch`) and
//! parameterstore/parameterstore.go (`parameterNameWithVersion`): the store's prefix and the key are
//! put together as they are; nothing is trimmed, cleaned or folded.

use std::borrow::Cow;

use super::arn::{self, Arn};
use super::canonical::{PARAMETER_STORE, SECRETS_MANAGER, joined};
use super::{EffectiveKey, KeyFault};
use crate::subject::store::AwsStore;

/// What Secrets Manager is asked for.
///
/// # Errors
///
/// See [`KeyFault`].
pub fn secrets_manager<'o>(store: &AwsStore, key: &'o str) -> Result<EffectiveKey<'o>, KeyFault> {
    if let Some(arn) = arn_of(store, key, "secretsmanager")? {
        let Some(name) = arn.resource.strip_prefix("secret:") else {
            return Err(KeyFault::NotCanonical("is an ARN of no secret".to_owned()));
        };
        SECRETS_MANAGER.check(name)?;
        // `-AbCdEf` may be the suffix of a full ARN, or end the name in a partial one.
        let other_name = arn::without_suffix(name).map(Cow::Borrowed);
        return Ok(EffectiveKey { name: name.into(), other_name, arn_account: Some(arn.account), version: None });
    }
    let name = joined(&store.prefix, key);
    SECRETS_MANAGER.check(&name)?;
    Ok(EffectiveKey::of_name(name))
}

/// What Parameter Store is asked for. The key itself may hold a version or label: `name:3`.
///
/// # Errors
///
/// See [`KeyFault`].
pub fn parameter_store<'o>(store: &AwsStore, key: &'o str) -> Result<EffectiveKey<'o>, KeyFault> {
    let split = |text: &'o str| match text.split_once(':') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    if let Some(arn) = arn_of(store, key, "ssm")? {
        let (resource, version) = split(arn.resource);
        let Some(rest) = resource.strip_prefix("parameter") else {
            return Err(KeyFault::NotCanonical("is an ARN of no parameter".to_owned()));
        };
        // The ARN of `/prod/db` is `parameter/prod/db`; that of `db` is `parameter/db`.
        PARAMETER_STORE.check(rest)?;
        let bare =
            rest.strip_prefix('/').ok_or_else(|| KeyFault::NotCanonical("is an ARN of no parameter".to_owned()))?;
        let other_name = (!bare.contains('/')).then_some(Cow::Borrowed(bare));
        return Ok(EffectiveKey { name: rest.into(), other_name, arn_account: Some(arn.account), version });
    }
    let (key, version) = split(key);
    let name = joined(&store.prefix, key);
    PARAMETER_STORE.check(&name)?;
    Ok(EffectiveKey { version, ..EffectiveKey::of_name(name) })
}

/// The ARN that `key` is, checked against the store; `None` where it is a name.
fn arn_of<'o>(store: &AwsStore, key: &'o str, service: &str) -> Result<Option<Arn<'o>>, KeyFault> {
    if !arn::is_arn(key) {
        return Ok(None);
    }
    if !store.prefix.is_empty() {
        return Err(KeyFault::ArnBehindPrefix);
    }
    let arn = Arn::parse(key)?;
    arn.check(service, &store.region, store.account())?;
    Ok(Some(arn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(prefix: &str) -> AwsStore {
        AwsStore { region: "eu-west-1".into(), prefix: prefix.into(), ..AwsStore::default() }
    }

    #[test]
    fn the_prefix_is_put_before_the_key_as_it_is() {
        for (prefix, key, name) in [
            ("", "/prod/team-a/db", "/prod/team-a/db"),
            ("/prod/team-b/", "db", "/prod/team-b/db"),
            ("/prod/team-", "b/db", "/prod/team-b/db"),
            ("/prod/team-b", "/prod/team-a/db", "/prod/team-b/prod/team-a/db"),
        ] {
            assert_eq!(secrets_manager(&store(prefix), key), Ok(EffectiveKey::of_name(name.into())), "{prefix}{key}");
        }
        assert!(secrets_manager(&store("/prod/team-a/"), "").is_err());
    }

    #[test]
    fn an_arn_of_a_secret_is_read_both_ways() {
        let key = |text: &'static str| secrets_manager(&store(""), text).unwrap();
        let full = key("arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/team-b/db-AbCdEf");
        assert_eq!(full.names().collect::<Vec<_>>(), ["/prod/team-b/db-AbCdEf", "/prod/team-b/db"]);
        assert_eq!(full.arn_account, Some("111111111111"));
        let partial = key("arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/team-b/db");
        assert_eq!(partial.names().collect::<Vec<_>>(), ["/prod/team-b/db"]);
    }

    #[test]
    fn an_arn_of_a_parameter_has_a_leading_slash_and_a_version() {
        let key = |text: &'static str| parameter_store(&store(""), text).unwrap();
        let nested = key("arn:aws:ssm:eu-west-1:111111111111:parameter/prod/team-a/db:3");
        assert_eq!((nested.names().collect::<Vec<_>>(), nested.version), (vec!["/prod/team-a/db"], Some("3")));
        let bare = key("arn:aws:ssm:eu-west-1:111111111111:parameter/db");
        assert_eq!(bare.names().collect::<Vec<_>>(), ["/db", "db"]);
        let labelled = key("/prod/team-a/db:blue");
        assert_eq!((&*labelled.name, labelled.version), ("/prod/team-a/db", Some("blue")));
    }

    #[test]
    fn an_arn_behind_a_prefix_is_nonsense() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/team-a/db";
        assert_eq!(secrets_manager(&store("/prod/team-a/"), arn), Err(KeyFault::ArnBehindPrefix));
    }
}
