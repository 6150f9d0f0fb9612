//! One replica of several, by a Lease: it writes what all of them would write alike (reports, status).
//!
//! The rules are those of client-go's leader election: who holds the Lease renews it well within its
//! duration; another takes it over once it has seen no renewal for the whole duration, by its own
//! clock, since the clocks of two machines may differ. Writes name the version they were made from. Who ends in
//! good order gives the Lease back, as client-go's `ReleaseOnCancel` does, and the next one has it at once.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;

use crate::config::Namespaced;

/// The longest pause of a replica that does not lead between two looks at the Lease: so soon it notices that the
/// Lease was given back.
const LOOK: Duration = Duration::from_millis(500);

/// Tries to give the Lease back: a renewal that was on its way may come between.
const FAREWELLS: usize = 3;

/// Who leads, as this replica knows it.
#[derive(Debug)]
pub struct Leader {
    /// Until when this replica leads; it stops by itself where it can't renew.
    until: watch::Sender<Option<Instant>>,
}

impl Leader {
    /// Nobody yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { until: watch::Sender::default() })
    }

    /// Whether this replica leads now.
    #[must_use]
    pub fn is_us(&self) -> bool {
        self.until.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Waits until this replica does not lead, or no longer.
    pub async fn lost(&self) {
        let mut untils = self.until.subscribe();
        loop {
            let Some(until) = *untils.borrow_and_update() else { return };
            if until <= Instant::now() {
                return;
            }
            // What is renewed meanwhile is looked at again.
            let _ = tokio::time::timeout_at(until.into(), untils.changed()).await;
        }
    }

    fn set(&self, until: Option<Instant>) {
        let is_new = until.is_some() && !self.is_us();
        self.until.send_replace(until);
        if is_new {
            tracing::info!("this replica leads: it writes reports and status");
        }
    }
}

/// A candidate for a Lease.
pub struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    duration: Duration,
    /// The Lease's version when it was seen last, and since when it is that.
    seen: Option<(String, Instant)>,
}

impl Candidate {
    /// `identity` is this replica's alone: the name of its Pod.
    #[must_use]
    pub fn new(client: Client, lease: &Namespaced, identity: String, duration: Duration) -> Self {
        let leases = Api::namespaced(client, &lease.namespace);
        Self { leases, name: lease.name.clone(), identity, duration, seen: None }
    }

    /// Tries until `stop`, and keeps `leader` up to date; then gives the Lease back where this replica holds it.
    pub async fn keep(mut self, leader: Arc<Leader>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        // Four tries before the Lease is lost.
        let pause = self.duration / 5;
        loop {
            let started = Instant::now();
            match tokio::time::timeout(pause * 2, self.attempt(started)).await {
                // Shorter than others wait, so that two never lead at one time.
                Ok(Ok(true)) => leader.set(Some(started + self.duration * 4 / 5)),
                Ok(Ok(false)) => leader.set(None),
                Ok(Err(error)) => tracing::warn!(error = describe(&error), "the Lease could not be renewed"),
                Err(_) => tracing::warn!("the Lease could not be renewed in time"),
            }
            let pause = if leader.is_us() { pause } else { pause.min(LOOK) };
            if tokio::time::timeout(pause, &mut stop).await.is_ok() {
                break;
            }
        }
        // Nothing is written any more once another may.
        leader.set(None);
        for _ in 0..FAREWELLS {
            match self.give_back().await {
                Ok(false) => {}
                Ok(true) => return,
                Err(error) => {
                    let error = describe(&error);
                    tracing::warn!(error, "the Lease could not be given back: another replica waits for its duration");
                    return;
                }
            }
        }
    }

    /// Gives the Lease back if it is ours; whether it is not ours then.
    async fn give_back(&self) -> Result<bool, kube::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else { return Ok(true) };
        let spec = lease.spec.take().unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return Ok(true);
        }
        lease.spec = Some(given_back(spec));
        let is_written = won(self.leases.replace(&self.name, &PostParams::default(), &lease).await.map(drop))?;
        if is_written {
            tracing::info!("the Lease is given back");
        }
        Ok(is_written)
    }

    /// Takes or renews the Lease; whether it is ours then.
    async fn attempt(&mut self, now: Instant) -> Result<bool, kube::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(None)) };
            return won(self.leases.create(&PostParams::default(), &lease).await.map(drop));
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let spec = lease.spec.take().unwrap_or_default();
        if !self.may_take(&spec, &version, now) {
            return Ok(false);
        }
        lease.spec = Some(self.spec(Some(spec)));
        won(self.leases.replace(&self.name, &PostParams::default(), &lease).await.map(drop))
    }

    fn may_take(&mut self, spec: &LeaseSpec, version: &str, now: Instant) -> bool {
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder == self.identity || holder.is_empty() {
            return true;
        }
        match &self.seen {
            Some((seen, since)) if seen == version => {
                let seconds = u64::try_from(spec.lease_duration_seconds.unwrap_or_default()).unwrap_or_default();
                now.duration_since(*since) > Duration::from_secs(seconds)
            }
            _ => {
                self.seen = Some((version.to_owned(), now));
                false
            }
        }
    }

    fn spec(&self, before: Option<LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let before = before.unwrap_or_default();
        let is_ours = before.holder_identity.as_deref() == Some(&self.identity);
        LeaseSpec {
            acquire_time: if is_ours { before.acquire_time } else { Some(now.clone()) },
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX).max(1)),
            lease_transitions: Some(before.lease_transitions.unwrap_or_default() + i32::from(!is_ours)),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }
}

/// A Lease that nobody holds: as client-go writes it, with the shortest duration for those that wait for one.
fn given_back(spec: LeaseSpec) -> LeaseSpec {
    let now = MicroTime(Timestamp::now());
    LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        acquire_time: Some(now.clone()),
        renew_time: Some(now),
        ..spec
    }
}

/// A conflict says that another came first.
fn won(written: Result<(), kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

/// An error in words that hold nothing of an object.
pub(crate) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("the API server answered {} {}", status.code, status.reason),
        kube::Error::SerdeError(_) => "the API server's answer could not be read".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate() -> Candidate {
        let configuration = kube::Config::new("https://localhost:1".parse().unwrap());
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::try_from(configuration).unwrap();
        let lease = Namespaced { namespace: "a".into(), name: "b".into() };
        Candidate::new(client, &lease, "us".into(), Duration::from_secs(15))
    }

    fn held(by: &str) -> LeaseSpec {
        LeaseSpec { holder_identity: Some(by.into()), lease_duration_seconds: Some(15), ..LeaseSpec::default() }
    }

    #[tokio::test]
    async fn a_lease_is_taken_over_only_after_its_duration_without_a_renewal() {
        let mut us = candidate();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert!(us.may_take(&held("us"), "1", start));
        assert!(us.may_take(&held(""), "1", start), "given back");
        assert!(!us.may_take(&held("them"), "1", at(0)), "seen for the first time");
        assert!(!us.may_take(&held("them"), "1", at(15)));
        assert!(!us.may_take(&held("them"), "2", at(16)), "renewed");
        assert!(!us.may_take(&held("them"), "2", at(31)));
        assert!(us.may_take(&held("them"), "2", at(32)));
    }

    #[tokio::test]
    async fn what_is_given_back_is_taken_at_once_and_counted() {
        let mut us = candidate();
        let back = given_back(LeaseSpec { lease_transitions: Some(4), ..held("them") });
        assert_eq!((back.holder_identity.as_deref(), back.lease_duration_seconds), (Some(""), Some(1)));
        assert!(us.may_take(&back, "1", Instant::now()));
        let taken = us.spec(Some(back));
        assert_eq!((taken.holder_identity.as_deref(), taken.lease_transitions), (Some("us"), Some(5)));
        assert_eq!(taken.lease_duration_seconds, Some(15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_hears_when_it_leads_no_longer() {
        let leader = Leader::new();
        leader.lost().await;
        leader.set(Some(Instant::now() + Duration::from_secs(600)));
        assert!(leader.is_us());
        let told = tokio::spawn({
            let leader = Arc::clone(&leader);
            async move { leader.lost().await }
        });
        tokio::task::yield_now().await;
        leader.set(Some(Instant::now() + Duration::from_secs(900)));
        tokio::task::yield_now().await;
        assert!(!told.is_finished(), "renewed");
        leader.set(None);
        told.await.expect("it ends");
        assert!(!leader.is_us());
    }

    #[tokio::test]
    async fn a_change_of_the_holder_is_counted() {
        let us = candidate();
        let first = us.spec(None);
        assert_eq!((first.lease_transitions, first.holder_identity.as_deref()), (Some(1), Some("us")));
        let renewed = us.spec(Some(first.clone()));
        assert_eq!((renewed.lease_transitions, &renewed.acquire_time), (Some(1), &first.acquire_time));
        assert_eq!(us.spec(Some(held("them"))).lease_transitions, Some(1));
    }
}
