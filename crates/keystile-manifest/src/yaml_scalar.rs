//! What a scalar of YAML is to kubectl.
//!
//! kubectl reads YAML with sigs.k8s.io/yaml 1.6.0, that is with go.yaml.in/yaml/v2 2.4.4 (`resolve.go`):
//! YAML 1.1's words for booleans, Go's spellings of integers (`0o14`, `014`, `0x1F`, `1_000`), no base 60,
//! dates as text. Then it becomes JSON: what JSON has no word for is an error, and a whole number is an
//! integer however it was written.

use std::borrow::Cow;

use granit_parser::{ScalarStyle, Tag};
use serde_json::{Number, Value};

/// The name of a tag of YAML's own (`!!str`); `None` for an application's.
pub(crate) fn own_tag(tag: &Tag) -> Option<Cow<'_, str>> {
    tag.suffix_in_namespace("tag:yaml.org,2002:")
}

/// Why a scalar has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `.nan` and `.inf`.
    NotJson,
    /// Its tag asks for a type that it isn't.
    NotOfTag,
    /// `!!binary`.
    Binary,
}

/// The value of a scalar.
pub(crate) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, Fault> {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { plain(text) } else { Ok(Value::String(text.to_owned())) };
    };
    match own_tag(tag).as_deref() {
        // An application's tag means nothing to kubectl: the text stays.
        None | Some("str" | "timestamp") => Ok(Value::String(text.to_owned())),
        Some("binary") => Err(Fault::Binary),
        Some(wanted) => {
            let value = plain(text)?;
            let fits = match (wanted, &value) {
                ("null", Value::Null) | ("bool", Value::Bool(_)) | ("float", Value::Number(_)) => true,
                ("int", Value::Number(number)) => !number.is_f64(),
                _ => false,
            };
            if fits { Ok(value) } else { Err(Fault::NotOfTag) }
        }
    }
}

/// The value of a scalar without quotes.
fn plain(text: &str) -> Result<Value, Fault> {
    Ok(match text.as_bytes().first() {
        None => Value::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => match text {
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
            "~" | "null" | "Null" | "NULL" => Value::Null,
            _ => Value::String(text.to_owned()),
        },
        Some(b'.' | b'+' | b'-' | b'0'..=b'9') => {
            let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
            if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
                return Err(Fault::NotJson);
            }
            number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
        }
        Some(_) => Value::String(text.to_owned()),
    })
}

fn number(text: &str) -> Option<Number> {
    if text.starts_with('.') {
        // Go's ParseFloat takes underscores after a base's prefix alone, so none here.
        return is_float(text).then(|| float(text))?;
    }
    let bare: String = text.chars().filter(|character| *character != '_').collect();
    integer(&bare).or_else(|| is_float(&bare).then(|| float(&bare))?)
}

/// Go's `strconv.ParseInt(text, 0, 64)`, then `ParseUint`.
fn integer(text: &str) -> Option<Number> {
    let (is_signed, is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (true, false, &text[1..]),
        _ => (false, false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // from_str_radix takes a sign of its own.
    if !digits.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if is_negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Number::from);
    }
    if is_signed { i64::try_from(magnitude).ok().map(Number::from) } else { Some(Number::from(magnitude)) }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = digits(rest);
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = digits(fraction);
        if whole == 0 && length == 0 {
            return false;
        }
        rest = &fraction[length..];
    } else if whole == 0 {
        return false;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let length = digits(exponent);
        return length > 0 && length == exponent.len();
    }
    rest.is_empty()
}

/// A float as JSON and then the API server have it: a whole number is an integer.
fn float(text: &str) -> Option<Number> {
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    // i64::MAX is no float; every float below 2^63 has an exact i64.
    let is_integer =
        value.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    if is_integer { Some(Number::from(value as i64)) } else { Number::from_f64(value) }
}

/// The name of a field that is written as a scalar without being text: sigs.k8s.io/yaml turns integers,
/// floats and booleans into text, and refuses null.
pub(crate) fn field_name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_are_what_kubectl_takes_them_for() {
        for (text, expected) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("nULL", json!("nULL")),
            ("yes", json!(true)),
            ("y", json!(true)),
            ("On", json!(true)),
            ("oN", json!("oN")),
            ("off", json!(false)),
            ("n", json!(false)),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("+7", json!(7)),
            ("014", json!(12)),
            ("0o14", json!(12)),
            ("0O14", json!(12)),
            ("08", json!(8)),
            ("0x1F", json!(31)),
            ("-0x10", json!(-16)),
            ("0b101", json!(5)),
            ("0x", json!("0x")),
            ("0x+1", json!("0x+1")),
            ("1_000", json!(1000)),
            ("1__0_", json!(10)),
            ("_1", json!("_1")),
            ("9223372036854775808", json!(9_223_372_036_854_775_808_u64)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("1.0", json!(1)),
            ("1.", json!(1)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("-.5", json!(-0.5)),
            ("1e3", json!(1000)),
            ("1e", json!("1e")),
            ("1e999", json!("1e999")),
            (".", json!(".")),
            ("...", json!("...")),
            ("+", json!("+")),
            ("190:20:30", json!("190:20:30")),
            ("2001-12-14", json!("2001-12-14")),
            ("1.2.3", json!("1.2.3")),
            ("0.0.0.0/0", json!("0.0.0.0/0")),
            ("111111111111", json!(111_111_111_111_u64)),
            ("0123456789012", json!(123_456_789_012_u64)),
            ("/prod/team-a/db", json!("/prod/team-a/db")),
        ] {
            assert_eq!(plain(text), Ok(expected), "{text:?}");
        }
        for text in [".nan", ".inf", "-.INF", "+.Inf"] {
            assert_eq!(plain(text), Err(Fault::NotJson), "{text:?}");
        }
    }

    #[test]
    fn quotes_make_text() {
        assert_eq!(resolve("yes", ScalarStyle::DoubleQuoted, None), Ok(json!("yes")));
        assert_eq!(resolve("1", ScalarStyle::Literal, None), Ok(json!("1")));
    }
}
