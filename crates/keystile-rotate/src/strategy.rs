//! Who takes turns: what a secret's values say about how it is rotated.
//!
//! AWS's rotation templates for two users keep the ARN of the superuser's secret in `masterarn` and add `_clone` to
//! one of the two names (Secrets Manager user guide, "Alternating users"). Then a rotation leaves the user before
//! valid: a leaked login ends with the second one.

use serde_json::Value;

use crate::plan::Strategy;

/// What a version's value says about who logs in with it. Holds a user's name, which is no secret, but is not
/// written down either.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub username: Option<String>,
    /// Whether a superuser's secret is named.
    pub names_superuser: bool,
}

impl Login {
    /// Of a value as it is stored. Nothing, where it is no JSON object.
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(value) else { return Self::default() };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        Self {
            username: text("username").or_else(|| text("user")).map(ToOwned::to_owned),
            names_superuser: text("masterarn").is_some(),
        }
    }
}

/// How the secret is rotated, from its current value and the one before.
#[must_use]
pub fn strategy(current: &Login, previous: Option<&Login>) -> Strategy {
    let names = [current.username.as_deref(), previous.and_then(|login| login.username.as_deref())];
    let is_clone = names.iter().flatten().any(|name| name.ends_with("_clone"));
    let differs = matches!(names, [Some(now), Some(before)] if now != before);
    if current.names_superuser || is_clone || differs { Strategy::AlternatingUsers } else { Strategy::SingleUser }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_told_from_names() {
        let login = |json: &str| Login::of(json.as_bytes());
        let single = login(r#"{"username":"app","password":"x"}"#);
        for (current, previous, expected) in [
            (&single, None, Strategy::SingleUser),
            (&single, Some(&single), Strategy::SingleUser),
            (&single, Some(&login(r#"{"username":"app2"}"#)), Strategy::AlternatingUsers),
            (&login(r#"{"username":"app_clone"}"#), None, Strategy::AlternatingUsers),
            (&login(r#"{"username":"app","masterarn":"arn:…"}"#), None, Strategy::AlternatingUsers),
            (&login("not JSON"), Some(&single), Strategy::SingleUser),
            (&login("[1]"), None, Strategy::SingleUser),
        ] {
            assert_eq!(strategy(current, previous), expected, "{current:?} {previous:?}");
        }
    }
}
