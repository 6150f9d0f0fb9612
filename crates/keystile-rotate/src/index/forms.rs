//! The forms in which a stored value may have leaked, and in which a leaked one may be stored.
//!
//! Whole values; each string of a JSON document; the password of a URL; the values of `KEY=VALUE` and `KEY: VALUE` lines;
//! the parameters of connection strings; private keys whatever their line ends are; base64 of any of these.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

/// A form of a stored value.
#[derive(Debug)]
pub struct Form<'a> {
    /// JSON pointer of the string it was made from; empty = the whole value.
    pub pointer: &'a str,
    /// Name of the field or variable it stands in, if it has one.
    pub name: Option<&'a str>,
    /// What was done to the string, in order.
    pub normalisation: &'a [&'a str],
    /// The text.
    pub text: &'a [u8],
}

/// Documents nested deeper are taken as text. (serde_json refuses more than 128.)
const MOST_DEPTH: usize = 64;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
pub(super) const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
pub(super) const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Shortest base64 that is decoded: eight bytes.
const SHORTEST_BASE64: usize = 11;

/// Hands over each form of a value as a secret manager stores it.
pub fn of_stored(value: &[u8], each: &mut dyn FnMut(Form<'_>)) {
    if let Ok(text) = std::str::from_utf8(value)
        && text.trim_start().starts_with(['{', '['])
        && let Ok(document) = serde_json::from_str::<Value>(text)
    {
        // The document as a whole leaks when a file is committed.
        each(Form { pointer: "", name: None, normalisation: &[], text: value });
        let trimmed = text.trim();
        if trimmed.len() != text.len() {
            each(Form { pointer: "", name: None, normalisation: &["trimmed"], text: trimmed.as_bytes() });
        }
        leaves(document, &mut String::new(), None, 0, each);
    } else {
        of_text("", None, value, each);
    }
}

/// Hands over the leaked value and what it may be of, each with the steps taken.
pub fn of_leaked(value: &[u8], each: &mut dyn FnMut(&[u8], &[&str])) {
    each(value, &[]);
    let trimmed = value.trim_ascii();
    if trimmed.len() != value.len() {
        each(trimmed, &["trimmed"]);
    }
    let bare = unquoted(trimmed);
    if bare.len() != trimmed.len() {
        each(bare, &["unquoted"]);
    }
    if let Some(key) = one_kind_of_line_ends(bare) {
        each(&key, &["line-ends"]);
    }
    if let Some(decoded) = base64_decoded(bare) {
        each(&decoded, &["base64"]);
        if let Some(key) = one_kind_of_line_ends(&decoded) {
            each(&key, &["base64", "line-ends"]);
        }
    }
}

/// The strings of a document. They are wiped when they were handed over.
fn leaves(value: Value, pointer: &mut String, name: Option<&str>, depth: usize, each: &mut dyn FnMut(Form<'_>)) {
    let length = pointer.len();
    match value {
        Value::String(mut text) => {
            of_text(pointer, name, text.as_bytes(), each);
            text.zeroize();
        }
        Value::Array(items) if depth < MOST_DEPTH => {
            for (index, item) in items.into_iter().enumerate() {
                pointer.push('/');
                pointer.push_str(&index.to_string());
                leaves(item, pointer, name, depth + 1, each);
                pointer.truncate(length);
            }
        }
        Value::Object(fields) if depth < MOST_DEPTH => {
            for (field, item) in fields {
                pointer.push('/');
                // RFC 6901, section 3.
                pointer.push_str(&field.replace('~', "~0").replace('/', "~1"));
                leaves(item, pointer, Some(&field), depth + 1, each);
                pointer.truncate(length);
            }
        }
        // Numbers and truth values are no credentials.
        _ => {}
    }
}

/// The forms of one text.
fn of_text(pointer: &str, name: Option<&str>, text: &[u8], each: &mut dyn FnMut(Form<'_>)) {
    let mut give = |name: Option<&str>, normalisation: &[&str], text: &[u8]| {
        each(Form { pointer, name, normalisation, text });
    };
    give(name, &[], text);
    let trimmed = text.trim_ascii();
    if trimmed.len() != text.len() {
        give(name, &["trimmed"], trimmed);
    }
    if let Some(key) = one_kind_of_line_ends(trimmed) {
        give(name, &["line-ends"], &key);
        return;
    }
    if let Some(password) = url_password(trimmed) {
        // Named, so that a host or user name of the field's does not stand in the way.
        give(None, &["url-password"], password);
        let decoded: Zeroizing<Vec<u8>> = Zeroizing::new(percent_encoding::percent_decode(password).collect());
        if *decoded != password {
            give(None, &["url-password", "percent-decoded"], &decoded);
        }
        return;
    }
    for (parameter, value) in parameters(trimmed) {
        let step = format!("parameter {parameter}");
        give(Some(parameter), &[&step], value);
        let decoded: Zeroizing<Vec<u8>> = Zeroizing::new(percent_encoding::percent_decode(value).collect());
        if *decoded != value {
            give(Some(parameter), &[&step, "percent-decoded"], &decoded);
        }
    }
    for (variable, value) in trimmed.split(|byte| *byte == b'\n').filter_map(variable) {
        let step = format!("line {variable}");
        give(Some(variable), &[&step], value);
    }
    if let Some(decoded) = base64_decoded(trimmed) {
        give(name, &["base64"], &decoded);
        if let Some(key) = one_kind_of_line_ends(&decoded) {
            give(name, &["base64", "line-ends"], &key);
        }
    }
}

/// A private key (RFC 7468) with line feeds, whether it had them, CR LF, or `\n` spelled out; without the last one.
fn one_kind_of_line_ends(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.contains("-----BEGIN "))?;
    let spelled = Zeroizing::new(text.replace("\\n", "\n").replace("\\r", ""));
    let plain = Zeroizing::new(spelled.replace('\r', ""));
    Some(Zeroizing::new(plain.trim().as_bytes().to_vec()))
}

/// The password of `scheme://user:password@host`.
fn url_password(text: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(text).ok()?;
    let (scheme, rest) = text.split_once("://")?;
    if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    // A password may have an unencoded `@`; a host can't.
    let (user, _host) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    (!password.is_empty()).then_some(password.as_bytes())
}

/// Name and value of each parameter of a connection string in one line: `Server=db;Password=…` (ADO.NET, ODBC),
/// `host=db password=…` (libpq), `jdbc:postgresql://db/shop?password=…`.
fn parameters(text: &[u8]) -> Vec<(&str, &[u8])> {
    if text.contains(&b'\n') {
        return Vec::new();
    }
    let behind = text.iter().position(|byte| *byte == b'?').map_or(text, |mark| &text[mark + 1..]);
    let separator = |byte: &u8| match () {
        () if behind.len() < text.len() => *byte == b'&',
        () if text.contains(&b';') => *byte == b';',
        () => *byte == b' ',
    };
    let pieces: Vec<&[u8]> = behind.split(separator).collect();
    // A single one is a line.
    let single = pieces.len() < 2 && behind.len() == text.len();
    if single { Vec::new() } else { pieces.into_iter().filter_map(variable).collect() }
}

/// Name and value of a line `KEY=VALUE` or `KEY: VALUE`, with or without `export` and quotes.
fn variable(line: &[u8]) -> Option<(&str, &[u8])> {
    let line = line.trim_ascii();
    let line = line.strip_prefix(b"export ").unwrap_or(line).trim_ascii();
    let is_sign = |(index, byte): (usize, &u8)| *byte == b'=' || *byte == b':' && line.get(index + 1) == Some(&b' ');
    let equals = line.iter().enumerate().position(is_sign)?;
    let name = std::str::from_utf8(&line[..equals]).ok()?.trim_end();
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let value = unquoted(line[equals + 1..].trim_ascii());
    // Base64 ends with `=` too.
    (is_name && value.iter().any(|byte| *byte != b'=')).then_some((name, value))
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [first @ (b'"' | b'\'' | b'`'), inner @ .., last] if first == last => inner,
        _ => text,
    }
}

/// What base64 (either alphabet, padded or not) says, if that is text or at least not shorter than a key.
fn base64_decoded(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() < SHORTEST_BASE64 {
        return None;
    }
    let decoded = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok().map(Zeroizing::new)?;
    let is_text =
        std::str::from_utf8(&decoded).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()));
    (is_text || decoded.len() >= 16).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_value_is_too_odd(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut whole = false;
            of_stored(&value, &mut |form| whole |= form.text == value && form.normalisation.is_empty());
            prop_assert!(whole, "the whole value is always a form");
            of_leaked(&value, &mut |_, _| {});
        }

        #[test]
        fn every_string_of_a_document_is_handed_over(text in "[ -~]{1,40}", field in "[a-z~/]{1,8}") {
            let document = serde_json::json!({ "list": [{ &field: &text }] });
            let mut pointers = Vec::new();
            of_stored(document.to_string().as_bytes(), &mut |form| {
                if form.text == text.as_bytes() && form.normalisation.is_empty() {
                    pointers.push(form.pointer.to_owned());
                }
            });
            prop_assert_eq!(pointers.len(), 1);
            prop_assert_eq!(document.pointer(&pointers[0]), Some(&Value::String(text)));
        }
    }

    #[test]
    fn parameters_of_connection_strings() {
        let password = format!("{}k{}", "Wq7T9", "z5Lm");
        for (text, step) in [
            (format!("host=db user=app password={password} dbname=shop"), "parameter password"),
            (format!("host=db password='{password}'"), "parameter password"),
            (format!("Server=tcp:db,1433;User ID=app;Password={password};Encrypt=True"), "parameter Password"),
            (format!("jdbc:postgresql://db:5432/shop?user=app&password={password}"), "parameter password"),
            (format!("jdbc:mysql://db/shop?password={password}"), "parameter password"),
            (format!("[client]\npassword: {password}\n"), "line password"),
            (format!("password = {password}\nuser = app"), "line password"),
        ] {
            let mut found = Vec::new();
            of_stored(text.as_bytes(), &mut |form| {
                if form.text == password.as_bytes() {
                    found.push(form.normalisation.join(" "));
                }
            });
            assert_eq!(found, [step], "{text}");
        }
    }

    #[test]
    fn passwords_of_urls() {
        for (text, password) in [
            (concat!("postgres://app:", "pa%40ss@db:5432/x?a=b:c@d"), Some("pa%40ss")),
            ("amqps://u:p@ss@host", Some("p@ss")),
            ("https://host/path:x@y", None),
            ("https://user@host", None),
            ("https://user:@host", None),
            ("no url: a:b@c", None),
        ] {
            assert_eq!(url_password(text.as_bytes()), password.map(str::as_bytes), "{text}");
        }
    }
}
