//! Which operations of AWS's APIs keystile calls: read from the sources that call them.

use std::collections::BTreeSet;

/// Sources that call the SDK's client of Secrets Manager. Each has one client, in a field of that name.
const SECRETS_MANAGER: [&str; 2] =
    ["crates/keystile-rotate/src/backend/aws.rs", "crates/keystile-inventory/src/aws/secrets.rs"];
/// The source that calls IAM by the names of its operations.
const IAM: &str = "crates/keystile-rotate/src/access_key/aws.rs";

/// The source that calls CloudWatch Logs, one operation.
const LOGS: &str = "crates/keystile-rotate/src/backend/aws/logs.rs";

/// Every operation, as policies write it.
pub(crate) fn operations() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in SECRETS_MANAGER {
        let source: String = crate::read(path).split_whitespace().collect();
        for call in source.split("client.").skip(1) {
            let name: String = call.chars().take_while(|byte| byte.is_ascii_lowercase() || *byte == '_').collect();
            if call[name.len()..].starts_with("()") {
                found.insert(format!("secretsmanager:{}", pascal(&name)));
            }
        }
    }
    let source = crate::read(IAM);
    // Before the tests of the file.
    let source = source.split("#[cfg(test)]").next().unwrap();
    for before in ["self.call(\"", "self.list(\"", "OPERATION: &str = \""] {
        for call in source.split(before).skip(1) {
            found.insert(format!("iam:{}", call.split('"').next().unwrap()));
        }
    }
    let source = crate::read(LOGS);
    let call = source.split("OPERATION: &str = \"").nth(1).unwrap();
    found.insert(format!("logs:{}", call.split('"').next().unwrap()));
    found
}

/// `list_secrets` as `ListSecrets`.
fn pascal(name: &str) -> String {
    let words = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

/// A new call needs a permission: this test fails first, and says which.
#[test]
fn these_are_called() {
    let expected = [
        "iam:GetAccessKeyLastUsed",
        "iam:ListAccessKeys",
        "iam:ListAttachedUserPolicies",
        "iam:ListUserPolicies",
        "iam:PutUserPolicy",
        "iam:UpdateAccessKey",
        "logs:FilterLogEvents",
        "secretsmanager:BatchGetSecretValue",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetRandomPassword",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
        "secretsmanager:ListSecrets",
        "secretsmanager:PutSecretValue",
        "secretsmanager:RotateSecret",
        "secretsmanager:UpdateSecretVersionStage",
    ];
    assert_eq!(operations().iter().map(String::as_str).collect::<Vec<_>>(), expected);
}
