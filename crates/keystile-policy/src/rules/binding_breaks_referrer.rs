//! Labels of a Namespace, changed so that objects in it would be refused.

use super::{Rule, none};
use crate::judgement::Action;
use crate::kind::Kind;

/// See the rule's texts.
pub static BINDING_BREAKS_REFERRER: Rule = Rule {
    id: "binding-breaks-referrer",
    summary: "The labels of a Namespace are changed so that an object in it, or one of the cluster that goes to it, would be refused and was not refused for that before.",
    why: "Grants follow the labels. What one team's namespace was admitted to read goes on being read after the namespace is another's.",
    example: "# kubectl label namespace team-a-jobs --overwrite team=team-b   (its ExternalSecrets read /prod/team-a/db)\napiVersion: v1\nkind: Namespace\nmetadata: {name: team-a-jobs, labels: {team: team-b, env: prod}}",
    instead: "Remove or change the objects that the new owner may not have, then label the namespace.",
    references: &["https://kubernetes.io/docs/concepts/security/multi-tenancy/"],
    default_action: Action::Deny,
    kinds: &[Kind::Namespace],
    check: none,
};
