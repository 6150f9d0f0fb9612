//! The table of open connections, and who goes when it is full.
//!
//! Refusing newcomers would let anyone in the cluster lock the API server out by opening connections
//! and saying little. So a newcomer takes the place of another ([`expendable`]). The connection that the
//! API server keeps and uses is the last to go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::activity::{Activity, State};

/// How long a handshake, a first head or a body may take to come before its connection is thought to be there for
/// its own sake. The API server sends a review in one go, and so many new connections that a full table has no older
/// ones cost their sender more than they cost us.
const PATIENCE: Duration = Duration::from_millis(50);

/// The connections of one listener.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    table: Arc<Mutex<Table>>,
    max: usize,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: HashMap<u64, (Activity, Arc<Notify>)>,
}

/// A connection's place in the table, given back when dropped.
#[derive(Debug)]
pub(super) struct Member {
    id: u64,
    table: Arc<Mutex<Table>>,
    pub(super) activity: Activity,
    /// Told when another takes the place.
    pub(super) evicted: Arc<Notify>,
}

/// A connection that may be served.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) member: Member,
    pub(super) in_place_of_another: bool,
}

impl Connections {
    pub(super) fn new(max: usize) -> Self {
        Self { table: Arc::default(), max }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.table).open.len()
    }

    /// A place for a new connection; none when all are taken and busy.
    pub(super) fn admit(&self) -> Option<Admitted> {
        let mut table = lock(&self.table);
        let mut in_place_of_another = false;
        let now = Instant::now();
        if table.open.len() >= self.max {
            let (id, _) = table
                .open
                .iter()
                .map(|(id, (activity, _))| (*id, activity.state()))
                .filter_map(|(id, state)| Some((id, expendable(&state, now)?)))
                .min_by_key(|(_, rank)| *rank)?;
            let (_, evicted) = table.open.remove(&id)?;
            evicted.notify_one();
            in_place_of_another = true;
        }
        let (activity, evicted) = (Activity::new(), Arc::new(Notify::new()));
        let id = table.next;
        table.next += 1;
        table.open.insert(id, (activity.clone(), Arc::clone(&evicted)));
        drop(table);
        let member = Member { id, table: Arc::clone(&self.table), activity, evicted };
        Some(Admitted { member, in_place_of_another })
    }
}

/// Who goes first, the lowest; `None` = not this one, we are working for it.
fn expendable(state: &State, now: Instant) -> Option<(Place, Instant)> {
    let is_old = |since: Instant| now.saturating_duration_since(since) >= PATIENCE;
    match state {
        State { in_flight: 0, requests: 0, idle_since, .. } if is_old(*idle_since) => {
            Some((Place::Silent, *idle_since))
        }
        State { in_flight: 0, requests: 0, idle_since, .. } => Some((Place::New, *idle_since)),
        State { in_flight: 0, idle_since, .. } => Some((Place::Kept, *idle_since)),
        State { in_flight, arriving, arriving_since, .. } if in_flight == arriving && is_old(*arriving_since) => {
            Some((Place::Slow, *arriving_since))
        }
        State { .. } => None,
    }
}

/// Who goes before whom; of one kind, who has been so for longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Never sent a request.
    Silent,
    /// No request has had its whole body.
    Slow,
    /// Has had no time yet to send a request.
    New,
    /// Was used, and will be again.
    Kept,
}

impl Drop for Member {
    fn drop(&mut self) {
        lock(&self.table).open.remove(&self.id);
    }
}

fn lock(table: &Mutex<Table>) -> std::sync::MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::activity::Arriving;
    use super::*;

    async fn was_evicted(member: &Member) -> bool {
        tokio::time::timeout(Duration::ZERO, member.evicted.notified()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_silent_go_first_then_the_idle_never_the_busy() {
        let connections = Connections::new(3);
        let kept = connections.admit().unwrap().member;
        drop(kept.activity.begin());
        tokio::time::advance(Duration::from_secs(1)).await;
        let busy = connections.admit().unwrap().member;
        let request = busy.activity.begin();
        let silent = connections.admit().unwrap().member;
        assert_eq!(connections.len(), 3);

        let fourth = connections.admit().unwrap();
        assert!(fourth.in_place_of_another);
        assert!(was_evicted(&silent).await && !was_evicted(&kept).await);
        let working = fourth.member.activity.begin();
        let fifth = connections.admit().unwrap();
        assert!(was_evicted(&kept).await);
        let working_too = fifth.member.activity.begin();
        assert!(connections.admit().is_none(), "all are busy");
        assert!(!was_evicted(&busy).await);

        drop((silent, kept));
        assert_eq!(connections.len(), 3, "who was evicted gives no place back");
        drop((request, working, working_too));
        drop((busy, fourth, fifth));
        assert_eq!(connections.len(), 0);
    }
    #[tokio::test(start_paused = true)]
    async fn whose_body_does_not_come_goes_before_the_one_that_is_kept() {
        let connections = Connections::new(2);
        let kept = connections.admit().unwrap().member;
        drop(kept.activity.begin());
        tokio::time::advance(Duration::from_secs(60)).await;
        let slow = connections.admit().unwrap().member;
        let request = slow.activity.begin();
        let body = Arriving::new(http_body_util::Full::new(bytes::Bytes::from_static(b"{}")), &slow.activity);
        tokio::time::advance(PATIENCE).await;
        let third = connections.admit().unwrap().member;
        assert!(was_evicted(&slow).await && !was_evicted(&kept).await);

        // As soon as the body is there, it is for us to hurry.
        let quick = third.activity.begin();
        let arrived = Arriving::new(http_body_util::Full::new(bytes::Bytes::from_static(b"{}")), &third.activity);
        drop(arrived);
        tokio::time::advance(PATIENCE).await;
        let fourth = connections.admit().unwrap();
        assert!(was_evicted(&kept).await && !was_evicted(&third).await);
        drop((request, body, quick, fourth));
    }
}
