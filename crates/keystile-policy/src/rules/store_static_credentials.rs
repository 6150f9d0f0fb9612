//! Credentials that lie in a Secret.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_STATIC_CREDENTIALS: Rule = Rule {
    id: "store-static-credentials",
    summary: "A store logs in with credentials that lie in a Secret.",
    why: "A key that is stored is a secret that nobody rotates, that is copied with every backup, and whose permissions no policy here can see.",
    example: "spec:\n  provider:\n    aws:\n      service: SecretsManager\n      region: eu-west-1\n      auth: {secretRef: {accessKeyIDSecretRef: {name: keys, key: id}, secretAccessKeySecretRef: {name: keys, key: secret}}}",
    instead: "Log in with a service account's token: `auth.jwt.serviceAccountRef`, or the provider's workload identity.",
    references: &["https://external-secrets.io/latest/guides/security-best-practices/"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(store) = context.subject.store.as_deref() else { return };
    // One key has two or three parts, mostly of one Secret: it is said once.
    let mut said: Vec<&str> = Vec::new();
    for credentials in store.identity.static_credentials() {
        if said.contains(&&*credentials.name) {
            continue;
        }
        said.push(&credentials.name);
        let message = format!("it logs in with what lies in Secret {}", Shown(&credentials.name));
        out.push(
            Violation::new(&STORE_STATIC_CREDENTIALS, store.path(credentials.field), &*credentials.name, message)
                .cure("log in with a service account's token"),
        );
    }
}
