//! Pieces of CEL. Source: the language definition of CEL, "String and Bytes Values", and RE2's syntax.

/// A text as CEL writes it: JSON's escapes are among CEL's.
pub(super) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A list of texts.
pub(super) fn list(texts: &[&str]) -> String {
    format!("[{}]", texts.iter().map(|item| text(item)).collect::<Vec<_>>().join(", "))
}

/// Whether one of the conditions holds; of none, none does.
pub(super) fn any_of(conditions: Vec<String>) -> String {
    match conditions.is_empty() {
        true => "false".to_owned(),
        false => format!("({})", conditions.join(" || ")),
    }
}

/// Texts put together.
pub(super) fn sum(parts: &[String]) -> String {
    match parts {
        [] => text(""),
        parts => parts.join(" + "),
    }
}

/// What a message may hold of a text that somebody else wrote: printable ASCII, in quotes, 200 characters at most.
pub(super) fn shown(of: &str) -> String {
    let cut = format!("(size({of}) > 200 ? {of}.substring(0, 200) + \"...\" : {of})");
    format!("\"\\\"\" + {cut}.findAll(\"[ -~]+\").join(\"?\") + \"\\\"\"")
}

/// A text as a regular expression that means it.
pub(super) fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let is_plain = character.is_ascii_alphanumeric() || !character.is_ascii();
            (!is_plain).then_some('\\').into_iter().chain([character])
        })
        .collect()
}
