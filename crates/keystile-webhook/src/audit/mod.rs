//! The audit: objects that exist are judged again when the policy or what lies around them changes.
//!
//! Admission sees changes alone. An object that was there before keystile, or before today's policy, or
//! that a race let through, is found here and named in one report per namespace ([`report`]). The
//! leader does it; nothing is refused by it and nothing changed.
//!
//! Objects that refer to stores come from the cache; stores themselves are listed page by page, since
//! the cache holds only what is read of them. Workloads are not audited: they are not cached.

pub mod report;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use keystile_policy::subject::store::StoreKind;
use keystile_policy::{Action, Engine, Outcome, Request};
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use serde_json::Value;
use tokio::time::Instant;

use crate::leader::{Leader, describe};
use crate::metrics::Metrics;
use crate::policy::PolicyInForce;
use crate::world::ClusterWorld;
use crate::world::cache::Table;

/// How often to look whether there is something to do.
const LOOK: Duration = Duration::from_secs(1);
/// Objects of one page of a list.
const PAGE: u32 = 250;
/// Most events of one run: a new policy may turn thousands of objects bad at once.
const MAX_EVENTS: usize = 50;

/// What is wrong with one object, by one rule at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The object's `apiVersion`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid, where it is known.
    pub uid: String,
    /// The rule.
    pub rule: &'static str,
    /// Its group.
    pub group: &'static str,
    /// `fail`, `warn`, `error` (not evaluated) or `skip` (excused), in the words of reports.
    pub result: &'static str,
    /// `high`, `medium` or `low`.
    pub severity: &'static str,
    /// As it would be refused.
    pub message: String,
}

/// What an audit found in one namespace; under the empty name, in cluster-scoped objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Objects without any.
    pub passed: usize,
    /// What is wrong with the others.
    pub findings: Vec<Finding>,
}

/// Of a whole cluster, by namespace.
pub type ByNamespace = BTreeMap<String, Findings>;

/// The audit.
pub struct Audit {
    /// What is judged by.
    pub policy: Arc<PolicyInForce>,
    /// What is judged.
    pub cluster: Arc<ClusterWorld>,
    /// Whether it is this replica that does it.
    pub leader: Arc<Leader>,
    /// Where it is counted.
    pub metrics: Metrics,
    /// How long after a change; further changes in that time are of the same run.
    pub delay: Duration,
    /// The longest time between two runs, for what depends on the calendar.
    pub interval: Duration,
}

impl Audit {
    /// Audits for ever.
    pub async fn keep(self) {
        let mut generations = self.policy.generations();
        let mut changes = self.cluster.cache().changes();
        // When the next run is due; none while another replica leads.
        let mut due: Option<Instant> = None;
        let mut before: Option<ByNamespace> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.leader.is_us() || self.cluster.readiness().is_err() {
                (due, before) = (None, None);
                continue;
            }
            let now = Instant::now();
            let has_changed = generations.has_changed().unwrap_or(false) || changes.has_changed().unwrap_or(false);
            let soon = now + if due.is_none() { Duration::ZERO } else { self.delay };
            if has_changed || due.is_none() {
                due = Some(due.map_or(soon, |due| due.min(soon)));
            }
            let Some(engine) = self.policy.engine() else { continue };
            if due.is_some_and(|due| due > now) {
                // The change is noted in `due`; those that follow are of the same run.
                continue;
            }
            generations.mark_unchanged();
            changes.mark_unchanged();
            due = Some(now + self.interval);
            let run = tokio::select! {
                run = self.run(engine, before.as_ref()) => run,
                // Another replica writes from now on: not the two in turns.
                () = self.leader.lost() => continue,
            };
            match run {
                Ok(found) => {
                    self.metrics.audited(&found, crate::tls::unix_now());
                    before = Some(found);
                }
                Err(error) => {
                    self.metrics.audit_failed();
                    tracing::warn!(error = describe(&error), "the audit failed, trying again");
                    due = Some(now + self.delay);
                }
            }
        }
    }

    /// One run: judges everything, writes what has changed.
    async fn run(&self, engine: Arc<Engine>, before: Option<&ByNamespace>) -> Result<ByNamespace, kube::Error> {
        let started = Instant::now();
        let mut stores = ByNamespace::new();
        for kind in [StoreKind::SecretStore, StoreKind::ClusterSecretStore] {
            self.stores(&engine, kind, &mut stores).await?;
        }
        let cluster = Arc::clone(&self.cluster);
        let judging = tokio::task::spawn_blocking(move || {
            let mut found = stores;
            let cache = cluster.cache();
            for namespace in cache.namespaces_of_objects() {
                for object in cache.audited_in(&namespace) {
                    judge(&engine, &cluster, &object, &mut found);
                }
            }
            found
        });
        let found = match judging.await {
            Ok(found) => found,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let kinds = report::installed(self.cluster.client()).await?;
        let mut written = 0;
        let mut reported: Option<BTreeMap<String, Vec<String>>> = None;
        for kind in &kinds {
            let (count, had) = report::write(self.cluster.client(), kind, &found).await?;
            written += count;
            reported.get_or_insert(had);
        }
        let failing_before = match before {
            Some(before) => Some(failing(before)),
            None => reported.map(|had| had.into_iter().collect()),
        };
        // Without a memory of the last run everything would look new.
        if let Some(failing_before) = failing_before {
            self.events(&found, &failing_before).await;
        }
        let findings: usize = found.values().map(|namespace| namespace.findings.len()).sum();
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(namespaces = found.len(), findings, reports_written = written, duration_ms, "audited");
        Ok(found)
    }

    async fn stores(&self, engine: &Engine, kind: StoreKind, found: &mut ByNamespace) -> Result<(), kube::Error> {
        let Some(resource) = self.cluster.resource(&Table::Stores(kind)) else { return Ok(()) };
        let api: Api<kube::api::DynamicObject> = Api::all_with(self.cluster.client().clone(), &resource);
        let mut parameters = ListParams::default().limit(PAGE);
        loop {
            let page = api.list(&parameters).await?;
            for object in page.items {
                let (_, object) = crate::world::cluster::taken(&resource, object);
                judge(engine, &self.cluster, &object, found);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    /// One event for each object that is refused now and was not, or for another reason.
    async fn events(&self, found: &ByNamespace, before: &BTreeMap<String, Vec<String>>) {
        let now = failing(found);
        let mut written = 0;
        for (object, rules) in &now {
            if before.get(object) == Some(rules) {
                continue;
            }
            if written == MAX_EVENTS {
                tracing::warn!(limit = MAX_EVENTS, "further objects are newly refused, the reports name them");
                return;
            }
            written += 1;
            let Some((namespace, finding)) = first_failing(found, object) else { continue };
            if let Err(error) = self.event(namespace, finding, rules).await {
                tracing::warn!(error = describe(&error), "an event could not be written");
                return;
            }
        }
    }

    async fn event(&self, namespace: &str, finding: &Finding, rules: &[String]) -> Result<(), kube::Error> {
        // Events about cluster-scoped objects lie in `default`.
        let lies_in = if namespace.is_empty() { "default" } else { namespace };
        let now = Time(Timestamp::now());
        let event = Event {
            metadata: ObjectMeta { generate_name: Some("keystile-".into()), ..ObjectMeta::default() },
            involved_object: ObjectReference {
                api_version: Some(finding.api_version.clone()),
                kind: Some(finding.kind.clone()),
                name: Some(finding.name.clone()),
                namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
                uid: (!finding.uid.is_empty()).then(|| finding.uid.clone()),
                ..ObjectReference::default()
            },
            type_: Some("Warning".into()),
            reason: Some("PolicyViolation".into()),
            message: Some(format!("it would be refused now, by {}: {}", rules.join(", "), finding.message)),
            source: Some(k8s_openapi::api::core::v1::EventSource { component: Some("keystile".into()), host: None }),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            count: Some(1),
            ..Event::default()
        };
        let events: Api<Event> = Api::namespaced(self.cluster.client().clone(), lies_in);
        events.create(&PostParams::default(), &event).await.map(drop)
    }
}

/// Judges one object as a file would be: who made it is not known any more.
fn judge(engine: &Engine, cluster: &ClusterWorld, object: &Value, found: &mut ByNamespace) {
    let request = Request::offline(object, "", Timestamp::now());
    let judgement = engine.judge(&request, &**cluster.cache());
    let text = |field: &str| object.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let namespace = found.entry(text("/metadata/namespace")).or_default();
    if judgement.violations.is_empty() {
        namespace.passed += 1;
        return;
    }
    for judged in &judgement.violations {
        let (result, severity) = match (&judged.excused_by, judged.violation.outcome, judged.action) {
            (Some(_), _, _) => ("skip", "low"),
            (None, Outcome::NotEvaluated, _) => ("error", "medium"),
            (None, _, Action::Deny) => ("fail", "high"),
            (None, _, Action::Warn) => ("warn", "medium"),
            (None, _, Action::Audit | Action::Allow) => ("warn", "low"),
        };
        namespace.findings.push(Finding {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
            rule: judged.violation.rule.id,
            group: judged.violation.rule.group(),
            result,
            severity,
            message: judged.violation.to_string(),
        });
    }
}

fn key(namespace: &str, kind: &str, name: &str) -> String {
    format!("{namespace}/{kind}/{name}")
}

/// The first finding by which an object fails.
fn first_failing<'f>(found: &'f ByNamespace, object: &str) -> Option<(&'f str, &'f Finding)> {
    for (namespace, found) in found {
        for finding in found.findings.iter().filter(|finding| finding.result == "fail") {
            if key(namespace, &finding.kind, &finding.name) == object {
                return Some((namespace, finding));
            }
        }
    }
    None
}

/// The objects that would be refused, each with the rules that do.
fn failing(found: &ByNamespace) -> BTreeMap<String, Vec<String>> {
    let mut failing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (namespace, found) in found {
        for finding in found.findings.iter().filter(|finding| finding.result == "fail") {
            let rules = failing.entry(key(namespace, &finding.kind, &finding.name)).or_default();
            if !rules.iter().any(|rule| rule == finding.rule) {
                rules.push(finding.rule.to_owned());
            }
        }
    }
    failing.values_mut().for_each(|rules| rules.sort());
    failing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_fails_by_each_rule_once() {
        let finding = |rule, result| Finding {
            api_version: "v1".into(),
            kind: "K".into(),
            name: "n".into(),
            uid: String::new(),
            rule,
            group: "key",
            result,
            severity: "high",
            message: String::new(),
        };
        let findings = vec![finding("b", "fail"), finding("a", "fail"), finding("b", "fail"), finding("c", "warn")];
        let found = ByNamespace::from([("x".to_owned(), Findings { passed: 1, findings })]);
        assert_eq!(failing(&found), BTreeMap::from([("x/K/n".to_owned(), vec!["a".to_owned(), "b".to_owned()])]));
    }
}
