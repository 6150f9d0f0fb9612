//! KMS keys as AWS writes them.
//!
//! Source: AWS KMS developer guide, "Key identifiers": a key id is a UUID, or `mrk-` and 32 hexadecimal
//! digits for a multi-region key; an alias is `alias/NAME`; both may be given as ARNs. `alias/aws/` is
//! reserved for keys that AWS manages.

/// A key, as a setting names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KmsKey<'o> {
    /// Region and account, where the key is written as an ARN.
    pub place: Option<(&'o str, &'o str)>,
    /// The key id, or `alias/…`.
    pub id: &'o str,
    /// Whether AWS could know a key of this form.
    pub is_well_formed: bool,
}

impl<'o> KmsKey<'o> {
    /// Reads a key. Whatever is no key is one that is not well formed.
    #[must_use]
    pub fn read(text: &'o str) -> Self {
        let Some(rest) = text.strip_prefix("arn:") else {
            return Self { place: None, id: text, is_well_formed: is_id(text) || is_alias(text) };
        };
        let parts: Vec<&str> = rest.splitn(5, ':').collect();
        let [partition, service, region, account, resource] = parts[..] else {
            return Self { place: None, id: text, is_well_formed: false };
        };
        let id = resource.strip_prefix("key/").unwrap_or(resource);
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_key = resource.starts_with("key/") && is_id(id);
        Self {
            place: Some((region, account)),
            id,
            is_well_formed: partition.starts_with("aws")
                && service == "kms"
                && !region.is_empty()
                && is_account
                && (is_key || is_alias(resource)),
        }
    }

    /// Whether it is a key that AWS manages.
    #[must_use]
    pub fn is_aws_managed(&self) -> bool {
        self.id.starts_with("alias/aws/")
    }

    /// Whether the same text names a key in every region: an alias, or a multi-region key.
    #[must_use]
    pub fn is_of_any_region(&self) -> bool {
        self.place.is_none() && (self.id.starts_with("alias/") || self.id.starts_with("mrk-"))
    }
}

/// Whether an expression of Terraform names a key that the same configuration makes: the customer's own,
/// whatever its id will be. (An alias can be of any key.)
#[must_use]
pub fn is_own_key(text: &str) -> bool {
    text.starts_with("${aws_kms_key.")
}

fn is_id(text: &str) -> bool {
    if let Some(digits) = text.strip_prefix("mrk-") {
        return digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn is_alias(text: &str) -> bool {
    text.strip_prefix("alias/").is_some_and(|name| {
        !name.is_empty()
            && name.len() <= 250
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn the_forms_of_aws_are_well_formed() {
        let mrk = format!("mrk-{}", "0123456789abcdef".repeat(2));
        for text in [
            ID.to_owned(),
            mrk.clone(),
            "alias/secrets-prod".to_owned(),
            format!("arn:aws:kms:eu-west-1:111111111111:key/{ID}"),
            format!("arn:aws-cn:kms:cn-north-1:111111111111:key/{mrk}"),
            "arn:aws:kms:eu-west-1:111111111111:alias/secrets-prod".to_owned(),
        ] {
            assert!(KmsKey::read(&text).is_well_formed, "{text}");
        }
        let key = format!("arn:aws:kms:eu-west-1:111111111111:key/{ID}");
        assert_eq!(KmsKey::read(&key).place, Some(("eu-west-1", "111111111111")));
    }

    #[test]
    fn what_aws_could_not_know_is_not() {
        for text in [
            "",
            "my-key",
            "alias/",
            "mrk-123",
            "arn:aws:kms:eu-west-1:111111111111:key/rotation-key",
            "arn:aws:s3:eu-west-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:eu-west-1:1:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        ] {
            assert!(!KmsKey::read(text).is_well_formed, "{text}");
        }
    }

    #[test]
    fn keys_that_aws_manages_are_known_in_both_forms() {
        assert!(KmsKey::read("alias/aws/secretsmanager").is_aws_managed());
        assert!(KmsKey::read("arn:aws:kms:eu-west-1:111111111111:alias/aws/ssm").is_aws_managed());
        assert!(!KmsKey::read("alias/awesome").is_aws_managed());
    }
}
