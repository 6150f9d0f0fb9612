//! `exceptions`: one object each, excused from one rule until a day.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::reader::{Object, Reader};
use super::words;
use crate::policy::Exception;
use crate::rules;

pub(super) fn exceptions(
    reader: &mut Reader,
    spec: &Object<'_>,
    now: Timestamp,
    expiry_is_error: bool,
) -> Vec<Exception> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut exceptions: Vec<Exception> = Vec::new();
    for entry in reader.objects_in(spec, "exceptions") {
        let rule = reader.text(&entry, "rule");
        let namespace = reader.text(&entry, "namespace");
        let kind = reader.text(&entry, "kind");
        let name = reader.text(&entry, "name");
        let value = reader.text(&entry, "value");
        let owner = reader.text(&entry, "owner");
        let reason = reader.text(&entry, "reason");
        let expires: Option<Date> = reader.text(&entry, "expires").and_then(|text| text.parse().ok());
        if let Some(rule) = rule.as_deref().and_then(rules::find)
            && rule.is_about_names()
            && entry.written("value").is_none()
        {
            reader.error(
                &entry.path,
                format!("value is missing: {} is about names or roles, and an exception excuses one of them", rule.id),
            );
        }
        if let Some(kind) = kind.as_deref() {
            let is_cluster_scoped = words::CLUSTER_KINDS.contains(&kind) || words::TERRAFORM_KINDS.contains(&kind);
            match (entry.written("namespace"), is_cluster_scoped) {
                (Some(_), true) => {
                    reader.error(&entry.at("namespace"), format!("{kind} lies in no namespace: remove the field"))
                }
                (None, false) => reader.error(&entry.path, format!("namespace is missing: {kind} lies in one")),
                _ => {}
            }
        }
        if let Some(expires) = expires.filter(|expires| *expires < today) {
            let message = format!("expired on {expires}: renew it with a new reason, or remove the exception");
            if expiry_is_error {
                reader.error(&entry.at("expires"), message);
            } else {
                reader.warning(&entry.at("expires"), message);
            }
        }
        let (Some(rule), Some(kind), Some(name), Some(owner), Some(reason), Some(expires)) =
            (rule, kind, name, owner, reason, expires)
        else {
            continue;
        };
        let exception = Exception { rule, namespace, kind, name, value, owner, reason, expires };
        if let Some(first) = exceptions.iter().position(|other| other.is_for_the_same(&exception)) {
            reader.error(&entry.path, format!("says the same as spec.exceptions[{first}]: keep one of them"));
        }
        exceptions.push(exception);
    }
    exceptions
}
