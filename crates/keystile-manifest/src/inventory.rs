//! What `aws secretsmanager list-secrets` (or `describe-secret`) prints, as an inventory.
//!
//! Fields: AWS Secrets Manager API reference, `SecretListEntry`. Version 2 of the command line prints times
//! as ISO 8601, version 1 as seconds since 1970. An entry without a `KmsKeyId` uses the AWS managed key.

use std::sync::Arc;

use jiff::Timestamp;
use keystile_policy::Path;
use keystile_policy::world::InventoryEntry;
use serde_json::Value;

use crate::document::{Document, Format, read};
use crate::source::{Source, Span};
use crate::unreadable::{Unreadable, Why};

/// Reads an inventory: the answer of `list-secrets`, that of `describe-secret`, or a list of either.
///
/// # Errors
///
/// When it is not JSON, not such an answer, or only its first page.
pub fn read_inventory(source: &Arc<Source>) -> Result<Vec<InventoryEntry>, Unreadable> {
    let mut entries = Vec::new();
    for document in read(source, Format::Json) {
        let document = document?;
        answer(&document, &document.value, &Path::root(), &mut entries)?;
    }
    Ok(entries)
}

fn answer<'v>(
    document: &Document,
    value: &'v Value,
    path: &Path<'v>,
    entries: &mut Vec<InventoryEntry>,
) -> Result<(), Unreadable> {
    if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            answer(document, item, &path.item(index), entries)?;
        }
        return Ok(());
    }
    if value.get("NextToken").is_some_and(|token| !token.is_null()) {
        let message = "the list goes on (NextToken), so what it lacks could still be there; \
                       list all: without --max-items and --no-paginate";
        return Err(fault(document, &path.field("NextToken"), message));
    }
    if let Some(list) = value.get("SecretList") {
        let path = path.field("SecretList");
        let Some(items) = list.as_array() else { return Err(fault(document, &path, "a list is expected here")) };
        for (index, item) in items.iter().enumerate() {
            entries.push(entry(document, item, &path.item(index))?);
        }
        return Ok(());
    }
    entries.push(entry(document, value, path)?);
    Ok(())
}

fn entry<'v>(document: &Document, value: &'v Value, path: &Path<'v>) -> Result<InventoryEntry, Unreadable> {
    let text = |field: &'static str| -> Result<Option<String>, Unreadable> {
        match value.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(fault(document, &path.field(field), "text is expected here")),
        }
    };
    let time = |field: &'static str| -> Result<Option<Timestamp>, Unreadable> {
        let wrong = || fault(document, &path.field(field), "a time is expected here: ISO 8601, or seconds since 1970");
        match value.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| wrong()),
            Some(Value::Number(seconds)) => {
                let milliseconds = seconds.as_f64().map(|seconds| seconds * 1000.0).ok_or_else(wrong)?;
                Timestamp::from_millisecond(milliseconds as i64).map(Some).map_err(|_| wrong())
            }
            Some(_) => Err(wrong()),
        }
    };
    let (Some(name), Some(arn)) = (text("Name")?, text("ARN")?) else {
        let message = "this is no secret of `aws secretsmanager list-secrets`: it has no Name and ARN";
        return Err(fault(document, path, message));
    };
    let rules = value.get("RotationRules");
    let rule = |field: &str| rules.and_then(|rules| rules.get(field));
    let tags = value.get("Tags").and_then(Value::as_array).into_iter().flatten().filter_map(|tag| {
        let part = |field: &str| tag.get(field).and_then(Value::as_str).map(str::to_owned);
        Some((part("Key")?, part("Value").unwrap_or_default()))
    });
    Ok(InventoryEntry {
        name,
        arn,
        kms_key_id: text("KmsKeyId")?,
        rotation_enabled: value.get("RotationEnabled").and_then(Value::as_bool),
        rotation_days: rule("AutomaticallyAfterDays").and_then(Value::as_u64).and_then(|days| u32::try_from(days).ok()),
        rotation_schedule: rule("ScheduleExpression").and_then(Value::as_str).map(str::to_owned),
        owning_service: text("OwningService")?,
        last_rotated: time("LastRotatedDate")?,
        last_changed: time("LastChangedDate")?,
        created: time("CreatedDate")?,
        deleted: time("DeletedDate")?,
        tags: tags.collect(),
    })
}

fn fault(document: &Document, path: &Path<'_>, message: &str) -> Unreadable {
    let span = document.locate(&path.to_owned()).span;
    Unreadable {
        source: Arc::clone(&document.source),
        span: Span::new(span.start as usize, span.end as usize),
        why: Why::Syntax,
        message: message.to_owned(),
        also: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(text: &str) -> Result<Vec<InventoryEntry>, String> {
        read_inventory(&Arc::new(Source::new("i.json", text))).map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_the_command_line_prints_is_read() {
        let entries = inventory(
            r#"{"SecretList": [
                {"ARN": "arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/team-a/db-AbCdEf", "Name": "/prod/team-a/db",
                 "KmsKeyId": "alias/secrets-prod", "RotationEnabled": true,
                 "RotationRules": {"AutomaticallyAfterDays": 30}, "LastRotatedDate": "2026-11-01T12:00:00.123000+01:00",
                 "Tags": [{"Key": "Team", "Value": "a"}]},
                {"ARN": "arn:…", "Name": "/prod/team-a/old", "LastChangedDate": 1700000000.5}
            ]}"#,
        )
        .unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].rotation_days, Some(30));
        assert_eq!(entries[0].last_rotated.unwrap().to_string(), "2026-11-01T11:00:00.123Z");
        assert_eq!(entries[0].tags["Team"], "a");
        assert_eq!((entries[1].kms_key_id.as_deref(), entries[1].rotation_enabled), (None, None));
        assert_eq!(entries[1].last_changed.unwrap().as_second(), 1_700_000_000);
    }

    #[test]
    fn a_first_page_and_other_answers_are_refused_with_their_place() {
        for (text, expected) in [
            ("{\"SecretList\": [],\n \"NextToken\": \"x\"}", "i.json:2:15: the list goes on"),
            ("{\"SecretList\": {}}", "i.json:1:2: a list is expected"),
            ("{\"SecretList\": [{\"Name\": \"x\"}]}", "i.json:1:17: this is no secret"),
            ("{\"Name\": \"x\", \"ARN\": \"y\", \"CreatedDate\": \"today\"}", "i.json:1:42: a time is expected"),
            ("{", "i.json:1:1: not JSON"),
        ] {
            let said = inventory(text).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
