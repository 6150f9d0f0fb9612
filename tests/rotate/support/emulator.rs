//! The emulator of AWS: `tests/emulator/launcher.py`, whose README lists modes, faults and control calls.

use serde_json::{Value, json};

use super::http;
use super::server::Server;

/// The Region of secrets that name none.
pub(crate) const REGION: &str = "us-east-1";

/// Operations of Secrets Manager that change nothing. Every other one is a write.
const READS: [&str; 7] = [
    "BatchGetSecretValue",
    "DescribeSecret",
    "GetRandomPassword",
    "GetResourcePolicy",
    "GetSecretValue",
    "ListSecretVersionIds",
    "ListSecrets",
];

/// A running emulator, empty at first. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Emulator {
    server: Server,
    endpoint: String,
}

impl Emulator {
    /// A new one; `None`, and said so, where moto is missing.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        let (server, ready) = Server::start("launcher.py")?;
        let endpoint = ready["url"].as_str().expect("the launcher says its address").to_owned();
        Some(Self { server, endpoint })
    }

    /// Where it serves: `http://127.0.0.1:PORT`.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.server.id()
    }

    /// The variables with which an AWS client talks to it. The keys open nothing.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// A secret to be made, with the generic rotation function and mode `ok`.
    pub(crate) fn secret(&self, name: &str, value: &str) -> NewSecret<'_> {
        NewSecret { emulator: self, wanted: json!({ "name": name, "value": value }) }
    }

    /// A control call that must be understood; `path` is below `/keystile/`.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = (!body.is_null()).then_some(body);
        let (status, answer) = http::ask(&self.endpoint, method, &format!("/keystile/{path}"), &[], body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    /// An operation of Secrets Manager in [`REGION`], as an AWS client calls it: status and answer.
    #[track_caller]
    pub(crate) fn call(&self, action: &str, body: &Value) -> (u16, Value) {
        let target = format!("X-Amz-Target: secretsmanager.{action}");
        // The emulator looks at no signature, only at the Region in it.
        let scope = format!("Credential=test/20260101/{REGION}/secretsmanager/aws4_request");
        let authorization = format!("Authorization: AWS4-HMAC-SHA256 {scope}");
        let headers = ["Content-Type: application/x-amz-json-1.1", &target, &authorization];
        http::ask(&self.endpoint, "POST", "/", &headers, Some(body))
    }

    /// The versions of a secret of [`REGION`], the oldest first, with their values.
    #[track_caller]
    pub(crate) fn versions(&self, name: &str) -> Vec<Version> {
        let shown = self.ask("GET", &format!("secret?id={name}"), &Value::Null);
        let versions = shown["versions"].as_array().expect("a list").iter();
        versions.map(|version| Version(version.clone())).collect()
    }

    /// The version of a secret that has `label`, if one does.
    #[track_caller]
    pub(crate) fn labelled(&self, name: &str, label: &str) -> Option<Version> {
        self.versions(name).into_iter().find(|version| version.stages().contains(&label))
    }

    /// Changes the mode of a secret.
    #[track_caller]
    pub(crate) fn set_mode(&self, name: &str, mode: &str) {
        self.ask("POST", "mode", &json!({ "secret": name, "mode": mode }));
    }

    /// From now on, a fault as `POST /keystile/faults` takes it.
    #[track_caller]
    pub(crate) fn fault(&self, fault: &Value) {
        self.ask("POST", "faults", fault);
    }

    /// Lets a stuck rotation go on.
    #[track_caller]
    pub(crate) fn release(&self, name: &str) {
        self.ask("POST", "release", &json!({ "secret": name }));
    }

    /// Waits until no rotation runs, stuck ones aside.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let answer = self.ask("POST", "settle", &json!({ "seconds": 60 }));
        assert_eq!(answer["settled"], true, "rotations still run after a minute");
    }

    /// The calls of AWS APIs that came from outside, in order; those of rotation functions are not among them.
    #[track_caller]
    pub(crate) fn calls(&self) -> Vec<Value> {
        let calls = self.ask("GET", "calls?caller=client", &Value::Null);
        calls.as_array().expect("a list").clone()
    }

    /// How often an operation was called from outside.
    #[track_caller]
    pub(crate) fn count(&self, action: &str) -> usize {
        self.calls().iter().filter(|call| call["action"] == action).count()
    }

    /// The operations of Secrets Manager and IAM called from outside that change something, in order.
    #[track_caller]
    pub(crate) fn writes(&self) -> Vec<String> {
        let calls = self.calls();
        let writes = calls.iter().filter_map(|call| {
            let action = call["action"].as_str()?;
            let reads = match call["service"].as_str()? {
                "secretsmanager" => READS.contains(&action),
                "iam" => action.starts_with("Get") || action.starts_with("List"),
                _ => true,
            };
            (!reads).then(|| action.to_owned())
        });
        writes.collect()
    }

    /// Forgets the calls so far.
    #[track_caller]
    pub(crate) fn forget_calls(&self) {
        self.ask("DELETE", "calls", &Value::Null);
    }
}

/// A secret that is not made yet.
#[derive(Debug)]
#[must_use = "it is made by `create`"]
pub(crate) struct NewSecret<'a> {
    emulator: &'a Emulator,
    wanted: Value,
}

impl NewSecret<'_> {
    /// What happens when it is rotated or called for: `fail_set`, `slow:2`, …
    pub(crate) fn mode(self, mode: &str) -> Self {
        self.with("mode", json!(mode))
    }

    /// With one more tag.
    pub(crate) fn tag(mut self, key: &str, value: &str) -> Self {
        self.wanted["tags"][key] = json!(value);
        self
    }

    /// Any other key that `POST /keystile/secrets` takes: `replicas`, `function`, `rotationDays`, …
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.wanted[key] = value;
        self
    }

    /// Makes it.
    #[track_caller]
    pub(crate) fn create(self) -> Secret {
        let made = self.emulator.ask("POST", "secrets", &self.wanted);
        let text = |key: &str| made[0][key].as_str().expect("the emulator names what it made").to_owned();
        Secret { arn: text("arn"), version: text("versionId") }
    }
}

/// A secret of the emulator.
#[derive(Debug)]
pub(crate) struct Secret {
    /// Its ARN.
    pub(crate) arn: String,
    /// The id of its first version.
    pub(crate) version: String,
}

/// A version of a secret.
#[derive(Debug)]
pub(crate) struct Version(Value);

impl Version {
    /// Its id.
    pub(crate) fn id(&self) -> &str {
        self.0["id"].as_str().expect("a version has an id")
    }

    /// Its labels.
    pub(crate) fn stages(&self) -> Vec<&str> {
        self.0["stages"].as_array().expect("a list").iter().filter_map(Value::as_str).collect()
    }

    /// Its value; `None` for the empty version of a rotation that did not get far, and for a binary one.
    pub(crate) fn value(&self) -> Option<&str> {
        self.0["value"].as_str()
    }
}
