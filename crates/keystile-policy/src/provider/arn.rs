//! ARNs (Amazon resource names) as keys.
//!
//! Source: the AWS General Reference, "Amazon Resource Names"; Secrets Manager's user guide, "What's in
//! a Secrets Manager secret" (six random characters end a secret's ARN, and a partial ARN leaves them
//! out); Parameter Store's user guide, "Working with parameter hierarchies".

use super::KeyFault;

/// `arn:partition:service:region:account:resource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'o> {
    /// `aws`, `aws-cn`, …
    pub partition: &'o str,
    /// `secretsmanager`, `ssm`, …
    pub service: &'o str,
    /// The region; may be empty.
    pub region: &'o str,
    /// The account; may be empty.
    pub account: &'o str,
    /// What follows, colons included.
    pub resource: &'o str,
}

/// The longest key that AWS reads as an ARN. Source: the API reference of GetSecretValue, `SecretId`.
pub const MAX_LENGTH: usize = 2048;

/// Whether `key` would be read as an ARN, well-formed or not.
#[must_use]
pub fn is_arn(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("arn:"))
}

impl<'o> Arn<'o> {
    /// Reads an ARN.
    ///
    /// # Errors
    ///
    /// [`KeyFault::NotCanonical`] where a part is missing or the text is too long.
    pub fn parse(text: &'o str) -> Result<Self, KeyFault> {
        if text.len() > MAX_LENGTH {
            return Err(KeyFault::NotCanonical(format!("is {} bytes long, more than {MAX_LENGTH}", text.len())));
        }
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or_else(|| KeyFault::NotCanonical("is an ARN that lacks a part".to_owned()));
        if next()? != "arn" {
            return Err(KeyFault::NotCanonical("begins as an ARN in other letters".to_owned()));
        }
        Ok(Self { partition: next()?, service: next()?, region: next()?, account: next()?, resource: next()? })
    }

    /// Says which part is not that of the store. `account`: the store's, where it assumes a role.
    ///
    /// # Errors
    ///
    /// [`KeyFault::ForeignArn`].
    pub fn check(&self, service: &str, region: &str, account: Option<&str>) -> Result<(), KeyFault> {
        let parts = [
            ("service", self.service, service),
            ("partition", self.partition, partition(region)),
            ("region", self.region, region),
            ("account", self.account, account.unwrap_or(self.account)),
        ];
        for (part, found, expected) in parts {
            if found != expected {
                let found = crate::shown::Shown(found);
                return Err(KeyFault::ForeignArn(format!("{part} {found}, the store is in {expected}")));
            }
        }
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(KeyFault::NotCanonical("is an ARN whose account is not 12 digits".to_owned()));
        }
        Ok(())
    }
}

/// The partition of a region.
/// Source: the AWS General Reference, "Partitions"; botocore's endpoint data for the isolated ones.
#[must_use]
pub fn partition(region: &str) -> &'static str {
    [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ]
    .iter()
    .find(|(prefix, _)| region.starts_with(prefix))
    .map_or("aws", |(_, partition)| partition)
}

/// `name` without the `-` and six letters or digits that end a secret's ARN; `None` where it has none.
#[must_use]
pub fn without_suffix(name: &str) -> Option<&str> {
    let (rest, suffix) = name.rsplit_once('-')?;
    (suffix.len() == 6 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_six_parts_and_the_last_keeps_its_colons() {
        let arn = Arn::parse("arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/db-AbCdEf").unwrap();
        assert_eq!(
            (arn.service, arn.account, arn.resource),
            ("secretsmanager", "111111111111", "secret:/prod/db-AbCdEf")
        );
        for text in ["arn:", "arn:aws:ssm:eu-west-1:111111111111", "ARN:aws:ssm:eu-west-1:111111111111:parameter/x"] {
            assert!(matches!(Arn::parse(text), Err(KeyFault::NotCanonical(_))), "{text}");
        }
    }

    #[test]
    fn each_part_of_an_arn_is_that_of_the_store() {
        for (text, part) in [
            ("arn:aws:ssm:eu-west-1:111111111111:x", "service"),
            ("arn:aws-cn:secretsmanager:eu-west-1:111111111111:x", "partition"),
            ("arn:aws:secretsmanager:us-east-1:111111111111:x", "region"),
            ("arn:aws:secretsmanager:eu-west-1:222222222222:x", "account"),
        ] {
            let checked = Arn::parse(text).unwrap().check("secretsmanager", "eu-west-1", Some("111111111111"));
            let Err(KeyFault::ForeignArn(which)) = checked else { panic!("{text}: {checked:?}") };
            assert!(which.starts_with(part), "{text}: {which}");
        }
        let china = Arn::parse("arn:aws-cn:secretsmanager:cn-north-1:111111111111:secret:x").unwrap();
        assert_eq!(china.check("secretsmanager", "cn-north-1", None), Ok(()));
    }

    #[test]
    fn a_suffix_is_a_hyphen_and_six_letters_or_digits() {
        assert_eq!(without_suffix("/prod/db-AbC123"), Some("/prod/db"));
        for name in ["/prod/db", "/prod/db-AbC12", "/prod/db-AbC1234", "/prod/db-AbC_12"] {
            assert_eq!(without_suffix(name), None, "{name}");
        }
    }
}
