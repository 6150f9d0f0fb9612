//! A value that a template fills in later.

use serde_json::Value;

use super::Rule;
use crate::context::Context;
use crate::field_path::{Path, Step};
use crate::judgement::Action;
use crate::kind::Kind;
use crate::request::Door;
use crate::shown::Shown;
use crate::subject::store::StoreProvider;
use crate::template;
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static OBJECT_UNRENDERED: Rule = Rule {
    id: "object-unrendered",
    summary: "A value that rules look at is a template or a variable which some tool fills in later.",
    why: "What the cluster would get is not in the file: a name that a pull request shows as a variable can become anybody's.",
    example: "spec:\n  data:\n  - secretKey: password\n    remoteRef: {key: \"/{{ .Values.env }}/team-b/db\"}",
    instead: "Check what it renders to: `helm template . | keystile check -`, `kustomize build . | keystile check -`.",
    references: &[
        "https://helm.sh/docs/chart_template_guide/",
        "https://kubectl.docs.kubernetes.io/references/kustomize/",
    ],
    default_action: Action::Deny,
    kinds: &[],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    // In a cluster, braces are just braces: the name is judged as it is.
    if context.request.door != Door::Offline || context.kind == Kind::SecretPolicy {
        return;
    }
    look(context, context.object, &Path::root(), out);
    for resolved in &context.resolved {
        let Lookup::Found(store) = &resolved.store else { continue };
        if let Some((field, text)) = template_of(&store.provider) {
            out.push(
                Violation::new(
                    &OBJECT_UNRENDERED,
                    &resolved.reference.path,
                    text,
                    format!(
                        "{field} of {} {} is a template or variable ({}), so what it reads is not known",
                        store.id.kind.as_str(),
                        Shown(&store.id.name),
                        Shown(text)
                    ),
                )
                .cure("check what the store renders to")
                .not_evaluated(),
            );
        }
    }
}

/// A field of a store that a template fills in later.
fn template_of(provider: &StoreProvider) -> Option<(&'static str, &str)> {
    let fields: &[(&'static str, &str)] = match provider {
        StoreProvider::Aws(aws) => {
            &[("prefix", &aws.prefix), ("region", &aws.region), ("role", aws.role.as_deref().unwrap_or(""))]
        }
        StoreProvider::Vault(vault) => &[
            ("path", vault.path.as_deref().unwrap_or("")),
            ("server", &vault.server),
            ("namespace", vault.namespace.as_deref().unwrap_or("")),
        ],
        StoreProvider::Gcp(gcp) => &[("projectID", &gcp.project), ("location", &gcp.location)],
        StoreProvider::Kubernetes(kubernetes) => &[("remoteNamespace", &kubernetes.remote_namespace)],
        StoreProvider::Other(_) | StoreProvider::Unreadable(_) => &[],
    };
    fields.iter().find(|(_, text)| template::find(text).is_some()).copied()
}

fn look<'o>(context: &Context<'_>, value: &'o Value, path: &Path<'o>, out: &mut Vec<Violation>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let path = path.field(field);
                let is_known_enough = context.kind.is_terraform() && says_enough(value);
                if is_looked_at(context.kind, path.steps()) && !is_known_enough {
                    look(context, value, &path, out);
                }
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                look(context, value, &path.item(index), out);
            }
        }
        Value::String(text) => {
            if let Some((_, template)) = template::find(text) {
                let (message, cure) = if context.kind.is_terraform() {
                    (
                        format!("{} is known only when Terraform runs", Shown(text)),
                        "write what it comes to where the file can say it (a literal, a local, a variable with a default), or look at the plan",
                    )
                } else {
                    (
                        format!("{} is {template}, so what the cluster would get is not known", Shown(text)),
                        "check what it renders to",
                    )
                };
                out.push(Violation::new(&OBJECT_UNRENDERED, path, text.as_str(), message).cure(cure).not_evaluated());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether an expression of Terraform says what rules ask: a key that the configuration itself makes is the
/// customer's own. Whether it is one of those that the policy names, the `kms-` rules say.
fn says_enough(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("${aws_kms_key.") || text.starts_with("${aws_kms_alias."))
}

/// Whether rules look at a field. Templates that the operators themselves fill in, with values, never with
/// names of secrets, are not what is meant here.
fn is_looked_at(kind: Kind, path: &[Step<'_>]) -> bool {
    let name = |at: usize| match path.get(at) {
        Some(Step::Field(name)) => *name,
        _ => "",
    };
    let last = name(path.len() - 1);
    if kind == Kind::Workload {
        // Only what the Vault Agent Injector reads; its templates name secrets, and the push rules read those.
        let is_annotation = path.len() >= 2 && name(path.len() - 2) == "annotations";
        return !is_annotation
            || last.starts_with("vault.hashicorp.com/")
                && !last.starts_with("vault.hashicorp.com/agent-inject-template")
                && !last.starts_with("vault.hashicorp.com/agent-inject-command");
    }
    if kind.is_terraform() {
        // Values are not looked at, of tags only the keys; a function is one, whatever its ARN.
        let is_value = matches!(name(0), "version" | "value" | "value_wo" | "insecure_value");
        let is_function = matches!((name(0), name(1)), ("rotation", "rotation_lambda_arn" | "secret_id"));
        let is_tags_value = name(0) == "tags" && path.len() > 1;
        return !(is_value || is_function || is_tags_value || name(0) == "metadata");
    }
    match (name(0), name(1)) {
        ("metadata", "annotations" | "managedFields") | ("status", _) => return false,
        ("metadata", "labels") => return kind == Kind::Namespace,
        _ => {}
    }
    if kind == Kind::Generator {
        return !matches!(last, "body" | "url" | "headers" | "result");
    }
    let is_own_template = match last {
        // `spec.target.template`, `spec.template`, `rewrite[].transform`: External Secrets' own.
        "template" | "rewrite" | "result" | "headers" | "body" => true,
        "url" => path.contains(&Step::Field("webhook")),
        _ => false,
    };
    !is_own_template
}

/// Takes out what other rules found where a template stands, or about one: a name that is not known yet is
/// not a wrong one.
pub(crate) fn instead_of_others(found: &mut Vec<Violation>) {
    let is_ours = |violation: &Violation| std::ptr::eq(violation.rule, &raw const OBJECT_UNRENDERED);
    let unrendered: Vec<_> = found
        .iter()
        .filter(|violation| is_ours(violation))
        .map(|violation| (violation.path.clone(), violation.about.clone()))
        .collect();
    if !unrendered.is_empty() {
        found.retain(|violation| {
            is_ours(violation)
                || !unrendered.iter().any(|(path, about)| *path == violation.path || violation.about.contains(about))
        });
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use crate::policy::Policy;
    use crate::{Door, Engine, Outcome, Request, Snapshot};

    fn policy() -> Policy {
        let document = json!({
            "apiVersion": "keystile.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "default"},
            "spec": {
                "binding": {"team": {"label": "team"}, "env": {"label": "env"}},
                "providers": [{
                    "aws": {"accounts": ["111111111111"], "regions": ["eu-west-1"]},
                    "grants": [{"names": "/{env}/{team}/**", "access": ["read"]}],
                }],
            },
        });
        crate::policy::document::read(&document, Timestamp::UNIX_EPOCH).unwrap().0
    }

    fn judge(key: &str, template: &str, prefix: &str, door: Door) -> Vec<(&'static str, Outcome, String)> {
        let mut world = Snapshot::complete();
        for object in [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "team-a", "env": "prod"}}}),
            json!({
                "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "aws"},
                "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1", "prefix": prefix}}},
            }),
        ] {
            world.insert(std::sync::Arc::new(object));
        }
        let object = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": "db", "namespace": "a", "annotations": {"x": "{{ .x }}"}},
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"},
                "target": {"template": {"data": {"url": template}}},
                "data": [{"secretKey": "p", "remoteRef": {"key": key}}],
            },
        });
        let mut request = Request::offline(&object, "", Timestamp::UNIX_EPOCH);
        request.door = door;
        let judgement = Engine::new(policy()).judge(&request, &world);
        judgement
            .violations
            .into_iter()
            .map(|judged| (judged.violation.rule.id, judged.violation.outcome, judged.violation.path.to_string()))
            .collect()
    }

    #[test]
    fn a_template_in_a_name_is_not_decided_and_not_called_wrong() {
        let key = || "spec.data[0].remoteRef.key".to_owned();
        for template in ["/{{ .Values.env }}/team-b/x", "/prod/team-a/${NAME}", "/$(ENV)/team-a/x"] {
            let found = judge(template, "", "", Door::Offline);
            assert_eq!(found, [("object-unrendered", Outcome::NotEvaluated, key())], "{template}");
            let found = judge(template, "", "", Door::Admission);
            assert!(found.iter().all(|(_, outcome, _)| *outcome == Outcome::Failed) && !found.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn templates_of_the_operator_itself_pass() {
        assert!(judge("/prod/team-a/db", "postgres://{{ .user }}@db", "", Door::Offline).is_empty());
    }

    #[test]
    fn a_template_in_the_stores_prefix_leaves_the_reference_undecided() {
        let found = judge("db", "", "/{{ .Values.env }}/team-a/", Door::Offline);
        assert!(!found.is_empty());
        assert!(found.iter().all(|(_, outcome, _)| *outcome == Outcome::NotEvaluated), "{found:?}");
    }
}
