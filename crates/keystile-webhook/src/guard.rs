//! The judge that serves: the policy in force over what is known of the cluster, and a live look at
//! what is not known.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keystile_policy::kind::{EXTERNAL_SECRETS, GENERATORS, INFRA_OPERATOR};
use keystile_policy::{Engine, Judgement, Query};
use tokio::time::Instant;

use crate::judge::{Decision, Judge, NoPolicy};
use crate::policy::PolicyInForce;
use crate::review::AdmissionRequest;
use crate::world::{Answers, Overlay, SharedSurroundings};

/// How often a judgement may ask further: a namespace, then its store, then what the store names.
const ROUNDS: usize = 4;

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The judge that serves.
pub struct Guard {
    policy: Arc<PolicyInForce>,
    surroundings: SharedSurroundings,
    /// For all live looks of one request together.
    lookup_timeout: Duration,
    clock: Clock,
}

impl Guard {
    /// `lookup_timeout` bounds the live looks of one request.
    #[must_use]
    pub fn new(policy: Arc<PolicyInForce>, surroundings: SharedSurroundings, lookup_timeout: Duration) -> Self {
        Self { policy, surroundings, lookup_timeout, clock: Arc::new(Timestamp::now) }
    }

    /// With another clock than the system's, for tests.
    #[must_use]
    pub fn at(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Judges with what is known and `answers`.
    async fn once(&self, engine: &Arc<Engine>, request: &Arc<AdmissionRequest>, answers: &Answers) -> Judgement {
        if !may_take_long(request) {
            return judge(engine, request, &self.surroundings, answers, (self.clock)());
        }
        let (engine, request, surroundings, answers) =
            (Arc::clone(engine), Arc::clone(request), Arc::clone(&self.surroundings), answers.clone());
        let now = (self.clock)();
        let judging = tokio::task::spawn_blocking(move || judge(&engine, &request, &surroundings, &answers, now));
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

/// Whether every object that refers to this one is judged with it: not on a thread that serves.
fn may_take_long(request: &AdmissionRequest) -> bool {
    match (&*request.kind.group, &*request.kind.kind) {
        (EXTERNAL_SECRETS, kind) => {
            matches!(kind, "SecretStore" | "ClusterSecretStore" | "ClusterExternalSecret" | "ClusterPushSecret")
        }
        (INFRA_OPERATOR, kind) => kind == "AWSProvider",
        ("", kind) => kind == "Namespace",
        (group, _) => group == GENERATORS,
    }
}
