//! The stand-in for AWS that needs nothing else: Secrets Manager's and STS's few operations that the demo calls, over
//! real HTTP on this machine.
//!
//! It checks neither signatures nor permissions, and its rotation is a new random password that is current a moment
//! later: no function runs and no database learns of it. The demo says so.

mod store;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{ACCOUNT, Refusal, Store};
use tokio::sync::oneshot;

use super::random;

/// Largest body that is read: a value may have 65,536 bytes (Secrets Manager's quotas), and nothing sends one here.
const MOST_BYTES: usize = 1 << 20;

/// A running stand-in. Dropping it ends it.
#[derive(Debug)]
pub(super) struct BuiltIn {
    address: SocketAddr,
    store: Arc<Mutex<Store>>,
    /// Dropped to end the thread.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl BuiltIn {
    /// Starts to serve.
    ///
    /// # Errors
    /// No port of this machine is to be had, or no thread.
    pub(super) fn start(region: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("while opening a port on 127.0.0.1")?;
        listener.set_nonblocking(true).context("while opening a port on 127.0.0.1")?;
        let address = listener.local_addr().context("while opening a port on 127.0.0.1")?;
        let store = Arc::new(Mutex::new(Store::new(region.to_owned())));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("while starting")?;
        let (end, ended) = oneshot::channel();
        let served = Arc::clone(&store);
        let thread = std::thread::Builder::new()
            .name("stand-in for AWS".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = serve(listener, served) => {}
                        // Its sender is only ever dropped.
                        _ = ended => {}
                    }
                });
            })
            .context("while starting a thread")?;
        Ok(Self { address, store, end: Some(end), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a secret.
    ///
    /// # Errors
    /// There are no random bytes for its id.
    pub(super) fn create(&self, name: &str, value: &str, tags: &[(&str, &str)]) -> anyhow::Result<()> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).create(name, value, tags, now())
    }

    /// The current value of a secret.
    pub(super) fn current(&self, name: &str) -> Option<String> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).current(name).map(ToOwned::to_owned)
    }
}

impl Drop for BuiltIn {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes connections for good.
async fn serve(listener: TcpListener, store: Arc<Mutex<Store>>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No more descriptors, say: not a reason to turn in a circle.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &store));
            // A client that goes away in the middle is its own affair.
            let _ =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The answer to a request.
async fn answer(request: Request<Incoming>, store: &Mutex<Store>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let body = match Limited::new(request.into_body(), MOST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let (status, kind, text) = match target.as_deref().and_then(|target| target.strip_prefix("secretsmanager.")) {
        Some(operation) => {
            let (status, answer) = secrets_manager(operation, &body, store);
            (status, "application/x-amz-json-1.1", answer.to_string())
        }
        None => {
            let (status, answer) = sts(&body);
            (status, "text/xml", answer)
        }
    };
    let mut response = Response::builder().status(status).header("content-type", kind);
    if let Ok(id) = random::version_id() {
        response = response.header("x-amzn-requestid", id);
    }
    Ok(response.body(Full::new(Bytes::from(text))).unwrap_or_default())
}

/// JSON 1.1, as Secrets Manager speaks it.
fn secrets_manager(operation: &str, body: &[u8], store: &Mutex<Store>) -> (StatusCode, Value) {
    let answer = match serde_json::from_slice::<Value>(body) {
        Ok(request) => store.lock().unwrap_or_else(PoisonError::into_inner).answer(operation, &request, now()),
        Err(_) => Err(Refusal { code: "SerializationException", text: "The body is no JSON.".to_owned() }),
    };
    match answer {
        Ok(answer) => (StatusCode::OK, answer),
        Err(Refusal { code, text }) => (StatusCode::BAD_REQUEST, json!({ "__type": code, "Message": text })),
    }
}

/// The Query protocol with XML, as STS speaks it (API reference, `GetCallerIdentity`).
fn sts(body: &[u8]) -> (StatusCode, String) {
    let is_asked = |operation: &str| body.split(|byte| *byte == b'&').any(|field| field == operation.as_bytes());
    if is_asked("Action=GetCallerIdentity") {
        let text = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::{ACCOUNT}:user/demo</Arn><UserId>demo</UserId><Account>{ACCOUNT}</Account>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>"
        );
        return (StatusCode::OK, text);
    }
    let text = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code>\
                <Message>The stand-in of keystile's demo has no such operation.</Message></Error></ErrorResponse>";
    (StatusCode::BAD_REQUEST, text.to_owned())
}

/// Seconds since 1970.
fn now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::super::moto::ask;
    use super::*;

    #[test]
    fn it_serves_until_it_is_dropped() {
        let stand_in = BuiltIn::start("eu-west-1").unwrap();
        stand_in.create("/prod/team-a/db", "value", &[]).unwrap();
        let endpoint = stand_in.endpoint();
        let headers = ["X-Amz-Target: secretsmanager.GetSecretValue"];
        let (status, answer) =
            ask(&endpoint, "POST", "/", &headers, &json!({ "SecretId": "/prod/team-a/db" }).to_string()).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer["SecretString"]), (200, &json!("value")));
        let (status, answer) = ask(&endpoint, "POST", "/", &headers, "{").unwrap();
        assert_eq!(status, 400, "{answer}");
        let (status, answer) = ask(&endpoint, "POST", "/", &[], "Action=GetCallerIdentity&Version=2011-06-15").unwrap();
        assert!(status == 200 && answer.contains("<Account>123456789012</Account>"), "{answer}");
        let (status, answer) = ask(&endpoint, "POST", "/", &[], "Action=AssumeRole").unwrap();
        assert!(status == 400 && answer.contains("InvalidAction"), "{answer}");
        assert_eq!(stand_in.current("/prod/team-a/db").as_deref(), Some("value"));
        drop(stand_in);
        assert!(ask(&endpoint, "POST", "/", &[], "").is_err());
    }
}
