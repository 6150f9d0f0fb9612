//! Whether a stored value has a text anywhere in it.
//!
//! [`super::forms`] names the places at which a value is looked for, so that a plan can say which one it is. A proof must
//! not depend on names: a rotation that moves the leaked password into a connection string, a header or another document
//! has rotated nothing. So the text is looked for in whatever the value can be read as, as a part of it.

use base64::Engine as _;
use memchr::memmem::Finder;
use serde_json::Value;
use zeroize::Zeroizing;

use super::forms::{STANDARD, URL_SAFE};

/// How many times what was read is read again: base64 of a document in a document is three.
const MOST_READINGS: u32 = 4;

/// Shortest run of base64's characters that is decoded: six bytes.
const SHORTEST_BASE64: usize = 8;

/// Whether `value`, or what it holds as JSON, percent-encoded or in base64, has `text` in it. A text that is empty is
/// nowhere.
pub(crate) fn is_within(value: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        return false;
    }
    // As a string of a document that was not read as one, a log's line say.
    let quoted = std::str::from_utf8(text).ok().map(|text| Zeroizing::new(Value::from(text).to_string()));
    let quoted = quoted.as_ref().map(|quoted| &quoted.as_bytes()[1..quoted.len() - 1]).filter(|quoted| *quoted != text);
    let finders: Vec<Finder<'_>> = std::iter::once(text).chain(quoted).map(Finder::new).collect();
    is_read(value, &finders, 0)
}

fn is_read(value: &[u8], finders: &[Finder<'_>], readings: u32) -> bool {
    if finders.iter().any(|finder| finder.find(value).is_some()) {
        return true;
    }
    if readings >= MOST_READINGS {
        return false;
    }
    let mut again = |value: &[u8]| is_read(value, finders, readings + 1);
    if value.contains(&b'%') {
        let decoded: Zeroizing<Vec<u8>> = Zeroizing::new(percent_encoding::percent_decode(value).collect());
        if *decoded != value && again(&decoded) {
            return true;
        }
    }
    if matches!(value.trim_ascii_start().first(), Some(b'{' | b'['))
        && let Ok(mut document) = serde_json::from_slice::<Value>(value)
    {
        let found = any_string(&document, &mut again);
        crate::run::wipe(&mut document);
        if found {
            return true;
        }
    }
    runs(value).any(|run| {
        // One character more than whole bytes need stands for none.
        let run = if run.len() % 4 == 1 { &run[..run.len() - 1] } else { run };
        let decoded = STANDARD.decode(run).or_else(|_| URL_SAFE.decode(run)).map(Zeroizing::new);
        decoded.is_ok_and(|decoded| again(&decoded))
    })
}

/// Whether one of the strings of a document, names of fields included, is as wanted.
fn any_string(document: &Value, is_wanted: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    match document {
        Value::String(text) => is_wanted(text.as_bytes()),
        Value::Array(items) => items.iter().any(|item| any_string(item, is_wanted)),
        Value::Object(fields) => {
            fields.iter().any(|(name, item)| is_wanted(name.as_bytes()) || any_string(item, is_wanted))
        }
        _ => false,
    }
}

/// The longest pieces that may be base64, in either alphabet.
fn runs(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    value.split(move |byte| !is_part(byte)).filter(|run| run.len() >= SHORTEST_BASE64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> String {
        // A backslash, a quote and a percent sign, as passwords have them.
        format!("{}\\k\"9%2z&{}", "Wq7", "Tz5")
    }

    fn base64(text: &str) -> String {
        base64::engine::general_purpose::STANDARD.encode(text)
    }

    #[test]
    fn it_is_found_wherever_a_rotation_may_have_put_it() {
        let text = text();
        let encoded: String =
            percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let document = serde_json::json!({ "username": "app", "password": &text }).to_string();
        for (name, value) in [
            ("as it is", text.clone()),
            ("a connection string", format!("host=db user=app password={text} dbname=shop")),
            ("a query", format!("jdbc:postgresql://db/shop?user=app&password={encoded}")),
            ("a URL", format!("postgres://app:{encoded}@db/shop")),
            ("parameters", format!("Server=db;User ID=app;Password={text};")),
            ("a header", format!("Authorization: Basic {}", base64(&format!("app:{text}")))),
            ("a header without padding", format!("Basic {}", base64(&format!("app1:{text}")).trim_end_matches('='))),
            ("a line", format!("[client]\nuser: app\npassword: {text}\n")),
            ("a document", document.clone()),
            ("a document in a document", serde_json::json!({ "config": &document }).to_string()),
            ("base64 of one", serde_json::json!({ "config": base64(&document) }).to_string()),
            ("in a broken document", format!("{document}}}")),
            ("a name", serde_json::json!({ &text: true }).to_string()),
        ] {
            assert!(is_within(value.as_bytes(), text.as_bytes()), "{name}");
        }
        for value in ["", "host=db user=app password=another", "{\"password\":\"another\"}", "%", "{"] {
            assert!(!is_within(value.as_bytes(), text.as_bytes()), "{value}");
        }
        assert!(!is_within(b"anything", b""), "nothing is nowhere");
    }

    proptest! {
        #[test]
        fn no_value_is_too_odd(value in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..300) {
            let text = text();
            prop_assert!(!is_within(&value, text.as_bytes()));
            let mut with = value.clone();
            let at = at.min(with.len());
            with.splice(at..at, text.bytes());
            prop_assert!(is_within(&with, text.as_bytes()));
        }
    }
}
