//! A secret of the operator that is not granted to the team.

use super::{KEY_ARN_FOREIGN, KEY_NOT_CANONICAL, Rule};
use crate::context::{Context, Resolved};
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::Access;
use crate::provider::{self, KeyFault};
use crate::request::Operation;
use crate::shown::Shown;
use crate::subject::Names;
use crate::violation::Violation;
use crate::world::Lookup;

/// See the rule's texts.
pub static OPERATOR_OUTSIDE_GRANT: Rule = Rule {
    id: "operator-outside-grant",
    summary: "A SecretsManagerSecret names a remote secret that its namespace may not write, or would destroy one that it may not delete.",
    why: "The operator asks nobody whose secret it is: it writes over an existing one every five minutes, and deletes it with the object.",
    example: "kind: SecretsManagerSecret\nspec: {secretName: /prod/team-b/db}   # in a namespace of team-a",
    instead: "Name a secret below the team's own prefix, ask for a grant, or write deletionPolicy: Retain where deleting is what is not granted.",
    references: &["https://github.com/andrebassi/infra-operator-aws"],
    default_action: Action::Deny,
    kinds: &[Kind::SecretsManagerSecret],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    if context.binding.is_none() {
        return;
    }
    let is_deleted = context.request.operation == Operation::Delete;
    for resolved in &context.resolved {
        // With the object goes what it would destroy; what it writes it has written.
        if is_deleted && resolved.reference.access != Access::Delete {
            continue;
        }
        if let (Some(Err(fault)), Names::Key(key)) = (&resolved.key, &resolved.reference.names) {
            ungrantable(context, resolved, fault, key, out);
        }
        let (Lookup::Found(store), Some(Ok(key))) = (&resolved.store, &resolved.key) else { continue };
        let access = resolved.reference.access;
        if context.is_key_granted(store, access, key)
            || provider::fits_none(store, &context.policy.providers, context.env()).is_some()
        {
            continue;
        }
        let (verb, cure) = match access {
            Access::Delete => ("deleted", "write deletionPolicy: Retain, or ask for a grant to delete"),
            Access::Read | Access::Write => ("written", "name a secret of the own team, or ask for a grant to write"),
        };
        let about = format!("{} {verb}", key.name);
        out.push(
            Violation::new(
                &OPERATOR_OUTSIDE_GRANT,
                &resolved.reference.path,
                about,
                format!("{} is {verb} by this object, and that is not granted", Shown(&key.name)),
            )
            .cure(cure)
            .effective_key(&*key.name)
            .grants(context.grants_shown(store, access)),
        );
    }
}

/// A name that no grant could cover. The rule about its fault says more; where a policy lets that pass, the
/// name is still outside of every grant.
fn ungrantable(context: &Context<'_>, resolved: &Resolved<'_>, fault: &KeyFault, key: &str, out: &mut Vec<Violation>) {
    let rule = match fault {
        KeyFault::NotCanonical(_) | KeyFault::ArnBehindPrefix => &KEY_NOT_CANONICAL,
        KeyFault::ForeignArn(_) => &KEY_ARN_FOREIGN,
        KeyFault::ProviderNotJudged(_) => return, // an AWSProvider is always Secrets Manager
    };
    if context.policy.action(rule, context.env()) != Action::Deny {
        let message = format!("{} can't be compared with what is granted", Shown(key));
        let violation = Violation::new(&OPERATOR_OUTSIDE_GRANT, &resolved.reference.path, key, message);
        if !out.iter().any(|other| other.is_same(&violation)) {
            out.push(violation);
        }
    }
}
