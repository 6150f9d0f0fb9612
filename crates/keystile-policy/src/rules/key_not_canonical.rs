//! A key that is no canonical name.

use std::borrow::Cow;

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::provider::{KeyFault, canonical};
use crate::shown::Shown;
use crate::subject::Names;
use crate::subject::store::StoreProvider;
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static KEY_NOT_CANONICAL: Rule = Rule {
    id: "key-not-canonical",
    summary: "A key holds characters, segments or a length that no canonical name of its provider has.",
    why: "A name that can be written in several ways can't be compared with a grant: dot segments and escapes climb in some providers, look-alike letters deceive reviewers, an empty key reads the store's prefix itself.",
    example: "spec:\n  data:\n  - secretKey: password\n    remoteRef: {key: /prod/team-a/../team-b/db}",
    instead: "Write the name as the provider lists it: ASCII letters, digits and the provider's few signs, no empty segment, no `.` and `..`.",
    references: &[
        "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html",
        "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html",
    ],
    default_action: Action::Deny,
    kinds: &[
        Kind::ExternalSecret,
        Kind::ClusterExternalSecret,
        Kind::PushSecret,
        Kind::ClusterPushSecret,
        Kind::SecretsManagerSecret,
    ],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    for resolved in &context.resolved {
        let (Some(Err(fault)), Names::Key(key)) = (&resolved.key, &resolved.reference.names) else { continue };
        let how = match fault {
            KeyFault::NotCanonical(how) => how,
            KeyFault::ArnBehindPrefix => "is an ARN, and the store puts its prefix before it",
            KeyFault::ForeignArn(_) | KeyFault::ProviderNotJudged(_) => continue,
        };
        // The same key behind another prefix is another name.
        let about = match &resolved.store {
            Lookup::Found(store) => match &store.provider {
                StoreProvider::Aws(aws) => canonical::joined(&aws.prefix, key),
                _ => Cow::Borrowed(*key),
            },
            Lookup::Absent | Lookup::Unknown => Cow::Borrowed(*key),
        };
        let message = format!("the name {} {how}", Shown(key));
        let violation = Violation::new(&KEY_NOT_CANONICAL, &resolved.reference.path, about, message)
            .cure("write the secret's name exactly as the provider has it");
        out.push(match &resolved.store {
            Lookup::Found(store) => violation.place(context.place(store)),
            Lookup::Absent | Lookup::Unknown => violation,
        });
    }
}
