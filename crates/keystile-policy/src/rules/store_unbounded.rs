//! A cluster store that is open to namespaces that nobody chose.

use super::Rule;
use crate::context::Context;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::selector::{Selector, Test};
use crate::shown::Shown;
use crate::subject::store::{Condition, StoreKind};
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_UNBOUNDED: Rule = Rule {
    id: "store-unbounded",
    summary: "A ClusterSecretStore has no conditions, or conditions that namespaces meet which nobody chose.",
    why: "Without conditions every namespace may use the store. Expressions are matched anywhere in the name, so `team-a` lets not-team-a-x in; whoever may make namespaces, or may label them, lets himself in.",
    example: "kind: ClusterSecretStore\nspec:\n  conditions: [{namespaceRegexes: [team-a]}]",
    instead: "Name the namespaces, write expressions as `^(team-a|team-b)$`, or select by guarded labels: those of the binding and of `admins.labels`.",
    references: &["https://external-secrets.io/latest/api/clustersecretstore/"],
    default_action: Action::Deny,
    kinds: &[Kind::ClusterSecretStore],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(store) = context.subject.store.as_deref() else { return };
    if store.id.kind != StoreKind::ClusterSecretStore {
        return;
    }
    let base = Path::of(&["spec", "conditions"]);
    if store.conditions.is_empty() {
        // An empty list that can't be read is a fault, and said as one.
        if context.subject.faults.is_empty() {
            let message = "it has no conditions, so every namespace may use it";
            out.push(
                Violation::new(&STORE_UNBOUNDED, &base, "", message)
                    .cure("name the namespaces in spec.conditions, or select them by guarded labels"),
            );
        }
        return;
    }
    for (index, condition) in store.conditions.iter().enumerate() {
        judge(context, condition, &base.item(index), out);
    }
}

fn judge(context: &Context<'_>, condition: &Condition, path: &Path<'_>, out: &mut Vec<Violation>) {
    let is_silent = condition.namespaces.is_empty()
        && condition.namespace_regexes.is_empty()
        && condition.namespace_selector.is_none();
    if is_silent {
        out.push(
            Violation::new(&STORE_UNBOUNDED, path, "an empty condition", "the condition says nothing")
                .cure("name the namespaces, or leave the condition out"),
        );
    }
    for (index, regexp) in condition.namespace_regexes.iter().enumerate() {
        if !is_list_of_names(regexp) {
            let message = format!(
                "the expression {} can match names that nobody listed: it is matched anywhere in a name",
                Shown(regexp)
            );
            out.push(
                Violation::new(&STORE_UNBOUNDED, path.field("namespaceRegexes").item(index), &**regexp, message)
                    .cure("list the namespaces, or write ^(name|other-name)$"),
            );
        }
    }
    let Some(selector) = &condition.namespace_selector else { return };
    let path = path.field("namespaceSelector");
    let Ok(selector) = Selector::parse(selector) else { return }; // object-unparsable says so
    // Else everything that lacks labels is chosen, whatever is made later.
    let asks_for_a_label =
        selector.requirements.iter().any(|requirement| matches!(requirement.test, Test::In(_) | Test::Exists));
    if !asks_for_a_label {
        out.push(
            Violation::new(
                &STORE_UNBOUNDED,
                &path,
                "a selector that asks for no label",
                "the selector chooses every namespace that has no labels",
            )
            .cure("ask for a guarded label, with matchLabels or In"),
        );
    }
    for requirement in selector.requirements.iter().filter(|requirement| !is_guarded(context, requirement.label)) {
        let message =
            format!("the label {} is not guarded: whoever may label a namespace chooses", Shown(requirement.label));
        out.push(
            Violation::new(&STORE_UNBOUNDED, &path, requirement.label, message)
                .cure("select by the binding's labels, or have the label added to admins.labels"),
        );
    }
}

/// Whether only administrators set the label, or the API server does.
fn is_guarded(context: &Context<'_>, label: &str) -> bool {
    let policy = context.policy;
    label == "kubernetes.io/metadata.name"
        || policy.binding.labels().any(|guarded| guarded == label)
        || policy.admins.labels.iter().any(|guarded| guarded == label)
}

/// Whether an expression matches a few names that it spells out, and nothing else: `^name$`,
/// `^(name|other)$`. Anything further is not looked into: names can be listed.
fn is_list_of_names(regexp: &str) -> bool {
    let Some(inner) = regexp.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')) else { return false };
    let group = inner.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    match group {
        Some(names) => names.strip_prefix("?:").unwrap_or(names).split('|').all(is_name),
        None => is_name(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_spelled_out_are_a_list() {
        for regexp in ["^team-a$", "^(team-a|team-b)$", "^(?:team-a|b2)$", "^(team-a)$"] {
            assert!(is_list_of_names(regexp), "{regexp}");
        }
        for regexp in [
            "team-a",
            "^team-a",
            "team-a$",
            "^team-a|team-b$",
            "^team-.*$",
            "^(team-a|)$",
            "^$",
            "^()$",
            "^team-a\\$",
            "^(?i)team-a$",
            "(?i)^team-a$",
            "^team.a$",
            "^(a)|(b)$",
            "^a$|^b$",
            "^team-a$\n",
            "",
        ] {
            assert!(!is_list_of_names(regexp), "{regexp}");
        }
    }
}
