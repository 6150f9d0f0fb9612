//! Who writes the secret, and may bring the leaked value back; and who copies its value to another place.
//!
//! Source: External Secrets 2.9.0, pkg/controllers/pushsecret (every entry goes to every store, again after each
//! interval) and providers/v1/aws/secretsmanager/secretsmanager.go (`PushSecret`: only what has the operator's own
//! tag is written; with a `property` that part alone is). The operator of SecretsManagerSecrets writes what
//! `secretStringRef` names at each of its rounds.

use keystile_policy::policy::Access;
use keystile_policy::subject::push::{Entry as Pushed, Source};
use keystile_policy::subject::{Names, Subject};
use keystile_policy::{FieldPath, Kind};
use serde_json::Value;

use super::found::{Unaffected, Writer, Writes};
use super::gathering::{Gathering, Target};
use super::leaf::Part;
use super::wanted::{Means, Wanted};
use super::world::{ConsumerWorld, Entry};

/// How often a PushSecret writes, unless told otherwise: the definition's default.
const PUSH_INTERVAL: &str = "1h0m0s";

/// Looks through everything that writes. Comes after the readers, since what they make may be pushed.
pub(super) fn look(world: &ConsumerWorld, wanted: &Wanted<'_>, gathering: &mut Gathering) {
    for entry in &world.entries {
        match entry.kind {
            Kind::PushSecret | Kind::ClusterPushSecret => push(world, wanted, entry, gathering),
            Kind::SecretsManagerSecret => operator(world, wanted, entry, gathering),
            Kind::TerraformSecret | Kind::TerraformVersion => terraform(wanted, entry, gathering),
            _ => {}
        }
    }
}

fn add(gathering: &mut Gathering, entry: &Entry, place: String, effect: Writes, why: String) {
    let (object, file) = (entry.name.clone(), entry.file.clone());
    gathering.writers.insert(Writer { object, file, place, effect, why });
}

/// The namespaces in which an object of one or many acts.
fn namespaces(world: &ConsumerWorld, entry: &Entry, subject: &Subject<'_>) -> Vec<String> {
    match &subject.fan_out {
        Some(fan_out) => world.chosen(fan_out),
        None => vec![entry.name.namespace.clone()],
    }
}

fn push(world: &ConsumerWorld, wanted: &Wanted<'_>, entry: &Entry, gathering: &mut Gathering) {
    let subject = Subject::read(entry.kind, &entry.object);
    let Some(push) = &subject.push else { return };
    let spec = match entry.kind {
        Kind::PushSecret => entry.object.get("spec"),
        _ => entry.object.pointer("/spec/pushSecretSpec"),
    };
    let spec_text = |field: &str| spec.and_then(|spec| spec.get(field)).and_then(Value::as_str);
    let every = spec_text("refreshInterval").unwrap_or(PUSH_INTERVAL);
    let keeps_what_is_there = spec_text("updatePolicy") == Some("IfNotExists");
    let mut namespaces = namespaces(world, entry, &subject);
    if namespaces.is_empty() {
        // A store of the cluster can be looked at all the same.
        namespaces.push(String::new());
    }
    let file = entry.file.as_deref();
    for namespace in &namespaces {
        for pushed in &push.entries {
            let place = FieldPath::from(&pushed.path).to_string();
            // What it takes: a Secret that holds the leaked part, under a key that it pushes?
            let source = source_of(push.source.as_ref(), &entry.object, pushed, namespace, gathering);
            let mut is_back = false;
            for store in push.targets(pushed) {
                let Some(stores) = world.stores(store, namespace) else {
                    let key = pushed.remote_key.as_ref().map(|(key, _)| *key);
                    if key.is_some_and(|key| wanted.could_be(key)) {
                        let why = "it may write the secret: its store is not in what was looked at".to_owned();
                        gathering.undecided(&entry.name, file, place.clone(), why);
                    }
                    continue;
                };
                for store in stores {
                    let account = world.account_of(&store, namespace);
                    let means = match &pushed.remote_key {
                        Some((key, _)) => wanted.in_store(&store, account.as_deref(), key, false),
                        None => match wanted.in_store(&store, account.as_deref(), &wanted.held.name, false) {
                            Means::No => Means::No,
                            _ => Means::Unknown(
                                "it may write the secret: the names that it writes are made when it runs".to_owned(),
                            ),
                        },
                    };
                    match means {
                        Means::No => {}
                        Means::Unknown(why) => gathering.undecided(&entry.name, file, place.clone(), why),
                        Means::Yes(_) => {
                            is_back = true;
                            if keeps_what_is_there
                                || wanted.refuses_pushes()
                                || !writes_leaf(wanted, pushed, &entry.object)
                            {
                                gathering.unaffected(Unaffected::WritesOtherPart);
                                continue;
                            }
                            let why = format!(
                                "it writes the secret every {every}, and with it the leaked value as long as its Secret has that; have the Secret refreshed first, or suspend it"
                            );
                            add(gathering, entry, place.clone(), Writes::Back, why);
                        }
                    }
                }
            }
            if let (Some(target), false) = (source, is_back) {
                let to = match &pushed.remote_key {
                    Some((key, _)) => format!("as {}", keystile_policy::shown::Shown(key)),
                    None => "under names that are made when it runs".to_owned(),
                };
                let why = format!(
                    "it copies the value from {} every {every}, {to}; the copy follows when the Secret has the new value",
                    target.secret
                );
                add(gathering, entry, place, Writes::Elsewhere, why);
            }
        }
    }
}

/// The Secret with the leaked part that an entry pushes.
fn source_of(
    source: Option<&Source<'_>>,
    object: &Value,
    pushed: &Pushed<'_>,
    namespace: &str,
    gathering: &mut Gathering,
) -> Option<Target> {
    let Source::Named(name, _) = source? else { return None };
    let target = gathering
        .targets
        .iter()
        .find(|target| target.secret.name == *name && target.secret.namespace == namespace)?
        .clone();
    let key = at(object, pushed).and_then(|entry| entry.pointer("/match/secretKey")).and_then(Value::as_str);
    match key.filter(|key| !key.is_empty()) {
        Some(key) if !target.keys.has(key) => {
            gathering.unaffected(Unaffected::OtherKey);
            None
        }
        _ => Some(target),
    }
}

/// The entry as it is written.
fn at<'o>(object: &'o Value, pushed: &Pushed<'_>) -> Option<&'o Value> {
    pushed.path.steps().iter().try_fold(object, |value, step| match step {
        keystile_policy::Step::Field(name) => value.get(*name),
        keystile_policy::Step::Item(index) => value.get(usize::try_from(*index).ok()?),
    })
}

/// Whether an entry writes the leaked part, or what it is in.
fn writes_leaf(wanted: &Wanted<'_>, pushed: &Pushed<'_>, object: &Value) -> bool {
    let property =
        at(object, pushed).and_then(|entry| entry.pointer("/match/remoteRef/property")).and_then(Value::as_str);
    wanted.leaf.under(property) != Part::HasNot
}

fn operator(world: &ConsumerWorld, wanted: &Wanted<'_>, entry: &Entry, gathering: &mut Gathering) {
    let subject = Subject::read(entry.kind, &entry.object);
    let fields = ["secretStringRef", "secretBinaryRef", "secretString", "secretBinary"];
    let field = fields
        .iter()
        .find(|field| entry.object.pointer(&format!("/spec/{field}")).is_some_and(|value| !value.is_null()));
    for reference in subject.references.iter().filter(|reference| reference.access == Access::Write) {
        let place = reference.path.to_string();
        let Names::Key(key) = reference.names else { continue };
        let Some(stores) = world.stores(&reference.store, &entry.name.namespace) else {
            if field.is_some() && wanted.could_be(key) {
                let why = "it may write the secret: its AWSProvider is not in what was looked at".to_owned();
                gathering.undecided(&entry.name, entry.file.as_deref(), place, why);
            }
            continue;
        };
        for store in stores {
            let account = world.account_of(&store, &entry.name.namespace);
            match wanted.in_store(&store, account.as_deref(), key, false) {
                Means::No => {}
                Means::Unknown(why) => {
                    gathering.undecided(&entry.name, entry.file.as_deref(), place.clone(), why);
                }
                Means::Yes(_) => match field {
                    Some(field) => {
                        let why = format!(
                            "the operator writes what {field} names at each of its rounds, and the old value with it; take the field out, or put the new value there first"
                        );
                        add(gathering, entry, format!("spec.{field}"), Writes::Back, why);
                    }
                    // It looks after the secret's settings only.
                    None => gathering.unaffected(Unaffected::WritesOtherPart),
                },
            }
        }
    }
}

fn terraform(wanted: &Wanted<'_>, entry: &Entry, gathering: &mut Gathering) {
    let subject = Subject::read(entry.kind, &entry.object);
    for secret in &subject.managed {
        let is_name = secret.name.setting.known().is_some_and(|name| **name == *wanted.held.name);
        if let (true, Some(value)) = (is_name, &secret.inline_value) {
            let why = "its next apply writes the value that the configuration or its state holds; take the value out of it, or put the new one there".to_owned();
            add(gathering, entry, FieldPath::from(value).to_string(), Writes::Back, why);
        }
    }
}
