//! A secret of Terraform outside of the grants.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::policy::{Access, Provider};
use crate::shown::Shown;
use crate::subject::managed::Maker;
use crate::violation::Violation;

/// See the rule's texts.
pub static KEY_TERRAFORM_OUTSIDE_GRANT: Rule = Rule {
    id: "key-terraform-outside-grant",
    summary: "Terraform makes a secret under a name that its team may not write.",
    why: "Whoever makes a secret under a neighbour's prefix decides what the neighbour's workloads read.",
    example: "resource \"aws_secretsmanager_secret\" \"db\" {\n  name = \"/prod/team-b/db\"   # checked with --namespace of team-a\n}",
    instead: "Name the secret below the team's own prefix, or ask for a grant to write.",
    references: &["https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/secretsmanager_secret"],
    default_action: Action::Deny,
    kinds: &[Kind::TerraformSecret, Kind::TerraformParameter],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    // Nobody said whose it is: then only its settings are judged.
    let Some(binding) = context.binding else { return };
    for secret in &context.subject.managed {
        // A name that is not known is `object-unrendered`; one that Terraform makes up is in no grant.
        let Some(name) = secret.name.setting.known().filter(|name| !name.contains("${")) else { continue };
        let own = match secret.maker {
            Maker::TerraformParameter => "ParameterStore",
            _ => "SecretsManager",
        };
        let entries = context.policy.providers.iter().filter(|entry| match &entry.provider {
            Provider::Aws { services, .. } => services.allows(context.env(), |service| service == own),
            _ => false,
        });
        let grants: Vec<_> = entries
            .flat_map(|entry| &entry.grants)
            .filter(|grant| context.has_grant(grant, None, Access::Write))
            .collect();
        if grants.iter().any(|grant| grant.names.matches(name, binding)) {
            continue;
        }
        let shown: Vec<String> = grants.iter().map(|grant| grant.names.filled(binding)).collect();
        let cure = match shown.as_slice() {
            [] => format!("nothing may be written by {binding}"),
            shown => format!("{binding} may write {}", shown.join(", ")),
        };
        out.push(
            Violation::new(
                &KEY_TERRAFORM_OUTSIDE_GRANT,
                &secret.name.path,
                &**name,
                format!("{} is outside of what may be written", Shown(name)),
            )
            .cure(cure)
            .effective_key(&**name)
            .grants(shown),
        );
    }
}
