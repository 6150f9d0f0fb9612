//! The object that kubectl keeps as text in an annotation, read as a stream: only its texts are wanted,
//! and making values of it would take longer than everything else that is done with an object.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{is_looked_at, is_name_looked_at};

/// Where kubectl keeps the object as it was applied: the same texts once more, as JSON.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Hands every text of the object as kubectl applied it to `each`; `false` where the field `name` holds
/// no such object. Then some may have been handed over all the same.
pub(super) fn each_text(name: &str, text: &str, each: &mut dyn FnMut(&str)) -> bool {
    // Most annotations are another, and what is no object is not begun.
    if name != LAST_APPLIED || !text.trim_start().starts_with('{') {
        return false;
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    Texts { each }.deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

/// A value of which the texts are wanted.
struct Texts<'e> {
    each: &'e mut dyn FnMut(&str),
}

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        (self.each)(text);
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Texts { each: &mut *self.each })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(is_wanted) = fields.next_key_seed(Name { each: &mut *self.each })? {
            if is_wanted {
                fields.next_value_seed(Texts { each: &mut *self.each })?;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The name of a field: whether what it holds is looked at.
struct Name<'e> {
    each: &'e mut dyn FnMut(&str),
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        let is_wanted = is_looked_at(name);
        if is_wanted && is_name_looked_at(name) {
            (self.each)(name);
        }
        Ok(is_wanted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::inline::Joined;

    fn texts(name: &str, text: &str) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        each_text(name, text, &mut |text| texts.push(text.to_owned())).then_some(texts)
    }

    #[test]
    fn only_a_whole_object_under_that_name_is_read() {
        assert_eq!(texts(LAST_APPLIED, "{\"a\": \"b\\n\"}\n"), Some(vec!["b\n".to_owned()]));
        assert_eq!(texts("note", r#"{"a": "b"}"#), None);
        for text in ["", "x", "[\"a\"]", "\"a\"", r#"{"a": "b""#, r#"{"a": "b"} more"#, r#"{"a": 1e999}"#] {
            assert_eq!(texts(LAST_APPLIED, text), None, "{text}");
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
        assert_eq!(texts(LAST_APPLIED, &deep), None, "as deep as the reader goes, and no further");
    }

    #[test]
    fn a_field_that_stands_twice_is_looked_at_twice() {
        assert_eq!(texts(LAST_APPLIED, r#"{"a": "b", "a": "c"}"#), Some(vec!["b".to_owned(), "c".to_owned()]));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            let name = prop_oneof![".{0,20}", Just("managedFields".to_owned())];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(name, inner, 0..5).prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_texts_are_those_of_the_object_itself(value in values()) {
            let object = json!({"spec": value});
            let mut whole = Joined::default();
            whole.add(&object);
            let mut streamed = Joined::default();
            let is_read = each_text(LAST_APPLIED, &object.to_string(), &mut |text| streamed.push(text));
            prop_assert!(is_read);
            prop_assert_eq!((streamed.joined, streamed.starts), (whole.joined, whole.starts));
        }
    }
}
