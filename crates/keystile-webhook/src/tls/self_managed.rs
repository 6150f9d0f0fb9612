//! A certificate that keystile keeps itself: the state of [`authority`](super::authority) in one
//! place that all replicas share, its bundle where the API server reads it.
//!
//! Replicas don't elect anyone for it. Each takes the same step at the same time, the place takes one
//! of them (writes name the version they were made from), and whoever comes second reads again and
//! finds nothing left to do.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::authority::{IssueError, Lifetimes, Stored};
use super::certificate::fingerprint;
use super::{Certificate, CertificateError, ServingCertificate, unix_now};

/// How often another writer may come first within one step. Each time the step begins anew with
/// what the other wrote, so a second is rare already.
const TRIES: usize = 5;

/// How often to look, when all is well.
const INTERVAL: Duration = Duration::from_secs(30);
/// How often to try, when something failed.
const RETRY: Duration = Duration::from_secs(3);

/// Where the state lies, and where the bundle goes.
pub trait Place: Send + Sync {
    /// The state, with the version to name when it is written. Nothing stored is an empty state.
    fn read(&self) -> impl Future<Output = Result<(Stored, Version), PlaceError>> + Send;

    /// Writes the state over the one of this version.
    fn write(&self, stored: &Stored, version: Version) -> impl Future<Output = Result<(), PlaceError>> + Send;

    /// Gives the API server the authorities to trust. Does nothing where it has them already.
    fn publish(&self, authorities: &str) -> impl Future<Output = Result<(), PlaceError>> + Send;
}

/// A version of the state; nothing while there is no state.
pub type Version = Option<String>;

/// What may go wrong at the place. No variant holds what was read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Another came first: read again.
    #[error("another writer came first")]
    Conflict,
    /// Anything else, in words.
    #[error("{0}")]
    Failed(String),
}

/// Why a step came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The place failed.
    #[error("{doing}: {source}")]
    Place {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: PlaceError,
    },
    /// Nothing could be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// What was issued can't be served.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// One step: brings state and bundle up to date for `now`, and says what to serve.
///
/// The bundle goes out before the certificate is served, so that no API server meets a certificate
/// whose authority it was never told.
///
/// # Errors
///
/// When the place fails, or others come first too often.
pub async fn step(
    place: &impl Place,
    now: i64,
    names: &[String],
    lifetimes: &Lifetimes,
) -> Result<Certificate, StepError> {
    let at = |doing| move |source| StepError::Place { doing, source };
    let mut tries = 0;
    let stored = loop {
        let (stored, version) = place.read().await.map_err(at("while reading the certificate's Secret"))?;
        let Some(next) = stored.next(now, names, lifetimes)? else { break stored };
        match place.write(&next, version).await {
            Ok(()) => {
                tracing::info!(
                    certificate = fingerprint(next.certificate.as_bytes()),
                    "the certificate's state was renewed"
                );
                break next;
            }
            Err(PlaceError::Conflict) if tries < TRIES => tries += 1,
            Err(error) => return Err(at("while writing the certificate's Secret")(error)),
        }
    };
    let certificate = Certificate::from_pem(stored.certificate.as_bytes(), stored.key.as_bytes())?;
    let mut tries = 0;
    while let Err(error) = place.publish(&stored.authorities).await {
        if error != PlaceError::Conflict || tries == TRIES {
            return Err(at("while writing caBundle of the ValidatingWebhookConfiguration")(error));
        }
        tries += 1;
    }
    Ok(certificate)
}

/// Steps for ever, and serves what comes of it.
pub async fn keep(place: impl Place, serving: Arc<ServingCertificate>, names: Vec<String>, lifetimes: Lifetimes) {
    loop {
        let pause = match step(&place, unix_now(), &names, &lifetimes).await {
            Ok(certificate) => {
                let is_new = serving.current().is_none_or(|current| current.fingerprint() != certificate.fingerprint());
                if is_new {
                    serving.replace(certificate);
                }
                INTERVAL
            }
            Err(error) => {
                serving.keep(&error);
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// The names by which a Service is called: the API server uses the first.
#[must_use]
pub fn service_names(namespace: &str, name: &str) -> Vec<String> {
    vec![
        format!("{name}.{namespace}.svc"),
        format!("{name}.{namespace}.svc.cluster.local"),
        format!("{name}.{namespace}"),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const START: i64 = 1_790_000_000;

    /// A place in memory. `rivals` come first, one after another, whenever something is written.
    #[derive(Default)]
    struct Memory {
        state: Mutex<(Stored, u64)>,
        published: Mutex<Vec<String>>,
        rivals: Mutex<Vec<Stored>>,
        publish_conflicts: Mutex<usize>,
    }

    impl Place for Memory {
        async fn read(&self) -> Result<(Stored, Version), PlaceError> {
            let state = self.state.lock().unwrap();
            Ok((state.0.clone(), (state.1 > 0).then(|| state.1.to_string())))
        }

        async fn write(&self, stored: &Stored, version: Version) -> Result<(), PlaceError> {
            let mut state = self.state.lock().unwrap();
            if let Some(rival) = self.rivals.lock().unwrap().pop() {
                *state = (rival, state.1 + 1);
            }
            if version.unwrap_or_else(|| "0".into()) != state.1.to_string() {
                return Err(PlaceError::Conflict);
            }
            *state = (stored.clone(), state.1 + 1);
            Ok(())
        }

        async fn publish(&self, authorities: &str) -> Result<(), PlaceError> {
            let mut conflicts = self.publish_conflicts.lock().unwrap();
            if *conflicts > 0 {
                *conflicts -= 1;
                return Err(PlaceError::Conflict);
            }
            self.published.lock().unwrap().push(authorities.to_owned());
            Ok(())
        }
    }

    fn names() -> Vec<String> {
        service_names("keystile", "webhook")
    }

    async fn stepped(place: &Memory, now: i64) -> Result<Certificate, StepError> {
        step(place, now, &names(), &Lifetimes::default()).await
    }

    #[tokio::test]
    async fn two_replicas_that_start_at_once_serve_one_certificate() {
        let rival = Stored::default().next(START, &names(), &Lifetimes::default()).unwrap().unwrap();
        let place = Memory { rivals: Mutex::new(vec![rival.clone()]), ..Memory::default() };
        let served = stepped(&place, START).await.unwrap();
        let theirs = Certificate::from_pem(rival.certificate.as_bytes(), rival.key.as_bytes()).unwrap();
        assert_eq!(served.fingerprint(), theirs.fingerprint());
        assert_eq!(*place.published.lock().unwrap(), [rival.authorities]);
        assert_eq!(stepped(&place, START + 1).await.unwrap().fingerprint(), theirs.fingerprint());
    }

    #[tokio::test]
    async fn whoever_always_comes_second_gives_up_and_says_so() {
        let place = Memory { rivals: Mutex::new(vec![Stored::default(); 50]), ..Memory::default() };
        let error = stepped(&place, START).await.unwrap_err();
        assert_eq!(error.to_string(), "while writing the certificate's Secret: another writer came first");
    }

    #[tokio::test]
    async fn a_conflict_in_the_configuration_is_tried_again() {
        let place = Memory { publish_conflicts: Mutex::new(2), ..Memory::default() };
        stepped(&place, START).await.unwrap();
        assert_eq!(place.published.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_is_not_published_is_not_served() {
        let place = Memory { publish_conflicts: Mutex::new(usize::MAX), ..Memory::default() };
        let error = stepped(&place, START).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "while writing caBundle of the ValidatingWebhookConfiguration: another writer came first"
        );
    }

    #[test]
    fn the_api_server_s_name_is_among_the_names() {
        assert_eq!(names()[0], "webhook.keystile.svc");
    }
}
