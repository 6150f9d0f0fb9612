//! Session tags that say who the store is, written by the store's author.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::shown::Shown;
use crate::subject::store::StoreProvider;
use crate::violation::Violation;

/// See the rule's texts.
pub static STORE_SESSION_TAG_FORGED: Rule = Rule {
    id: "store-session-tag-forged",
    summary: "A store writes a session tag that External Secrets itself sets to the namespace, name or kind of the store.",
    why: "IAM policies decide by these tags whose secrets are read. A store that writes them is whoever it says.",
    example: "spec:\n  provider:\n    aws:\n      sessionTags: [{key: esoNamespace, value: team-b}]",
    instead: "Leave the tag out; `sessionTagsPolicy: Simple` sets it to what is true.",
    references: &["https://external-secrets.io/latest/provider/aws-access/"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretStore, Kind::ClusterSecretStore],
    check,
};

/// The tags that External Secrets sets. Source: 2.9.0, providers/v1/aws/auth/auth.go.
const OWN_TAGS: &[&str] = &["esoNamespace", "esoStoreName", "esoStoreKind"];

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let Some(store) = context.subject.store.as_deref() else { return };
    let StoreProvider::Aws(aws) = &store.provider else { return };
    for (field, keys) in [
        ("sessionTags", &aws.session_tag_keys),
        ("transitiveTagKeys", &aws.transitive_tag_keys),
        ("customSessionTags", &aws.custom_session_tag_keys),
    ] {
        // IAM compares keys of tags without regard to case.
        for (index, key) in
            keys.iter().enumerate().filter(|(_, key)| OWN_TAGS.iter().any(|own| own.eq_ignore_ascii_case(key)))
        {
            let path = store.path(field);
            let path = match field {
                "sessionTags" => path.item(index).field("key"),
                "transitiveTagKeys" => path.item(index),
                _ => path.field(key),
            };
            let message = match field {
                "transitiveTagKeys" => {
                    format!("it hands on the session tag {}, by which IAM tells stores apart", Shown(key))
                }
                _ => format!("it writes the session tag {} itself, by which IAM tells stores apart", Shown(key)),
            };
            out.push(
                Violation::new(&STORE_SESSION_TAG_FORGED, path, format!("{field} {key}"), message)
                    .cure("leave it out; sessionTagsPolicy: Simple sets it to what is true"),
            );
        }
    }
}
