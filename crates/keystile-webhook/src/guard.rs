//! The judge that serves: the policy in force over what is known of the cluster, and a live look at
//! what is not known.
//!
//! Small objects are judged where their request is answered, in microseconds. What may take long is judged on a
//! thread of its own: so the deadline's answer comes in time, and other requests don't wait. A judgement that has
//! begun goes on to its end all the same, which is why only a few such run at one time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keystile_policy::kind::{EXTERNAL_SECRETS, GENERATORS, INFRA_OPERATOR};
use keystile_policy::{Engine, Judgement, Query};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::judge::{Decision, Judge, NoPolicy};
use crate::policy::PolicyInForce;
use crate::review::AdmissionRequest;
use crate::world::{Answers, Overlay, SharedSurroundings};

/// How often a judgement may ask further: a namespace, then its store, then what the store names.
const ROUNDS: usize = 4;

/// Reviews from this length on may take long: 64 KiB, some 700 entries or a judgement of a millisecond. What users
/// write is a few KiB.
const LARGE: usize = 64 * 1024;

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The judge that serves.
pub struct Guard {
    policy: Arc<PolicyInForce>,
    surroundings: SharedSurroundings,
    /// For all live looks of one request together.
    lookup_timeout: Duration,
    clock: Clock,
    /// Places for judgements of large objects.
    large: Arc<Semaphore>,
    /// Places for judgements that reach other objects. Others than the former: tenants make large objects, and what an
    /// administrator changes must not wait for them.
    reaching: Arc<Semaphore>,
}

impl Guard {
    /// `lookup_timeout` bounds the live looks of one request.
    #[must_use]
    pub fn new(policy: Arc<PolicyInForce>, surroundings: SharedSurroundings, lookup_timeout: Duration) -> Self {
        // One more than there are processors would only make each slower.
        let places = std::thread::available_parallelism().map_or(2, |count| count.get().max(2));
        let places = || Arc::new(Semaphore::new(places));
        Self {
            policy,
            surroundings,
            lookup_timeout,
            clock: Arc::new(Timestamp::now),
            large: places(),
            reaching: places(),
        }
    }

    /// With another clock than the system's, for tests. It is asked where the judgement is made.
    #[must_use]
    pub fn at(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Judges with what is known and `answers`.
    async fn once(&self, engine: &Arc<Engine>, request: &Arc<AdmissionRequest>, answers: &Answers) -> Judgement {
        let places = if reaches_others(request) {
            &self.reaching
        } else if request.bytes >= LARGE {
            &self.large
        } else {
            return judge(engine, request, &self.surroundings, answers, (self.clock)());
        };
        let place = Arc::clone(places).acquire_owned().await.expect("nobody closes it");
        let (engine, request, surroundings, answers, clock) = (
            Arc::clone(engine),
            Arc::clone(request),
            Arc::clone(&self.surroundings),
            answers.clone(),
            Arc::clone(&self.clock),
        );
        let judging = tokio::task::spawn_blocking(move || {
            // Given back when the judgement ends, whether anybody still waits for it or not.
            let _place = place;
            judge(&engine, &request, &surroundings, &answers, clock())
        });
        match judging.await {
            Ok(judgement) => judgement,
            // The server answers a panic, wherever it happened; nothing cancels the task.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Judge for Guard {
    async fn judge(&self, request: AdmissionRequest) -> Decision {
        let Some(engine) = self.policy.engine() else { return NoPolicy.judge(request).await };
        if let Err(missing) = self.surroundings.readiness() {
            return Decision::deny(format!("keystile is still reading the cluster ({missing}): try again shortly"));
        }
        let request = Arc::new(request);
        let mut answers = Answers::default();
        let mut judgement = self.once(&engine, &request, &answers).await;
        let mut asked: Vec<Query> = Vec::new();
        let mut deadline = None;
        for _ in 0..ROUNDS {
            let open: Vec<Query> =
                judgement.unanswered.iter().filter(|query| !asked.contains(query)).cloned().collect();
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.lookup_timeout);
            let left = deadline.saturating_duration_since(Instant::now());
            if open.is_empty() || left.is_zero() {
                break;
            }
            self.surroundings.ask(&open, left, &mut answers).await;
            if !open.iter().any(|query| answers.has(query)) {
                break;
            }
            asked.extend(open);
            judgement = self.once(&engine, &request, &answers).await;
        }
        Decision::from(&judgement)
    }
}

fn judge(
    engine: &Engine,
    request: &AdmissionRequest,
    surroundings: &SharedSurroundings,
    answers: &Answers,
    now: Timestamp,
) -> Judgement {
    let world = Overlay { below: surroundings.world(), answers };
    engine.judge(&request.to_judge(now), &world)
}

/// Whether every object that refers to this one is judged with it.
fn reaches_others(request: &AdmissionRequest) -> bool {
    match (&*request.kind.group, &*request.kind.kind) {
        (EXTERNAL_SECRETS, kind) => {
            matches!(kind, "SecretStore" | "ClusterSecretStore" | "ClusterExternalSecret" | "ClusterPushSecret")
        }
        (INFRA_OPERATOR, kind) => kind == "AWSProvider",
        ("", kind) => kind == "Namespace",
        (group, _) => group == GENERATORS,
    }
}
