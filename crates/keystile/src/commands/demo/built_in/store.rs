//! Secrets, their versions and labels, and the operations on them.
//!
//! Sources: AWS Secrets Manager API reference (requests, answers, names of errors), and its user guide, "Rotation"
//! (labels before, during and after). Left out: permissions, pages, replicas, deletion, writing of values by callers.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::random;

/// The account that secrets belong to.
pub(super) const ACCOUNT: &str = "123456789012";

/// How long a rotation takes.
const ROTATION: Duration = Duration::from_millis(900);

/// A refused call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The name of the error.
    pub(super) code: &'static str,
    /// What is wrong; never a value.
    pub(super) text: String,
}

fn refusal(code: &'static str, text: impl Into<String>) -> Refusal {
    Refusal { code, text: text.into() }
}

/// All secrets. Times are seconds since 1970.
#[derive(Debug)]
pub(super) struct Store {
    region: String,
    secrets: Vec<Secret>,
}

/// A secret that a function rotates.
struct Secret {
    name: String,
    arn: String,
    function: String,
    tags: Vec<(String, String)>,
    created: f64,
    changed: f64,
    rotated: Option<f64>,
    versions: Vec<Version>,
    /// What the rotation that is under way ends with: when, and the new value.
    under_way: Option<(f64, String)>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).field("versions", &self.versions).finish_non_exhaustive()
    }
}

struct Version {
    id: String,
    /// `None`: the empty version of a rotation that is under way.
    value: Option<String>,
    labels: Vec<&'static str>,
    created: f64,
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Version").field("id", &self.id).field("labels", &self.labels).finish_non_exhaustive()
    }
}

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";

impl Store {
    /// Without secrets.
    pub(super) const fn new(region: String) -> Self {
        Self { region, secrets: Vec::new() }
    }

    /// Adds a secret that a function rotates.
    ///
    /// # Errors
    /// There are no random bytes for its id.
    pub(super) fn create(&mut self, name: &str, value: &str, tags: &[(&str, &str)], now: f64) -> anyhow::Result<()> {
        let region = &self.region;
        // Secrets Manager ends ARNs with a hyphen and six characters of its own choice.
        let arn = format!("arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}-{}", random::text(6)?);
        let function = format!("arn:aws:lambda:{region}:{ACCOUNT}:function:keystile-stand-in");
        let version =
            Version { id: random::version_id()?, value: Some(value.to_owned()), labels: vec![CURRENT], created: now };
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let name = name.to_owned();
        let (created, changed) = (now, now);
        let versions = vec![version];
        let secret = Secret { name, arn, function, tags, created, changed, rotated: None, versions, under_way: None };
        self.secrets.push(secret);
        Ok(())
    }

    /// The current value of a secret.
    pub(super) fn current(&self, name: &str) -> Option<&str> {
        let secret = self.secrets.iter().find(|secret| secret.name == name)?;
        secret.labelled(CURRENT)?.value.as_deref()
    }

    /// The answer to an operation.
    ///
    /// # Errors
    /// As Secrets Manager refuses it.
    pub(super) fn answer(&mut self, operation: &str, request: &Value, now: f64) -> Result<Value, Refusal> {
        for secret in &mut self.secrets {
            secret.finish(now);
        }
        match operation {
            "ListSecrets" => self.list(request),
            "BatchGetSecretValue" => self.batch(request),
            "DescribeSecret" => Ok(self.find(&request["SecretId"])?.description(true)),
            "GetSecretValue" => self.find(&request["SecretId"])?.value(request),
            "ListSecretVersionIds" => Ok(self.find(&request["SecretId"])?.version_ids()),
            "RotateSecret" => {
                let id = &request["SecretId"];
                let secret = self.secrets.iter_mut().find(|secret| secret.is(id)).ok_or_else(not_found)?;
                secret.rotate(request, now)
            }
            _ => Err(refusal(
                "UnknownOperationException",
                format!("The stand-in of keystile's demo has no operation {operation}."),
            )),
        }
    }

    fn find(&self, id: &Value) -> Result<&Secret, Refusal> {
        self.secrets.iter().find(|secret| secret.is(id)).ok_or_else(not_found)
    }

    fn list(&self, request: &Value) -> Result<Value, Refusal> {
        let mut prefixes: Vec<&str> = Vec::new();
        for filter in request["Filters"].as_array().into_iter().flatten() {
            if filter["Key"] != "name" {
                let text = format!("The stand-in of keystile's demo has no filter {}.", filter["Key"]);
                return Err(refusal("InvalidParameterException", text));
            }
            prefixes.extend(filter["Values"].as_array().into_iter().flatten().filter_map(Value::as_str));
        }
        let listed = self
            .secrets
            .iter()
            .filter(|secret| prefixes.is_empty() || prefixes.iter().any(|prefix| secret.name.starts_with(prefix)));
        Ok(json!({ "SecretList": listed.map(|secret| secret.description(false)).collect::<Vec<_>>() }))
    }

    fn batch(&self, request: &Value) -> Result<Value, Refusal> {
        let ids = request["SecretIdList"].as_array().filter(|ids| (1..=20).contains(&ids.len()));
        let ids = ids.ok_or_else(|| refusal("InvalidParameterException", "Between 1 and 20 secrets must be named."))?;
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        for id in ids {
            match self.find(id).and_then(|secret| secret.value(&Value::Null)) {
                Ok(value) => values.push(value),
                Err(error) => errors.push(json!({
                    "SecretId": id, "ErrorCode": error.code, "Message": error.text,
                })),
            }
        }
        Ok(json!({ "SecretValues": values, "Errors": errors }))
    }
}

impl Secret {
    fn is(&self, id: &Value) -> bool {
        *id == self.name.as_str() || *id == self.arn.as_str()
    }

    fn labelled(&self, label: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.labels.contains(&label))
    }

    /// An entry of a list, or the answer of `DescribeSecret`, which call the versions by different names.
    fn description(&self, is_answer: bool) -> Value {
        let versions: serde_json::Map<String, Value> = self
            .versions
            .iter()
            .filter(|version| !version.labels.is_empty())
            .map(|version| (version.id.clone(), json!(version.labels)))
            .collect();
        let tags: Vec<Value> = self.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        let mut description = json!({
            "ARN": self.arn,
            "Name": self.name,
            "Tags": tags,
            "RotationEnabled": true,
            "RotationLambdaARN": self.function,
            "RotationRules": { "AutomaticallyAfterDays": 30 },
            "CreatedDate": self.created,
            "LastChangedDate": self.changed,
        });
        description[if is_answer { "VersionIdsToStages" } else { "SecretVersionsToStages" }] = versions.into();
        if let Some(rotated) = self.rotated {
            description["LastRotatedDate"] = json!(rotated);
        }
        description
    }

    fn version_ids(&self) -> Value {
        let versions = self.versions.iter().map(|version| {
            json!({ "VersionId": version.id, "VersionStages": version.labels, "CreatedDate": version.created })
        });
        json!({ "ARN": self.arn, "Name": self.name, "Versions": versions.collect::<Vec<_>>() })
    }

    fn value(&self, request: &Value) -> Result<Value, Refusal> {
        let label = request["VersionStage"].as_str();
        let version = match request["VersionId"].as_str() {
            Some(id) => self.versions.iter().find(|version| version.id == id),
            None => self.labelled(label.unwrap_or(CURRENT)),
        };
        let version = version.filter(|version| label.is_none_or(|label| version.labels.contains(&label)));
        let Some((version, value)) = version.and_then(|version| Some((version, version.value.as_ref()?))) else {
            let text = "Secrets Manager can't find the specified secret value for that version or label.";
            return Err(refusal("ResourceNotFoundException", text));
        };
        Ok(json!({
            "ARN": self.arn,
            "Name": self.name,
            "VersionId": version.id,
            "VersionStages": version.labels,
            "SecretString": value,
            "CreatedDate": version.created,
        }))
    }

    /// Begins a rotation: an empty version with AWSPENDING, as before the first step of a function.
    fn rotate(&mut self, request: &Value, now: f64) -> Result<Value, Refusal> {
        let token = request["ClientRequestToken"].as_str().filter(|token| (32..=64).contains(&token.len()));
        let token = token
            .ok_or_else(|| refusal("InvalidParameterException", "ClientRequestToken must be 32-64 characters long."))?;
        let answer = json!({ "ARN": self.arn, "Name": self.name, "VersionId": token });
        // The same token again: no second version.
        if self.versions.iter().any(|version| version.id == token) {
            return Ok(answer);
        }
        let is_pending = |version: &Version| version.labels.contains(&PENDING) && !version.labels.contains(&CURRENT);
        if self.versions.iter().any(is_pending) {
            let text = "A previous rotation isn't complete. That rotation will be reattempted.";
            return Err(refusal("InvalidRequestException", text));
        }
        let current = self.labelled(CURRENT).and_then(|version| version.value.as_deref()).unwrap_or_default();
        let new = renewed(current).map_err(|error| refusal("InternalServiceError", error.to_string()))?;
        for version in &mut self.versions {
            version.labels.retain(|label| *label != PENDING);
        }
        self.versions.push(Version { id: token.to_owned(), value: None, labels: vec![PENDING], created: now });
        self.under_way = Some((now + ROTATION.as_secs_f64(), new));
        Ok(answer)
    }

    /// Ends the rotation whose time has come: the pending version gets the value and becomes the current one.
    fn finish(&mut self, now: f64) {
        if self.under_way.as_ref().is_none_or(|(due, _)| *due > now) {
            return;
        }
        let Some((due, value)) = self.under_way.take() else { return };
        for version in &mut self.versions {
            version.labels.retain(|label| *label != PREVIOUS);
            if version.labels.contains(&PENDING) {
                version.value = Some(value.clone());
                // As after a function: AWSPENDING stays with the current version.
                version.labels = vec![CURRENT, PENDING];
            } else if version.labels.contains(&CURRENT) {
                version.labels = vec![PREVIOUS];
            }
        }
        (self.changed, self.rotated) = (due, Some(due));
    }
}

fn not_found() -> Refusal {
    refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

/// The value with a new password: in the field `password` of a JSON document, or as a whole.
fn renewed(value: &str) -> anyhow::Result<String> {
    let password = random::text(32)?;
    match serde_json::from_str::<Value>(value) {
        Ok(mut document) if document["password"].is_string() => {
            document["password"] = password.into();
            Ok(document.to_string())
        }
        _ => Ok(password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "/prod/team-a/db";
    const TOKEN: &str = "00000000-0000-0000-0000-000000000001";

    fn store() -> Store {
        let mut store = Store::new("eu-west-1".to_owned());
        let value = json!({ "username": "app", "password": "before" }).to_string();
        store.create(NAME, &value, &[("keystile.io/rotate", "allow")], 1000.0).unwrap();
        store.create("/prod/team-b/db", "other", &[], 1000.0).unwrap();
        store
    }

    /// The labels of the versions of a secret, the oldest first.
    fn labels(store: &mut Store, now: f64) -> Vec<Vec<String>> {
        let answer = store.answer("ListSecretVersionIds", &json!({ "SecretId": NAME }), now).unwrap();
        let versions = answer["Versions"].as_array().unwrap().iter();
        versions.map(|version| serde_json::from_value(version["VersionStages"].clone()).unwrap()).collect()
    }

    #[test]
    fn a_rotation_is_pending_first_and_then_current() {
        let mut store = store();
        let rotate = json!({ "SecretId": NAME, "ClientRequestToken": TOKEN });
        assert_eq!(store.answer("RotateSecret", &rotate, 1000.0).unwrap()["VersionId"], TOKEN);
        assert_eq!(labels(&mut store, 1000.1), [["AWSCURRENT"], ["AWSPENDING"]]);
        let pending = json!({ "SecretId": NAME, "VersionId": TOKEN });
        assert_eq!(store.answer("GetSecretValue", &pending, 1000.1).unwrap_err().code, "ResourceNotFoundException");
        // The same token makes no second version, another one has to wait.
        store.answer("RotateSecret", &rotate, 1000.2).unwrap();
        let other = json!({ "SecretId": NAME, "ClientRequestToken": TOKEN.replace('1', "2") });
        assert_eq!(store.answer("RotateSecret", &other, 1000.2).unwrap_err().code, "InvalidRequestException");

        assert_eq!(labels(&mut store, 1001.0), [vec!["AWSPREVIOUS"], vec!["AWSCURRENT", "AWSPENDING"]]);
        let value: Value = serde_json::from_str(store.current(NAME).unwrap()).unwrap();
        assert_eq!(value["username"], "app");
        assert_ne!(value["password"], "before");
        let described = store.answer("DescribeSecret", &json!({ "SecretId": NAME }), 1001.0).unwrap();
        assert_eq!(described["LastRotatedDate"], json!(1000.9));

        store.answer("RotateSecret", &other, 1002.0).unwrap();
        assert_eq!(labels(&mut store, 1002.1), [["AWSPREVIOUS"], ["AWSCURRENT"], ["AWSPENDING"]]);
        assert_eq!(
            labels(&mut store, 1003.0),
            [vec![], vec!["AWSPREVIOUS".to_owned()], vec!["AWSCURRENT".to_owned(), "AWSPENDING".to_owned()]]
        );
    }

    #[test]
    fn secrets_are_listed_by_prefix_and_read_in_batches() {
        let mut store = store();
        let filter = json!({ "Filters": [{ "Key": "name", "Values": ["/prod/team-a/"] }] });
        let listed = store.answer("ListSecrets", &filter, 1000.0).unwrap();
        let listed = listed["SecretList"].as_array().unwrap();
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(listed[0]["Name"], NAME);
        assert_eq!(listed[0]["Tags"], json!([{ "Key": "keystile.io/rotate", "Value": "allow" }]));
        assert_eq!(listed[0]["SecretVersionsToStages"].as_object().unwrap().len(), 1);

        let ids = json!({ "SecretIdList": [listed[0]["ARN"], "/prod/team-b/db", "none"] });
        let batch = store.answer("BatchGetSecretValue", &ids, 1000.0).unwrap();
        assert_eq!(batch["SecretValues"].as_array().unwrap().len(), 2);
        assert_eq!(batch["SecretValues"][1]["SecretString"], "other");
        assert_eq!(batch["Errors"][0]["ErrorCode"], "ResourceNotFoundException");
    }

    #[test]
    fn what_it_can_not_do_is_refused_by_name() {
        let mut store = store();
        for (operation, request, code) in [
            ("PutSecretValue", json!({ "SecretId": NAME }), "UnknownOperationException"),
            ("DescribeSecret", json!({ "SecretId": "none" }), "ResourceNotFoundException"),
            ("RotateSecret", json!({ "SecretId": NAME }), "InvalidParameterException"),
            ("ListSecrets", json!({ "Filters": [{ "Key": "tag-key", "Values": ["a"] }] }), "InvalidParameterException"),
            ("BatchGetSecretValue", json!({ "SecretIdList": [] }), "InvalidParameterException"),
        ] {
            assert_eq!(store.answer(operation, &request, 1000.0).unwrap_err().code, code, "{operation}");
        }
    }
}
