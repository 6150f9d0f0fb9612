//! Writes a proposal: as a value, to be read and judged by, and as a text with comments.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Draft, Entry, Env, ProposedGrant};

/// The document as a value.
pub(super) fn document(draft: &Draft) -> Value {
    let mut spec = Map::new();
    let env = match &draft.env {
        Env::Label(label, values) if values.is_empty() => json!({"label": label}),
        Env::Label(label, values) => json!({"label": label, "values": values}),
        Env::Value(value) => json!({"value": value}),
    };
    spec.insert("binding".to_owned(), json!({"team": {"label": team_label(draft)}, "env": env}));
    if !draft.namespaces.is_empty() {
        let namespaces: Map<String, Value> = draft
            .namespaces
            .iter()
            .map(|(name, (team, env))| (name.clone(), json!({"team": team, "env": env})))
            .collect();
        spec.insert("namespaces".to_owned(), Value::Object(namespaces));
    }
    if !draft.entries.is_empty() {
        spec.insert("providers".to_owned(), draft.entries.iter().map(entry).collect());
    }
    let mut stores = Map::new();
    for (field, list) in [("serviceAccounts", &draft.service_accounts), ("roles", &draft.roles)] {
        if !list.is_empty() {
            stores.insert(field.to_owned(), json!(list));
        }
    }
    if draft.controllers.iter().any(|controller| !controller.is_empty()) {
        stores.insert("controllers".to_owned(), json!(draft.controllers));
    }
    let mut cluster = Map::new();
    for (field, list) in [("serviceAccounts", &draft.cluster_service_accounts), ("roles", &draft.cluster_roles)] {
        if !list.is_empty() {
            cluster.insert(field.to_owned(), json!(list));
        }
    }
    if !cluster.is_empty() {
        stores.insert("cluster".to_owned(), Value::Object(cluster));
    }
    if !stores.is_empty() {
        spec.insert("stores".to_owned(), Value::Object(stores));
    }
    if !draft.generators.is_empty() {
        spec.insert("generators".to_owned(), json!(draft.generators));
    }
    if draft.pushes {
        spec.insert("push".to_owned(), json!({"statusWriters": ["external-secrets/external-secrets"]}));
    }
    if !draft.audited.is_empty() {
        let rules: Map<String, Value> = draft.audited.keys().map(|rule| (rule.clone(), json!("audit"))).collect();
        spec.insert("rules".to_owned(), Value::Object(rules));
    }
    json!({
        "apiVersion": "keystile.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "default"}, "spec": spec,
    })
}

fn team_label(draft: &Draft) -> &str {
    draft.team_label.as_deref().unwrap_or("team")
}

fn entry(entry: &Entry) -> Value {
    let (provider, fields) = &entry.provider;
    let fields: Map<String, Value> = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    json!({*provider: fields, "grants": entry.grants.iter().map(grant).collect::<Vec<_>>()})
}

fn grant(grant: &ProposedGrant) -> Value {
    let mut value = json!({"names": grant.names, "access": grant.access});
    if !grant.teams.is_empty() {
        value["teams"] = json!(grant.teams);
    }
    value
}

/// What to ask about a grant that gives a team a name which is not its own by its form.
fn question(grant: &ProposedGrant) -> String {
    if grant.outside.is_empty() {
        return String::new();
    }
    let list = |teams: &mut dyn Iterator<Item = &String>| teams.map(String::as_str).collect::<Vec<_>>().join(", ");
    let teams = list(&mut grant.outside.iter());
    let others = list(&mut grant.speaks_of.difference(&grant.outside));
    let whose = if others.is_empty() { String::new() } else { format!(", it speaks of {others}") };
    format!("; QUESTION: this is outside of the own names of {teams}{whose}. Is it meant?")
}

/// The document as a text with comments.
pub(super) fn text(draft: &Draft) -> String {
    let document = document(draft);
    let spec = &document["spec"];
    let mut text = String::from(
        "# Proposed by `keystile policy init` from what is there today. It says what is, not what should be:\n\
         # read each grant as a question, those with QUESTION first. `keystile policy show --resolved` prints what holds besides.\n\
         apiVersion: keystile.dev/v1alpha1\nkind: SecretPolicy\nmetadata: {name: default}\nspec:\n",
    );
    let line = |text: &mut String, indent: usize, field: &str, value: &Value| {
        let _ = writeln!(text, "{:indent$}{field}: {}", "", flow(value));
    };
    if draft.team_label.is_none() {
        text.push_str(
            "  # No label was found that says whose a namespace is: choose one that administrators alone set.\n",
        );
    }
    if matches!(draft.env, Env::Value(_)) {
        text.push_str("  # No label was found that names environments: the cluster is taken as one.\n");
    }
    line(&mut text, 2, "binding", &spec["binding"]);
    if let Some(namespaces) = spec["namespaces"].as_object() {
        text.push_str(
            "  # These have no such labels, or not both: each is taken as a team of its own. Better label them.\n",
        );
        text.push_str("  namespaces:\n");
        for (name, value) in namespaces {
            line(&mut text, 4, &flow(&json!(name)), value);
        }
    }
    if !draft.entries.is_empty() {
        text.push_str("  providers:\n");
    }
    for entry in &draft.entries {
        let (provider, _) = &entry.provider;
        let value = self::entry(entry);
        let _ = writeln!(text, "  - {provider}: {}\n    grants:", flow(&value[*provider]));
        for proposed in &entry.grants {
            let uses = if proposed.uses == 1 { "1 use".to_owned() } else { format!("{} uses", proposed.uses) };
            let _ = writeln!(text, "    - {}   # {uses}{}", flow(&grant(proposed)), question(proposed));
        }
    }
    if let Some(stores) = spec["stores"].as_object() {
        text.push_str("  # What stores use today. A role without {team} may be named by every team.\n  stores:\n");
        for (field, value) in stores {
            line(&mut text, 4, field, value);
        }
    }
    if spec["generators"].is_array() {
        line(&mut text, 2, "generators", &spec["generators"]);
    }
    if spec["push"].is_object() {
        text.push_str(
            "  # The service account that External Secrets runs as, which manifests don't say: correct it.\n",
        );
        line(&mut text, 2, "push", &spec["push"]);
    }
    if !draft.audited.is_empty() {
        text.push_str(
            "  # Broken today, so only written down. Mend the objects, then remove the line: the rule refuses again.\n  rules:\n",
        );
        for (rule, count) in &draft.audited {
            let objects = if *count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
            let _ = writeln!(text, "    {rule}: audit   # {objects}");
        }
    }
    text
}

/// A value on one line. What is a plain word in YAML is written without quotes.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{}: {}", flow(&json!(name)), flow(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether YAML of any version reads the text as a text: letters first, and no word that means something.
fn is_plain(text: &str) -> bool {
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && !words.contains(&text.to_ascii_lowercase().as_str())
}
