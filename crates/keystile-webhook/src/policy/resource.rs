//! The policy as a custom resource: the one SecretPolicy that is named is in force, and each says in its
//! status what is wrong with it. The leader writes the status.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use keystile_policy::kind::KEYSTILE;
use keystile_policy::policy::document::{self, Problem};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};

use super::PolicyInForce;
use super::definition::{KIND, PLURAL, VERSION};
use crate::leader::{Leader, describe};

/// Most problems that a status lists.
const MAX_LISTED: usize = 20;
/// How often to look whether a status is to be written: after a change, and when another leader was lost.
const STATUS: Duration = Duration::from_secs(2);
/// The first pause after a watch failed; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The SecretPolicies of a cluster.
pub struct PolicyResources {
    resources: Api<DynamicObject>,
    /// The one that is in force.
    name: String,
    /// By name, as they were seen last.
    seen: Mutex<BTreeMap<String, Seen>>,
}

#[derive(Clone, Debug)]
struct Seen {
    generation: i64,
    document: Value,
    status: Value,
}

impl PolicyResources {
    /// `name` is that of the one in force.
    #[must_use]
    pub fn new(client: Client, name: String) -> Arc<Self> {
        let kind = GroupVersionKind::gvk(KEYSTILE, VERSION, KIND);
        let resource = ApiResource::from_gvk_with_plural(&kind, PLURAL);
        Arc::new(Self { resources: Api::all_with(client, &resource), name, seen: Mutex::default() })
    }

    /// Follows them for ever. A failing watch leaves in force what is.
    pub async fn keep(self: Arc<Self>, policy: Arc<PolicyInForce>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut events = watcher(self.resources.clone(), watcher::Config::default()).boxed();
            let mut listed = BTreeMap::new();
            let error = loop {
                match events.next().await {
                    Some(Ok(Event::Init)) => listed.clear(),
                    Some(Ok(Event::InitApply(object))) => {
                        let (name, seen) = read(object);
                        listed.insert(name, seen);
                    }
                    Some(Ok(Event::InitDone)) => {
                        pause = FIRST_PAUSE;
                        *self.seen() = std::mem::take(&mut listed);
                        self.take(&policy);
                    }
                    Some(Ok(Event::Apply(object))) => {
                        let (name, seen) = read(object);
                        let is_ours = name == self.name;
                        self.seen().insert(name, seen);
                        if is_ours {
                            self.take(&policy);
                        }
                    }
                    Some(Ok(Event::Delete(object))) => {
                        let (name, _) = read(object);
                        self.seen().remove(&name);
                        if name == self.name {
                            self.take(&policy);
                        }
                    }
                    Some(Err(error)) => break error.to_string(),
                    None => break "the watch ended".to_owned(),
                }
            };
            tracing::warn!(error, "the watch of SecretPolicies failed, what is in force stays");
            if policy.engine().is_none() {
                policy.keep("SecretPolicies can't be read from the cluster: is their definition installed?");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Puts the named one into force, if it can be.
    fn take(&self, policy: &PolicyInForce) {
        let name = &self.name;
        let Some(seen) = self.seen().get(name).cloned() else {
            tracing::error!(policy = name, "there is no SecretPolicy of this name, what is in force stays");
            policy.keep(&format!("there is no SecretPolicy {name}"));
            return;
        };
        let digest = super::digest(seen.document.to_string().as_bytes());
        if !policy.is_other(digest) {
            return;
        }
        match policy.read(&seen.document, Timestamp::now()) {
            Ok((read, warnings)) => {
                for warning in warnings {
                    tracing::warn!(policy = name, generation = seen.generation, "{warning}");
                }
                tracing::info!(policy = name, generation = seen.generation, "the policy is in force");
                policy.replace(read, digest);
            }
            Err(problems) => {
                for problem in problems.iter().take(MAX_LISTED) {
                    tracing::error!(policy = name, generation = seen.generation, "{problem}");
                }
                tracing::error!(
                    policy = name,
                    generation = seen.generation,
                    "the policy has errors, what is in force stays"
                );
                policy.keep("the newest document has errors, which its status and the log name");
            }
        }
    }

    /// Writes status where this replica leads, for ever.
    pub async fn keep_status(self: Arc<Self>, leader: Arc<Leader>) {
        loop {
            tokio::time::sleep(STATUS).await;
            if !leader.is_us() {
                continue;
            }
            let all = self.seen().clone();
            for (name, seen) in all {
                let status = status(&seen, name == self.name, Timestamp::now());
                if says_the_same(&seen.status, &status) {
                    continue;
                }
                let patch = Patch::Merge(json!({"status": status}));
                match self.resources.patch_status(&name, &PatchParams::default(), &patch).await {
                    Ok(_) => {
                        if let Some(seen) = self.seen().get_mut(&name) {
                            seen.status = status;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(policy = name, error = describe(&error), "the status could not be written");
                    }
                }
            }
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(object: DynamicObject) -> (String, Seen) {
    let name = object.metadata.name.unwrap_or_default();
    let document = json!({
        "apiVersion": format!("{KEYSTILE}/{VERSION}"),
        "kind": KIND,
        "metadata": {"name": name},
        "spec": object.data.get("spec"),
    });
    let status = object.data.get("status").cloned().unwrap_or_default();
    (name, Seen { generation: object.metadata.generation.unwrap_or_default(), document, status })
}

/// The status of a document at `now`. Times are those of the last change of the verdict.
fn status(seen: &Seen, is_named: bool, now: Timestamp) -> Value {
    // One that is in force already stays so when an exception expires.
    let (is_valid, problems): (bool, Vec<Problem>) = match document::read_in_force(&seen.document, now) {
        Ok((_, warnings)) => (true, warnings),
        Err(problems) => (false, problems),
    };
    let errors = problems.iter().filter(|problem| problem.is_error).count();
    let (state, reason, message) = match (is_named, is_valid) {
        (true, true) => ("True", "Valid", "This policy is in force.".to_owned()),
        (true, false) => {
            ("False", "Invalid", format!("{errors} errors: the last policy that was valid stays in force."))
        }
        (false, true) => ("False", "NotNamed", "Valid, but another policy is named by --policy-name.".to_owned()),
        (false, false) => ("False", "Invalid", format!("{errors} errors; another policy is named by --policy-name.")),
    };
    let before = seen.status.pointer("/conditions/0");
    let since = before
        .filter(|before| before["status"] == state)
        .and_then(|before| before["lastTransitionTime"].as_str().map(str::to_owned))
        .unwrap_or_else(|| now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let listed: Vec<String> = problems.iter().take(MAX_LISTED).map(ToString::to_string).collect();
    json!({
        "observedGeneration": seen.generation,
        "errorCount": errors,
        "problems": listed,
        "conditions": [{
            "type": "InForce", "status": state, "reason": reason, "message": message,
            "lastTransitionTime": since, "observedGeneration": seen.generation,
        }],
    })
}

fn says_the_same(written: &Value, status: &Value) -> bool {
    written == status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(spec: Value) -> Seen {
        let document = json!({"apiVersion": "keystile.dev/v1alpha1", "kind": "SecretPolicy", "metadata": {"name": "default"}, "spec": spec});
        Seen { generation: 3, document, status: Value::Null }
    }

    fn good() -> Value {
        json!({
            "binding": {"team": {"label": "team"}, "env": {"label": "env"}},
            "providers": [{
                "aws": {"accounts": ["111111111111"], "regions": ["eu-west-1"]},
                "grants": [{"names": "/{env}/{team}/**", "access": ["read"]}],
            }],
        })
    }

    #[test]
    fn a_status_says_what_is_in_force_and_what_is_wrong() {
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        let condition =
            |status: &Value| (status["conditions"][0]["status"].clone(), status["conditions"][0]["reason"].clone());
        let named = status(&seen(good()), true, now);
        assert_eq!(condition(&named), (json!("True"), json!("Valid")));
        assert_eq!((&named["errorCount"], &named["observedGeneration"]), (&json!(0), &json!(3)));
        assert_eq!(condition(&status(&seen(good()), false, now)), (json!("False"), json!("NotNamed")));

        let mut broken = good();
        broken["providers"][0]["aws"]["region"] = json!("x");
        let broken = status(&seen(broken), true, now);
        assert_eq!(condition(&broken), (json!("False"), json!("Invalid")));
        let problems = broken["problems"][0].as_str().unwrap();
        assert!(problems.contains("spec.providers[0].aws.region: there is no field"), "{problems}");
    }

    #[test]
    fn the_time_is_that_of_the_last_change() {
        let first = status(&seen(good()), true, "2026-11-25T12:00:00Z".parse().unwrap());
        let again = Seen { status: first.clone(), ..seen(good()) };
        let later = status(&again, true, "2026-11-26T12:00:00Z".parse().unwrap());
        assert_eq!(first, later, "nothing to write");
    }
}
