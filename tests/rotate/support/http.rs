//! The little of HTTP/1.1 that calls of the emulator need: a request with JSON, an answer that ends with its connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Status and body of the answer to a request. `url` is `http://HOST:PORT`, each of `headers` is `Name: value`.
#[track_caller]
pub(crate) fn ask(url: &str, method: &str, path: &str, headers: &[&str], body: Option<&Value>) -> (u16, Value) {
    let address = url.strip_prefix("http://").expect("the emulator's address");
    let mut stream = TcpStream::connect(address).expect("the emulator listens");
    stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a duration above zero");
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("the emulator reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the emulator answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status");
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{method} {path}: {error}: {body}")))
}
