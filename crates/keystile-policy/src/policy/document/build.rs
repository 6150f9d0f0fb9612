//! Makes the policy of a document.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::reader::{Object, Reader};
use super::{exceptions, grants, overlap, table};
use crate::binding::Binding;
use crate::field_path::Path;
use crate::judgement::Action;
use crate::name::{Piece, TextPattern};
use crate::policy::{
    Admins, BindingRule, ByEnv, ClusterStoreSettings, EnvRule, KmsSettings, Policy, Profile, StoreSettings, duration,
};
use crate::shown::Shown;

/// Reads everything that can be read; what can't is a problem of the reader's.
pub(super) fn policy(reader: &mut Reader, document: &Value, now: Timestamp, expiry_is_error: bool) -> Policy {
    let document = reader.object(document, Path::root(), table::DOCUMENT);
    reader.text(&document, "apiVersion");
    reader.text(&document, "kind");
    let name = metadata_name(reader, &document);
    let spec = reader.object_in(&document, "spec");
    if let Some("pci") = reader.text(&spec, "profile").as_deref() {
        reader.profile = Profile::Pci;
    }
    let binding = binding(reader, &spec);
    let mut policy = Policy {
        name,
        profile: reader.profile,
        namespaces: namespaces(reader, &spec, &binding),
        binding,
        admins: admins(reader, &spec),
        providers: Vec::new(),
        ..Policy::default()
    };
    policy.providers = grants::providers(reader, &spec, &policy.binding);
    policy.stores = stores(reader, &spec);
    policy.generators = reader.list_by_env(&spec, "generators", |_, _, kind| Some(kind));
    policy.targets = reader.list_by_env(&spec, "targets", |_, _, kind| Some(kind));
    let push = reader.object_in(&spec, "push");
    policy.status_writers = reader.list_by_env(&push, "statusWriters", |_, _, writer| Some(writer));
    policy.kms = kms(reader, &spec);
    policy.rotation_max_age = duration_in(reader, &spec, "rotation", "maxAge");
    policy.refresh_max_interval = duration_in(reader, &spec, "refresh", "maxInterval");
    policy.min_recovery_window = duration_in(reader, &spec, "deletion", "minRecoveryWindow");
    let tags = reader.object_in(&spec, "tags");
    policy.required_tags = reader.list_by_env(&tags, "required", |_, _, tag| Some(tag));
    policy.inventory_max_age = duration_in(reader, &spec, "inventory", "maxAge");
    policy.actions = actions(reader, &spec);
    policy.exceptions = exceptions::exceptions(reader, &spec, now, expiry_is_error);
    overlap::check_roles(reader, &policy);
    policy
}

/// `metadata.name`; the other fields are the API server's, whatever they are.
fn metadata_name(reader: &mut Reader, document: &Object<'_>) -> String {
    let path = document.at("metadata");
    let Some(metadata) = document.written("metadata") else { return String::new() };
    match metadata.get("name") {
        Some(name) => reader.scalar(name, &path.field("name"), super::syntax::Syntax::DnsSubdomain).unwrap_or_default(),
        None => {
            reader.error(&path, "name is missing: the document in force is chosen by name");
            String::new()
        }
    }
}

fn binding(reader: &mut Reader, spec: &Object<'_>) -> BindingRule {
    let binding = reader.object_in(spec, "binding");
    let team = reader.object_in(&binding, "team");
    let team_label = reader.text(&team, "label").unwrap_or_default();
    let reserved_teams = reader.list(&team, "reserved").unwrap_or_default();
    let env = reader.object_in(&binding, "env");
    let label = reader.text(&env, "label");
    let values = reader.list(&env, "values");
    let value = reader.text(&env, "value");
    if let Some(values) = &values {
        if env.written("values").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            reader.error(&env.at("values"), "lists nothing, so no namespace has an environment");
        }
        if let Some(index) = values.iter().position(|value| value == "default") {
            reader.error(
                &env.at("values").item(index),
                "default can't be an environment: in values by environment it means the others",
            );
        }
    }
    if value.as_deref() == Some("default") {
        reader.error(&env.at("value"), "default can't be an environment: in values by environment it means the others");
    }
    if label.is_some() && label.as_deref() == Some(team_label.as_str()) {
        reader.error(&env.at("label"), "is the label of the team: environment and team need a label each");
    }
    let rule = match (env.written("label"), env.written("value")) {
        (Some(_), Some(_)) => {
            reader.error(&env.at("value"), "stands beside a label: write one of them");
            None
        }
        (None, None) => {
            if binding.written("env").is_some() {
                reader.error(&env.path, "says nothing: write a label, or a value for the whole cluster");
            }
            None
        }
        (None, Some(_)) => {
            if env.written("values").is_some() {
                reader.error(&env.at("values"), "needs a label whose values they are");
            }
            value.map(EnvRule::Value)
        }
        (Some(_), None) => label.map(|label| EnvRule::Label { label, values: values.unwrap_or_default() }),
    };
    reader.envs = match &rule {
        Some(EnvRule::Value(value)) => Some(vec![value.clone()]),
        Some(EnvRule::Label { values, .. }) if !values.is_empty() => Some(values.clone()),
        _ => None,
    };
    BindingRule { team_label, reserved_teams, env: rule.unwrap_or_default() }
}

fn namespaces(reader: &mut Reader, spec: &Object<'_>, binding: &BindingRule) -> BTreeMap<String, Binding> {
    let mut namespaces = BTreeMap::new();
    for (name, value) in reader.entries_in(spec, "namespaces") {
        let path = spec.at("namespaces").field(name);
        let table::Shape::ObjectByName(_, fields) = field_of(table::SPEC, "namespaces") else {
            unreachable!("namespaces take names")
        };
        let entry = reader.object(value, path, fields);
        let (team, env) = (reader.text(&entry, "team"), reader.text(&entry, "env"));
        if let Some(env) = &env
            && let Err(message) = reader.known_env(env)
        {
            reader.error(&entry.at("env"), message);
        }
        if env.as_deref() == Some("default") {
            reader.error(&entry.at("env"), "default is no environment: name one");
        }
        if let Some(team) = &team
            && binding.reserved_teams.contains(team)
        {
            reader.error(&entry.at("team"), format!("{} is reserved in binding.team.reserved", Shown(team)));
        }
        if let (Some(team), Some(env)) = (team, env) {
            namespaces.insert(name.to_owned(), Binding::new(&env, &team));
        }
    }
    namespaces
}

fn field_of(fields: &'static [table::Field], name: &str) -> &'static table::Shape {
    let field = fields.iter().find(|field| field.name == name);
    &field.unwrap_or_else(|| unreachable!("the table has {name}")).shape
}

fn admins(reader: &mut Reader, spec: &Object<'_>) -> Admins {
    let admins = reader.object_in(spec, "admins");
    Admins {
        groups: reader.list(&admins, "groups").unwrap_or_default(),
        labels: reader.list(&admins, "labels").unwrap_or_default(),
    }
}

fn stores(reader: &mut Reader, spec: &Object<'_>) -> StoreSettings {
    let stores = reader.object_in(spec, "stores");
    let service_accounts = reader.list_by_env(&stores, "serviceAccounts", pattern);
    let roles = reader.list_by_env(&stores, "roles", pattern);
    let controllers = reader.list_by_env(&stores, "controllers", |_, _, controller| Some(controller));
    let cluster = stores.written("cluster").is_some().then(|| {
        let cluster = reader.object_in(&stores, "cluster");
        let env = reader.text(&cluster, "env");
        if let Some(env) = &env {
            let known = if env == "default" { Err("name an environment".to_owned()) } else { reader.known_env(env) };
            if let Err(message) = known {
                reader.error(&cluster.at("env"), message);
            }
        }
        let service_accounts = reader.list(&cluster, "serviceAccounts").unwrap_or_default();
        let mut roles = Vec::new();
        for (index, role) in reader.list(&cluster, "roles").unwrap_or_default().into_iter().enumerate() {
            let path = cluster.at("roles").item(index);
            let Some(role) = pattern(reader, &path, role) else { continue };
            if role.pieces().contains(&Piece::Team) {
                reader.error(&path, "has {team}, but a ClusterSecretStore is of no team");
            }
            if role.pieces().contains(&Piece::Env) && env.is_none() {
                reader.error(&path, "has {env}, but stores.cluster names no env");
            }
            roles.push(role);
        }
        ClusterStoreSettings { env, service_accounts, roles }
    });
    StoreSettings { service_accounts, roles, controllers, cluster }
}

fn kms(reader: &mut Reader, spec: &Object<'_>) -> KmsSettings {
    let kms = reader.object_in(spec, "kms");
    KmsSettings {
        accounts: reader.list_by_env(&kms, "accounts", |_, _, account| Some(account)),
        aliases: reader.list_by_env(&kms, "aliases", pattern),
        keys: reader.list_by_env(&kms, "keys", |_, _, key| Some(key)),
    }
}

/// A text with variables.
fn pattern(reader: &mut Reader, path: &Path<'_>, text: String) -> Option<TextPattern> {
    match TextPattern::parse(&text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            reader.error(path, format!("{} {error}", Shown(&text)));
            None
        }
    }
}

fn duration_in(reader: &mut Reader, spec: &Object<'_>, object: &'static str, name: &'static str) -> ByEnv<Duration> {
    let object = reader.object_in(spec, object);
    reader.one_by_env(&object, name, |_, _, text| duration::parse(&text).ok())
}

fn actions(reader: &mut Reader, spec: &Object<'_>) -> BTreeMap<String, ByEnv<Action>> {
    let mut actions = BTreeMap::new();
    for (name, value) in reader.entries_in(spec, "rules") {
        let path = spec.at("rules").field(name);
        let action = reader.by_env(Some(value), &path, None, |reader, path, value| {
            match reader.scalar(value, path, super::syntax::Syntax::Action)?.as_str() {
                "allow" => Some(Action::Allow),
                "audit" => Some(Action::Audit),
                "warn" => Some(Action::Warn),
                _ => Some(Action::Deny),
            }
        });
        if name == "all" && action.values().all(|action| *action == Action::Allow) && !action.is_unsaid() {
            reader.warning(&path, "allows everything that no other line names: audit would at least write it down");
        }
        actions.insert(name.to_owned(), action);
    }
    actions
}
