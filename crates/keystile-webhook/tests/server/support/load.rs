//! Clients that ask without a pause, as an API server does: on kept connections, with a new one when
//! the server closes the old, and at the next replica when one does not take it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::client::{BOTH, Http, Kept, validate};
use super::{PATIENCE, UID, review};

/// Clients that run.
pub struct Load {
    clients: JoinSet<Vec<String>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Answers by address, in the order of the addresses.
    answered: [AtomicUsize; 2],
    stop: AtomicBool,
}

impl Load {
    /// `each` clients over either version of HTTP. They begin at the first address. A connection is
    /// given up after `kept_for` requests.
    pub fn start(addresses: &[SocketAddr], authority: &str, each: usize, kept_for: usize) -> Self {
        let counts = Arc::new(Counts::default());
        let mut clients = JoinSet::new();
        for http in BOTH {
            for _ in 0..each {
                clients.spawn(client(addresses.to_vec(), authority.to_owned(), http, kept_for, Arc::clone(&counts)));
            }
        }
        Self { clients, counts }
    }

    /// Waits until so many requests more were answered at the address with this index.
    pub async fn answered(&self, index: usize, more: usize) {
        let count = &self.counts.answered[index];
        let enough = count.load(Ordering::Relaxed) + more;
        let wait = async {
            while count.load(Ordering::Relaxed) < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the load stands still");
    }

    /// Ends the load. What was lost, in words.
    pub async fn lost(self) -> Vec<String> {
        self.counts.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.concat()
    }
}

async fn client(
    addresses: Vec<SocketAddr>,
    authority: String,
    http: Http,
    kept_for: usize,
    counts: Arc<Counts>,
) -> Vec<String> {
    let mut lost = Vec::new();
    let mut at = 0;
    let mut refused = 0;
    let stop = || counts.stop.load(Ordering::Relaxed);
    while !stop() {
        let address = addresses[at];
        let mut kept = match Kept::open(address, &authority, http).await {
            Ok(kept) => kept,
            Err(error) => {
                refused += 1;
                if refused > addresses.len() {
                    lost.push(format!("{http:?}: no replica takes a connection: {error}"));
                    return lost;
                }
                at = (at + 1) % addresses.len();
                continue;
            }
        };
        refused = 0;
        let mut told_to_close = false;
        for _ in 0..kept_for {
            if stop() {
                return lost;
            }
            match kept.send(validate(address, review("x").to_string())).await {
                Ok(answer) => {
                    let body = answer.text();
                    if answer.status != 200 || !body.contains(UID) || !body.contains("\"allowed\":true") {
                        lost.push(format!("{http:?}: {} {body}", answer.status));
                    }
                    counts.answered[at].fetch_add(1, Ordering::Relaxed);
                    if answer.closes {
                        told_to_close = true;
                        break;
                    }
                }
                // Not sent, since the connection is closing, or sent behind the last one that the server says it takes:
                // any client sends it again elsewhere.
                Err(error) if error.is_canceled() || error.is_closed() || was_not_taken(&error) => {
                    told_to_close = true;
                    break;
                }
                Err(error) => lost.push(format!("{http:?}: {error:?}")),
            }
        }
        if told_to_close {
            at = (at + 1) % addresses.len();
        }
    }
    lost
}

/// Whether the server said with GOAWAY that it ends in good order and does nothing for the request (RFC 9113 §6.8: streams
/// above the last one named were not acted on). hyper's client gives this error to those streams alone.
fn was_not_taken(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_go_away() && cause.is_remote() && cause.reason() == Some(h2::Reason::NO_ERROR))
}
