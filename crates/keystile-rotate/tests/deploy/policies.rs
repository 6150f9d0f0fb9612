//! What the policies allow.

use std::collections::BTreeSet;

use super::operations::operations;
use super::policy::{Policy, Request};

/// The policies of the role that plans, with all add-ons.
const PLAN: [&str; 4] = ["plan", "index", "kms", "access-keys-plan"];
/// The policies of the role that applies, with all add-ons.
const APPLY: [&str; 8] = [
    "apply",
    "apply-clear-stuck",
    "apply-generate",
    "apply-logs",
    "kms",
    "kms-generate",
    "access-keys",
    "access-keys-sessions",
];

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/team-a/db-AbCdEf";
const LOG: &str = "arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/rotate:*";
const USER: &str = "arn:aws:iam::111111111111:user/ci/deploy";
const KEY: &str = "arn:aws:kms:eu-west-1:111111111111:key/k";
const ALLOWED: (&str, &str) = ("aws:ResourceTag/keystile.io/rotate", "allow");
const GENERATED: (&str, &str) = ("aws:ResourceTag/keystile.io/rotation", "generate");

fn granted(policies: &[&str]) -> BTreeSet<String> {
    let policies = policies.iter().map(|name| Policy::read(name));
    policies.flat_map(|policy| policy.0).filter(|statement| statement.allows).flat_map(|found| found.actions).collect()
}

#[test]
fn what_is_called_is_granted_and_nothing_else() {
    let (plan, apply) = (granted(&PLAN), granted(&APPLY));
    let granted: BTreeSet<String> = plan.union(&apply).cloned().collect();
    // KMS is called by Secrets Manager on the caller's behalf; GetCallerIdentity needs no permission.
    let kms = ["kms:Decrypt".to_owned(), "kms:GenerateDataKey".to_owned()].into();
    assert_eq!(granted, operations().union(&kms).cloned().collect());
    let reads = |action: &String| {
        let operation = action.split(':').nth(1).unwrap();
        ["List", "Get", "Describe", "BatchGet", "Decrypt"].iter().any(|verb| operation.starts_with(verb))
    };
    assert!(plan.iter().all(reads), "the role that plans only reads: {plan:?}");
    assert!(!apply.contains("secretsmanager:BatchGetSecretValue"), "the role that applies reads what the plan names");
}

#[test]
fn nothing_is_granted_on_everything_that_could_be_narrower() {
    // These have no resource in IAM's sense (service authorization reference of Secrets Manager).
    let whole =
        ["secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue", "secretsmanager:GetRandomPassword"];
    for name in PLAN.iter().chain(&APPLY) {
        for statement in Policy::read(name).0.iter().filter(|statement| statement.allows) {
            for action in &statement.actions {
                assert!(!action.contains('*'), "{name}: {action}");
                let is_everything = statement.resources.iter().any(|resource| resource == "*");
                assert_eq!(is_everything, whole.contains(&action.as_str()), "{name}: {action}");
            }
            // A prefix of a name that ends in no separator covers other teams' names.
            let ends = |resource: &String| !resource.contains(":secret:") || resource.ends_with("/*");
            assert!(statement.resources.iter().all(ends), "{name}: {:?}", statement.resources);
        }
    }
}

#[test]
fn what_the_roles_may_do() {
    let replica = SECRET.replace("eu-west-1", "us-east-1");
    let (other, alike) = (SECRET.replace("team-a", "team-b"), SECRET.replace("team-a/", "team-ab/"));
    let lambda = ("secretsmanager:RotationLambdaARN", "arn:aws:lambda:eu-west-1:111111111111:function:mine");
    let role = ("secretsmanager:ExternalSecretRotationRoleArn", "arn:aws:iam::111111111111:role/mine");
    let rules = |modified| ("secretsmanager:ModifyRotationRules", modified);
    let stage = |name| ("secretsmanager:VersionStage", name);
    let via = |service| [("kms:ViaService", service), ("kms:EncryptionContext:SecretARN", SECRET)];
    let manager = via("secretsmanager.eu-west-1.amazonaws.com");
    type Case<'a> = (&'a str, &'a [&'a str], &'a str, &'a str, &'a [(&'a str, &'a str)], bool);
    let cases: [Case<'_>; 40] = [
        ("list", &PLAN, "ListSecrets", "*", &[], true),
        ("describe", &PLAN, "DescribeSecret", SECRET, &[], true),
        ("describe others", &PLAN, "DescribeSecret", &other, &[], false),
        ("read", &PLAN, "GetSecretValue", SECRET, &[], true),
        ("read without the add-on", &["plan"], "GetSecretValue", SECRET, &[], false),
        ("read what begins alike", &PLAN, "GetSecretValue", &alike, &[], false),
        ("rotate while planning", &PLAN, "RotateSecret", SECRET, &[ALLOWED], false),
        ("rotate", &APPLY, "RotateSecret", SECRET, &[ALLOWED], true),
        ("rotate, no rules said", &APPLY, "RotateSecret", SECRET, &[ALLOWED, rules("false")], true),
        ("rotate without the tag", &APPLY, "RotateSecret", SECRET, &[], false),
        ("rotate with another tag", &APPLY, "RotateSecret", SECRET, &[(ALLOWED.0, "deny")], false),
        ("rotate others", &APPLY, "RotateSecret", &other, &[ALLOWED], false),
        ("rotate elsewhere", &APPLY, "RotateSecret", &replica, &[ALLOWED], false),
        ("put a function in", &APPLY, "RotateSecret", SECRET, &[ALLOWED, lambda], false),
        ("put a role in", &APPLY, "RotateSecret", SECRET, &[ALLOWED, role], false),
        ("change the schedule", &APPLY, "RotateSecret", SECRET, &[ALLOWED, rules("true")], false),
        ("look at a replica", &APPLY, "DescribeSecret", &replica, &[], true),
        ("read a replica", &APPLY, "GetSecretValue", &replica, &[], false),
        ("switch the schedule off", &APPLY, "CancelRotateSecret", SECRET, &[ALLOWED], false),
        ("tag", &APPLY, "TagResource", SECRET, &[ALLOWED], false),
        ("store", &APPLY, "PutSecretValue", SECRET, &[ALLOWED, GENERATED], true),
        ("store without the add-on", &["apply"], "PutSecretValue", SECRET, &[ALLOWED, GENERATED], false),
        ("store what is made elsewhere", &APPLY, "PutSecretValue", SECRET, &[ALLOWED], false),
        ("promote", &APPLY, "UpdateSecretVersionStage", SECRET, &[ALLOWED, GENERATED, stage("AWSCURRENT")], true),
        ("promote others", &APPLY, "UpdateSecretVersionStage", SECRET, &[ALLOWED, stage("AWSCURRENT")], false),
        ("clear a stuck one", &APPLY, "UpdateSecretVersionStage", SECRET, &[ALLOWED, stage("AWSPENDING")], true),
        ("read the function's log", &APPLY, "logs:FilterLogEvents", LOG, &[], true),
        ("… without the add-on", &["apply"], "logs:FilterLogEvents", LOG, &[], false),
        ("… of another function", &APPLY, "logs:FilterLogEvents", &LOG.replace("rotate", "other"), &[], false),
        ("decrypt", &APPLY, "kms:Decrypt", KEY, &manager, true),
        ("decrypt by itself", &APPLY, "kms:Decrypt", KEY, &manager[1..], false),
        ("decrypt through S3", &APPLY, "kms:Decrypt", KEY, &via("s3.eu-west-1.amazonaws.com"), false),
        ("ask about a key", &PLAN, "iam:ListAccessKeys", USER, &[], true),
        ("switch a key off while planning", &PLAN, "iam:UpdateAccessKey", USER, &[], false),
        ("switch a key off", &APPLY, "iam:UpdateAccessKey", USER, &[], true),
        ("… of another account", &APPLY, "iam:UpdateAccessKey", "arn:aws:iam::222222222222:user/x", &[], false),
        ("make a key", &APPLY, "iam:CreateAccessKey", USER, &[], false),
        ("delete a key", &APPLY, "iam:DeleteAccessKey", USER, &[], false),
        ("refuse sessions", &APPLY, "iam:PutUserPolicy", USER, &[], true),
        ("… of people", &APPLY, "iam:PutUserPolicy", "arn:aws:iam::111111111111:user/people/me", &[], false),
    ];
    for (name, policies, action, resource, context, expected) in cases {
        let action = if action.contains(':') { action.to_owned() } else { format!("secretsmanager:{action}") };
        let request = Request { action: &action, resource, context };
        assert_eq!(Policy::allow(policies, &request), expected, "{name}: {request:?}");
    }
}

#[test]
fn only_the_owners_set_the_tags_that_allow_a_rotation() {
    // A service control policy grants nothing: what it does not deny is as the other policies say.
    let denied = |action: &str, tag: &str, who: &str| {
        let context = [("aws:TagKeys", tag), ("aws:PrincipalArn", who)];
        let request = Request { action, resource: SECRET, context: &context };
        let policy = Policy::read("protect-tags");
        policy.0.iter().any(|statement| !statement.allows && statement.covers(&request))
    };
    let (owner, other) = ("arn:aws:iam::111111111111:role/owners", "arn:aws:iam::111111111111:role/developer");
    for (action, tag, who, expected) in [
        ("secretsmanager:TagResource", "keystile.io/rotate", other, true),
        ("secretsmanager:TagResource", "keystile.io/rotation", other, true),
        ("secretsmanager:UntagResource", "keystile.io/rotate", other, true),
        ("secretsmanager:CreateSecret", "keystile.io/rotate", other, true),
        ("secretsmanager:TagResource", "team", other, false),
        ("secretsmanager:TagResource", "keystile.io/rotate", owner, false),
    ] {
        assert_eq!(denied(action, tag, who), expected, "{action} {tag} {who}");
    }
}

#[test]
fn a_role_is_taken_by_its_job_alone() {
    let github = |subject| {
        [
            ("token.actions.githubusercontent.com:aud", "sts.amazonaws.com"),
            ("token.actions.githubusercontent.com:sub", subject),
        ]
    };
    let gitlab = |subject| [("gitlab.com:aud", "https://gitlab.com"), ("gitlab.com:sub", subject)];
    let (main, pull) = (github("repo:org/repository:ref:refs/heads/main"), github("repo:org/repository:pull_request"));
    let environment = github("repo:org/repository:environment:rotation");
    let project = "project_path:group/project:ref_type:branch:ref";
    let planned = format!("{project}:main:environment:rotation-plan:environment_protected:false");
    let protected = format!("{project}:main:environment:rotation:environment_protected:true");
    let unprotected = format!("{project}:main:environment:rotation:environment_protected:false");
    let branch = format!("{project}:feature:environment:rotation:environment_protected:true");
    for (policy, who, expected) in [
        ("trust-github-plan", main, true),
        ("trust-github-plan", pull, false),
        ("trust-github-plan", environment, false),
        ("trust-github-apply", environment, true),
        ("trust-github-apply", main, false),
        ("trust-github-apply", github("repo:fork/repository:environment:rotation"), false),
        ("trust-gitlab-plan", gitlab(&planned), true),
        ("trust-gitlab-plan", gitlab(&protected), false),
        ("trust-gitlab-apply", gitlab(&protected), true),
        ("trust-gitlab-apply", gitlab(&unprotected), false),
        ("trust-gitlab-apply", gitlab(&branch), false),
        ("trust-gitlab-apply", gitlab(&planned), false),
    ] {
        let request = Request { action: "sts:AssumeRoleWithWebIdentity", resource: "", context: &who };
        assert_eq!(Policy::allow(&[policy], &request), expected, "{policy}: {who:?}");
        let nobody = Request { action: "sts:AssumeRoleWithWebIdentity", resource: "", context: &[] };
        assert!(!Policy::allow(&[policy], &nobody), "{policy}: a token without claims");
    }
}
