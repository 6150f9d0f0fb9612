//! A policy in a file, read again when its content changes.
//!
//! A ConfigMap that is mounted changes by a swap of the symbolic link `..data`, so content is compared,
//! as for certificates ([`crate::tls::files`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keystile_manifest::{Document, Source};
use keystile_policy::Policy;
use keystile_policy::policy::document::Problem;
use serde_json::Value;

use super::PolicyInForce;

/// Most errors of one document that are logged.
const MAX_LOGGED: usize = 20;

/// A file that holds a policy.
#[derive(Debug)]
pub struct PolicyFile {
    file: PathBuf,
}

impl PolicyFile {
    /// Not looked at yet.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into() }
    }

    /// One look: another content comes into force, or is told once what is wrong with it.
    pub fn refresh(&self, policy: &PolicyInForce, now: Timestamp) {
        let name = self.file.display().to_string();
        let bytes = match std::fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) => {
                // Told when it begins; a swap leaves no file for a moment, which is over at the next look.
                if policy.is_lost() {
                    tracing::error!(file = name, %error, "the policy file can't be read, what is in force stays");
                    policy.keep("the policy file can't be read");
                }
                return;
            }
        };
        let digest = super::digest(&bytes);
        if !policy.is_other(digest) {
            return;
        }
        match parse(&self.file, bytes, |document| policy.read(document, now)) {
            Ok((read, warnings)) => {
                for warning in warnings {
                    tracing::warn!(file = name, "{warning}");
                }
                tracing::info!(file = name, policy = read.name, "the policy is in force");
                policy.replace(read, digest);
            }
            Err(errors) => {
                for error in errors.iter().take(MAX_LOGGED) {
                    tracing::error!(file = name, "{error}");
                }
                if errors.len() > MAX_LOGGED {
                    tracing::error!(file = name, more = errors.len() - MAX_LOGGED, "further errors");
                }
                tracing::error!(file = name, "the policy has errors, what is in force stays");
                policy.keep("the newest document has errors, which the log names");
            }
        }
    }

    /// Looks every `interval`, for ever. A document is read and checked beside the threads that serve.
    pub async fn watch(self, policy: Arc<PolicyInForce>, interval: Duration) {
        let (file, unread) = (Arc::new(self), Arc::clone(&policy));
        loop {
            tokio::time::sleep(interval).await;
            let (file, policy) = (Arc::clone(&file), Arc::clone(&policy));
            let looked = tokio::task::spawn_blocking(move || file.refresh(&policy, Timestamp::now()));
            if let Err(error) = looked.await {
                tracing::error!(%error, "reading the policy failed");
                // It ended before it could say so itself.
                unread.keep("reading the newest document failed");
            }
        }
    }
}

/// The policy with its warnings, or its errors; each as `FILE:LINE:COLUMN: what is wrong`.
fn parse(
    file: &Path,
    bytes: Vec<u8>,
    read: impl FnOnce(&Value) -> Result<(Policy, Vec<Problem>), Vec<Problem>>,
) -> Result<(Policy, Vec<String>), Vec<String>> {
    let name = file.display().to_string();
    let source = Source::from_bytes(name.clone(), bytes).map_err(|error| vec![format!("{name}: {error}")])?;
    let document = keystile_manifest::read_one(&Arc::new(source)).map_err(|error| vec![error.to_string()])?;
    let placed = |problems: Vec<Problem>| problems.iter().map(|problem| placed(&document, problem)).collect();
    match read(&document.value) {
        Ok((policy, warnings)) => Ok((policy, placed(warnings))),
        Err(problems) => Err(placed(problems)),
    }
}

fn placed(document: &Document, problem: &Problem) -> String {
    let located = document.locate(&problem.path);
    format!("{}:{}: {problem}", located.source.name(), located.position)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use keystile_policy::policy::document;

    use super::*;
    use crate::metrics::PolicyMetrics;

    const GOOD: &str = "apiVersion: keystile.dev/v1alpha1
kind: SecretPolicy
metadata: {name: default}
spec:
  binding: {team: {label: team}, env: {label: env}}
  providers:
  - aws: {accounts: [\"111111111111\"], regions: [eu-west-1]}
    grants: [{names: \"/{env}/{team}/**\", access: [read]}]
";

    /// A volume as the kubelet lays it.
    struct Volume(tempfile::TempDir);

    impl Volume {
        fn new(text: &str) -> Self {
            let volume = Self(tempfile::tempdir().unwrap());
            symlink(Path::new("..data").join("policy.yaml"), volume.0.path().join("policy.yaml")).unwrap();
            volume.swap("..1", text);
            volume
        }

        fn swap(&self, version: &str, text: &str) {
            let folder = self.0.path().join(version);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("policy.yaml"), text).unwrap();
            symlink(version, self.0.path().join("..tmp")).unwrap();
            fs::rename(self.0.path().join("..tmp"), self.0.path().join("..data")).unwrap();
        }

        fn file(&self) -> PolicyFile {
            PolicyFile::new(self.0.path().join("policy.yaml"))
        }
    }

    fn at(date: &str) -> Timestamp {
        format!("{date}T12:00:00Z").parse().unwrap()
    }

    #[test]
    fn only_a_whole_and_valid_document_comes_into_force() {
        let metrics = PolicyMetrics::default();
        let policy = PolicyInForce::new(metrics.clone());
        let volume = Volume::new("kind: [");
        let file = volume.file();
        let now = at("2026-11-25");
        file.refresh(&policy, now);
        assert!(policy.engine().is_none() && policy.readiness().is_err(), "nothing valid yet");

        volume.swap("..2", GOOD);
        file.refresh(&policy, now);
        let first = policy.engine().unwrap();
        assert_eq!(policy.readiness(), Ok(None));

        let broken =
            ["", "a: 1\na: 2\n", "kind: SecretPolicy\n", &GOOD.replace("regions", "region"), "---\n---\nx: 1\n"];
        for (number, text) in broken.iter().enumerate() {
            volume.swap(&format!("..broken-{number}"), text);
            file.refresh(&policy, now);
            assert!(Arc::ptr_eq(&policy.engine().unwrap(), &first), "{text}");
            assert!(policy.readiness().unwrap().is_some(), "{text}");
            assert_eq!(metrics.current.get(), 0, "{text}");
        }
        volume.swap("..3", GOOD);
        file.refresh(&policy, now);
        assert!(Arc::ptr_eq(&policy.engine().unwrap(), &first), "the one in force, put back");
        assert_eq!((policy.readiness(), metrics.current.get()), (Ok(None), 1));

        volume.swap("..4", &GOOD.replace("eu-west-1", "eu-central-1"));
        file.refresh(&policy, now);
        assert!(!Arc::ptr_eq(&policy.engine().unwrap(), &first));

        fs::remove_file(volume.0.path().join("..data")).unwrap();
        file.refresh(&policy, now);
        assert!(policy.engine().is_some(), "a file that is gone takes nothing with it");
        assert_eq!(metrics.current.get(), 0);
    }

    #[test]
    fn an_error_has_its_place() {
        let text = GOOD.replace("regions: [eu-west-1]", "region: eu-west-1");
        let errors =
            parse(Path::new("policy.yaml"), text.into_bytes(), |document| document::read(document, at("2026-11-25")))
                .unwrap_err();
        assert!(
            errors.iter().any(|error| error.starts_with("policy.yaml:7:47: error: spec.providers[0].aws.region")),
            "{errors:?}"
        );
        let errors =
            parse(Path::new("p"), b"a: 1\na: 2\n".to_vec(), |document| document::read(document, at("2026-11-25")))
                .unwrap_err();
        assert!(errors[0].starts_with("p:2:1: "), "{errors:?}");
        let errors =
            parse(Path::new("p"), vec![0xff, 0xff], |document| document::read(document, at("2026-11-25"))).unwrap_err();
        assert!(errors[0].starts_with("p: not UTF-8"), "{errors:?}");
    }

    #[test]
    fn an_exception_that_expired_overnight_does_not_take_the_policy_away() {
        let text = format!(
            "{GOOD}  exceptions:\n  - {{rule: rotation-too-slow, namespace: a, kind: SecretsManagerSecret, name: s, owner: t@example.com, reason: \"ticket 1\", expires: 2026-11-24}}\n"
        );
        let volume = Volume::new(&text);
        let policy = PolicyInForce::new(PolicyMetrics::default());
        let file = volume.file();
        file.refresh(&policy, at("2026-11-25"));
        assert!(policy.engine().is_some(), "at the start it may have been in force before");
        let first = policy.engine().unwrap();
        volume.swap("..2", &text.replace("ticket 1", "ticket 2"));
        file.refresh(&policy, at("2026-11-25"));
        assert!(Arc::ptr_eq(&policy.engine().unwrap(), &first), "written anew, it is an error");
    }
}
