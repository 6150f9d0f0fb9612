//! `keystile policy init`: a policy for what is there, from manifests or a snapshot of a cluster.
//!
//! Bindings are guessed from the labels that most namespaces have, entries of `providers` are the stores
//! that are used, grants cover the names that are asked for: as `/{env}/{team}/**` where they follow one
//! pattern, one by one where they don't. What breaks a rule all the same is only audited, rule by rule,
//! with the count: under the proposal nothing that is there is refused or warned of, and each line of
//! `rules` is a piece of work. It is a proposal: whoever reviews it decides whether today's use is right.

mod bindings;
mod grants;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::document::{self, Problem};
use crate::engine::Engine;
use crate::judgement::Action;
use crate::kind::{self, Kind, Recognised};
use crate::request::Request;
use crate::subject::store::StoreFacts;
use crate::world::Snapshot;

/// A proposal.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The document, with comments.
    pub text: String,
    /// What the proposal could not take in, and why.
    pub notes: Vec<String>,
    /// Objects that were looked at.
    pub objects: usize,
}

/// What the document will say.
#[derive(Clone, Debug, Default)]
struct Draft {
    team_label: Option<String>,
    env: Env,
    /// Namespace → (team, env).
    namespaces: BTreeMap<String, (String, String)>,
    entries: Vec<Entry>,
    service_accounts: BTreeSet<String>,
    roles: BTreeSet<String>,
    controllers: BTreeSet<String>,
    cluster_service_accounts: BTreeSet<String>,
    cluster_roles: BTreeSet<String>,
    generators: BTreeSet<String>,
    /// Whether something is pushed, so that the operator must be let write what it pushed.
    pushes: bool,
    /// Rule → objects that break it.
    audited: BTreeMap<String, usize>,
    notes: Vec<String>,
}

#[derive(Clone, Debug)]
enum Env {
    Label(String, BTreeSet<String>),
    Value(String),
}

impl Default for Env {
    fn default() -> Self {
        Self::Value("prod".to_owned())
    }
}

/// An entry of `providers`.
#[derive(Clone, Debug)]
struct Entry {
    /// `aws` and its fields.
    provider: (&'static str, Vec<(&'static str, Value)>),
    grants: Vec<ProposedGrant>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ProposedGrant {
    names: String,
    access: BTreeSet<&'static str>,
    /// Empty = every team.
    teams: BTreeSet<String>,
    /// Those of `teams` for whom the name does not lie below a prefix of their own.
    outside: BTreeSet<String>,
    /// Other teams that the name speaks of.
    speaks_of: BTreeSet<String>,
    /// Objects that ask for such a name.
    uses: usize,
}

/// Proposes a policy under which `objects` are neither refused nor warned of.
///
/// # Errors
///
/// The problems of the proposed document, should there be any: what is there can then not be said in a
/// policy.
pub fn propose(objects: &[Arc<Value>], now: Timestamp) -> Result<Proposal, Vec<Problem>> {
    let mut world = Snapshot::complete();
    for object in objects {
        world.insert(Arc::clone(object));
    }
    let judged: Vec<&Value> = objects.iter().map(|object| &**object).filter(|object| is_judged(object)).collect();
    let mut failed = Vec::new();
    // Where patterns with variables run into each other, names are listed one by one.
    for is_general in [true, false] {
        let mut draft = Draft::default();
        bindings::propose(&mut draft, &judged, &world);
        grants::propose(&mut draft, &judged, &world, is_general, now);
        draft.pushes = judged.iter().any(|object| is_push(object));
        match audit(&mut draft, &judged, &world, now) {
            Ok(()) => {
                let text = write::text(&draft);
                return Ok(Proposal { text, notes: draft.notes, objects: judged.len() });
            }
            Err(problems) => failed = problems,
        }
    }
    Err(failed)
}

/// Adds the rules that still refuse or warn, until none does.
fn audit(draft: &mut Draft, judged: &[&Value], world: &Snapshot, now: Timestamp) -> Result<(), Vec<Problem>> {
    // A rule that is audited no longer hides another, so a second look may find more.
    for _ in 0..3 {
        let (policy, _) = document::read(&write::document(draft), now)?;
        let engine = Engine::new(policy);
        let mut broken: BTreeMap<String, usize> = BTreeMap::new();
        for object in judged {
            let judgement = engine.judge(&Request::offline(object, "", now), world);
            let rules: BTreeSet<&str> = judgement
                .violations
                .iter()
                .filter(|judged| judged.action >= Action::Warn)
                .map(|judged| judged.violation.rule.id)
                .collect();
            for rule in rules {
                *broken.entry(rule.to_owned()).or_default() += 1;
            }
        }
        if broken.is_empty() {
            break;
        }
        draft.audited.extend(broken);
    }
    Ok(())
}

fn is_judged(object: &Value) -> bool {
    let request = Request::offline(object, "", Timestamp::UNIX_EPOCH);
    // A policy in the cluster is not judged by the one that is to replace it.
    !matches!(
        kind::recognise(request.group, request.version, request.kind),
        Recognised::Foreign | Recognised::Known(Kind::SecretPolicy)
    )
}

fn is_push(object: &Value) -> bool {
    let request = Request::offline(object, "", Timestamp::UNIX_EPOCH);
    matches!(
        kind::recognise(request.group, request.version, request.kind),
        Recognised::Known(Kind::PushSecret | Kind::ClusterPushSecret)
    )
}

/// The stores among the objects.
fn stores<'o>(judged: &'o [&'o Value]) -> impl Iterator<Item = StoreFacts> + 'o {
    judged.iter().filter_map(|object| {
        let request = Request::offline(object, "", Timestamp::UNIX_EPOCH);
        match kind::recognise(request.group, request.version, request.kind) {
            Recognised::Known(Kind::SecretStore | Kind::ClusterSecretStore) => Some(StoreFacts::read(object)),
            _ => None,
        }
    })
}
