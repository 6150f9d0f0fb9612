//! Guesses who the namespaces are: by the labels that most of those with secrets have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Draft, Env};
use crate::policy::document::syntax::is_dns_label;
use crate::request::Request;
use crate::world::{Lookup, Snapshot, World};

/// Words in the key of a label that say what it holds, the likeliest first.
const TEAM_WORDS: &[&str] = &["team", "squad", "tenant", "owner", "group"];
const ENV_WORDS: &[&str] = &["env", "environment", "stage", "tier"];

/// Labels that Kubernetes and its tools write; none says whose a namespace is.
const NOT_OURS: &[&str] =
    &["kubernetes.io/", "k8s.io/", "openshift.io/", "istio-", "istio.io/", "helm.sh/", "argoproj.io/"];

pub(super) fn propose(draft: &mut Draft, judged: &[&Value], world: &Snapshot) {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for object in judged {
        let namespace = Request::offline(object, "", jiff::Timestamp::UNIX_EPOCH).namespace;
        if !namespace.is_empty() {
            used.insert(namespace);
        }
    }
    let mut labels: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for namespace in &used {
        let found = match world.namespace(namespace) {
            Lookup::Found(found) => found.labels.clone(),
            Lookup::Absent | Lookup::Unknown => {
                draft
                    .notes
                    .push(format!("namespace {namespace} is not among the objects, so its labels are not known"));
                BTreeMap::new()
            }
        };
        labels.insert(namespace, found);
    }
    let env_label = likeliest(&labels, ENV_WORDS, None);
    draft.team_label = likeliest(&labels, TEAM_WORDS, env_label.as_deref());
    draft.env = match env_label {
        Some(label) => {
            // `default` has a meaning in the language.
            let is_env = |value: &&String| is_dns_label(value) && *value != "default";
            let values = labels.values().filter_map(|labels| labels.get(&label)).filter(is_env).cloned().collect();
            Env::Label(label, values)
        }
        None => Env::Value("prod".to_owned()),
    };
    // Namespaces that the labels do not bind are bound by name, each to a team of its own.
    for (namespace, labels) in &labels {
        let is_label = |value: &&String| is_dns_label(value);
        let team = draft.team_label.as_ref().and_then(|label| labels.get(label)).filter(is_label);
        let env = match &draft.env {
            Env::Label(label, known) => labels.get(label).filter(|env| known.contains(*env)).cloned(),
            Env::Value(value) => Some(value.clone()),
        };
        if team.is_some() && env.is_some() {
            continue;
        }
        let otherwise = || match &draft.env {
            Env::Label(_, known) if known.contains("prod") => Some("prod".to_owned()),
            Env::Label(_, known) => known.first().cloned(),
            Env::Value(value) => Some(value.clone()),
        };
        let team = team.cloned().unwrap_or_else(|| (*namespace).to_owned());
        match env.or_else(otherwise) {
            Some(env) if is_dns_label(&team) => {
                draft.namespaces.insert((*namespace).to_owned(), (team, env));
            }
            _ => draft.notes.push(format!("namespace {namespace} can't be bound: its name is no DNS label")),
        }
    }
}

/// The label that most namespaces have, and whose key has one of the words as a part.
fn likeliest(labels: &BTreeMap<&str, BTreeMap<String, String>>, words: &[&str], not: Option<&str>) -> Option<String> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for (label, value) in labels.values().flatten() {
        if is_dns_label(value) && !NOT_OURS.iter().any(|other| label.contains(other)) && Some(label.as_str()) != not {
            *counts.entry(label).or_default() += 1;
        }
    }
    let rank = |label: &str| {
        let parts: Vec<&str> = label.split(['/', '.', '-', '_']).collect();
        words.iter().position(|word| parts.contains(word))
    };
    counts
        .into_iter()
        .filter_map(|(label, count)| Some((count, std::cmp::Reverse(rank(label)?), label)))
        // At least half of the namespaces: a label of a few says nothing of the others.
        .filter(|(count, ..)| count * 2 >= labels.len())
        .max()
        .map(|(.., label)| label.clone())
}
