//! Judges a request: reads the object, binds its namespace, asks the rules, leaves out what an update
//! did not bring, looks up what each broken rule does, and what the change does to other objects.

mod referrers;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use keystile_scan::Scanner;
use serde_json::Value;

use crate::binding::Binding;
use crate::context::Context;
use crate::fan_out::{self, Reach};
use crate::field_path::{FieldPath, Path};
use crate::inline::{self, Literals};
use crate::judgement::{Action, Judged, Judgement};
use crate::kind::{self, Kind, Recognised};
use crate::policy::Policy;
use crate::request::{Door, Operation, Request, User};
use crate::rules::fanout_wrong_binding::wrong_bindings;
use crate::rules::{
    BINDING_UNBOUND, DELETE_RULES, OBJECT_UNKNOWN_VERSION, RULES, Rule, STATUS_RULES, object_unrendered,
};
use crate::shown::Shown;
use crate::subject::{Subject, push};
use crate::violation::Violation;
use crate::world::{Lookup, Query, World};

/// A policy, ready to judge.
#[derive(Debug)]
pub struct Engine {
    policy: Policy,
    literals: Option<Literals>,
}

impl Engine {
    /// An engine for a policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, literals: None }
    }

    /// The same engine, which looks for credentials in the objects' own texts. Make the scanner with
    /// [`crate::inline::scanner`]; it may be shared, also with the engine of the next policy.
    #[must_use]
    pub fn with_scanner(self, scanner: Arc<Scanner>) -> Self {
        Self { literals: Some(Literals::new(scanner)), ..self }
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Judges one request.
    pub fn judge(&self, request: &Request<'_>, world: &dyn World) -> Judgement {
        let kind = match kind::recognise(request.group, request.version, request.kind) {
            Recognised::Known(kind) => kind,
            Recognised::Foreign => return Judgement::default(),
            // What nobody judges when it is deleted may go in any version.
            Recognised::UnknownVersion(kind)
                if request.operation == Operation::Delete && !is_any_for(DELETE_RULES, kind) =>
            {
                return Judgement::default();
            }
            Recognised::UnknownKind | Recognised::UnknownVersion(_)
                if request.operation == Operation::Connect
                    || request.operation == Operation::Delete && request.user.is_some_and(User::cleans_up) =>
            {
                return Judgement::default();
            }
            Recognised::UnknownKind | Recognised::UnknownVersion(_) => {
                let found = vec![Found { violation: unknown_version(request), env: None }];
                let object = request.object.or(request.old_object);
                let texts = self.literals.as_ref().zip(object).map(|(literals, object)| literals.find(object));
                return self.answer(request, found, BTreeSet::new(), &texts.unwrap_or_default());
            }
        };
        let mut unanswered = BTreeSet::new();
        match request.operation {
            Operation::Connect => Judgement::default(),
            Operation::Delete => {
                let is_judged = is_any_for(DELETE_RULES, kind) && !request.user.is_some_and(User::cleans_up);
                let Some(old) = request.old_object.filter(|_| is_judged) else { return Judgement::default() };
                let texts = self.texts(kind, old);
                let found = self.violations(kind, request, old, None, world, &mut unanswered, DELETE_RULES, &[]);
                self.answer(request, found, unanswered, &texts)
            }
            Operation::Create | Operation::Update => {
                let Some(object) = request.object else { return Judgement::default() };
                let old = request.old_object.filter(|_| request.operation == Operation::Update);
                if request.sub_resource == "status" && is_any_for(STATUS_RULES, kind) {
                    let found = self.violations(kind, request, object, old, world, &mut unanswered, STATUS_RULES, &[]);
                    if !found.is_empty() {
                        return self.answer(request, found, unanswered, &self.texts(kind, object));
                    }
                }
                if old.is_some_and(|old| says_the_same(kind, old, object)) {
                    return Judgement::default();
                }
                let texts = self.texts(kind, object);
                let credentials = &texts.violations;
                let mut found = self.violations(kind, request, object, old, world, &mut unanswered, RULES, credentials);
                if let Some(old) = old.filter(|_| !found.is_empty()) {
                    let mut forgotten = BTreeSet::new();
                    let credentials = self.texts(kind, old).violations;
                    let before =
                        self.violations(kind, request, old, Some(object), world, &mut forgotten, RULES, &credentials);
                    let had: HashSet<_> = before.iter().map(|had| had.violation.identity()).collect();
                    found.retain(|found| !had.contains(&found.violation.identity()));
                }
                let mut judgement = self.answer(request, found, unanswered, &texts);
                self.add_broken_referrers(kind, request, world, &texts, &mut judgement);
                judgement
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one question, asked of the new object and of the old")]
    fn violations(
        &self,
        kind: Kind,
        request: &Request<'_>,
        object: &Value,
        other: Option<&Value>,
        world: &dyn World,
        unanswered: &mut BTreeSet<Query>,
        rules: &[&'static Rule],
        credentials: &[Violation],
    ) -> Vec<Found> {
        let mut subject = Subject::read(kind, object);
        let is_cluster_scoped = kind.is_cluster_scoped() || request.kind == "ClusterGenerator";
        let namespace = if is_cluster_scoped { "" } else { request.namespace };
        if subject.push.is_some() {
            push::add_managed(&mut subject, namespace, world);
        }
        if let Some(fan_out) = &subject.fan_out {
            let reach = fan_out::reach(fan_out, subject.references.len(), &self.policy, world, unanswered);
            let ask = |binding: Option<&Binding>, unanswered: &mut BTreeSet<Query>| {
                let mut context =
                    Context::new(&self.policy, request, kind, object, other, &subject, namespace, binding, world);
                context.reach = Some(&reach);
                ask(context, rules, unanswered, None)
            };
            if reach.bindings.is_empty() {
                let violations = ask(None, unanswered).into_iter().chain(credentials.iter().cloned());
                violations.map(|violation| Found { violation, env: None }).collect()
            } else {
                let each = reach.bindings.iter().map(|reached| ask(Some(&reached.binding), unanswered)).collect();
                let mut found = merged(&reach, each);
                found.extend(credentials.iter().map(|violation| Found { violation: violation.clone(), env: None }));
                found
            }
        } else {
            let binding = if is_cluster_scoped { Lookup::Found(None) } else { self.binding_of(namespace, world) };
            if binding == Lookup::Unknown {
                unanswered.insert(Query::Namespace(namespace.to_owned()));
            }
            let is_known = namespace.is_empty() || binding != Lookup::Unknown;
            let binding = binding.found().flatten();
            // A workload that says nothing of secrets needs no owner.
            // Terraform names no namespace; who said whose it is (--namespace) gets names judged too.
            let needs_binding = !is_cluster_scoped
                && rules.iter().any(|rule| std::ptr::eq(*rule, &BINDING_UNBOUND))
                && (kind != Kind::Workload || !subject.is_silent())
                && !(kind.is_terraform() && namespace.is_empty());
            let unbound = (binding.is_none() && needs_binding).then(|| self.unbound(namespace, is_known, world));
            let context =
                Context::new(&self.policy, request, kind, object, other, &subject, namespace, binding.as_ref(), world);
            let violations = ask(context, rules, unanswered, unbound);
            let env = match &binding {
                Some(binding) => binding.env.value(),
                None if kind == Kind::ClusterSecretStore => {
                    self.policy.stores.cluster.as_ref().and_then(|cluster| cluster.env.as_deref())
                }
                None => None,
            };
            let violations = violations.into_iter().chain(credentials.iter().cloned());
            violations.map(|violation| Found { violation, env: env.map(Into::into) }).collect()
        }
    }

    /// What the object's own texts hold. A workload is looked at only where it says something of secrets.
    fn texts(&self, kind: Kind, object: &Value) -> inline::Texts {
        match &self.literals {
            Some(literals) if kind != Kind::Workload || !Subject::read(kind, object).is_silent() => {
                literals.find(object)
            }
            _ => inline::Texts::default(),
        }
    }

    /// Who a namespace is: bound by the policy, or by its labels.
    pub fn binding_of(&self, namespace: &str, world: &dyn World) -> Lookup<Option<Binding>> {
        if let Some(binding) = self.policy.namespaces.get(namespace) {
            return Lookup::Found(Some(binding.clone()));
        }
        match world.namespace(namespace) {
            Lookup::Found(found) => Lookup::Found(self.policy.binding.bind(&found.labels).ok()),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => Lookup::Unknown,
        }
    }

    /// `is_known` = the world knows whether the namespace is there.
    fn unbound(&self, namespace: &str, is_known: bool, world: &dyn World) -> Violation {
        let shown = Shown(namespace);
        let message = match world.namespace(namespace) {
            _ if namespace.is_empty() => "no namespace is named, so nobody's grants count".to_owned(),
            Lookup::Found(found) => match self.policy.binding.bind(&found.labels) {
                Err(unbound) => format!("namespace {shown} is bound to nobody: it {unbound}"),
                Ok(binding) => format!("namespace {shown} is bound to {binding} only now"),
            },
            Lookup::Absent => format!("namespace {shown} is bound to nobody: there is no such namespace"),
            Lookup::Unknown => format!("namespace {shown} is not known here"),
        };
        let cure = match (namespace, is_known) {
            ("", _) => "write metadata.namespace, or name it for the whole run with --namespace",
            (_, true) => "let an administrator label the namespace, or name it in the policy",
            (_, false) => {
                "hand its Namespace object in, as a file of the same run or with --world, or name it in the policy"
            }
        };
        let violation =
            Violation::new(&BINDING_UNBOUND, Path::of(&["metadata", "namespace"]), namespace, message).cure(cure);
        if is_known { violation } else { violation.not_evaluated() }
    }

    /// Looks up what each violation does; `texts` are those that no answer shows.
    fn answer(
        &self,
        request: &Request<'_>,
        found: Vec<Found>,
        unanswered: BTreeSet<Query>,
        texts: &inline::Texts,
    ) -> Judgement {
        let mut violations: Vec<Judged> = found
            .into_iter()
            .map(|Found { violation, env }| {
                let action = self.policy.action(violation.rule, env.as_deref());
                match self.policy.exception(request, &violation) {
                    Some((exception, excused)) => Judged {
                        action: action.min(Action::Audit),
                        excused_by: Some(excused.reason.clone()),
                        exception: Some(exception),
                        violation,
                    },
                    None => Judged { action, violation, excused_by: None, exception: None },
                }
            })
            .filter(|judged| judged.action > Action::Allow)
            .collect();
        violations.iter_mut().for_each(|judged| texts.mask(&mut judged.violation));
        violations.sort_by_key(|judged| std::cmp::Reverse(judged.action));
        Judgement { violations, unanswered: unanswered.into_iter().collect() }
    }
}

/// A violation, and the environment whose actions count for it; `None` = any, so the strictest.
struct Found {
    violation: Violation,
    env: Option<Box<str>>,
}

/// Asks rules about one object in one setting; `known` is found already.
fn ask(
    context: Context<'_>,
    rules: &[&'static Rule],
    unanswered: &mut BTreeSet<Query>,
    known: Option<Violation>,
) -> Vec<Violation> {
    let mut found = Vec::from_iter(known);
    for rule in rules {
        if rule.kinds.is_empty() || rule.kinds.contains(&context.kind) {
            (rule.check)(&context, &mut found);
        }
    }
    let door = context.request.door;
    unanswered.extend(context.into_unanswered());
    if door == Door::Offline {
        object_unrendered::instead_of_others(&mut found);
    }
    found
}

/// Whether one of the rules looks at objects of the kind.
fn is_any_for(rules: &[&'static Rule], kind: Kind) -> bool {
    rules.iter().any(|rule| rule.kinds.contains(&kind))
}

/// What was found for each binding that is reached, once: with whom it is about where that is not
/// everybody.
fn merged(reach: &Reach, each: Vec<Vec<Violation>>) -> Vec<Found> {
    let mut order: Vec<(Violation, Vec<usize>)> = Vec::new();
    let mut known: HashMap<(&'static str, String, String, FieldPath), usize> = HashMap::new();
    for (nth, violations) in each.into_iter().enumerate() {
        for violation in violations {
            let (id, about, place) = violation.identity();
            let key = (id, about.to_owned(), place.to_owned(), violation.path.clone());
            let index = *known.entry(key).or_insert_with(|| {
                order.push((violation, Vec::new()));
                order.len() - 1
            });
            let whom = &mut order[index].1;
            if whom.last() != Some(&nth) {
                whom.push(nth);
            }
        }
    }
    let wrong = wrong_bindings(reach, &order);
    let env_of = |whom: &[usize]| -> Option<Box<str>> {
        let mut envs = whom.iter().map(|nth| reach.bindings[*nth].binding.env.value());
        let first = envs.next().flatten()?;
        envs.all(|env| env == Some(first)).then(|| first.into())
    };
    let mut found: Vec<Found> = order
        .into_iter()
        .map(|(mut violation, whom)| {
            if whom.len() < reach.bindings.len() {
                let names: Vec<String> = whom.iter().take(3).map(|nth| reach.bindings[*nth].shown()).collect();
                let more = whom.len().saturating_sub(names.len());
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                violation.message = format!("{} (for {}{more})", violation.message, names.join(", "));
            }
            Found { env: env_of(&whom), violation }
        })
        .collect();
    found.extend(wrong.into_iter().map(|(violation, env)| Found { violation, env }));
    found
}

/// Whether nothing differs that a rule could look at: for most kinds what stands outside of metadata
/// and status. Namespaces are bound by their labels, stores are chosen by theirs, and the Vault Agent
/// Injector is told by annotations.
fn says_the_same(kind: Kind, old: &Value, new: &Value) -> bool {
    let counts: &[&str] = match kind {
        Kind::Namespace | Kind::SecretStore | Kind::ClusterSecretStore => &["labels"],
        Kind::Workload => &["annotations"],
        _ => &[],
    };
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return false };
    let is_about_secrets = |field: &str| !matches!(field, "metadata" | "status");
    let fields =
        |object: &serde_json::Map<String, Value>| object.keys().filter(|field| is_about_secrets(field)).count();
    let metadata = |object: &'_ serde_json::Map<String, Value>, field: &str| {
        object.get("metadata").and_then(|metadata| metadata.get(field)).cloned()
    };
    fields(old) == fields(new)
        && old.iter().all(|(field, value)| !is_about_secrets(field) || new.get(field) == Some(value))
        && counts.iter().all(|field| metadata(old, field) == metadata(new, field))
}

fn unknown_version(request: &Request<'_>) -> Violation {
    let shown = format!("{}/{} {}", request.group, request.version, request.kind);
    Violation::new(
        &OBJECT_UNKNOWN_VERSION,
        Path::of(&["apiVersion"]),
        shown.as_str(),
        format!("{} can't be read by this release of keystile", Shown(&shown)),
    )
    .cure("write it in a version that is known, or update keystile")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::name::NamePattern;
    use crate::policy::{AccessSet, BindingRule, ByEnv, EnvRule, Grant, Provider, ProviderEntry};
    use crate::world::Snapshot;

    /// The ten-line policy of docs: one region, `/{env}/{team}/**` to read.
    fn policy() -> Policy {
        Policy {
            name: "default".to_owned(),
            binding: BindingRule {
                team_label: "team".to_owned(),
                reserved_teams: Vec::new(),
                env: EnvRule::Label { label: "env".to_owned(), values: Vec::new() },
            },
            providers: vec![ProviderEntry {
                provider: Provider::Aws {
                    services: ByEnv::all(vec!["SecretsManager".to_owned()]),
                    accounts: ByEnv::all(vec!["111111111111".to_owned()]),
                    regions: ByEnv::all(vec!["eu-west-1".to_owned()]),
                    replica_regions: ByEnv::default(),
                },
                grants: vec![Grant {
                    names: NamePattern::parse("/{env}/{team}/**", '/').unwrap(),
                    access: ByEnv::all(AccessSet { read: true, ..AccessSet::default() }),
                    teams: None,
                    stores: None,
                }],
            }],
            rotation_max_age: ByEnv::all(Duration::from_secs(90 * 86_400)),
            ..Policy::default()
        }
    }

    fn external_secret(key: &str) -> Value {
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": "db", "namespace": "a"},
            "spec": {
                "secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"},
                "data": [{"secretKey": "p", "remoteRef": {"key": key}}],
            },
        })
    }

    fn world() -> Snapshot {
        let mut world = Snapshot::complete();
        world.insert(Arc::new(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "a", "labels": {"team": "team-a", "env": "prod"}},
        })));
        world.insert(Arc::new(json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
            "metadata": {"name": "aws"},
            "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1"}}},
        })));
        world
    }

    fn ids(judgement: &Judgement) -> Vec<&'static str> {
        judgement.violations.iter().map(|judged| judged.violation.rule.id).collect()
    }

    #[test]
    fn a_name_in_the_grant_passes_and_a_neighbours_is_refused() {
        let engine = Engine::new(policy());
        let judge = |key: &str| {
            let object = external_secret(key);
            engine.judge(&Request::offline(&object, "", Timestamp::UNIX_EPOCH), &world())
        };
        assert!(!judge("/prod/team-a/db").is_denied());
        let refused = judge("/prod/team-b/db");
        assert_eq!(ids(&refused), ["key-outside-grant"]);
        assert_eq!(
            refused.violations[0].violation.to_string(),
            "spec.data[0].remoteRef.key: \"/prod/team-b/db\" is outside of what is granted; \
             env=prod team=team-a may read /prod/team-a/** (key-outside-grant)"
        );
    }

    #[test]
    fn an_update_may_keep_what_was_wrong_but_not_add_to_it() {
        let engine = Engine::new(policy());
        let old = external_secret("/prod/team-b/db");
        let judge = |new: &Value| {
            let mut request = Request::offline(new, "", Timestamp::UNIX_EPOCH);
            request.operation = Operation::Update;
            request.old_object = Some(&old);
            ids(&engine.judge(&request, &world()))
        };
        let mut kept = old.clone();
        kept["spec"]["refreshInterval"] = json!("1h");
        assert!(judge(&kept).is_empty());
        assert_eq!(judge(&external_secret("/prod/team-c/db")), ["key-outside-grant"]);
    }

    #[test]
    fn an_update_may_not_turn_to_the_same_name_in_another_place() {
        let mut policy = policy();
        let grants = policy.providers[0].grants.clone();
        let list = |items: &[&str]| ByEnv::all(items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>());
        let Provider::Aws { regions, .. } = &mut policy.providers[0].provider else { panic!() };
        *regions = list(&["eu-west-1", "us-east-1"]);
        policy.providers.push(ProviderEntry {
            provider: Provider::Gcp { projects: list(&["p"]), locations: list(&["", "europe-west1"]) },
            grants: grants.clone(),
        });
        let engine = Engine::new(policy);
        let mut world = world();
        let gcp = |location: &str| json!({"gcpsm": {"projectID": "p", "location": location}});
        let aws = |region: &str| json!({"aws": {"service": "SecretsManager", "region": region}});
        for (name, provider) in [
            ("eu", aws("eu-west-1")),
            ("eu-again", aws("eu-west-1")),
            ("us", aws("us-east-1")),
            ("global", gcp("")),
            ("global-again", gcp("")),
            ("regional", gcp("europe-west1")),
        ] {
            world.insert(Arc::new(json!({
                "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": name},
                "spec": {"provider": provider},
            })));
        }
        let through = |store: &str, key: &str| {
            let mut object = external_secret(key);
            object["spec"]["secretStoreRef"]["name"] = json!(store);
            object
        };
        for (key, old, new, expected) in [
            ("/prod/team-b/db", "eu", "eu-again", vec![]),
            ("/prod/team-b/db", "eu", "us", vec!["key-outside-grant"]),
            ("someone-elses", "global", "global-again", vec![]),
            ("someone-elses", "global", "regional", vec!["key-outside-grant"]),
            ("someone-elses", "regional", "global", vec!["key-outside-grant"]),
        ] {
            let (old_object, new_object) = (through(old, key), through(new, key));
            let mut request = Request::offline(&new_object, "", Timestamp::UNIX_EPOCH);
            request.operation = Operation::Update;
            request.old_object = Some(&old_object);
            assert_eq!(ids(&engine.judge(&request, &world)), expected, "{key}: {old} to {new}");
        }
    }
}
