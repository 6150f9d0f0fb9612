//! JSON as the webhook has to read it: one level at first, whole and bounded later.
//!
//! * [`Fields`] reads the fields of one object and leaves their values as text, however deep they
//!   are nested; a value is read when it is needed.
//! * [`read_value`] reads a whole value with limits on depth and number of values, and refuses a key
//!   that stands twice: `serde_json` would keep the last one, another reader the first.
//! * [`find_uid`] gets `request.uid` out of a text that is broken or cut off.
//!
//! Errors hold a place, never a text of the object.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// How deep an object may be nested. `serde_json` stops there too unless told otherwise.
pub const MAX_DEPTH: usize = 128;

/// How many values an object may hold, itself included. etcd caps an object at 1.5 MiB by default,
/// which is fewer values than this in any sensible object; the cap keeps a body of 8 MiB from growing
/// into hundreds of MiB of memory.
pub const MAX_VALUES: usize = 400_000;

/// Why a value could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, or not the type that is needed.
    #[error("it is not valid JSON (line {line}, column {column})")]
    Syntax {
        /// 1-based, within the value.
        line: usize,
        /// 1-based, within the line, in bytes.
        column: usize,
    },
    /// Two values for one key.
    #[error("a key stands twice in one object (line {line}, column {column}): keep one of them")]
    DuplicateKey {
        /// 1-based, within the value.
        line: usize,
        /// 1-based, within the line, in bytes.
        column: usize,
    },
    /// Past [`MAX_DEPTH`].
    #[error("it is nested deeper than {MAX_DEPTH} levels: flatten it")]
    TooDeep,
    /// Past [`MAX_VALUES`].
    #[error("it holds more than {MAX_VALUES} values: split it")]
    TooMany,
}

/// What a visitor found, since `serde` errors carry nothing but a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Broken {
    No,
    DuplicateKey,
    TooDeep,
    TooMany,
}

impl JsonError {
    fn new(error: &serde_json::Error, broken: Broken) -> Self {
        let (line, column) = (error.line(), error.column());
        match broken {
            Broken::No => Self::Syntax { line, column },
            Broken::DuplicateKey => Self::DuplicateKey { line, column },
            Broken::TooDeep => Self::TooDeep,
            Broken::TooMany => Self::TooMany,
        }
    }
}

/// The fields of one JSON object, their values unread. Few fields: looked up one after another.
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads the fields of the object in `text`, a whole JSON text. Both values of a key that stands
    /// twice are kept; [`Self::repeated`] tells.
    ///
    /// # Errors
    ///
    /// When the text is not one JSON object.
    pub fn read(text: &'a str) -> Result<Self, JsonError> {
        serde_json::from_str(text).map_err(|error| JsonError::new(&error, Broken::No))
    }

    /// The field's value; nothing when it is absent or `null`. Of a repeated key the first value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|&(_, value)| value).filter(|value| value.get() != "null")
    }

    /// The field as a string that is there once.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        let (_, value) = values.next()?;
        if values.next().is_some() {
            return None;
        }
        serde_json::from_str::<Text<'a>>(value.get()).ok().map(|text| text.0)
    }

    /// Whether a key stands twice.
    #[must_use]
    pub fn repeated(&self) -> bool {
        let mut keys: Vec<&str> = self.0.iter().map(|(key, _)| key.as_ref()).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// The fields as (key, text of the value), in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.get()))
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fields({})", self.0.len())
    }
}

/// A string that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some(Text(key)) = map.next_key()? {
                    if fields.len() >= MAX_VALUES {
                        return Err(A::Error::custom("too many fields"));
                    }
                    fields.push((key, map.next_value::<&RawValue>()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Reads a whole value, and says how many values it holds, itself included.
///
/// # Errors
///
/// When the text is not one JSON value, a key stands twice, or a limit is passed.
pub fn read_value(text: &str) -> Result<(Value, usize), JsonError> {
    let (broken, left) = (Cell::new(Broken::No), Cell::new(MAX_VALUES));
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Counted by `Bounded`, whose error says so.
    deserializer.disable_recursion_limit();
    Bounded { broken: &broken, left: &left, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| (value, MAX_VALUES - left.get())))
        .map_err(|error| JsonError::new(&error, broken.get()))
}

/// Reads a value at `depth`, counting down what may still come.
#[derive(Clone, Copy)]
struct Bounded<'c> {
    broken: &'c Cell<Broken>,
    left: &'c Cell<usize>,
    depth: usize,
}

impl Bounded<'_> {
    fn fail<E: serde::de::Error>(self, broken: Broken) -> E {
        self.broken.set(broken);
        E::custom("refused")
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth + 1 > MAX_DEPTH {
            return Err(self.fail(Broken::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.left.get().checked_sub(1) {
            None => return Err(self.fail(Broken::TooMany)),
            Some(left) => self.left.set(left),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut fields = serde_json::Map::new();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            if fields.contains_key(key.as_ref()) {
                return Err(self.fail(Broken::DuplicateKey));
            }
            fields.insert(key.into_owned(), map.next_value_seed(inner)?);
        }
        Ok(Value::Object(fields))
    }
}

/// `request.uid` of an `AdmissionReview` that may be cut off or broken after it.
///
/// Goes through the text once, byte by byte, with no recursion. The text before the uid must be JSON
/// in its outline (strings, brackets, colons); what is inside other values does not matter. The API
/// server writes the uid first, so the part of a body that is past every limit is not needed.
#[must_use]
pub fn find_uid(text: &[u8]) -> Option<String> {
    let mut at = skip_space(text, 0);
    if text.get(at) != Some(&b'{') {
        return None;
    }
    at = value_of(text, at, b"request")?;
    if text.get(at) != Some(&b'{') {
        return None;
    }
    at = value_of(text, at, b"uid")?;
    let end = end_of_string(text, at)?;
    serde_json::from_slice(&text[at..end]).ok()
}

fn skip_space(text: &[u8], from: usize) -> usize {
    text[from..].iter().position(|byte| !byte.is_ascii_whitespace()).map_or(text.len(), |skipped| from + skipped)
}

/// Just behind the string that begins at `at`.
fn end_of_string(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Just behind the value that begins at `at`.
fn end_of_value(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => at = end_of_string(text, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            _ if depth > 0 => at += 1,
            // A number or a word: ends where it is followed by something else.
            _ => {
                let length =
                    text[at..].iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(byte)))?;
                if length == 0 {
                    return None;
                }
                at += length;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Where the value of the key begins, in the object that begins at `at`. Keys with escapes don't match.
fn value_of(text: &[u8], at: usize, key: &[u8]) -> Option<usize> {
    let mut at = skip_space(text, at + 1);
    loop {
        let end = end_of_string(text, at)?;
        let found = &text[at + 1..end - 1] == key;
        at = skip_space(text, end);
        if text.get(at) != Some(&b':') {
            return None;
        }
        at = skip_space(text, at + 1);
        if found {
            return Some(at);
        }
        at = skip_space(text, end_of_value(text, at)?);
        if text.get(at) != Some(&b',') {
            return None;
        }
        at = skip_space(text, at + 1);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_keep_values_as_text_at_any_depth() {
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let text = format!(r#"{{"a":1,"deep":{deep},"é\n":"x","none":null}}"#);
        let fields = Fields::read(&text).unwrap();
        assert_eq!(fields.get("deep").unwrap().get(), deep);
        assert_eq!(fields.text("é\n").as_deref(), Some("x"));
        assert!(fields.get("none").is_none() && fields.get("absent").is_none());
        assert!(!fields.repeated());
    }

    #[test]
    fn a_repeated_key_is_noticed_and_its_text_not_taken() {
        let fields = Fields::read(r#"{"uid":"a","uid":"b"}"#).unwrap();
        assert!(fields.repeated());
        assert_eq!(fields.text("uid"), None);
    }

    #[test]
    fn a_value_within_the_limits_is_what_serde_json_reads() {
        for text in
            [r#"{"a":[1,-2,2.5e3,"x\u00e9",null,true],"b":{"c":{}}}"#, "null", "[]", r#""""#, "18446744073709551615"]
        {
            assert_eq!(read_value(text).unwrap().0, serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn limits_and_faults_are_told_apart() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read_value(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(read_value(&nested(MAX_DEPTH + 1)), Err(JsonError::TooDeep));
        let wide = |values: usize| format!("[{}1]", "1,".repeat(values - 2));
        assert_eq!(read_value(&wide(MAX_VALUES)).unwrap().1, MAX_VALUES);
        assert_eq!(read_value(&wide(MAX_VALUES + 1)), Err(JsonError::TooMany));
        assert_eq!(
            read_value("{\"a\":{\"b\":1,\n \"b\":2}}").map(drop).map_err(|error| error.to_string()),
            Err("a key stands twice in one object (line 2, column 4): keep one of them".into())
        );
        assert!(matches!(read_value("{\"a\":}"), Err(JsonError::Syntax { line: 1, .. })));
        assert!(matches!(read_value("1 2"), Err(JsonError::Syntax { .. })));
    }

    #[test]
    fn the_uid_is_found_in_whole_and_broken_texts() {
        let uid = "705ab4f5-6393-11e8-b7cc-42010a800002";
        let whole = json!({"kind": "AdmissionReview", "request": {"kind": {"uid": "no", "x": ["}", "\\\""]}, "n": -1.5e3, "uid": uid, "object": {}}}).to_string();
        let cut = &whole[..whole.find("object").unwrap()];
        let cases = [
            ("whole", whole.as_str(), true),
            ("cut behind the uid", cut, true),
            ("broken behind the uid", &format!("{cut} oops"), true),
            ("cut within the uid", &whole[..whole.find("-6393").unwrap()], false),
            ("uid of another level", r#"{"uid":"x","request":{"object":{"uid":"x"}}}"#, false),
            ("uid is no text", r#"{"request":{"uid":1}}"#, false),
            ("request is no object", r#"{"request":["uid"]}"#, false),
            ("bracket too many", r#"{"a":]}"#, false),
            ("empty", "", false),
            ("backslash at the end", r#"{"request":{"uid":"\"#, false),
        ];
        for (name, text, found) in cases {
            assert_eq!(find_uid(text.as_bytes()), found.then(|| uid.to_owned()), "{name}");
        }
    }
}
