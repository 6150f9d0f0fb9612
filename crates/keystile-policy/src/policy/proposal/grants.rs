//! Proposes entries of `providers` and what stores may use, from the stores and the names that are used.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Draft, Entry, ProposedGrant, stores, write};
use crate::binding::Binding;
use crate::context::Context;
use crate::engine::Engine;
use crate::kind::{self, Kind, Recognised};
use crate::name::NamePattern;
use crate::policy::Access;
use crate::policy::document::{self, syntax::Syntax, words};
use crate::request::Request;
use crate::subject::Subject;
use crate::subject::identity::ObjectRefKind;
use crate::subject::store::{StoreFacts, StoreKind, StoreProvider};
use crate::world::{Lookup, Snapshot};

/// A name that is used: of which entry, by whom, for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    entry: usize,
    name: String,
    binding: Option<(String, String)>,
    access: &'static str,
}

pub(super) fn propose(draft: &mut Draft, judged: &[&Value], world: &Snapshot, is_general: bool, now: Timestamp) {
    for store in stores(judged) {
        identities(draft, &store, world, is_general);
        if provider_of(&store).is_none() {
            draft.notes.push(format!(
                "{} {} is of a provider that a policy can't grant, or can't be read",
                store.id.kind.as_str(),
                store.id.name
            ));
        }
    }
    // A policy with the bindings alone tells who the namespaces are.
    let Ok((policy, _)) = document::read(&write::document(draft), now) else { return };
    let engine = Engine::new(policy);
    let mut uses: BTreeMap<Use, usize> = BTreeMap::new();
    for object in judged {
        let request = Request::offline(object, "", now);
        let Recognised::Known(kind) = kind::recognise(request.group, request.version, request.kind) else { continue };
        let subject = Subject::read(kind, object);
        for generator in &subject.generators {
            if words::GENERATOR_KINDS.contains(&generator.kind) {
                draft.generators.insert(generator.kind.to_owned());
            }
        }
        if kind == Kind::Generator && words::GENERATOR_KINDS.contains(&request.kind) {
            draft.generators.insert(request.kind.to_owned());
        }
        let binding = engine.binding_of(request.namespace, world).found().flatten();
        let context = Context::new(
            engine.policy(),
            &request,
            kind,
            object,
            None,
            &subject,
            request.namespace,
            binding.as_ref(),
            world,
        );
        for resolved in &context.resolved {
            let (Lookup::Found(store), Some(Ok(key))) = (&resolved.store, &resolved.key) else { continue };
            let Some(provider) = provider_of(store) else { continue };
            let known = draft.entries.iter().position(|entry| entry.provider == provider);
            let entry = known.unwrap_or_else(|| {
                draft.entries.push(Entry { provider, grants: Vec::new() });
                draft.entries.len() - 1
            });
            let access = match resolved.reference.access {
                Access::Read => "read",
                Access::Write => "write",
                Access::Delete => "delete",
            };
            for name in key.names() {
                let binding = binding.as_ref().and_then(parts);
                *uses.entry(Use { entry, name: name.to_owned(), binding, access }).or_default() += 1;
            }
        }
    }
    let mut teams: BTreeSet<&str> = draft.namespaces.values().map(|(team, _)| team.as_str()).collect();
    teams.extend(uses.keys().filter_map(|used| used.binding.as_ref()).map(|(_, team)| team.as_str()));
    let teams: BTreeSet<String> = teams.into_iter().map(str::to_owned).collect();
    for entry in 0..draft.entries.len() {
        let uses: Vec<(&Use, usize)> =
            uses.iter().filter(|(used, _)| used.entry == entry).map(|(used, count)| (used, *count)).collect();
        draft.entries[entry].grants = grants(&uses, separator(draft.entries[entry].provider.0), &teams, is_general);
    }
    let questions = draft.entries.iter().flat_map(|entry| &entry.grants).filter(|grant| !grant.outside.is_empty());
    match questions.count() {
        0 => {}
        1 => draft.notes.push("1 grant is outside of its team's own names: its line has QUESTION".to_owned()),
        count => {
            draft.notes.push(format!("{count} grants are outside of their teams' own names: their lines have QUESTION"))
        }
    }
    draft.entries.retain(|entry| !entry.grants.is_empty());
}

fn parts(binding: &Binding) -> Option<(String, String)> {
    Some((binding.env.value()?.to_owned(), binding.team.value()?.to_owned()))
}

fn separator(provider: &str) -> char {
    match provider {
        "gcp" => '_',
        "kubernetes" => '.',
        _ => '/',
    }
}

/// Covers the uses: by the pattern that most of them follow, the others one by one.
fn grants(uses: &[(&Use, usize)], separator: char, teams: &BTreeSet<String>, is_general: bool) -> Vec<ProposedGrant> {
    let general = |used: &Use| used.binding.as_ref().and_then(|binding| pattern(&used.name, binding, separator));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (used, count) in uses.iter().filter(|_| is_general) {
        if let Some(pattern) = general(used) {
            *counts.entry(pattern).or_default() += count;
        }
    }
    let best = counts.into_iter().max_by_key(|(_, count)| *count).map(|(pattern, _)| pattern);
    let mut by_pattern = ProposedGrant {
        names: best.clone().unwrap_or_default(),
        access: BTreeSet::new(),
        teams: BTreeSet::new(),
        outside: BTreeSet::new(),
        speaks_of: BTreeSet::new(),
        uses: 0,
    };
    // A prefix of their own has the team in it, and the environment where the others' have it.
    let is_own = |used: &Use| {
        let needs_env = best.as_ref().is_some_and(|best| best.contains("{env}"));
        general(used).is_some_and(|own| !needs_env || own.contains("{env}"))
    };
    // Name and team → what is done.
    let mut one_by_one: BTreeMap<(String, String), (BTreeSet<&'static str>, usize, bool)> = BTreeMap::new();
    for (used, count) in uses {
        if best.is_some() && general(used) == best {
            by_pattern.access.insert(used.access);
            by_pattern.uses += count;
        } else if let Some((_, team)) = &used.binding
            && NamePattern::parse(&used.name, separator).is_ok()
            && !used.name.contains(['*', '{', '}'])
        {
            let entry = one_by_one.entry((used.name.clone(), team.clone())).or_default();
            entry.0.insert(used.access);
            entry.1 += count;
            entry.2 |= !is_own(used);
        }
    }
    let mut grants: Vec<ProposedGrant> = Vec::new();
    if by_pattern.uses > 0 {
        grants.push(by_pattern);
    }
    for ((names, team), (access, uses, is_outside)) in one_by_one {
        let known =
            grants.iter().position(|grant| grant.names == names && grant.access == access && !grant.teams.is_empty());
        let nth = known.unwrap_or_else(|| {
            let segments: BTreeSet<&str> = names.split(separator).collect();
            let speaks_of = teams.iter().filter(|team| segments.contains(team.as_str())).cloned().collect();
            let (teams, outside) = (BTreeSet::new(), BTreeSet::new());
            grants.push(ProposedGrant { names, access, teams, outside, speaks_of, uses: 0 });
            grants.len() - 1
        });
        let grant = &mut grants[nth];
        grant.uses += uses;
        if is_outside {
            grant.outside.insert(team.clone());
        }
        grant.teams.insert(team);
    }
    grants
}

/// `/prod/team-a/db/password` of team-a in prod → `/{env}/{team}/**`.
fn pattern(name: &str, (env, team): &(String, String), separator: char) -> Option<String> {
    let segments: Vec<&str> = name.split(separator).collect();
    let last = segments.iter().rposition(|segment| segment == team || segment == env)?;
    if !segments[..=last].contains(&team.as_str()) || last + 1 == segments.len() {
        return None;
    }
    let mut written: Vec<&str> = segments[..=last]
        .iter()
        .map(|segment| match *segment {
            segment if segment == team => "{team}",
            segment if segment == env => "{env}",
            segment => segment,
        })
        .collect();
    written.push("**");
    let text = written.join(&separator.to_string());
    NamePattern::parse(&text, separator).ok().map(|_| text)
}

/// What a store uses of identities.
fn identities(draft: &mut Draft, store: &StoreFacts, world: &Snapshot, is_general: bool) {
    draft.controllers.insert(store.controller.to_string());
    let roles = store.identity.roles.iter().map(|role| &*role.name);
    let accounts = store.identity.of_kind(ObjectRefKind::ServiceAccount);
    let is_cluster = store.id.kind == StoreKind::ClusterSecretStore;
    for role in roles.filter(|role| Syntax::Role.check(role).is_ok() && !role.contains(['{', '}'])) {
        if is_cluster {
            draft.cluster_roles.insert(role.to_owned());
        } else {
            let general = is_general.then(|| role_pattern(draft, role, &store.id.namespace, world)).flatten();
            draft.roles.insert(general.unwrap_or_else(|| role.to_owned()));
        }
    }
    for account in accounts {
        if is_cluster && let Some(namespace) = &account.namespace {
            let text = format!("{namespace}/{}", account.name);
            if Syntax::NamespacedName.check(&text).is_ok() {
                draft.cluster_service_accounts.insert(text);
            }
        } else if Syntax::ServiceAccount.check(&account.name).is_ok() {
            draft.service_accounts.insert(account.name.to_string());
        }
    }
}

/// A role with the namespace's team in it as `{team}`, where it stands between signs that part words.
fn role_pattern(draft: &Draft, role: &str, namespace: &str, world: &Snapshot) -> Option<String> {
    let (policy, _) = document::read(&write::document(draft), Timestamp::UNIX_EPOCH).ok()?;
    let binding = Engine::new(policy).binding_of(namespace, world).found().flatten()?;
    let (env, team) = parts(&binding)?;
    let with_team = replace_word(role, &team, "{team}")?;
    Some(replace_word(&with_team, &env, "{env}").unwrap_or(with_team))
}

fn replace_word(text: &str, word: &str, with: &str) -> Option<String> {
    let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '{' | '}'));
    let edges =
        |at: &usize| is_edge(text[..*at].chars().next_back()) && is_edge(text[at + word.len()..].chars().next());
    let at = text.match_indices(word).map(|(at, _)| at).filter(edges).last()?;
    Some(format!("{}{with}{}", &text[..at], &text[at + word.len()..]))
}

/// A store's words as an entry of `providers`; `None` where no entry can have them.
fn provider_of(store: &StoreFacts) -> Option<(&'static str, Vec<(&'static str, Value)>)> {
    let is = |syntax: Syntax, text: &str| syntax.check(text).is_ok();
    match &store.provider {
        StoreProvider::Aws(aws) => {
            let services = Syntax::Words(&["SecretsManager", "ParameterStore"]);
            if !is(services, &aws.service) || !is(Syntax::Region, &aws.region) {
                return None;
            }
            let mut fields = vec![("services", json!([aws.service]))];
            if let Some(account) = aws.account().filter(|account| is(Syntax::Account, account)) {
                fields.push(("accounts", json!([account])));
            }
            fields.push(("regions", json!([aws.region])));
            Some(("aws", fields))
        }
        StoreProvider::Vault(vault) => {
            let path = vault.path.as_deref().filter(|path| !path.is_empty())?;
            if !is(Syntax::Url, &vault.server) || !is(Syntax::Words(&["v1", "v2"]), &vault.version) {
                return None;
            }
            let mut fields =
                vec![("server", json!(vault.server)), ("paths", json!([path])), ("version", json!(vault.version))];
            if let Some(namespace) = vault.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
                fields.push(("namespaces", json!([namespace])));
            }
            let mounts: BTreeSet<&str> = vault.mount_paths.iter().map(|(_, path)| &**path).collect();
            if !mounts.is_empty() && !mounts.contains("") {
                fields.push(("mountPaths", json!(mounts)));
            }
            Some(("vault", fields))
        }
        StoreProvider::Gcp(gcp) => {
            if !is(Syntax::Text, &gcp.project) || !is(Syntax::LocationOrEmpty, &gcp.location) {
                return None;
            }
            let mut fields = vec![("projects", json!([gcp.project]))];
            if !gcp.location.is_empty() {
                fields.push(("locations", json!([gcp.location])));
            }
            Some(("gcp", fields))
        }
        StoreProvider::Kubernetes(kubernetes) => {
            let is_said = is(Syntax::Text, &kubernetes.server) && is(Syntax::DnsLabel, &kubernetes.remote_namespace);
            is_said.then(|| {
                let servers = ("servers", json!([kubernetes.server]));
                ("kubernetes", vec![servers, ("remoteNamespaces", json!([kubernetes.remote_namespace]))])
            })
        }
        StoreProvider::Other(_) | StoreProvider::Unreadable(_) => None,
    }
}
