//! What a connection is doing, and until when it may go on so.
//!
//! hyper's own timeout for a request's head also runs while a kept connection waits for the next
//! request, so it can't be both short and kind to an API server that keeps its connections. Here the
//! two are told apart.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Shared by a connection, its requests, and the table of connections.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<State>>);

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Requests between head and answer.
    pub(super) in_flight: usize,
    /// Those of them whose body is still to come: it is the client that makes them last.
    pub(super) arriving: usize,
    /// Since when all of them have been such.
    pub(super) arriving_since: Instant,
    /// Requests ever.
    pub(super) requests: u64,
    /// When the last request ended, or else the connection began.
    pub(super) idle_since: Instant,
    /// When the first byte of a head came that is not whole yet. HTTP/1.1 only.
    pub(super) head_since: Option<Instant>,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Look again then.
    Check(Instant),
    /// Without a request for too long: close as agreed.
    CloseIdle,
    /// The head takes too long: cut.
    CutSlow,
}

impl State {
    /// What is to be done at `now`.
    pub(super) fn next(&self, now: Instant, header_timeout: Duration, idle_timeout: Duration) -> Next {
        if self.in_flight > 0 {
            // Every request has a deadline of its own; look again when this one must be over.
            return Next::Check(now + idle_timeout);
        }
        let idle_until = self.idle_since + idle_timeout;
        match self.head_since.map(|since| since + header_timeout) {
            Some(until) if now >= until => Next::CutSlow,
            Some(until) => Next::Check(until),
            None if now >= idle_until => Next::CloseIdle,
            // A head may begin any moment, and must not be overlooked for longer than it may take.
            None => Next::Check(idle_until.min(now + header_timeout)),
        }
    }
}

impl Activity {
    /// A connection that begins now.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            in_flight: 0,
            arriving: 0,
            arriving_since: now,
            requests: 0,
            idle_since: now,
            head_since: None,
        })))
    }

    pub(super) fn state(&self) -> State {
        *self.lock()
    }

    /// A request's head is whole. The request lasts until the value is dropped.
    pub(super) fn begin(&self) -> Request {
        let mut state = self.lock();
        state.in_flight += 1;
        state.requests += 1;
        state.head_since = None;
        Request(self.clone())
    }

    /// A body begins to come, or (`by` -1) is there or given up.
    fn arrives(&self, by: isize) {
        let mut state = self.lock();
        let was_arriving = state.arriving > 0 && state.arriving == state.in_flight;
        state.arriving = state.arriving.saturating_add_signed(by);
        if !was_arriving {
            state.arriving_since = Instant::now();
        }
    }

    fn bytes_came(&self) {
        let mut state = self.lock();
        if state.in_flight == 0 && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Request(Activity);

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let now = Instant::now();
        if state.arriving < state.in_flight {
            state.arriving_since = now;
        }
        state.in_flight -= 1;
        state.idle_since = now;
    }
}

/// A body that tells when all of it has come.
pub(super) struct Arriving<B> {
    body: B,
    /// `None` when it has.
    activity: Option<Activity>,
}

impl<B: Body> Arriving<B> {
    pub(super) fn new(body: B, activity: &Activity) -> Self {
        let activity = (!body.is_end_stream()).then(|| activity.clone());
        activity.iter().for_each(|activity| activity.arrives(1));
        Self { body, activity }
    }
}

impl<B: Body + Unpin> Body for Arriving<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.activity.take().iter().for_each(|activity| activity.arrives(-1));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Arriving<B> {
    fn drop(&mut self) {
        self.activity.take().iter().for_each(|activity| activity.arrives(-1));
    }
}

/// A stream that tells when the bytes of a head begin to come. Over TLS: the bytes inside.
pub(super) struct Watched<S> {
    stream: S,
    activity: Activity,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_came();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Duration = Duration::from_secs(5);
    const IDLE: Duration = Duration::from_secs(120);

    #[tokio::test(start_paused = true)]
    async fn slow_heads_and_idle_connections_are_told_apart() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let fresh = State {
            in_flight: 0,
            arriving: 0,
            arriving_since: start,
            requests: 0,
            idle_since: start,
            head_since: None,
        };
        let cases = [
            ("fresh", fresh, at(0), Next::Check(at(5))),
            ("nearly idle too long", fresh, at(118), Next::Check(at(120))),
            ("idle too long", fresh, at(120), Next::CloseIdle),
            ("head begun", State { head_since: Some(at(10)), ..fresh }, at(12), Next::Check(at(15))),
            ("head too slow", State { head_since: Some(at(10)), ..fresh }, at(15), Next::CutSlow),
            ("busy", State { in_flight: 1, ..fresh }, at(500), Next::Check(at(620))),
        ];
        for (name, state, now, expected) in cases {
            assert_eq!(state.next(now, HEADER, IDLE), expected, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_ends_when_dropped_and_the_idle_time_begins() {
        let activity = Activity::new();
        activity.bytes_came();
        assert!(activity.state().head_since.is_some());
        let request = activity.begin();
        activity.bytes_came();
        assert_eq!(activity.state().head_since, None, "bytes of a body");
        tokio::time::advance(Duration::from_secs(3)).await;
        drop(request);
        let state = activity.state();
        assert_eq!((state.in_flight, state.requests, state.idle_since), (0, 1, Instant::now()));
    }
}
