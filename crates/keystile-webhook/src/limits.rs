//! Every bound of the server in one value, and the gate that keeps to them.
//!
//! The API server waits `timeoutSeconds` for a webhook and then fails the call, which tells the user
//! nothing. So there is a deadline of our own that is shorter: whoever would wait longer hears at
//! once that keystile is overloaded, as a denial with a uid.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest body of a review. A review holds object and old object, each up to what etcd takes
    /// (1.5 MiB by default), with escapes; the API server itself reads requests up to 3 MiB.
    pub max_body_bytes: usize,
    /// All bodies that are held at one time.
    pub max_buffered_bytes: usize,
    /// From the request's head to the answer. Less than `timeoutSeconds` of the webhook configuration.
    pub deadline: Duration,
    /// From the request's head to the end of its body.
    pub body_timeout: Duration,
    /// Judgements at one time.
    pub max_in_flight: usize,
    /// Requests that wait for a judgement.
    pub max_queued: usize,
    /// Open connections of one listener, those in their TLS handshake included. What they can make us hold
    /// (some 400 KiB each: docs/decisions.md) must fit under the Deployment's memory limit.
    pub max_connections: usize,
    /// For the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the first byte of a request's head to its last (HTTP/1.1).
    pub header_timeout: Duration,
    /// How long a connection may be without a request. Longer than the 90 s after which Go's client
    /// gives an idle connection up, so that it is the client that closes and no request is lost.
    pub idle_timeout: Duration,
    /// After SIGTERM: how long to go on as before (but not ready), until Endpoints have changed everywhere.
    pub drain_delay: Duration,
    /// After that: how long requests in flight may take.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 8 * 1024 * 1024,
            max_buffered_bytes: 64 * 1024 * 1024,
            deadline: Duration::from_secs(2),
            body_timeout: Duration::from_millis(1500),
            max_in_flight: 64,
            max_queued: 512,
            max_connections: 256,
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(120),
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(15),
        }
    }
}

/// Lets so many judgements run, so many wait, and no one past their deadline.
#[derive(Clone, Debug)]
pub struct Gate {
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    max_waiting: usize,
}

/// Why the gate stayed shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// As many wait as may.
    QueueFull,
    /// The deadline came first.
    TooLate,
}

impl Gate {
    /// A gate that lets `running` in and `waiting` queue.
    #[must_use]
    pub fn new(running: usize, waiting: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(running)), waiting: Arc::default(), max_waiting: waiting }
    }

    /// Waits for a place until `deadline`. First come, first served; a waiter that is dropped leaves its place.
    ///
    /// # Errors
    ///
    /// When the queue is full or the deadline passes.
    pub async fn enter(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Shut> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(permit);
        }
        let _place = Place::take(&self.waiting, self.max_waiting).ok_or(Shut::QueueFull)?;
        match tokio::time::timeout_at(deadline, Arc::clone(&self.running).acquire_owned()).await {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => Err(Shut::TooLate),
        }
    }

    /// How many wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A place in the queue, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < max).then_some(now + 1))
            .ok()
            .map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The bytes that all bodies may take at one time. Taken as they come, so that a promise of 8 MiB
/// by a slow client blocks no one.
#[derive(Clone, Debug)]
pub struct ByteBudget(Arc<Semaphore>);

impl ByteBudget {
    /// A budget of `bytes`, at most `u32::MAX`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(u32::MAX as usize))))
    }

    /// Nothing yet, to be added to.
    #[must_use]
    pub fn open(&self) -> BytesHeld {
        BytesHeld { budget: Arc::clone(&self.0), permit: None }
    }
}

/// What one body has taken, given back when dropped.
#[derive(Debug)]
pub struct BytesHeld {
    budget: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl BytesHeld {
    /// Takes so many more; `false` when they are not to be had. Never waits: bodies that wait for each
    /// other while each holds its part would all come to nothing.
    #[must_use]
    pub fn add(&mut self, bytes: usize) -> bool {
        let Ok(bytes) = u32::try_from(bytes) else { return false };
        let Ok(more) = Arc::clone(&self.budget).try_acquire_many_owned(bytes) else { return false };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_gate_lets_in_queues_and_refuses() {
        let gate = Gate::new(1, 1);
        let soon = Instant::now() + Duration::from_secs(1);
        let inside = gate.enter(soon).await.unwrap();
        let waiter = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(soon).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.waiting(), 1);
        assert_eq!(gate.enter(soon).await.map(drop), Err(Shut::QueueFull));
        drop(inside);
        assert_eq!(waiter.await.unwrap(), Ok(()));
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_past_the_deadline() {
        let gate = Gate::new(1, 1);
        let deadline = Instant::now() + Duration::from_secs(1);
        let _inside = gate.enter(deadline).await.unwrap();
        assert_eq!(gate.enter(deadline).await.map(drop), Err(Shut::TooLate));
        assert_eq!(Instant::now(), deadline);
        assert_eq!(gate.waiting(), 0);
    }

    #[test]
    fn bytes_are_given_back() {
        let budget = ByteBudget::new(10);
        let mut first = budget.open();
        assert!(first.add(4) && first.add(4));
        let mut second = budget.open();
        assert!(!second.add(4));
        drop(first);
        assert!(second.add(10));
    }
}
