//! Reads a request's body: so many bytes, until then, within what all bodies may take together.

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::Instant;

use crate::limits::{ByteBudget, BytesHeld, Limits};
use crate::review::RefusalReason;

/// What is answered when the budget is spent.
pub(super) const NO_ROOM: &str = "keystile holds as many requests as it may: try again shortly";

/// How many times the largest body is taken and thrown away, behind one that is too large. The API
/// server reads requests of up to 3 MiB, so a review of old and new object stays well below.
const DISCARDED: usize = 4;

/// A body that was read.
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    /// Counts the bytes until it is dropped, and what is made of them.
    pub(super) held: BytesHeld,
}

/// A body that was not, with what came of it: the uid may be in there.
pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    pub(super) reason: RefusalReason,
    pub(super) message: String,
}

/// Reads `body` until `deadline`.
pub(super) async fn read(
    mut body: Body,
    limits: &Limits,
    budget: &ByteBudget,
    deadline: Instant,
) -> Result<Whole, Part> {
    let promised = body.size_hint().exact();
    let mut bytes = Vec::new();
    let mut held = budget.open();
    loop {
        let frame = match tokio::time::timeout_at(deadline, body.frame()).await {
            Ok(None) => return Ok(Whole { bytes, held }),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => {
                let message = format!("the request's body broke off after {} bytes", bytes.len());
                return Err(Part { bytes, reason: RefusalReason::Malformed, message });
            }
            Err(_) => {
                let message = format!("the request's body did not arrive in time: {} bytes came", bytes.len());
                return Err(Part { bytes, reason: RefusalReason::SlowBody, message });
            }
        };
        // Trailers say nothing to us.
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limits.max_body_bytes {
            let size = promised.map_or_else(|| "more".to_owned(), |size| format!("{size} bytes"));
            let message = format!(
                "keystile reads AdmissionReviews of up to {} bytes, this one has {size}: make the object smaller (the review holds it in its old and new form), or raise --max-body-bytes",
                limits.max_body_bytes
            );
            drop(held);
            discard(body, limits.max_body_bytes.saturating_mul(DISCARDED), deadline).await;
            return Err(Part { bytes, reason: RefusalReason::TooLarge, message });
        }
        if !held.add(data.len()) {
            // The chunk at hand is there anyway, and most likely has the uid.
            bytes.extend_from_slice(&data);
            return Err(Part { bytes, reason: RefusalReason::Overloaded, message: NO_ROOM.to_owned() });
        }
        bytes.extend_from_slice(&data);
    }
}

/// Takes the rest of a body without keeping it, up to `max` more bytes: a client that is still
/// writing when the connection closes might never see the answer.
async fn discard(mut body: Body, max: usize, deadline: Instant) {
    let mut left = max;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout_at(deadline, body.frame()).await {
        match left.checked_sub(frame.data_ref().map_or(0, |data| data.len())) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
