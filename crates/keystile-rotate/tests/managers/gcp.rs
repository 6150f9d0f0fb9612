//! A stand-in for Google: Secret Manager's REST interface, its token endpoint, and the machine's metadata server.
//!
//! It checks every request (method, path, query, headers, the fields of the body), notes what is not as it should be,
//! and has rules of its own for what Google documents: versions are numbered one by one, an update with another etag
//! is refused, `nextRotationTime` is at least five minutes away and a message is sent then. Its clock moves with each
//! request, so that nobody waits.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use keystile_rotate::backend::gcp::{GcpLogin, GcpSecretManager, GcpSettings};
use keystile_scan::SecretBytes;
use serde_json::{Map, Value, json};

use crate::managers::http::message;

pub(crate) const PROJECT: &str = "team-project";
/// Google answers with the project's number.
const NUMBER: &str = "123456789";
/// The access token, made of parts as every secret of the tests.
pub(crate) const TOKEN: &str = concat!("ya", "29.stand-in");

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is answered with this status, and not carried out.
    Status(u16),
    /// It is carried out, and the connection ends without an answer.
    AnswerLost,
    /// The connection ends.
    RequestLost,
    /// Just before it, someone adds a version.
    Overtaken,
    /// Just before it, someone edits the secret.
    Edited,
}

/// A secret.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) topics: Vec<String>,
    pub(crate) next_rotation: Option<Timestamp>,
    /// Whether anyone listens.
    pub(crate) has_subscriber: bool,
    pub(crate) etag: u64,
    /// State and value.
    pub(crate) versions: Vec<(&'static str, Vec<u8>)>,
    /// Messages that were sent.
    pub(crate) messages: u32,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// For the next request whose line contains the text.
    pub(crate) faults: Vec<(&'static str, Fault)>,
    pub(crate) now: Timestamp,
    /// How far each request moves the clock.
    pub(crate) step: SignedDuration,
    /// What is wrong with the requests.
    pub(crate) wrong: Vec<String>,
    /// Method and path of each.
    pub(crate) requests: Vec<String>,
    /// Modulus and exponent of the key that signs for a service account.
    pub(crate) public_key: Option<(Vec<u8>, Vec<u8>)>,
    made: u32,
}

/// The stand-in. Its thread ends with the process.
pub(crate) struct Google {
    pub(crate) address: String,
    world: Arc<Mutex<World>>,
}

impl Google {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World {
            secrets: BTreeMap::new(),
            faults: Vec::new(),
            now: "2026-11-26T04:00:00Z".parse().unwrap(),
            step: SignedDuration::from_secs(5),
            wrong: Vec::new(),
            requests: Vec::new(),
            public_key: None,
            made: 0,
        }));
        let shared = Arc::clone(&world);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let world = Arc::clone(&shared);
                std::thread::spawn(move || serve(client, &world));
            }
        });
        Self { address, world }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// A secret with these values, whose labels allow a new one.
    pub(crate) fn secret(&self, name: &str, values: &[&str]) {
        let labels = [("keystile-rotate", "allow"), ("keystile-rotation", "generate")];
        let secret = Secret {
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            annotations: BTreeMap::from([("owner".to_owned(), "team-a".to_owned())]),
            topics: Vec::new(),
            next_rotation: None,
            has_subscriber: false,
            etag: 1,
            versions: values.iter().map(|value| ("ENABLED", value.as_bytes().to_vec())).collect(),
            messages: 0,
        };
        self.world().secrets.insert(name.to_owned(), secret);
    }

    /// Gives a secret a topic, a subscriber, and a rotation in a month.
    pub(crate) fn schedule(&self, name: &str) {
        let mut world = self.world();
        let next = world.now + SignedDuration::from_hours(24 * 30);
        let secret = world.secrets.get_mut(name).unwrap();
        secret.topics = vec![format!("projects/{PROJECT}/topics/rotate")];
        secret.next_rotation = Some(next);
        secret.has_subscriber = true;
        secret.labels.remove("keystile-rotation");
    }

    pub(crate) fn fault(&self, request: &'static str, fault: Fault) {
        self.world().faults.push((request, fault));
    }

    pub(crate) fn versions(&self, name: &str) -> usize {
        self.world().secrets[name].versions.len()
    }

    pub(crate) fn newest(&self, name: &str) -> Vec<u8> {
        self.world().secrets[name].versions.last().unwrap().1.clone()
    }

    pub(crate) fn settings(&self, login: GcpLogin) -> GcpSettings {
        GcpSettings { project: PROJECT.to_owned(), location: None, endpoint: Some(self.address.clone()), login }
    }

    /// A connection with a token.
    pub(crate) fn connect(&self) -> GcpSecretManager {
        GcpSecretManager::open(self.settings(GcpLogin::Token(SecretBytes::new(TOKEN.as_bytes())))).unwrap()
    }

    /// Every request was as it should be.
    #[track_caller]
    pub(crate) fn check(&self) {
        let world = self.world();
        assert!(world.wrong.is_empty(), "{:#?}", world.wrong);
        assert!(world.faults.is_empty(), "not asked for: {:?}", world.faults);
    }
}

/// A request, taken apart.
struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &mut TcpStream) -> Option<Self> {
        let bytes = message(stream)?;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned()));
        Some(Self {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.collect(),
            body: bytes[end + 4..].to_vec(),
        })
    }
}

fn serve(mut stream: TcpStream, world: &Mutex<World>) {
    while let Some(request) = Request::read(&mut stream) {
        let mut world = world.lock().unwrap();
        world.now = world.now + world.step;
        world.tick();
        let line = format!("{} {}", request.method, request.path);
        let fault = world.faults.iter().position(|(text, _)| line.contains(text)).map(|at| world.faults.remove(at).1);
        world.requests.push(line);
        world.look(&request);
        let (status, body) = match fault {
            Some(Fault::RequestLost) => return,
            Some(Fault::Status(status)) => (status, json!({ "error": { "code": status, "message": "made to fail" } })),
            Some(Fault::AnswerLost) => {
                world.answer(&request);
                return;
            }
            Some(Fault::Overtaken) => {
                world.overtake(&request);
                world.answer(&request)
            }
            Some(Fault::Edited) => {
                world.named(&request).unwrap().etag += 1;
                world.answer(&request)
            }
            None => world.answer(&request),
        };
        let date = world.now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        drop(world);
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} X\r\nDate: {date}\r\nContent-Type: application/json\r\n");
        let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

impl World {
    /// Messages that are due are sent, and heard.
    fn tick(&mut self) {
        let (now, mut made) = (self.now, self.made);
        for secret in self.secrets.values_mut() {
            if secret.next_rotation.is_some_and(|next| next <= now) {
                secret.next_rotation = Some(now + SignedDuration::from_hours(24 * 30));
                secret.etag += 1;
                secret.messages += 1;
                if secret.has_subscriber {
                    made += 1;
                    secret.versions.push(("ENABLED", format!("heard-{made}-hQ7zLp2X").into_bytes()));
                }
            }
        }
        self.made = made;
    }

    fn overtake(&mut self, request: &Request) {
        self.made += 1;
        let value = format!("foreign-{}-tR5wKc8B", self.made).into_bytes();
        self.named(request).unwrap().versions.push(("ENABLED", value));
    }

    fn named(&mut self, request: &Request) -> Option<&mut Secret> {
        let name = request.path.split("/secrets/").nth(1)?.split(['/', ':']).next()?;
        self.secrets.get_mut(name)
    }

    /// What every request must have, and must not have.
    fn look(&mut self, request: &Request) {
        let mut wrong = Vec::new();
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        let is_metadata = request.path.starts_with("/computeMetadata/");
        let expected = format!("Bearer {TOKEN}");
        if is_metadata {
            if header("metadata-flavor") != Some("Google") {
                wrong.push("no Metadata-Flavor");
            }
        } else if request.path != "/token" && header("authorization") != Some(&expected) {
            wrong.push("no authorization");
        }
        if (is_metadata || request.path == "/token") && header("authorization").is_some() {
            wrong.push("a token where none belongs");
        }
        if !header("user-agent").unwrap_or_default().starts_with("keystile/") {
            wrong.push("no user agent");
        }
        let is_json = header("content-type") == Some("application/json");
        if !request.body.is_empty() && request.path != "/token" && !is_json {
            wrong.push("a body that is not JSON");
        }
        if request.method == "GET" && !request.body.is_empty() {
            wrong.push("a body where none belongs");
        }
        let target = format!("{}?{}", request.path, request.query);
        for value in self.secrets.values().flat_map(|secret| &secret.versions).map(|(_, value)| value) {
            let text = String::from_utf8_lossy(value);
            if target.contains(&*text) || target.contains(&STANDARD.encode(value)) || target.contains(TOKEN) {
                wrong.push("a value in the address");
            }
        }
        self.wrong.extend(wrong.iter().map(|what| format!("{} {target}: {what}", request.method)));
    }

    fn answer(&mut self, request: &Request) -> (u16, Value) {
        let refuse = |status: u16| (status, json!({ "error": { "code": status } }));
        if request.path == "/token" {
            return self.token(&request.body);
        }
        if let Some(rest) = request.path.strip_prefix("/computeMetadata/v1/instance/service-accounts/default/") {
            return match rest {
                "token" => (200, json!({ "access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer" })),
                _ => (200, json!("sa@example.com")),
            };
        }
        let parent = format!("/v1/projects/{PROJECT}/secrets");
        let Some(rest) = request.path.strip_prefix(&parent) else {
            self.wrong.push(format!("{} {}: no such address", request.method, request.path));
            return refuse(404);
        };
        if rest.is_empty() {
            return self.list(request);
        }
        let (name, action) = match rest[1..].find(['/', ':']) {
            Some(at) => rest[1..].split_at(at),
            None => (&rest[1..], ""),
        };
        let now = self.now;
        let Some(secret) = self.secrets.get_mut(name) else { return refuse(404) };
        match (request.method.as_str(), action) {
            ("GET", "") => (200, secret.json(name)),
            ("PATCH", "") => match secret.patch(request, now) {
                Ok(true) => (200, secret.json(name)),
                Ok(false) => refuse(400),
                Err(what) => {
                    self.wrong.push(format!("PATCH {name}: {what}"));
                    refuse(400)
                }
            },
            ("GET", "/versions") => (200, json!({ "versions": secret.list(name) })),
            ("POST", ":addVersion") => match added(&request.body) {
                Ok(value) => {
                    secret.versions.push(("ENABLED", value));
                    (200, secret.list(name)[0].clone())
                }
                Err(what) => {
                    self.wrong.push(format!("addVersion {name}: {what}"));
                    refuse(400)
                }
            },
            ("GET", action) if action.ends_with(":access") => {
                let version = action.trim_start_matches("/versions/").trim_end_matches(":access");
                let number = if version == "latest" { secret.versions.len() } else { version.parse().unwrap() };
                match secret.versions.get(number.wrapping_sub(1)) {
                    None => refuse(404),
                    Some((state, _)) if *state != "ENABLED" => refuse(400),
                    Some((_, value)) => {
                        let payload =
                            json!({ "data": STANDARD.encode(value), "dataCrc32c": crc32c(value).to_string() });
                        (200, json!({ "name": version_name(name, number), "payload": payload }))
                    }
                }
            }
            (method, action) => {
                self.wrong.push(format!("{method} {name}{action}: no such method"));
                refuse(404)
            }
        }
    }

    /// Two secrets on a page.
    fn list(&self, request: &Request) -> (u16, Value) {
        let field = |name: &str| request.query.split('&').find_map(|part| part.strip_prefix(name));
        let start = field("pageToken=").map_or(0, |token| token.parse().unwrap());
        assert!(field("pageSize=").is_some_and(|size| size.parse::<u32>().unwrap() <= 25_000));
        let page: Vec<Value> =
            self.secrets.iter().skip(start).take(2).map(|(name, secret)| secret.json(name)).collect();
        let next = if start + 2 < self.secrets.len() { (start + 2).to_string() } else { String::new() };
        (200, json!({ "secrets": page, "nextPageToken": next }))
    }

    /// A service account's statement, or a person's token, for an access token.
    fn token(&mut self, body: &[u8]) -> (u16, Value) {
        let form = String::from_utf8(body.to_vec()).unwrap();
        let field = |name: &str| {
            let value = form.split('&').find_map(|part| part.strip_prefix(name)).unwrap_or_default();
            percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned()
        };
        let is_good = match field("grant_type=").as_str() {
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => self.is_signed(&field("assertion=")),
            "refresh_token" => field("refresh_token=") == "refresh" && field("client_id=") == "id",
            _ => false,
        };
        if is_good {
            (200, json!({ "access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer" }))
        } else {
            (400, json!({ "error": "invalid_grant" }))
        }
    }

    fn is_signed(&self, assertion: &str) -> bool {
        let (message, signature) = assertion.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (n, e) = self.public_key.as_ref().unwrap();
        let key = ring::signature::RsaPublicKeyComponents { n, e };
        if key.verify(&ring::signature::RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature).is_err() {
            return false;
        }
        let claims = URL_SAFE_NO_PAD.decode(message.split_once('.').unwrap().1).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        claims["iss"] == "sa@example.com" && claims["aud"].as_str().unwrap().ends_with("/token") && life <= 3600
    }
}

impl Secret {
    fn json(&self, name: &str) -> Value {
        let mut secret = json!({
            "name": format!("projects/{NUMBER}/secrets/{name}"),
            "createTime": "2026-01-01T00:00:00.123Z",
            "labels": self.labels,
            "annotations": self.annotations,
            "replication": { "automatic": {} },
            "etag": format!("\"{}\"", self.etag),
        });
        if !self.topics.is_empty() {
            secret["topics"] = self.topics.iter().map(|topic| json!({ "name": topic })).collect();
        }
        if let Some(next) = self.next_rotation {
            secret["rotation"] = json!({ "nextRotationTime": next.to_string() });
        }
        secret
    }

    /// The newest first, as Google lists them.
    fn list(&self, name: &str) -> Vec<Value> {
        let versions = self.versions.iter().enumerate().map(|(index, (state, _))| {
            json!({
                "name": version_name(name, index + 1),
                "state": state,
                "createTime": "2026-02-01T00:00:00Z",
                "etag": "\"1\"",
            })
        });
        versions.rev().collect()
    }

    /// Whether the etag was the right one. The error says what such a request must not be.
    fn patch(&mut self, request: &Request, now: Timestamp) -> Result<bool, String> {
        let body: Map<String, Value> = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
        let mask = request.query.strip_prefix("updateMask=").ok_or("no updateMask")?;
        let fields: Vec<&str> = body.keys().map(String::as_str).collect();
        let expected: &[&str] = match mask {
            "annotations" => &["etag", "annotations"],
            "annotations,rotation.nextRotationTime" => &["etag", "annotations", "rotation"],
            other => return Err(format!("another mask: {other}")),
        };
        if fields != expected {
            return Err(format!("the fields {fields:?} with {mask}"));
        }
        if body["etag"] != format!("\"{}\"", self.etag) {
            return Ok(false);
        }
        let annotations: BTreeMap<String, String> =
            serde_json::from_value(body["annotations"].clone()).map_err(|error| error.to_string())?;
        if self.annotations.keys().any(|name| !annotations.contains_key(name)) {
            return Err("an annotation is lost".to_owned());
        }
        if let Some(rotation) = body.get("rotation") {
            let next: Timestamp = rotation["nextRotationTime"].as_str().unwrap().parse().unwrap();
            if next.duration_since(now) < SignedDuration::from_secs(300) {
                return Err("nextRotationTime is too near".to_owned());
            }
            self.next_rotation = Some(next);
        }
        self.annotations = annotations;
        self.etag += 1;
        Ok(true)
    }
}

fn version_name(name: &str, number: usize) -> String {
    format!("projects/{NUMBER}/secrets/{name}/versions/{number}")
}

/// The value of a new version, if the body has what it must and nothing else.
fn added(body: &[u8]) -> Result<Vec<u8>, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let payload = body["payload"].as_object().ok_or("no payload")?;
    if body.as_object().unwrap().len() != 1 || !payload.keys().eq(["data", "dataCrc32c"]) {
        return Err(format!("the fields {:?}", payload.keys().collect::<Vec<_>>()));
    }
    let value = STANDARD.decode(payload["data"].as_str().ok_or("no data")?).map_err(|error| error.to_string())?;
    if payload["dataCrc32c"].as_str() != Some(crc32c(&value).to_string().as_str()) {
        return Err("the checksum is another".to_owned());
    }
    Ok(value)
}

/// Written once more, by division: a mistake in keystile's would not be the same here.
fn crc32c(bytes: &[u8]) -> u32 {
    let reversed = |number: u8| u64::from(number.reverse_bits());
    let mut remainder: u64 = 0xFFFF_FFFF;
    for byte in bytes {
        remainder ^= reversed(*byte) << 24;
        for _ in 0..8 {
            remainder <<= 1;
            if remainder & 1 << 32 != 0 {
                remainder ^= 0x1_1EDC_6F41;
            }
        }
    }
    !u32::try_from(remainder).unwrap().reverse_bits()
}
