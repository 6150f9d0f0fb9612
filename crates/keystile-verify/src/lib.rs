//! `keystile scan --verify`: asks the issuer of a found credential whether it is live.
//!
//! A rule describes one request and the answers that say something
//! ([`keystile_scan::verification`]); this crate makes the requests and judges the answers. What it holds to:
//!
//! - **Unknown unless recognised.** `live` and `dead` come from an answer that the rule describes, word for
//!   word; everything else (throttling, redirects, failures, garbage, an answer that fits both) is `unknown`,
//!   with its reason.
//! - **Nothing goes astray.** keystile's own checks go to their issuers or to the endpoints that the command
//!   line gives for them; a configuration's checks only to hosts that the command line allows. Redirects are not
//!   followed, proxies of the environment not used, TLS is required, and the connection is made to the very
//!   address that was looked at: no private one unless allowed.
//! - **Nothing shows.** A secret stands in a header or in the body, never in a URL, an error or a log; answers
//!   are judged and dropped.
//! - **Nobody is hurried.** One request at a time for a host, five a second at most; who asks to be left alone
//!   is.

pub mod address;
mod answer;
mod endpoint;
mod request;
mod sign;
mod transport;
mod verdict;
mod verifier;

pub use endpoint::{Endpoint, EndpointError};
pub use verdict::{Reason, State, Verdict};
pub use verifier::{Check, Options, verify};
