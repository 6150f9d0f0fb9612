//! Which objects refer to which secrets: every reference resolved to what the provider is asked for, as the policy
//! resolves it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use keystile_inventory::SecretRecord;
use keystile_manifest::files::{self, Walk};
use keystile_policy::context::Resolved;
use keystile_policy::kind::Recognised;
use keystile_policy::policy::Access;
use keystile_policy::provider::arn::Arn;
use keystile_policy::subject::store::{AwsStore, StoreProvider};
use keystile_policy::subject::{self, Names};
use keystile_policy::{Context, Lookup, Policy, Request};

use crate::check::ObjectName;
use crate::check::basis::Around;
use crate::check::judge::{Subject, Subjects, subjects, world};
use crate::exit::UsageError;
use crate::report::text::count;

/// An object that refers to a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Referrer {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The field path, within its document.
    pub(super) path: String,
    /// `reads`, `writes` or `deletes`.
    pub(super) access: &'static str,
    pub(super) file: String,
    pub(super) line: u32,
}

/// A reference to a secret that no list has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) region: String,
    /// The account, where the reference or its store says it.
    pub(super) account: Option<String>,
    /// The name that the provider is asked for.
    pub(super) name: String,
    /// The other name that an ARN can mean, where it can be read in two ways; the same reference is there under both.
    pub(super) other_name: Option<String>,
    /// Whether it is there under its other name.
    pub(super) is_other: bool,
    pub(super) referrer: Referrer,
}

/// Who refers to what.
#[derive(Debug, Default)]
pub(super) struct Referrers {
    /// By region and name.
    by_secret: BTreeMap<(String, String), Vec<Named>>,
    /// Searches, which may find any secret.
    pub(super) searches: Vec<Referrer>,
    /// References to other providers than AWS Secrets Manager.
    pub(super) elsewhere: usize,
    /// What could not be read or resolved, one sentence each.
    pub(super) gaps: Vec<String>,
    /// Objects that were looked at.
    pub(super) objects: usize,
}

impl Referrers {
    /// Those that refer to the secret, which was listed in `region`.
    pub(super) fn of(&self, record: &SecretRecord, region: &str) -> Vec<Referrer> {
        let arn = Arn::parse(&record.arn.0).ok();
        let region = arn.map_or(region, |arn| arn.region);
        let named = self.by_secret.get(&(region.to_owned(), record.name.clone())).into_iter().flatten();
        let is_same = |named: &&Named| match (&named.account, arn) {
            (Some(account), Some(arn)) => account == arn.account,
            _ => true,
        };
        let mut found: Vec<Referrer> = named.filter(is_same).map(|named| named.referrer.clone()).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Every reference that could be resolved to a name.
    pub(super) fn named(&self) -> impl Iterator<Item = &Named> {
        self.by_secret.values().flatten()
    }
}

/// Reads manifests, and a cluster's objects, and resolves every reference in them.
///
/// # Errors
/// A path is not there.
pub(super) fn read_referrers(
    manifests: &[PathBuf],
    worlds: &[PathBuf],
    namespace: Option<&str>,
) -> anyhow::Result<Referrers> {
    for path in manifests.iter().chain(worlds).filter(|path| path.as_os_str() != "-") {
        if !path.exists() {
            return Err(UsageError(format!("{}: there is no such file or folder", path.display())).into());
        }
    }
    let mut referrers = Referrers::default();
    let mut take = |paths: &[PathBuf], honour_ignore_files| {
        let read = files::read_paths(paths, Walk { honour_ignore_files });
        for gap in &read.gaps {
            let place = gap.position.map(|position| format!(":{position}")).unwrap_or_default();
            referrers.gaps.push(format!("{}{place}: {}", gap.file, gap.message));
        }
        read
    };
    let mut own = if manifests.is_empty() { files::Files::default() } else { take(manifests, true) };
    let cluster = (!worlds.is_empty()).then(|| take(worlds, false));
    let Subjects { mut subjects, gaps, .. } = subjects(std::mem::take(&mut own.documents), namespace);
    let around = Around { world: cluster, inventory: None };
    let (snapshot, twice) = world(&subjects, &around, namespace);
    for gap in gaps.iter().chain(&twice) {
        let place = gap.position.map(|position| format!(":{position}")).unwrap_or_default();
        referrers.gaps.push(format!("{}{place}: {}", gap.file, gap.message));
    }
    // The cluster's objects refer too, save those that the manifests have anew.
    let known: BTreeSet<(String, String, String)> = subjects.iter().map(|subject| key(&subject.name)).collect();
    let of_cluster = around.world.iter().flat_map(|files| &files.documents);
    let of_cluster = of_cluster.filter_map(|document| Subject::new(document.clone(), namespace));
    subjects.extend(of_cluster.filter(|subject| !known.contains(&key(&subject.name))).collect::<Vec<_>>());
    let policy = Policy::default();
    for subject in &subjects {
        let Recognised::Known(kind) = subject.recognised else { continue };
        let facts = subject::Subject::read(kind, &subject.document.value);
        if facts.references.is_empty() {
            continue;
        }
        referrers.objects += 1;
        let request = Request::offline(&subject.document.value, namespace.unwrap_or(""), Timestamp::UNIX_EPOCH);
        let object = &subject.document.value;
        let own = &subject.name.namespace;
        let context = Context::new(&policy, &request, kind, object, None, &facts, own, None, &snapshot);
        for resolved in &context.resolved {
            referrers.add(subject, resolved);
        }
    }
    Ok(referrers)
}

fn key(name: &ObjectName) -> (String, String, String) {
    let group = name.api_version.split_once('/').map_or("", |(group, _)| group);
    (format!("{group}/{}", name.kind), name.namespace.clone(), name.name.clone())
}

impl Referrers {
    fn add(&mut self, subject: &Subject, resolved: &Resolved<'_>) {
        let path = resolved.reference.path.to_owned();
        let located = subject.document.locate(&path);
        let referrer = Referrer {
            kind: subject.name.kind.clone(),
            namespace: subject.name.namespace.clone(),
            name: subject.name.name.clone(),
            path: path.to_string(),
            access: match resolved.reference.access {
                Access::Read => "reads",
                Access::Write => "writes",
                Access::Delete => "deletes",
            },
            file: located.source.name().to_owned(),
            line: located.position.line,
        };
        let at = format!("{}:{}: {} {}", referrer.file, located.position, subject.name, referrer.path);
        let store = match &resolved.store {
            Lookup::Found(store) => store,
            // The provider is never asked.
            Lookup::Absent => return,
            Lookup::Unknown => {
                self.gaps.push(format!("{at}: its store is not among the files, so what it refers to is not known"));
                return;
            }
        };
        let aws: &AwsStore = match &store.provider {
            StoreProvider::Aws(aws) if &*aws.service == "SecretsManager" => aws,
            _ => {
                self.elsewhere += 1;
                return;
            }
        };
        match (&resolved.reference.names, &resolved.key) {
            (Names::Key(_), Some(Ok(key))) => {
                let account = key.arn_account.or_else(|| aws.account()).map(str::to_owned);
                let other = |name: &str| key.names().find(|other| *other != name).map(str::to_owned);
                for (nth, name) in key.names().enumerate() {
                    let named = Named {
                        region: aws.region.to_string(),
                        account: account.clone(),
                        name: name.to_owned(),
                        other_name: other(name),
                        is_other: nth > 0,
                        referrer: referrer.clone(),
                    };
                    self.by_secret.entry((named.region.clone(), named.name.clone())).or_default().push(named);
                }
            }
            (Names::Key(_), _) => self.gaps.push(format!("{at}: what it refers to can't be told")),
            (Names::Find { .. }, _) => self.searches.push(referrer),
            (Names::MadeAtRunTime, _) => {
                self.gaps.push(format!("{at}: the names are made when it runs, so what it refers to is not known"));
            }
        }
    }
}

/// Objects in a few words, for a table.
pub(super) fn in_short(referrers: &[Referrer]) -> String {
    let objects: BTreeSet<(&str, &str, &str)> =
        referrers.iter().map(|one| (one.kind.as_str(), one.namespace.as_str(), one.name.as_str())).collect();
    let shown = |(kind, namespace, name): &(&str, &str, &str)| match *namespace {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    };
    match objects.first() {
        None => "nobody".to_owned(),
        Some(one) if objects.len() == 1 => shown(one),
        Some(first) => format!("{}: {}, …", count(objects.len() as u64, "object", "objects"), shown(first)),
    }
}
