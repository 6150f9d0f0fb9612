//! Whether a name is canonical: written in the one way in which it can be compared.
//!
//! What is not is refused before any grant is looked at. `..`, empty segments and escapes mean nothing
//! to AWS and climb elsewhere; nobody needs them, so they are refused everywhere.

use std::borrow::Cow;

use super::KeyFault;

/// What a provider's names are made of.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// The characters beside ASCII letters and digits.
    pub punctuation: &'static str,
    /// Whether each byte is one of a name.
    bytes: [bool; 256],
    /// The largest length, in bytes.
    pub max_length: usize,
    /// The largest number of levels (segments but for the one before a leading slash).
    pub max_levels: usize,
}

/// Secrets Manager: up to 512 characters.
/// Source: the AWS API reference of CreateSecret, `Name`.
pub static SECRETS_MANAGER: Grammar = Grammar::new("/_+=.@-", 512, usize::MAX);

/// Parameter Store: up to 1011 characters, 15 levels below the root.
/// Source: the AWS API reference of PutParameter, `Name`.
pub static PARAMETER_STORE: Grammar = Grammar::new("/_.-", 1011, 15);

/// Vault takes almost anything; these are the characters that no client or proxy on the way escapes.
pub static VAULT: Grammar = Grammar::new("/_+=.@:~,-", 512, usize::MAX);

/// GCP Secret Manager. Source: its REST reference, `projects.secrets.create`, `secretId`.
pub static GCP: Grammar = Grammar::new("_-", 255, 1);

/// A Secret's name is a DNS subdomain (RFC 1123).
pub static KUBERNETES: Grammar = Grammar::new(".-", 253, 1);

impl Grammar {
    const fn new(punctuation: &'static str, max_length: usize, max_levels: usize) -> Self {
        let mut bytes = [false; 256];
        let mut at = 0;
        while at < 256 {
            bytes[at] = (at as u8).is_ascii_alphanumeric();
            at += 1;
        }
        let signs = punctuation.as_bytes();
        let mut at = 0;
        while at < signs.len() {
            bytes[signs[at] as usize] = true;
            at += 1;
        }
        Self { punctuation, bytes, max_length, max_levels }
    }

    /// Says how `name` is not canonical.
    ///
    /// # Errors
    ///
    /// [`KeyFault::NotCanonical`], in words that follow the name.
    pub fn check(&self, name: &str) -> Result<(), KeyFault> {
        let fault = |how: String| Err(KeyFault::NotCanonical(how));
        if name.is_empty() {
            return fault("is empty".to_owned());
        }
        if name.len() > self.max_length {
            return fault(format!("is {} bytes long, more than the {} of a name", name.len(), self.max_length));
        }
        if !name.bytes().all(|byte| self.bytes[usize::from(byte)]) {
            return fault(self.stranger(name));
        }
        let mut levels = 0;
        let mut rest = Some(name.as_bytes());
        while let Some(now) = rest {
            // Names are short: a plain loop is faster than the searcher of `split`.
            let end = now.iter().position(|byte| *byte == b'/').unwrap_or(now.len());
            let segment = &now[..end];
            levels += usize::from(!segment.is_empty());
            match segment {
                b"" if now.len() < name.len() => {
                    return fault(match name.ends_with('/') && !name[..name.len() - 1].contains("//") {
                        true => "ends in a slash".to_owned(),
                        false => "has an empty segment (two slashes in a row)".to_owned(),
                    });
                }
                b"." | b".." => return fault(format!("has a segment {}", String::from_utf8_lossy(segment))),
                _ => {}
            }
            rest = now.get(end + 1..).filter(|_| end < now.len());
        }
        if levels > self.max_levels {
            return fault(format!("has {levels} levels, more than {}", self.max_levels));
        }
        Ok(())
    }

    /// Names the first character that is not of the grammar.
    fn stranger(&self, name: &str) -> String {
        let is_plain = |character: char| character.is_ascii_alphanumeric() || self.punctuation.contains(character);
        let stranger = name.chars().find(|character| !is_plain(*character)).unwrap_or_default();
        let shown = match stranger {
            ' '..='~' => format!("{stranger:?}"),
            other => format!("U+{:04X}", u32::from(other)),
        };
        let why = match stranger {
            '%' => "; nothing is unescaped",
            character if !character.is_ascii() => "; it may look like a letter and be another",
            _ => "",
        };
        format!("holds {shown}, which is none of A-Z a-z 0-9 {}{why}", self.punctuation)
    }
}

/// `prefix` and `key` put together; borrowed where there is no prefix.
#[must_use]
pub fn joined<'o>(prefix: &str, key: &'o str) -> Cow<'o, str> {
    if prefix.is_empty() { Cow::Borrowed(key) } else { Cow::Owned([prefix, key].concat()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_canonical_is_named() {
        let deep = "/a".repeat(16);
        let long = "x".repeat(513);
        for (grammar, name, how) in [
            (&SECRETS_MANAGER, "", "is empty"),
            (&SECRETS_MANAGER, &*long, "is 513 bytes long, more than the 512 of a name"),
            (&SECRETS_MANAGER, "/prod/team-a/", "ends in a slash"),
            (&SECRETS_MANAGER, "//prod/team-a/db", "has an empty segment (two slashes in a row)"),
            (&SECRETS_MANAGER, "/prod//db/", "has an empty segment (two slashes in a row)"),
            (&SECRETS_MANAGER, "/", "ends in a slash"),
            (&SECRETS_MANAGER, "/prod/team-a/../team-b/db", "has a segment .."),
            (&SECRETS_MANAGER, "/prod/./db", "has a segment ."),
            (
                &SECRETS_MANAGER,
                "/prod/team-a%2Fdb",
                "holds '%', which is none of A-Z a-z 0-9 /_+=.@-; nothing is unescaped",
            ),
            (
                &SECRETS_MANAGER,
                "/prod/t\u{435}am-a/db",
                "holds U+0435, which is none of A-Z a-z 0-9 /_+=.@-; it may look like a letter and be another",
            ),
            (&SECRETS_MANAGER, "/prod/a\n", "holds U+000A, which is none of A-Z a-z 0-9 /_+=.@-"),
            (&SECRETS_MANAGER, "a;b", "holds ';', which is none of A-Z a-z 0-9 /_+=.@-"),
            (&PARAMETER_STORE, " /prod/a", "holds ' ', which is none of A-Z a-z 0-9 /_.-"),
            (&PARAMETER_STORE, "/prod/a@b", "holds '@', which is none of A-Z a-z 0-9 /_.-"),
            (&PARAMETER_STORE, &*deep, "has 16 levels, more than 15"),
            (&GCP, "prod/db", "holds '/', which is none of A-Z a-z 0-9 _-"),
            (&KUBERNETES, "a_b", "holds '_', which is none of A-Z a-z 0-9 .-"),
        ] {
            assert_eq!(grammar.check(name), Err(KeyFault::NotCanonical(how.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_plain_name_is_canonical() {
        let long = "x".repeat(512);
        for name in ["/prod/team-a/db", "prod/team-a/db.password", "a", "/a+b=c@d_e", "/prod/...", "..a", &*long] {
            assert_eq!(SECRETS_MANAGER.check(name), Ok(()), "{name}");
        }
    }
}
