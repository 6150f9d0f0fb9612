//! Credentials of another namespace, or static ones.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;
use serde_json::Value;

/// See the rule's texts.
pub static OPERATOR_CREDENTIALS: Rule = Rule {
    id: "operator-credentials",
    summary: "An AWSProvider uses credentials that lie in a Secret of another namespace, or static ones at all.",
    why: "The operator reads the Secret for whoever names it: credentials of any namespace could be borrowed. Static credentials don't expire and are copied.",
    example: "kind: AWSProvider\nspec: {credentialsSecret: {name: aws, namespace: team-b}}",
    instead: "Let the operator's service account assume a role (IRSA); for static credentials in the own namespace set `operator-credentials` to warn or ask for an exception.",
    references: &["https://github.com/andrebassi/infra-operator-aws"],
    default_action: Action::Deny,
    kinds: &[Kind::AwsProvider],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for field in ["credentialsSecret", "accessKeyIDRef", "secretAccessKeyRef"] {
        let Some(credentials) = context.object.pointer(&format!("/spec/{field}")).filter(|value| !value.is_null())
        else {
            continue;
        };
        let text = |name: &str| credentials.get(name).and_then(Value::as_str).unwrap_or("");
        let (name, namespace) = (text("name"), text("namespace"));
        let is_foreign = !namespace.is_empty() && namespace != context.namespace;
        let message = if is_foreign {
            format!("credentials are read from Secret {} of namespace {}", Shown(name), Shown(namespace))
        } else {
            format!("static credentials are read from Secret {}", Shown(name))
        };
        let about = format!("{namespace}/{name}");
        let violation = Violation::new(&OPERATOR_CREDENTIALS, Path::of(&["spec", field]), about, message)
            .cure("let the operator's service account assume a role");
        // One Secret is usually named twice, for the id and the key.
        if !out.iter().any(|other| other.is_same(&violation)) {
            out.push(violation);
        }
    }
}
