//! An IAM policy for the role of one team in one environment: the names that the policy grants, and no
//! other.
//!
//! Sources: AWS Service Authorization Reference, Secrets Manager and Systems Manager (actions and ARNs);
//! IAM User Guide, "Resource" (`*` and `?` match across `/`); Secrets Manager User Guide, "IAM policy
//! examples" (an ARN ends in a hyphen and six characters that nobody chooses, hence `-??????`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Export;
use crate::binding::Binding;
use crate::name::{NamePattern, Segment};
use crate::policy::{Access, Policy, Provider};

/// What each access needs, by service.
const ACTIONS: &[(Access, &str, &[&str])] = &[
    (Access::Read, "SecretsManager", &["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]),
    (
        Access::Write,
        "SecretsManager",
        &[
            "secretsmanager:CreateSecret",
            "secretsmanager:DescribeSecret",
            "secretsmanager:PutSecretValue",
            "secretsmanager:TagResource",
            "secretsmanager:UntagResource",
            "secretsmanager:UpdateSecret",
        ],
    ),
    (Access::Delete, "SecretsManager", &["secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret"]),
    (Access::Read, "ParameterStore", &["ssm:GetParameter", "ssm:GetParameters"]),
    (Access::Write, "ParameterStore", &["ssm:AddTagsToResource", "ssm:PutParameter", "ssm:RemoveTagsFromResource"]),
    (Access::Delete, "ParameterStore", &["ssm:DeleteParameter"]),
];

/// The policy for the role of `binding`'s team in its environment. `binding` names both.
#[must_use]
pub fn policy(policy: &Policy, binding: &Binding) -> Export {
    let mut left_out = Vec::new();
    let mut statements = Vec::new();
    for (access, service, actions) in ACTIONS {
        let mut resources = BTreeSet::new();
        for (nth, entry) in policy.providers.iter().enumerate() {
            let Provider::Aws { services, accounts, regions, .. } = &entry.provider else { continue };
            let env = binding.env.value();
            if !services.allows(env, |allowed| allowed == service) {
                continue;
            }
            let list = |list: &crate::policy::ByEnv<Vec<String>>| -> Vec<String> {
                env.and_then(|env| list.get(env)).cloned().unwrap_or_default()
            };
            let mut accounts = list(accounts);
            if accounts.is_empty() {
                // The account of whoever has the role.
                accounts.push("*".to_owned());
            }
            for (grant_nth, grant) in entry.grants.iter().enumerate() {
                let is_of_team = grant.teams.as_ref().is_none_or(|teams| {
                    binding.team.value().is_some_and(|team| teams.iter().any(|granted| granted == team))
                });
                let has_access = env.and_then(|env| grant.access.get(env)).is_some_and(|set| set.has(*access));
                if !is_of_team || !has_access {
                    continue;
                }
                let place = format!("spec.providers[{nth}].grants[{grant_nth}] ({})", grant.names);
                if grant.stores.is_some() {
                    note(&mut left_out, format!("{place}: counts through some stores alone, and IAM knows none"));
                    continue;
                }
                let Some(name) = name(&grant.names, binding) else {
                    note(&mut left_out, format!("{place}: * is one segment, which IAM can't say: its * matches / too"));
                    continue;
                };
                for region in list(regions) {
                    for account in &accounts {
                        resources.insert(arn(service, &region, account, &name));
                    }
                }
            }
        }
        if !resources.is_empty() {
            let sid = format!("{access:?}{}", if *service == "SecretsManager" { "Secrets" } else { "Parameters" });
            statements.push(json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}));
        }
    }
    if !statements.is_empty() {
        statements.push(json!({
            "Sid": "NamesThatAreNotCanonical", "Effect": "Deny", "Action": ["secretsmanager:*", "ssm:*"],
            "Resource": not_canonical(),
        }));
        left_out.push(
            "kms:Decrypt and kms:GenerateDataKey: the policy of the customer-managed key grants them to the role"
                .to_owned(),
        );
    }
    if policy.providers.iter().any(|entry| !matches!(entry.provider, Provider::Aws { .. })) {
        left_out.push("providers other than aws".to_owned());
    }
    let documents: Vec<Value> = if statements.is_empty() {
        Vec::new()
    } else {
        vec![json!({"Version": "2012-10-17", "Statement": statements})]
    };
    Export { documents, left_out }
}

fn note(left_out: &mut Vec<String>, text: String) {
    if !left_out.contains(&text) {
        left_out.push(text);
    }
}

/// The pattern in IAM's words; `None` where IAM has none.
fn name(names: &NamePattern, binding: &Binding) -> Option<String> {
    if names.segments().contains(&Segment::One) {
        return None;
    }
    let filled = names.filled(binding);
    Some(match filled.strip_suffix("**") {
        // One character at least, then whatever: segments that are empty or dots are denied below.
        Some(before) => format!("{before}?*"),
        None => filled,
    })
}

fn arn(service: &str, region: &str, account: &str, name: &str) -> String {
    let partition = if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    };
    if service == "SecretsManager" {
        return format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-??????");
    }
    // The slash that begins a parameter's name is the one that parts it from the word before.
    let name = if name.starts_with('/') { name.to_owned() } else { format!("/{name}") };
    format!("arn:{partition}:ssm:{region}:{account}:parameter{name}")
}

/// Names that the policy refuses to everybody: with an empty segment, or one that is `.` or `..`.
fn not_canonical() -> Vec<String> {
    let mut patterns = Vec::new();
    for segment in ["", ".", ".."] {
        patterns.push(format!("arn:*:secretsmanager:*:*:secret:*/{segment}/*"));
        patterns.push(format!("arn:*:secretsmanager:*:*:secret:*/{segment}-??????"));
        patterns.push(format!("arn:*:ssm:*:*:parameter*/{segment}/*"));
        patterns.push(format!("arn:*:ssm:*:*:parameter*/{segment}"));
    }
    patterns
}
