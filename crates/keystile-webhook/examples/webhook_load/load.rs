//! Sends at a fixed rate, whatever the answers do: an open loop. A request's time counts from the moment
//! that the schedule gave it, so one that had to wait for a free connection counts its wait, and a server
//! that stands still is charged for everything that was due meanwhile (no coordinated omission).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::{Http, Kept, request};
use crate::clock;
use crate::reviews::Review;

/// Most errors that a worker keeps.
const MOST_ERRORS: usize = 1_000;

/// How to reach a server, and what to send.
pub struct Load {
    pub address: SocketAddr,
    pub path: String,
    pub authority: String,
    pub http: Http,
    pub connections: usize,
    pub streams: usize,
    pub reviews: Arc<Vec<Review>>,
}

/// What came of a run.
pub struct Figures {
    rate: f64,
    reached: f64,
    /// Sorted.
    times: Vec<Duration>,
    /// How late requests were sent for the generator's own reasons or for want of a free connection; sorted.
    late: Vec<Duration>,
    pub errors: Vec<String>,
}

struct Shared {
    start: Instant,
    rate: f64,
    count: usize,
    next: AtomicUsize,
    due: Arc<Semaphore>,
    address: SocketAddr,
    path: String,
    reviews: Arc<Vec<Review>>,
}

#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    late: Vec<Duration>,
    errors: Vec<String>,
    last: Option<Instant>,
}

impl Load {
    /// Sends `rate` requests a second for `time`.
    pub async fn run(&self, rate: f64, time: Duration) -> Figures {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
        let count = (rate * time.as_secs_f64()) as usize;
        let mut kept = Vec::new();
        let mut errors = Vec::new();
        for _ in 0..self.connections {
            match Kept::open(self.address, &self.authority, self.http).await {
                Ok(open) => kept.push(open),
                Err(error) => errors.push(format!("no connection: {error}")),
            }
        }
        let start = Instant::now() + Duration::from_millis(50);
        let (due, thread) = clock::run(start, rate, count);
        let shared = Arc::new(Shared {
            start,
            rate,
            count,
            next: AtomicUsize::new(0),
            due,
            address: self.address,
            path: self.path.clone(),
            reviews: Arc::clone(&self.reviews),
        });
        let mut workers = JoinSet::new();
        for open in kept {
            match open {
                Kept::One(sender) => drop(workers.spawn(work(Kept::One(sender), Arc::clone(&shared)))),
                Kept::Two(sender) => {
                    for _ in 0..self.streams {
                        workers.spawn(work(Kept::Two(sender.clone()), Arc::clone(&shared)));
                    }
                }
            }
        }
        let (mut times, mut late, mut last) = (Vec::with_capacity(count), Vec::with_capacity(count), None);
        while let Some(seen) = workers.join_next().await {
            match seen {
                Ok(seen) => {
                    times.extend(seen.times);
                    late.extend(seen.late);
                    errors.extend(seen.errors);
                    last = last.max(seen.last);
                }
                Err(error) => errors.push(format!("a request was lost: {error}")),
            }
        }
        if thread.join().is_err() {
            errors.push("the clock's thread panicked".into());
        }
        if times.len() != count {
            errors.push(format!("{} of {count} requests were not answered", count - times.len()));
        }
        times.sort_unstable();
        late.sort_unstable();
        let took = last.map_or(time, |last| last.duration_since(start)).max(time);
        #[expect(clippy::cast_precision_loss, reason = "fewer requests than 2^52")]
        let reached = times.len() as f64 / took.as_secs_f64();
        Figures { rate, reached, times, late, errors }
    }
}

/// Takes the next request that is due, sends it, takes its time; until the schedule ends.
async fn work(mut kept: Kept, shared: Arc<Shared>) -> Seen {
    let mut seen = Seen::default();
    loop {
        shared.due.acquire().await.expect("the schedule is never closed").forget();
        let nth = shared.next.fetch_add(1, Ordering::Relaxed);
        if nth + 1 >= shared.count {
            // Wakes who waits for a request that will not come; each of them passes it on.
            shared.due.add_permits(1);
        }
        if nth >= shared.count {
            return seen;
        }
        let moment = clock::moment(shared.start, shared.rate, nth);
        let review = &shared.reviews[nth % shared.reviews.len()];
        let request = request("POST", shared.address, &shared.path, Some("application/json"), review.body.clone());
        seen.late.push(moment.elapsed());
        let answer = kept.send(request).await;
        let now = Instant::now();
        seen.last = Some(now);
        seen.times.push(now.duration_since(moment));
        let fault = match answer {
            Ok(answer) if answer.status != 200 => Some(format!("{} {}", answer.status, answer.text())),
            Ok(answer) => review.fault(answer.text()),
            Err(error) => Some(format!("{error:?}")),
        };
        if let Some(fault) = fault.filter(|_| seen.errors.len() < MOST_ERRORS) {
            seen.errors.push(fault);
        }
    }
}

impl Figures {
    pub const HEAD: &str = "    rate  reached    p50 µs    p90 µs    p99 µs  p99.9 µs    max µs  late p99  errors";

    /// The time that this share of the requests stayed within.
    pub fn at(&self, share: f64) -> Duration {
        quantile(&self.times, share)
    }
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a vector"
    )]
    let index = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or(Duration::MAX)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8.0} {:8.0}", self.rate, self.reached)?;
        for share in [0.5, 0.9, 0.99, 0.999, 1.0] {
            write!(f, " {:9}", self.at(share).as_micros())?;
        }
        write!(f, " {:9} {:7}", quantile(&self.late, 0.99).as_micros(), self.errors.len())
    }
}
