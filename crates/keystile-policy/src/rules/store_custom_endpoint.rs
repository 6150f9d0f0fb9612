//! A store that talks to a server of its author's choice, or talks to the right one in another's name.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::request::Door;
use crate::shown::Shown;
use crate::subject::store::StoreProvider;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_CUSTOM_ENDPOINT: Rule = Rule {
    id: "store-custom-endpoint",
    summary: "A store sends requests elsewhere than its provider's own address says, or with headers that change whose they are.",
    why: "A token that is asked for at another endpoint is given away. A header that names another Vault namespace reads from there, whatever `namespace` says. A field that this release does not know could do either.",
    example: "spec:\n  provider:\n    vault:\n      server: https://vault.example:8200\n      headers: {X-Vault-Namespace: team-b}",
    instead: "Leave the field out; name the server and the namespace where the policy can see them.",
    references: &["https://developer.hashicorp.com/vault/api-docs#namespaces"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(store) = context.subject.store.as_deref() else { return };
    match &store.provider {
        StoreProvider::Vault(vault) => {
            for header in vault.header_names.iter().filter(|name| is_telling(name)) {
                let message = format!("the header {} changes whose request it is", Shown(header));
                out.push(
                    Violation::new(&STORE_CUSTOM_ENDPOINT, store.path("headers").field(header), &**header, message)
                        .cure("leave it out"),
                );
            }
        }
        StoreProvider::Gcp(gcp) => {
            if let Some(endpoint) = gcp.token_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) {
                let path = store.path("auth.workloadIdentityFederation.externalTokenEndpoint");
                let message = format!("tokens are asked for at {}", Shown(endpoint));
                out.push(
                    Violation::new(&STORE_CUSTOM_ENDPOINT, path, endpoint, message)
                        .cure("log in with a service account's token"),
                );
            }
        }
        _ => {}
    }
    // Offline such a field is pruned by the API server, and object-unknown-field says so.
    if context.request.door == Door::Admission {
        for field in &store.identity.unknown_fields {
            let message = format!("the field {} is none that this release of keystile knows", Shown(field));
            out.push(
                Violation::new(&STORE_CUSTOM_ENDPOINT, store.path(field), &**field, message)
                    .cure("leave it out, or update keystile"),
            );
        }
    }
}

/// Whether a header tells Vault, or a proxy before it, who asks or for whom.
fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("x-vault-")
        || name.starts_with("x-forwarded-")
        || matches!(&*name, "authorization" | "host" | "forwarded")
}
