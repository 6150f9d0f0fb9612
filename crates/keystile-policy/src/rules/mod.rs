//! The rules: one file each, with what it does, why it matters, an example and what to use instead.
//! The reference page is generated from these texts.

mod acting;
mod binding_breaks_referrer;
mod binding_cluster_object;
mod binding_label_changed;
mod binding_name_taken;
mod binding_unbound;
mod binding_value_unusable;
mod deletion_immediate;
mod deletion_policy_absent;
mod deletion_policy_unknown;
mod deletion_recovery_window;
mod fanout_namespaced_store;
mod fanout_shared_write;
mod fanout_unbound_namespace;
mod fanout_unguarded_label;
pub(crate) mod fanout_wrong_binding;
mod find_negated;
mod find_not_judged;
mod find_not_proved;
mod find_tags_alone;
mod find_unbounded;
mod generator_breaks_referrer;
mod generator_controller_identity;
mod generator_foreign_namespace;
mod generator_not_listed;
mod generator_role_not_granted;
mod generator_service_account_not_granted;
mod generator_state_forged;
mod identity_references;
mod identity_roles;
mod inline_credential;
mod inline_template_value;
mod inline_terraform_value;
mod inline_value;
mod inventory_kms_key;
mod inventory_pending_deletion;
mod inventory_rotation_off;
mod inventory_rotation_overdue;
mod inventory_rotation_slow;
mod inventory_tag_missing;
mod inventory_unknown;
mod inventory_value_old;
mod key_agent_outside_grant;
mod key_agent_undecidable;
mod key_arn_foreign;
mod key_is_arn;
mod key_not_canonical;
mod key_outside_grant;
mod key_terraform_outside_grant;
mod key_unresolved;
mod kms_key_aws_managed;
mod kms_key_foreign;
mod kms_key_malformed;
mod kms_key_missing;
mod kms_key_not_listed;
mod kms_replica_key;
mod kms_replica_region;
mod object_unknown_field;
mod object_unknown_version;
mod object_unparsable;
pub(crate) mod object_unrendered;
mod operator_credentials;
mod operator_endpoint;
mod operator_outside_grant;
mod operator_provider_foreign;
mod operator_provider_unknown;
mod operator_region;
mod operator_role_not_granted;
mod operator_secret_renamed;
mod policy_invalid;
mod policy_questionable;
mod push_copies_secret;
mod push_delete_outside_grant;
mod push_grant;
mod push_metadata_spelled_twice;
mod push_metadata_unparsed;
mod push_name_at_run_time;
mod push_other_namespace;
mod push_plaintext_parameter;
mod push_replica_region;
mod push_resource_policy;
mod push_settings;
mod push_status_written;
mod push_store_by_label;
mod push_write_outside_grant;
mod refresh_closed_window;
mod refresh_immutable_target;
mod refresh_once_only;
mod refresh_too_rare;
mod rotation_disabled;
mod rotation_missing;
mod rotation_no_function;
mod rotation_schedule_unreadable;
mod rotation_too_slow;
mod rotation_two_schedules;
mod rotation_unscheduled;
mod store_agent_not_granted;
mod store_agent_role;
mod store_agent_setting;
mod store_breaks_referrer;
mod store_controller_identity;
mod store_controller_not_granted;
mod store_custom_endpoint;
mod store_foreign_namespace;
mod store_not_granted;
mod store_permanent_deletion;
mod store_prefix_open_ended;
mod store_prefix_outside_grant;
mod store_referrers_not_judged;
mod store_role_not_granted;
mod store_service_account_not_granted;
mod store_session_tag_forged;
mod store_static_credentials;
mod store_unbounded;
mod tag_missing;
mod target_not_listed;
mod version_pinned;

use crate::context::Context;
use crate::judgement::Action;
use crate::kind::Kind;
use crate::violation::Violation;

pub use binding_breaks_referrer::BINDING_BREAKS_REFERRER;
pub use binding_cluster_object::BINDING_CLUSTER_OBJECT;
pub use binding_label_changed::BINDING_LABEL_CHANGED;
pub use binding_name_taken::BINDING_NAME_TAKEN;
pub use binding_unbound::BINDING_UNBOUND;
pub use binding_value_unusable::BINDING_VALUE_UNUSABLE;
pub use deletion_immediate::DELETION_IMMEDIATE;
pub use deletion_policy_absent::DELETION_POLICY_ABSENT;
pub use deletion_policy_unknown::DELETION_POLICY_UNKNOWN;
pub use deletion_recovery_window::DELETION_RECOVERY_WINDOW;
pub use fanout_namespaced_store::FANOUT_NAMESPACED_STORE;
pub use fanout_shared_write::FANOUT_SHARED_WRITE;
pub use fanout_unbound_namespace::FANOUT_UNBOUND_NAMESPACE;
pub use fanout_unguarded_label::FANOUT_UNGUARDED_LABEL;
pub use fanout_wrong_binding::FANOUT_WRONG_BINDING;
pub use find_negated::FIND_NEGATED;
pub use find_not_judged::FIND_NOT_JUDGED;
pub use find_not_proved::FIND_NOT_PROVED;
pub use find_tags_alone::FIND_TAGS_ALONE;
pub use find_unbounded::FIND_UNBOUNDED;
pub use generator_breaks_referrer::GENERATOR_BREAKS_REFERRER;
pub use generator_controller_identity::GENERATOR_CONTROLLER_IDENTITY;
pub use generator_foreign_namespace::GENERATOR_FOREIGN_NAMESPACE;
pub use generator_not_listed::GENERATOR_NOT_LISTED;
pub use generator_role_not_granted::GENERATOR_ROLE_NOT_GRANTED;
pub use generator_service_account_not_granted::GENERATOR_SERVICE_ACCOUNT_NOT_GRANTED;
pub use generator_state_forged::GENERATOR_STATE_FORGED;
pub use inline_credential::INLINE_CREDENTIAL;
pub use inline_template_value::INLINE_TEMPLATE_VALUE;
pub use inline_terraform_value::INLINE_TERRAFORM_VALUE;
pub use inline_value::INLINE_VALUE;
pub use inventory_kms_key::INVENTORY_KMS_KEY;
pub use inventory_pending_deletion::INVENTORY_PENDING_DELETION;
pub use inventory_rotation_off::INVENTORY_ROTATION_OFF;
pub use inventory_rotation_overdue::INVENTORY_ROTATION_OVERDUE;
pub use inventory_rotation_slow::INVENTORY_ROTATION_SLOW;
pub use inventory_tag_missing::INVENTORY_TAG_MISSING;
pub use inventory_unknown::INVENTORY_UNKNOWN;
pub use inventory_value_old::INVENTORY_VALUE_OLD;
pub use key_agent_outside_grant::KEY_AGENT_OUTSIDE_GRANT;
pub use key_agent_undecidable::KEY_AGENT_UNDECIDABLE;
pub use key_arn_foreign::KEY_ARN_FOREIGN;
pub use key_is_arn::KEY_IS_ARN;
pub use key_not_canonical::KEY_NOT_CANONICAL;
pub use key_outside_grant::KEY_OUTSIDE_GRANT;
pub use key_terraform_outside_grant::KEY_TERRAFORM_OUTSIDE_GRANT;
pub use key_unresolved::KEY_UNRESOLVED;
pub use kms_key_aws_managed::KMS_KEY_AWS_MANAGED;
pub use kms_key_foreign::KMS_KEY_FOREIGN;
pub use kms_key_malformed::KMS_KEY_MALFORMED;
pub use kms_key_missing::KMS_KEY_MISSING;
pub use kms_key_not_listed::KMS_KEY_NOT_LISTED;
pub use kms_replica_key::KMS_REPLICA_KEY;
pub use kms_replica_region::KMS_REPLICA_REGION;
pub use object_unknown_field::OBJECT_UNKNOWN_FIELD;
pub use object_unknown_version::OBJECT_UNKNOWN_VERSION;
pub use object_unparsable::OBJECT_UNPARSABLE;
pub use object_unrendered::OBJECT_UNRENDERED;
pub use operator_credentials::OPERATOR_CREDENTIALS;
pub use operator_endpoint::OPERATOR_ENDPOINT;
pub use operator_outside_grant::OPERATOR_OUTSIDE_GRANT;
pub use operator_provider_foreign::OPERATOR_PROVIDER_FOREIGN;
pub use operator_provider_unknown::OPERATOR_PROVIDER_UNKNOWN;
pub use operator_region::OPERATOR_REGION;
pub use operator_role_not_granted::OPERATOR_ROLE_NOT_GRANTED;
pub use operator_secret_renamed::OPERATOR_SECRET_RENAMED;
pub use policy_invalid::POLICY_INVALID;
pub use policy_questionable::POLICY_QUESTIONABLE;
pub use push_copies_secret::PUSH_COPIES_SECRET;
pub use push_delete_outside_grant::PUSH_DELETE_OUTSIDE_GRANT;
pub use push_metadata_spelled_twice::PUSH_METADATA_SPELLED_TWICE;
pub use push_metadata_unparsed::PUSH_METADATA_UNPARSED;
pub use push_name_at_run_time::PUSH_NAME_AT_RUN_TIME;
pub use push_other_namespace::PUSH_OTHER_NAMESPACE;
pub use push_plaintext_parameter::PUSH_PLAINTEXT_PARAMETER;
pub use push_replica_region::PUSH_REPLICA_REGION;
pub use push_resource_policy::PUSH_RESOURCE_POLICY;
pub use push_status_written::PUSH_STATUS_WRITTEN;
pub use push_store_by_label::PUSH_STORE_BY_LABEL;
pub use push_write_outside_grant::PUSH_WRITE_OUTSIDE_GRANT;
pub use refresh_closed_window::REFRESH_CLOSED_WINDOW;
pub use refresh_immutable_target::REFRESH_IMMUTABLE_TARGET;
pub use refresh_once_only::REFRESH_ONCE_ONLY;
pub use refresh_too_rare::REFRESH_TOO_RARE;
pub use rotation_disabled::ROTATION_DISABLED;
pub use rotation_missing::ROTATION_MISSING;
pub use rotation_no_function::ROTATION_NO_FUNCTION;
pub use rotation_schedule_unreadable::ROTATION_SCHEDULE_UNREADABLE;
pub use rotation_too_slow::ROTATION_TOO_SLOW;
pub use rotation_two_schedules::ROTATION_TWO_SCHEDULES;
pub use rotation_unscheduled::ROTATION_UNSCHEDULED;
pub use store_agent_not_granted::STORE_AGENT_NOT_GRANTED;
pub use store_agent_role::STORE_AGENT_ROLE;
pub use store_agent_setting::STORE_AGENT_SETTING;
pub use store_breaks_referrer::STORE_BREAKS_REFERRER;
pub use store_controller_identity::STORE_CONTROLLER_IDENTITY;
pub use store_controller_not_granted::STORE_CONTROLLER_NOT_GRANTED;
pub use store_custom_endpoint::STORE_CUSTOM_ENDPOINT;
pub use store_foreign_namespace::STORE_FOREIGN_NAMESPACE;
pub use store_not_granted::STORE_NOT_GRANTED;
pub use store_permanent_deletion::STORE_PERMANENT_DELETION;
pub use store_prefix_open_ended::STORE_PREFIX_OPEN_ENDED;
pub use store_prefix_outside_grant::STORE_PREFIX_OUTSIDE_GRANT;
pub use store_referrers_not_judged::STORE_REFERRERS_NOT_JUDGED;
pub use store_role_not_granted::STORE_ROLE_NOT_GRANTED;
pub use store_service_account_not_granted::STORE_SERVICE_ACCOUNT_NOT_GRANTED;
pub use store_session_tag_forged::STORE_SESSION_TAG_FORGED;
pub use store_static_credentials::STORE_STATIC_CREDENTIALS;
pub use store_unbounded::STORE_UNBOUNDED;
pub use tag_missing::TAG_MISSING;
pub use target_not_listed::TARGET_NOT_LISTED;
pub use version_pinned::VERSION_PINNED;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Kebab-case, begins with its group, describes what is found; never changes once released.
    pub id: &'static str,
    /// What it refuses: one sentence.
    pub summary: &'static str,
    /// Why it matters: what a tenant could do without it.
    pub why: &'static str,
    /// The smallest object (or part of one) that breaks it, as YAML.
    pub example: &'static str,
    /// What to write instead.
    pub instead: &'static str,
    /// Where the facts come from.
    pub references: &'static [&'static str],
    /// What it does unless the policy says otherwise.
    pub default_action: Action,
    /// The kinds that it looks at; empty = every one.
    pub kinds: &'static [Kind],
    /// Looks at one object. [`none`] for a rule that the engine itself answers.
    pub check: fn(&Context<'_>, &mut Vec<Violation>),
}

impl Rule {
    /// The group: the id up to the first hyphen.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.id.split('-').next().unwrap_or(self.id)
    }

    /// Whether what the rule is about is a name or a role: an exception then excuses one of them, not
    /// whatever the object will name.
    #[must_use]
    pub fn is_about_names(&self) -> bool {
        self.group() == "key" || self.id.ends_with("-outside-grant") || self.id.contains("-role")
    }
}

/// A check that finds nothing: the engine answers the rule before objects are read.
pub fn none(_: &Context<'_>, _: &mut Vec<Violation>) {}

/// Every rule, by group, then id.
pub static RULES: &[&Rule] = &[
    &BINDING_BREAKS_REFERRER,
    &BINDING_CLUSTER_OBJECT,
    &BINDING_LABEL_CHANGED,
    &BINDING_NAME_TAKEN,
    &BINDING_UNBOUND,
    &BINDING_VALUE_UNUSABLE,
    &DELETION_IMMEDIATE,
    &DELETION_POLICY_ABSENT,
    &DELETION_POLICY_UNKNOWN,
    &DELETION_RECOVERY_WINDOW,
    &FANOUT_NAMESPACED_STORE,
    &FANOUT_SHARED_WRITE,
    &FANOUT_UNBOUND_NAMESPACE,
    &FANOUT_UNGUARDED_LABEL,
    &FANOUT_WRONG_BINDING,
    &FIND_NEGATED,
    &FIND_NOT_JUDGED,
    &FIND_NOT_PROVED,
    &FIND_TAGS_ALONE,
    &FIND_UNBOUNDED,
    &GENERATOR_BREAKS_REFERRER,
    &GENERATOR_CONTROLLER_IDENTITY,
    &GENERATOR_FOREIGN_NAMESPACE,
    &GENERATOR_NOT_LISTED,
    &GENERATOR_ROLE_NOT_GRANTED,
    &GENERATOR_SERVICE_ACCOUNT_NOT_GRANTED,
    &GENERATOR_STATE_FORGED,
    &INLINE_CREDENTIAL,
    &INLINE_TEMPLATE_VALUE,
    &INLINE_TERRAFORM_VALUE,
    &INLINE_VALUE,
    &INVENTORY_KMS_KEY,
    &INVENTORY_PENDING_DELETION,
    &INVENTORY_ROTATION_OFF,
    &INVENTORY_ROTATION_OVERDUE,
    &INVENTORY_ROTATION_SLOW,
    &INVENTORY_TAG_MISSING,
    &INVENTORY_UNKNOWN,
    &INVENTORY_VALUE_OLD,
    &KEY_AGENT_OUTSIDE_GRANT,
    &KEY_AGENT_UNDECIDABLE,
    &KEY_ARN_FOREIGN,
    &KEY_IS_ARN,
    &KEY_NOT_CANONICAL,
    &KEY_OUTSIDE_GRANT,
    &KEY_TERRAFORM_OUTSIDE_GRANT,
    &KEY_UNRESOLVED,
    &KMS_KEY_AWS_MANAGED,
    &KMS_KEY_FOREIGN,
    &KMS_KEY_MALFORMED,
    &KMS_KEY_MISSING,
    &KMS_KEY_NOT_LISTED,
    &KMS_REPLICA_KEY,
    &KMS_REPLICA_REGION,
    &OBJECT_UNKNOWN_FIELD,
    &OBJECT_UNKNOWN_VERSION,
    &OBJECT_UNPARSABLE,
    &OBJECT_UNRENDERED,
    &OPERATOR_CREDENTIALS,
    &OPERATOR_ENDPOINT,
    &OPERATOR_OUTSIDE_GRANT,
    &OPERATOR_PROVIDER_FOREIGN,
    &OPERATOR_PROVIDER_UNKNOWN,
    &OPERATOR_REGION,
    &OPERATOR_ROLE_NOT_GRANTED,
    &OPERATOR_SECRET_RENAMED,
    &POLICY_INVALID,
    &POLICY_QUESTIONABLE,
    &PUSH_COPIES_SECRET,
    &PUSH_DELETE_OUTSIDE_GRANT,
    &PUSH_METADATA_SPELLED_TWICE,
    &PUSH_METADATA_UNPARSED,
    &PUSH_NAME_AT_RUN_TIME,
    &PUSH_OTHER_NAMESPACE,
    &PUSH_PLAINTEXT_PARAMETER,
    &PUSH_REPLICA_REGION,
    &PUSH_RESOURCE_POLICY,
    &PUSH_STATUS_WRITTEN,
    &PUSH_STORE_BY_LABEL,
    &PUSH_WRITE_OUTSIDE_GRANT,
    &REFRESH_CLOSED_WINDOW,
    &REFRESH_IMMUTABLE_TARGET,
    &REFRESH_ONCE_ONLY,
    &REFRESH_TOO_RARE,
    &ROTATION_DISABLED,
    &ROTATION_MISSING,
    &ROTATION_NO_FUNCTION,
    &ROTATION_SCHEDULE_UNREADABLE,
    &ROTATION_TOO_SLOW,
    &ROTATION_TWO_SCHEDULES,
    &ROTATION_UNSCHEDULED,
    &STORE_AGENT_NOT_GRANTED,
    &STORE_AGENT_ROLE,
    &STORE_AGENT_SETTING,
    &STORE_BREAKS_REFERRER,
    &STORE_CONTROLLER_IDENTITY,
    &STORE_CONTROLLER_NOT_GRANTED,
    &STORE_CUSTOM_ENDPOINT,
    &STORE_FOREIGN_NAMESPACE,
    &STORE_NOT_GRANTED,
    &STORE_PERMANENT_DELETION,
    &STORE_PREFIX_OPEN_ENDED,
    &STORE_PREFIX_OUTSIDE_GRANT,
    &STORE_REFERRERS_NOT_JUDGED,
    &STORE_ROLE_NOT_GRANTED,
    &STORE_SERVICE_ACCOUNT_NOT_GRANTED,
    &STORE_SESSION_TAG_FORGED,
    &STORE_STATIC_CREDENTIALS,
    &STORE_UNBOUNDED,
    &TAG_MISSING,
    &TARGET_NOT_LISTED,
    &VERSION_PINNED,
];

/// The rules that are asked when an object is deleted, of those kinds that they name: what destroys a
/// remote secret. No other rule stops a deletion.
pub static DELETE_RULES: &[&Rule] = &[&OPERATOR_OUTSIDE_GRANT, &PUSH_DELETE_OUTSIDE_GRANT];

/// The rules that are asked when a status is written, of those kinds that they name.
pub static STATUS_RULES: &[&Rule] = &[&PUSH_STATUS_WRITTEN];

/// The rule with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_sorted_documented_and_named_by_group() {
        for pair in RULES.windows(2) {
            assert!(pair[0].id < pair[1].id, "{} comes after {}", pair[0].id, pair[1].id);
        }
        for rule in RULES {
            let groups = crate::policy::document::words::GROUPS;
            assert!(groups.iter().any(|(group, _)| *group == rule.group()), "{}: add the group to GROUPS", rule.id);
            assert!(rule.id.contains('-'), "{} has no group", rule.id);
            assert!(rule.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", rule.id);
            for text in [rule.summary, rule.why, rule.example, rule.instead] {
                assert!(!text.trim().is_empty(), "{} lacks documentation", rule.id);
            }
        }
    }
}
