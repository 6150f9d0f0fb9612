//! As much of IAM's evaluation as the policies here use: statements that allow or deny, wildcards, five operators
//! (IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators").

use std::collections::BTreeMap;

use serde_json::Value;

/// A policy's statements.
#[derive(Debug)]
pub(crate) struct Policy(pub(crate) Vec<Statement>);

/// A statement.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) allows: bool,
    pub(crate) actions: Vec<String>,
    pub(crate) resources: Vec<String>,
    /// Operator, key, values.
    pub(crate) conditions: Vec<(String, String, Vec<String>)>,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) context: &'a [(&'a str, &'a str)],
}

impl Policy {
    /// Reads a policy; whatever it has that is not understood here is an error.
    #[track_caller]
    pub(crate) fn read(name: &str) -> Self {
        let path = format!("deploy/iam/{name}.json");
        let policy: Value = serde_json::from_str(&crate::read(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let keys: Vec<&String> = policy.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["Version", "Statement"], "{path}");
        assert_eq!(policy["Version"], "2012-10-17", "{path}");
        Self(
            policy["Statement"].as_array().unwrap().iter().map(|statement| Statement::read(&path, statement)).collect(),
        )
    }

    /// With all of them, whether the request is allowed. Placeholders are filled in.
    pub(crate) fn allow(policies: &[&str], request: &Request<'_>) -> bool {
        let policies: Vec<Self> = policies.iter().map(|name| Self::read(name)).collect();
        let matching: Vec<&Statement> =
            policies.iter().flat_map(|policy| &policy.0).filter(|statement| statement.covers(request)).collect();
        matching.iter().any(|statement| statement.allows) && matching.iter().all(|statement| statement.allows)
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().map(|value| value.as_str().unwrap().to_owned()).collect(),
        other => panic!("{other} is neither a text nor a list of texts"),
    }
}

/// As somebody fills a policy in.
fn filled_in(text: &str) -> String {
    [
        ("ACCOUNT", "111111111111"),
        ("REGION", "eu-west-1"),
        ("PREFIX", "/prod/team-a"),
        ("FUNCTION", "rotate"),
        ("USER_PATH", "ci"),
        ("SECRET_OWNERS", "owners"),
        ("KEY_ARN", "arn:aws:kms:eu-west-1:111111111111:key/k"),
        ("ORG/REPOSITORY", "org/repository"),
        ("GROUP/PROJECT", "group/project"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
}

impl Statement {
    fn read(path: &str, statement: &Value) -> Self {
        for key in statement.as_object().unwrap().keys() {
            let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
            assert!(known.contains(&key.as_str()), "{path}: {key}");
        }
        let effect = statement["Effect"].as_str().unwrap();
        assert!(["Allow", "Deny"].contains(&effect), "{path}: {effect}");
        let mut conditions = Vec::new();
        for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
            for (key, values) in keys.as_object().unwrap() {
                let values = strings(values).iter().map(|value| filled_in(value)).collect();
                conditions.push((operator.clone(), key.clone(), values));
            }
        }
        let resources = if statement["Resource"].is_null() { Vec::new() } else { strings(&statement["Resource"]) };
        Self {
            allows: effect == "Allow",
            actions: strings(&statement["Action"]),
            resources: resources.iter().map(|resource| filled_in(resource)).collect(),
            conditions,
        }
    }

    pub(crate) fn covers(&self, request: &Request<'_>) -> bool {
        let context: BTreeMap<&str, &str> = request.context.iter().copied().collect();
        // A trust policy has no resource.
        let is_resource = self.resources.is_empty()
            || self.resources.iter().any(|pattern| matches(pattern.as_bytes(), request.resource.as_bytes()));
        self.actions.iter().any(|action| action == request.action)
            && is_resource
            && self.conditions.iter().all(|(operator, key, values)| holds(operator, context.get(key.as_str()), values))
    }
}

fn holds(operator: &str, found: Option<&&str>, values: &[String]) -> bool {
    let equal = |found: &str| values.iter().any(|value| value == found);
    let like = |found: &str| values.iter().any(|value| matches(value.as_bytes(), found.as_bytes()));
    match operator {
        "StringEquals" | "Bool" | "ForAnyValue:StringEquals" => found.is_some_and(|found| equal(found)),
        "BoolIfExists" => found.is_none_or(|found| equal(found)),
        "StringLike" => found.is_some_and(|found| like(found)),
        "ArnNotLike" => !found.is_some_and(|found| like(found)),
        "Null" => equal(if found.is_none() { "true" } else { "false" }),
        other => panic!("the operator {other} is not understood here"),
    }
}

/// Whether the text is what the pattern, in which `*` is anything, says.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|from| matches(rest, &text[from..])),
        Some((byte, rest)) => text.first() == Some(byte) && matches(rest, &text[1..]),
    }
}

#[test]
fn a_star_is_anything() {
    for (pattern, text, expected) in
        [("a*c", "abbc", true), ("a*c", "ac", true), ("a*c", "ab", false), ("*", "", true), ("a", "ab", false)]
    {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
    }
}
