//! What the webhook counts: a plain struct that is handed down, read at `/metrics`.
//!
//! Base units, labels with few values: never a namespace, a name or a key. What the policy and the
//! caches have to say is set by those who hold them ([`Metrics::policy`], [`Metrics::cache`]).

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use keystile_policy::{Action, Operation};

use crate::judge::Verdict;
use crate::review::{RefusalReason, operation_name};

/// Upper bounds in seconds, from well under a judgement's cost to past every deadline.
const DURATION_BUCKETS: [f64; 18] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0,
];

/// Kinds that get a label of their own. All others, which a client could choose freely, share one.
const KINDS: [&str; 17] = [
    "AWSProvider",
    "ClusterExternalSecret",
    "ClusterGenerator",
    "ClusterPushSecret",
    "ClusterSecretStore",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "ExternalSecret",
    "Job",
    "Namespace",
    "Pod",
    "PushSecret",
    "SecretPolicy",
    "SecretStore",
    "SecretsManagerSecret",
    "StatefulSet",
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    kind: &'static str,
    operation: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RuleLabels {
    rule: &'static str,
    action: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CacheLabel {
    cache: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RegionLabel {
    region: String,
}

/// How a live look at the cluster ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupOutcome {
    /// The object is there.
    Found,
    /// It is not.
    Absent,
    /// The API server did not say.
    Failed,
    /// It did not say in time.
    TooLate,
}

impl LookupOutcome {
    /// All of them.
    const ALL: [Self; 4] = [Self::Found, Self::Absent, Self::Failed, Self::TooLate];

    fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Absent => "absent",
            Self::Failed => "failed",
            Self::TooLate => "too-late",
        }
    }
}

/// What an audit says of a finding.
const AUDIT_RESULTS: [&str; 4] = ["fail", "warn", "error", "skip"];

type Seconds = Gauge<f64, AtomicU64>;

/// All metrics of the process. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    duration: Family<VerdictLabel, Histogram, fn() -> Histogram>,
    violations: Family<RuleLabels, Counter>,
    refusals: Family<ReasonLabel, Counter>,
    unreadable: Counter,
    /// Requests between head and answer.
    pub in_flight: Gauge,
    /// Requests that wait at the gate.
    pub queued: Gauge,
    /// About connections.
    pub connections: ConnectionMetrics,
    /// About the serving certificate.
    pub certificate: CertificateMetrics,
    /// About the policy: set by who loads it.
    pub policy: PolicyMetrics,
    /// About the background's inventory: set by who lists it.
    pub inventory: InventoryMetrics,
    cache_age: Family<CacheLabel, Seconds>,
    cache_objects: Family<CacheLabel, Gauge>,
    lookups: Family<ResultLabel, Counter>,
    audits: Family<ResultLabel, Counter>,
    audit_findings: Family<ResultLabel, Gauge>,
    audited_at: Gauge,
}

/// About connections.
#[derive(Clone, Debug, Default)]
pub struct ConnectionMetrics {
    /// Open now.
    pub open: Gauge,
    /// Accepted so far.
    pub accepted: Counter,
    closed_by_us: Family<ReasonLabel, Counter>,
}

impl ConnectionMetrics {
    /// One connection was closed by the server, for `reason`, one of a closed set.
    pub fn closed(&self, reason: &'static str) {
        self.closed_by_us.get_or_create(&ReasonLabel { reason }).inc();
    }
}

/// About the serving certificate.
#[derive(Clone, Debug, Default)]
pub struct CertificateMetrics {
    /// When the certificate that is served expires, in seconds since 1970.
    pub not_after: Gauge,
    reloads: Family<ResultLabel, Counter>,
    /// 1 while what was found last is what is served; 0 while an older one is kept.
    pub current: Gauge,
}

impl CertificateMetrics {
    /// Another certificate is served.
    pub fn replaced(&self, not_after: i64) {
        self.not_after.set(not_after);
        self.current.set(1);
        self.reloads.get_or_create(&ResultLabel { result: "replaced" }).inc();
    }

    /// What was found can't be served; the one before is kept.
    pub fn kept(&self) {
        self.current.set(0);
        self.reloads.get_or_create(&ResultLabel { result: "kept" }).inc();
    }
}

/// About the policy.
#[derive(Clone, Debug, Default)]
pub struct PolicyMetrics {
    /// Counts up with each policy that comes into force; 0 while there is none.
    pub generation: Gauge,
    reloads: Family<ResultLabel, Counter>,
    /// 1 while the newest document is in force; 0 while it has errors and an older one is kept.
    pub current: Gauge,
    /// When a policy last came into force, in seconds since 1970.
    pub loaded_at: Gauge,
}

impl PolicyMetrics {
    /// A document came into force at `now`, in seconds since 1970.
    pub fn loaded(&self, now: i64) {
        self.generation.inc();
        self.current.set(1);
        self.loaded_at.set(now);
        self.reloads.get_or_create(&ResultLabel { result: "loaded" }).inc();
    }

    /// A document has errors; the one before stays in force.
    pub fn kept(&self) {
        self.current.set(0);
        self.reloads.get_or_create(&ResultLabel { result: "kept" }).inc();
    }
}

/// About the inventory that is listed in the background. Regions are those of the command line.
#[derive(Clone, Debug, Default)]
pub struct InventoryMetrics {
    read_at: Family<RegionLabel, Gauge>,
    secrets: Family<RegionLabel, Gauge>,
    refreshes: Family<ResultLabel, Counter>,
}

impl InventoryMetrics {
    /// A region will be listed; nothing of it is known yet.
    pub fn expect(&self, region: &str) {
        drop(self.read_at.get_or_create(&RegionLabel { region: region.to_owned() }));
        drop(self.secrets.get_or_create(&RegionLabel { region: region.to_owned() }));
    }

    /// A region was listed: so many secrets, at `read_at`, in seconds since 1970.
    pub fn listed(&self, region: &str, secrets: usize, read_at: i64) {
        let label = RegionLabel { region: region.to_owned() };
        self.read_at.get_or_create(&label).set(read_at);
        self.secrets.get_or_create(&label).set(i64::try_from(secrets).unwrap_or(i64::MAX));
        self.refreshes.get_or_create(&ResultLabel { result: "listed" }).inc();
    }

    /// A region could not be listed; what was known of it before stays.
    pub fn kept(&self) {
        self.refreshes.get_or_create(&ResultLabel { result: "kept" }).inc();
    }
}

fn duration_histogram() -> Histogram {
    Histogram::new(DURATION_BUCKETS)
}

impl Default for Metrics {
    /// All at zero. What has a closed set of labels is there from the start, so that the first failure
    /// is a change from 0 to 1 and not a line that no alert has seen before.
    fn default() -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(duration_histogram),
            violations: Family::default(),
            refusals: Family::default(),
            unreadable: Counter::default(),
            in_flight: Gauge::default(),
            queued: Gauge::default(),
            connections: ConnectionMetrics::default(),
            certificate: CertificateMetrics::default(),
            policy: PolicyMetrics::default(),
            inventory: InventoryMetrics::default(),
            cache_age: Family::default(),
            cache_objects: Family::default(),
            lookups: Family::default(),
            audits: Family::default(),
            audit_findings: Family::default(),
            audited_at: Gauge::default(),
        };
        for reason in RefusalReason::ALL {
            drop(metrics.refusals.get_or_create(&ReasonLabel { reason: reason.as_str() }));
        }
        for verdict in [Verdict::Allow, Verdict::Warn, Verdict::Deny, Verdict::Refuse] {
            drop(metrics.duration.get_or_create(&VerdictLabel { verdict: verdict.as_str() }));
        }
        for result in ["done", "failed"] {
            drop(metrics.audits.get_or_create(&ResultLabel { result }));
        }
        for result in AUDIT_RESULTS {
            drop(metrics.audit_findings.get_or_create(&ResultLabel { result }));
        }
        for outcome in LookupOutcome::ALL {
            drop(metrics.lookups.get_or_create(&ResultLabel { result: outcome.as_str() }));
        }
        for (reloads, result) in [
            (&metrics.certificate.reloads, "replaced"),
            (&metrics.certificate.reloads, "kept"),
            (&metrics.policy.reloads, "loaded"),
            (&metrics.policy.reloads, "kept"),
            (&metrics.inventory.refreshes, "listed"),
            (&metrics.inventory.refreshes, "kept"),
        ] {
            drop(reloads.get_or_create(&ResultLabel { result }));
        }
        metrics
    }
}

impl Metrics {
    /// One request was answered.
    pub fn answered(&self, kind: &str, operation: Option<Operation>, verdict: Verdict, duration: Duration) {
        let kind = KINDS.iter().find(|known| **known == kind).copied().unwrap_or("other");
        let (operation, verdict) = (operation.map_or("unknown", operation_name), verdict.as_str());
        self.requests.get_or_create(&RequestLabels { kind, operation, verdict }).inc();
        self.duration.get_or_create(&VerdictLabel { verdict }).observe(duration.as_secs_f64());
    }

    /// One rule was violated, and its action taken.
    pub fn violated(&self, rule: &'static str, action: Action) {
        let action = match action {
            Action::Allow => "allow",
            Action::Audit => "audit",
            Action::Warn => "warn",
            Action::Deny => "deny",
        };
        self.violations.get_or_create(&RuleLabels { rule, action }).inc();
    }

    /// One request was refused without a judgement.
    pub fn refused(&self, reason: RefusalReason) {
        self.refusals.get_or_create(&ReasonLabel { reason: reason.as_str() }).inc();
    }

    /// One request had no uid that could be read.
    pub fn without_uid(&self) {
        self.unreadable.inc();
    }

    /// How old a cache's view is, and how many objects it holds. `cache` is one of a closed set.
    pub fn cache(&self, cache: &'static str, age: Duration, objects: usize) {
        let label = CacheLabel { cache };
        self.cache_age.get_or_create(&label).set(age.as_secs_f64());
        self.cache_objects.get_or_create(&label).set(i64::try_from(objects).unwrap_or(i64::MAX));
    }

    /// The cluster was asked about something that no cache knew.
    pub fn looked_up(&self, outcome: LookupOutcome) {
        self.lookups.get_or_create(&ResultLabel { result: outcome.as_str() }).inc();
    }

    /// An audit ended at `now`, in seconds since 1970.
    pub fn audited(&self, found: &crate::audit::ByNamespace, now: i64) {
        self.audits.get_or_create(&ResultLabel { result: "done" }).inc();
        self.audited_at.set(now);
        for result in AUDIT_RESULTS {
            let count = found.values().flat_map(|found| &found.findings).filter(|one| one.result == result).count();
            let gauge = self.audit_findings.get_or_create(&ResultLabel { result });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// An audit could not be done.
    pub fn audit_failed(&self) {
        self.audits.get_or_create(&ResultLabel { result: "failed" }).inc();
    }

    /// The text of `/metrics`, in OpenMetrics format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry()).expect("writing to a String cannot fail");
        text
    }

    /// Made anew for each reading: registering shares the metrics, and a struct without a registry
    /// is one thing less to hand down.
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("keystile");
        let info = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", info);

        let r = registry.sub_registry_with_prefix("admission");
        r.register("requests", "Requests answered", self.requests.clone());
        r.register_with_unit(
            "request_duration",
            "From the request's head to the answer",
            Unit::Seconds,
            self.duration.clone(),
        );
        r.register("violations", "Rules violated", self.violations.clone());
        r.register("refusals", "Requests refused without a judgement", self.refusals.clone());
        r.register(
            "requests_without_uid",
            "Requests answered with HTTP 400, since no uid could be read",
            self.unreadable.clone(),
        );
        r.register("requests_in_flight", "Requests between head and answer", self.in_flight.clone());
        r.register("requests_queued", "Requests that wait for a judgement", self.queued.clone());

        let r = registry.sub_registry_with_prefix("connections");
        r.register("open", "Connections open", self.connections.open.clone());
        r.register("accepted", "Connections accepted", self.connections.accepted.clone());
        r.register("closed", "Connections closed by the server, by reason", self.connections.closed_by_us.clone());

        let r = registry.sub_registry_with_prefix("certificate");
        r.register_with_unit(
            "not_after_timestamp",
            "When the served certificate expires",
            Unit::Seconds,
            self.certificate.not_after.clone(),
        );
        r.register("reloads", "Certificates found, by what became of them", self.certificate.reloads.clone());
        r.register("current", "1 while the newest certificate is served", self.certificate.current.clone());

        let r = registry.sub_registry_with_prefix("policy");
        r.register("generation", "Policies that came into force", self.policy.generation.clone());
        r.register("reloads", "Policy documents found, by what became of them", self.policy.reloads.clone());
        r.register("current", "1 while the newest policy document is in force", self.policy.current.clone());
        r.register_with_unit(
            "loaded_timestamp",
            "When a policy last came into force",
            Unit::Seconds,
            self.policy.loaded_at.clone(),
        );

        let r = registry.sub_registry_with_prefix("cache");
        r.register_with_unit("age", "Since a cache was last known to be fresh", Unit::Seconds, self.cache_age.clone());
        r.register("objects", "Objects in a cache", self.cache_objects.clone());
        r.register("lookups", "Live looks at what no cache knew, by how they ended", self.lookups.clone());

        let r = registry.sub_registry_with_prefix("inventory");
        r.register_with_unit(
            "read_timestamp",
            "When a region's inventory in force was listed; 0 while there is none",
            Unit::Seconds,
            self.inventory.read_at.clone(),
        );
        r.register("secrets", "Secrets in a region's inventory", self.inventory.secrets.clone());
        r.register("refreshes", "Looks at a region, by what became of them", self.inventory.refreshes.clone());

        let r = registry.sub_registry_with_prefix("audit");
        r.register("runs", "Audits of the objects that exist, by how they ended", self.audits.clone());
        r.register("findings", "Findings of the last audit of this replica", self.audit_findings.clone());
        r.register_with_unit("last_run_timestamp", "When the last audit ended", Unit::Seconds, self.audited_at.clone());
        registry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_the_names_that_alerts_are_written_against() {
        let metrics = Metrics::default();
        metrics.answered("ExternalSecret", Some(Operation::Create), Verdict::Deny, Duration::from_micros(30));
        metrics.answered("MadeUp7", None, Verdict::Refuse, Duration::from_secs(3));
        metrics.violated("key-outside-grant", Action::Deny);
        metrics.refused(RefusalReason::TooLarge);
        metrics.without_uid();
        metrics.certificate.replaced(1_900_000_000);
        metrics.policy.loaded(1_800_000_000);
        metrics.policy.kept();
        metrics.inventory.listed("eu-west-1", 3, 1_700_000_000);
        metrics.cache("namespaces", Duration::from_millis(1500), 5000);
        metrics.connections.closed("idle");
        let text = metrics.text();
        for line in [
            "keystile_admission_requests_total{kind=\"ExternalSecret\",operation=\"CREATE\",verdict=\"deny\"} 1",
            "keystile_admission_requests_total{kind=\"other\",operation=\"unknown\",verdict=\"refuse\"} 1",
            "keystile_admission_request_duration_seconds_bucket{le=\"0.00005\",verdict=\"deny\"} 1",
            "keystile_admission_violations_total{rule=\"key-outside-grant\",action=\"deny\"} 1",
            "keystile_admission_refusals_total{reason=\"too-large\"} 1",
            "keystile_admission_requests_without_uid_total 1",
            "keystile_certificate_not_after_timestamp_seconds 1900000000",
            "keystile_policy_generation 1",
            "keystile_policy_current 0",
            "keystile_policy_reloads_total{result=\"kept\"} 1",
            "keystile_inventory_read_timestamp_seconds{region=\"eu-west-1\"} 1700000000",
            "keystile_inventory_refreshes_total{result=\"kept\"} 0",
            "keystile_cache_age_seconds{cache=\"namespaces\"} 1.5",
            "keystile_cache_objects{cache=\"namespaces\"} 5000",
            "keystile_connections_closed_total{reason=\"idle\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
