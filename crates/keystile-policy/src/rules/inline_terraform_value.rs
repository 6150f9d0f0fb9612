//! A secret's value in a Terraform configuration.

use super::Rule;
use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::subject::terraform;
use crate::violation::Violation;

/// See the rule's texts.
pub static INLINE_TERRAFORM_VALUE: Rule = Rule {
    id: "inline-terraform-value",
    summary: "A Terraform configuration holds the value of a secret in plain text.",
    why: "The value is in the repository's history, in the plan and in the state, whoever may read the secret itself.",
    example: "resource \"aws_secretsmanager_secret_version\" \"db\" {\n  secret_id     = aws_secretsmanager_secret.db.id\n  secret_string = \"a literal\"\n}",
    instead: "Generate it (`random_password`, write-only `secret_string_wo` from an ephemeral resource), or set it outside of Terraform.",
    references: &["https://developer.hashicorp.com/terraform/language/manage-sensitive-data"],
    default_action: Action::Deny,
    kinds: &[Kind::TerraformSecret, Kind::TerraformVersion, Kind::TerraformParameter],
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Violation>) {
    let managed = context.subject.managed.iter().filter_map(|secret| secret.inline_value.clone());
    let of_version = terraform::value_of_version(context.object).filter(|_| context.kind == Kind::TerraformVersion);
    for path in managed.chain(of_version) {
        // Without the value: the answer ends in logs.
        out.push(
            Violation::new(
                &INLINE_TERRAFORM_VALUE,
                &path,
                path.to_string(),
                "the value of the secret is written here in plain text",
            )
            .cure("generate it, or set it outside of Terraform, and rotate it: the history keeps it"),
        );
    }
}
