//! `providers`: where secrets are, and the grants there.

use serde_json::Value;

use super::overlap;
use super::reader::{Object, Reader};
use crate::field_path::Path;
use crate::name::{NamePattern, Piece, Segment};
use crate::policy::{AccessSet, BindingRule, ByEnv, EnvRule, Grant, GrantedStore, Provider, ProviderEntry};
use crate::shown::Shown;
use crate::subject::store::StoreKind;

/// A kind of provider as the document names it, with what parts its names and what they may hold.
struct Grammar {
    field: &'static str,
    separator: char,
    /// What names of the provider are made of, and how that is said.
    allowed: fn(char) -> bool,
    alphabet: &'static str,
}

/// The separators. In AWS and Vault names are written as paths. A secret's id in GCP holds letters,
/// digits, `-` and `_`, the name of a Kubernetes Secret holds DNS labels and dots: there the separator
/// is the one character that no team and no environment (DNS labels) can hold, so that `prod_a_b` can
/// only be team `a`'s. `-` would let `prod-a-b` be of team `a` and of team `a-b`.
/// Sources: AWS CreateSecret (Name) and PutParameter (Name); GCP Secret Manager, Secret.name;
/// Kubernetes, "Object Names and IDs".
const GRAMMARS: &[Grammar] = &[
    Grammar {
        field: "aws",
        separator: '/',
        allowed: |c| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c),
        alphabet: "letters, digits and /_+=.@-",
    },
    Grammar {
        field: "vault",
        separator: '/',
        allowed: |c| c.is_ascii_graphic() && !"%?#\\{}".contains(c),
        alphabet: "printable ASCII without blanks and %?#\\{}",
    },
    Grammar {
        field: "gcp",
        separator: '_',
        allowed: |c| c.is_ascii_alphanumeric() || "_-".contains(c),
        alphabet: "letters, digits, _ and -",
    },
    Grammar {
        field: "kubernetes",
        separator: '.',
        allowed: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c),
        alphabet: "a-z, 0-9, . and -",
    },
];

pub(super) fn providers(reader: &mut Reader, spec: &Object<'_>, binding: &BindingRule) -> Vec<ProviderEntry> {
    let mut entries = Vec::new();
    for entry in reader.objects_in(spec, "providers") {
        let written: Vec<&Grammar> = GRAMMARS.iter().filter(|grammar| entry.written(grammar.field).is_some()).collect();
        let grammar = match written.as_slice() {
            [one] => *one,
            [] => {
                reader.error(&entry.path, "names no provider: write aws, vault, gcp or kubernetes");
                continue;
            }
            [_, second, ..] => {
                reader.error(&entry.at(second.field), "is a second provider: give each an entry of its own");
                continue;
            }
        };
        let provider = provider(reader, &entry, grammar.field);
        let grants = grants(reader, &entry, grammar);
        let nothing_written = matches!(entry.written("grants"), Some(Value::Array(items)) if items.is_empty());
        if nothing_written {
            reader.error(&entry.at("grants"), "grants nothing: remove the entry, or write what is granted");
        }
        check_covered(reader, &grants, binding);
        let named: Vec<(Path<'_>, &Grant)> = grants.iter().map(|(at, grant)| (at.field("names"), grant)).collect();
        overlap::check_names(reader, &named, binding);
        entries.push(ProviderEntry { provider, grants: grants.into_iter().map(|(_, grant)| grant).collect() });
    }
    entries
}

fn provider(reader: &mut Reader, entry: &Object<'_>, field: &'static str) -> Provider {
    let object = reader.object_in(entry, field);
    let mut list = |name: &'static str| reader.list_by_env(&object, name, |_, _, text| Some(text));
    match field {
        "aws" => Provider::Aws {
            services: list("services"),
            accounts: list("accounts"),
            regions: list("regions"),
            replica_regions: list("replicaRegions"),
        },
        "gcp" => Provider::Gcp { projects: list("projects"), locations: list("locations") },
        "kubernetes" => Provider::Kubernetes { servers: list("servers"), remote_namespaces: list("remoteNamespaces") },
        _ => {
            let (paths, namespaces, mount_paths) = (list("paths"), list("namespaces"), list("mountPaths"));
            let server = reader.one_by_env(&object, "server", |reader, path, url| {
                if url.starts_with("http://") {
                    reader.warning(path, "is not encrypted: tokens and values can be read on the way");
                }
                Some(url)
            });
            let version = reader.one_by_env(&object, "version", |_, _, version| Some(version));
            Provider::Vault { server, paths, version, namespaces, mount_paths }
        }
    }
}

fn grants<'d>(reader: &mut Reader, entry: &Object<'d>, grammar: &Grammar) -> Vec<(Path<'d>, Grant)> {
    let mut grants = Vec::new();
    for grant in reader.objects_in(entry, "grants") {
        let names = reader.text(&grant, "names").and_then(|text| names(reader, &grant.at("names"), &text, grammar));
        let access = access(reader, &grant);
        let teams = reader.list(&grant, "teams");
        if teams.as_ref().is_some_and(Vec::is_empty) {
            reader.error(
                &grant.at("teams"),
                "lists no team, so the grant adds nothing: leave the field out for every team",
            );
        }
        let stores = grant.written("secretStoreRefs").map(|_| {
            let stores = reader.objects_in(&grant, "secretStoreRefs");
            if stores.is_empty() {
                reader.error(
                    &grant.at("secretStoreRefs"),
                    "lists no store, so the grant adds nothing: leave the field out for every store",
                );
            }
            stores
                .iter()
                .filter_map(|store| {
                    let kind = match reader.text(store, "kind")?.as_str() {
                        "ClusterSecretStore" => StoreKind::ClusterSecretStore,
                        _ => StoreKind::SecretStore,
                    };
                    Some(GrantedStore { kind, name: reader.text(store, "name")? })
                })
                .collect()
        });
        if let Some(names) = &names
            && teams.is_none()
            && is_everything(names)
        {
            reader.warning(
                &grant.at("names"),
                "gives every team every name: write which teams have it, or begin with {env} and {team}",
            );
        }
        if let Some(names) = names {
            grants.push((grant.path.clone(), Grant { names, access, teams, stores }));
        }
    }
    grants
}

fn names(reader: &mut Reader, path: &Path<'_>, text: &str, grammar: &Grammar) -> Option<NamePattern> {
    let pattern = match NamePattern::parse(text, grammar.separator) {
        Ok(pattern) => pattern,
        Err(error) => {
            reader.error(path, format!("{} {error}", Shown(text)));
            return None;
        }
    };
    for segment in pattern.segments() {
        let Segment::Pieces(pieces) = segment else { continue };
        for piece in pieces {
            let Piece::Text(text) = piece else { continue };
            if let Some(strange) = text.chars().find(|c| !(grammar.allowed)(*c)) {
                reader.error(
                    path,
                    format!(
                        "has {}, which no name of {} can hold: {} can",
                        Shown(strange.encode_utf8(&mut [0; 4])),
                        grammar.field,
                        grammar.alphabet
                    ),
                );
                return None;
            }
        }
    }
    Some(pattern)
}

/// Whether the pattern begins with what may be anything.
fn is_everything(pattern: &NamePattern) -> bool {
    pattern.segments().iter().all(|segment| match segment {
        Segment::Pieces(pieces) => pieces.is_empty(),
        Segment::One | Segment::Rest => true,
    })
}

fn access(reader: &mut Reader, grant: &Object<'_>) -> ByEnv<AccessSet> {
    let words = reader.list_by_env(grant, "access", |_, _, word| Some(word));
    let set = |words: &Vec<String>| AccessSet {
        read: words.iter().any(|word| word == "read"),
        write: words.iter().any(|word| word == "write"),
        delete: words.iter().any(|word| word == "delete"),
    };
    words.map(set)
}

/// Warns of a grant that another one of the entry covers.
fn check_covered(reader: &mut Reader, grants: &[(Path<'_>, Grant)], binding: &BindingRule) {
    for (nth, (path, grant)) in grants.iter().enumerate() {
        let covering = grants.iter().enumerate().find(|(other_nth, (_, other))| {
            *other_nth != nth
                && covers(other, grant, binding)
                // Of two that say the same, the second is the one too many.
                && (*other_nth < nth || !covers(grant, other, binding))
        });
        if let Some((_, (other, _))) = covering {
            reader.warning(path, format!("adds nothing: {other} grants all of it already"));
        }
    }
}

fn covers(wide: &Grant, narrow: &Grant, binding: &BindingRule) -> bool {
    names_cover(&wide.names, &narrow.names)
        && match (&wide.teams, &narrow.teams) {
            (None, _) => true,
            (Some(wide), Some(narrow)) => narrow.iter().all(|team| wide.contains(team)),
            (Some(_), None) => false,
        }
        && match (&wide.stores, &narrow.stores) {
            (None, _) => true,
            (Some(wide), Some(narrow)) => narrow.iter().all(|store| wide.contains(store)),
            (Some(_), None) => false,
        }
        && {
            let covers = |env: &str| {
                let none = AccessSet::default();
                let narrow = *narrow.access.get(env).unwrap_or(&none);
                wide.access.get(env).unwrap_or(&none).and(narrow) == narrow
            };
            // An environment that neither names stands for all those.
            match &binding.env {
                EnvRule::Value(env) => covers(env),
                EnvRule::Label { values, .. } if !values.is_empty() => values.iter().all(|env| covers(env)),
                EnvRule::Label { .. } => wide.access.envs().chain(narrow.access.envs()).chain([""]).all(covers),
            }
        }
}

/// Whether every name of `narrow` is one of `wide`, for the same binding.
fn names_cover(wide: &NamePattern, narrow: &NamePattern) -> bool {
    let (mut wide, mut narrow) = (wide.segments().iter(), narrow.segments().iter());
    loop {
        match (wide.next(), narrow.next()) {
            (None, None) => return true,
            (Some(Segment::Rest), Some(first)) => {
                return std::iter::once(first)
                    .chain(narrow)
                    .all(|segment| !matches!(segment, Segment::Pieces(pieces) if pieces.is_empty()));
            }
            (Some(Segment::One), Some(Segment::One)) => {}
            (Some(Segment::One), Some(Segment::Pieces(pieces))) if !pieces.is_empty() => {}
            (Some(Segment::Pieces(wide)), Some(Segment::Pieces(narrow))) if wide == narrow => {}
            _ => return false,
        }
    }
}
