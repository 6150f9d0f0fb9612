//! A constant in a template where a value belongs.

use serde_json::Value;

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static INLINE_TEMPLATE_VALUE: Rule = Rule {
    id: "inline-template-value",
    summary: "A template gives a key that is called a password, token or the like a constant.",
    why: "The value is then in the object, not in the secret store, and no rotation reaches it.",
    example: "kind: ExternalSecret\nspec:\n  target:\n    template:\n      data: {password: a literal}",
    instead: "Take the value from the remote secret: `password: \"{{ .password }}\"`.",
    references: &["https://external-secrets.io/latest/guides/templating/"],
    default_action: Action::Warn,
    kinds: &[Kind::ExternalSecret, Kind::ClusterExternalSecret, Kind::PushSecret, Kind::ClusterPushSecret],
    check,
};

/// What keys of credentials end in; compared without `-`, `_` and `.`, in small letters.
const ENDINGS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "token",
    "secret",
    "apikey",
    "privatekey",
    "credential",
    "credentials",
    "accesskey",
];

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let fields: &[&str] = match context.kind {
        Kind::ExternalSecret => &["spec", "target", "template", "data"],
        Kind::ClusterExternalSecret => &["spec", "externalSecretSpec", "target", "template", "data"],
        Kind::PushSecret => &["spec", "template", "data"],
        _ => &["spec", "pushSecretSpec", "template", "data"],
    };
    let data = fields.iter().try_fold(context.object, |value, field| value.get(*field));
    for (key, value) in data.and_then(Value::as_object).into_iter().flatten() {
        let is_constant = value.as_str().is_some_and(|text| !text.is_empty() && !text.contains("{{"));
        if !is_constant || !is_secret(key) {
            continue;
        }
        let path = Path::of(fields).field(key);
        // Without the value: the answer ends in logs.
        let message = format!("{} is a constant, not taken from a remote secret", Shown(key));
        out.push(
            Violation::new(&INLINE_TEMPLATE_VALUE, &path, path.to_string(), message)
                .cure("take it from the remote secret, and rotate it: whoever may read the object has read it"),
        );
    }
}

fn is_secret(key: &str) -> bool {
    let plain: String =
        key.chars().filter(|character| !matches!(character, '-' | '_' | '.')).flat_map(char::to_lowercase).collect();
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn a_key_says_by_its_end_what_it_holds() {
        for (key, expected) in [
            ("password", true),
            ("DB_PASSWORD", true),
            ("api-key", true),
            ("tls.private_key", true),
            ("clientSecret", true),
            ("username", false),
            ("password_file", false),
            ("TOKEN_URL", false),
            ("secretName", false),
        ] {
            assert_eq!(is_secret(key), expected, "{key}");
        }
    }
}
