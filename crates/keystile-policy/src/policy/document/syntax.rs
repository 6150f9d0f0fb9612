//! What single values of a policy document look like.

use jiff::civil::Date;

use super::words;
use crate::shown::Shown;
use crate::suggest::did_you_mean;

/// The form of a single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Any text, but not none.
    Text,
    /// Any text.
    TextOrEmpty,
    /// One of these.
    Words(&'static [&'static str]),
    /// A DNS label (RFC 1123): a team, an environment, a namespace.
    DnsLabel,
    /// DNS labels with dots between (RFC 1123): the name of an object.
    DnsSubdomain,
    /// The key of a label.
    LabelKey,
    /// The id of an AWS account.
    Account,
    /// A region of AWS.
    Region,
    /// A location of Google Cloud, or the empty text.
    LocationOrEmpty,
    /// The URL of a server.
    Url,
    /// A duration.
    Duration,
    /// A duration of whole days that AWS takes for a recovery window.
    RecoveryWindow,
    /// A day.
    Date,
    /// A pattern of secrets' names.
    Names,
    /// The name of a service account, with variables.
    ServiceAccount,
    /// `namespace/name`.
    NamespacedName,
    /// An IAM role's ARN or a Vault role, with variables.
    Role,
    /// A KMS alias, with variables.
    KmsAlias,
    /// A KMS key's id or ARN.
    KmsKey,
    /// A kind of generator.
    GeneratorKind,
    /// A kind of object that is judged.
    ObjectKind,
    /// A rule's id.
    RuleId,
    /// A rule's id, a group of rules, or `all`.
    RuleName,
    /// What a broken rule does.
    Action,
}

/// What `Action` takes, mildest first.
pub const ACTIONS: &[&str] = &["allow", "audit", "warn", "deny"];

impl Syntax {
    /// What is expected, for messages and the reference page: "a duration such as 90d".
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::TextOrEmpty => "a text, or the empty one".to_owned(),
            Self::Words(words) => match words {
                [one] => (*one).to_owned(),
                words => format!("one of {}", words.join(", ")),
            },
            Self::DnsLabel => "a DNS label: 1 to 63 of a-z, 0-9 and -".to_owned(),
            Self::DnsSubdomain => "a name of Kubernetes: DNS labels, parted by dots".to_owned(),
            Self::LabelKey => "the key of a label, such as team or example.com/team".to_owned(),
            Self::Account => "an account id: 12 digits in quotes".to_owned(),
            Self::Region => "a region such as eu-central-1".to_owned(),
            Self::LocationOrEmpty => "a location such as europe-west1, or the empty text".to_owned(),
            Self::Url => "a URL such as https://vault.example:8200".to_owned(),
            Self::Duration => "a duration such as 90d or 12h".to_owned(),
            Self::RecoveryWindow => "a duration of 7 to 30 whole days, such as 14d".to_owned(),
            Self::Date => "a day such as 2027-03-31".to_owned(),
            Self::Names => "a pattern of names such as /{env}/{team}/**".to_owned(),
            Self::ServiceAccount => "the name of a service account".to_owned(),
            Self::NamespacedName => "namespace/name".to_owned(),
            Self::Role => "the ARN of an IAM role, or the name of a Vault role".to_owned(),
            Self::KmsAlias => "an alias such as alias/secrets-{env}".to_owned(),
            Self::KmsKey => "the id or the ARN of a key".to_owned(),
            Self::GeneratorKind => "a kind of generator such as Password".to_owned(),
            Self::ObjectKind => "a kind of object such as ExternalSecret".to_owned(),
            Self::RuleId => "the id of a rule".to_owned(),
            Self::RuleName => "the id of a rule, a group of rules, or all".to_owned(),
            Self::Action => format!("one of {}", ACTIONS.join(", ")),
        }
    }

    /// Whether `text` has the form.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and the cure. [`Syntax::Names`] is checked by its provider alone.
    pub fn check(self, text: &str) -> Result<(), String> {
        let expected = || Err(format!("{} is not {}", Shown(text), self.describe()));
        let is = |holds: bool| if holds { Ok(()) } else { expected() };
        match self {
            Self::TextOrEmpty | Self::Names => Ok(()),
            Self::Text => is(!text.trim().is_empty()),
            Self::Words(words) => one_of(text, words, &self.describe()),
            Self::Action => one_of(text, ACTIONS, &self.describe()),
            Self::DnsLabel => is(is_dns_label(text)),
            Self::DnsSubdomain => is(is_dns_subdomain(text)),
            Self::LabelKey => is(is_label_key(text)),
            Self::Account => is(is_account(text)),
            Self::Region => is(is_region(text)),
            Self::LocationOrEmpty => is(text.is_empty() || is_dns_label(text)),
            Self::Url => {
                let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
                is(rest.is_some_and(|rest| !rest.is_empty() && !text.bytes().any(|byte| byte <= b' ' || byte == 0x7f)))
            }
            Self::Duration => super::super::duration::parse(text).map(drop),
            Self::RecoveryWindow => {
                let seconds = super::super::duration::parse(text)?.as_secs();
                is(seconds.is_multiple_of(86_400) && (7..=30).contains(&(seconds / 86_400)))
            }
            Self::Date => is(text.len() == "2027-03-31".len() && text.parse::<Date>().is_ok()),
            Self::ServiceAccount => is(is_dns_subdomain(&filled(text))),
            Self::NamespacedName => is(text
                .split_once('/')
                .is_some_and(|(namespace, name)| is_dns_label(namespace) && is_dns_subdomain(name))),
            Self::Role => check_role(text),
            Self::KmsAlias => check_alias(text),
            Self::KmsKey => is(is_kms_key(text)),
            Self::GeneratorKind => one_of(text, words::GENERATOR_KINDS, "a kind of generator that keystile knows"),
            Self::ObjectKind => known(text, &words::object_kinds(), "a kind that the policy judges"),
            Self::RuleId => known(text, &words::rule_ids(), "a rule"),
            Self::RuleName => known(text, &words::rule_names(), "a rule, a group of rules, or all"),
        }
    }
}

fn one_of(text: &str, words: &[&str], expected: &str) -> Result<(), String> {
    if words.contains(&text) {
        return Ok(());
    }
    Err(format!("{} is not {expected}{}", Shown(text), did_you_mean(text, words.iter().copied())))
}

fn known(text: &str, words: &[&'static str], expected: &str) -> Result<(), String> {
    one_of(text, words, expected)
}

/// Whether `text` is a DNS label (RFC 1123): 1 to 63 of `a-z0-9-`, no hyphen at either end.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether it is a DNS subdomain (RFC 1123), as most names of objects are.
#[must_use]
pub fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// The key of a label: an optional DNS subdomain and `/`, then up to 63 of letters, digits, `-_.`.
/// Source: Kubernetes, "Labels and Selectors", syntax and character set.
fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    prefix.is_none_or(is_dns_subdomain)
        && (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && is_end(name.as_bytes().first())
        && is_end(name.as_bytes().last())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` has the form of a region: `eu-central-1`, `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    parts.len() >= 3
        && first.len() == 2
        && parts[..parts.len() - 1].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()))
        && (1..=2).contains(&last.len())
        && last.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text with its variables filled in, to look at its form.
fn filled(text: &str) -> String {
    text.replace("{env}", "env").replace("{team}", "team")
}

fn check_role(text: &str) -> Result<(), String> {
    let role = filled(text);
    if role.is_empty() || role.contains(['{', '}']) || role.contains(char::is_whitespace) {
        return Err(format!("{} is not {}; variables are {{env}} and {{team}}", Shown(text), Syntax::Role.describe()));
    }
    if role.contains('*') {
        return Err(format!("{} has a *: a role is named as a whole, with {{env}} and {{team}}", Shown(text)));
    }
    if !role.starts_with("arn:") {
        return Ok(());
    }
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    match parts.as_slice() {
        [_, partition, "iam", "", account, resource]
            if partition.starts_with("aws")
                && is_account(account)
                && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
        {
            Ok(())
        }
        _ => Err(format!("{} is not the ARN of an IAM role: arn:aws:iam::ACCOUNT:role/NAME", Shown(text))),
    }
}

fn check_alias(text: &str) -> Result<(), String> {
    let alias = filled(text);
    if alias.starts_with("alias/aws/") {
        return Err(format!("{} is managed by AWS: name an alias of a key of your own", Shown(text)));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    match alias.strip_prefix("alias/") {
        Some(name) if !name.is_empty() && name.bytes().all(is_name) => Ok(()),
        _ => Err(format!("{} is not {}", Shown(text), Syntax::KmsAlias.describe())),
    }
}

/// Whether `text` is a key's id (a UUID, or `mrk-` and 32 hexadecimal digits) or its ARN.
/// Source: AWS KMS developer guide, "Key identifiers".
fn is_kms_key(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let is_id = |id: &str| {
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        (lengths == [8, 4, 4, 4, 12] && is_hex(&id.replace('-', "")))
            || id.strip_prefix("mrk-").is_some_and(|rest| rest.len() == 32 && is_hex(rest))
    };
    if is_id(text) {
        return true;
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", partition, "kms", region, account, resource]
        if partition.starts_with("aws") && is_region(region) && is_account(account)
            && resource.strip_prefix("key/").is_some_and(is_id))
}
