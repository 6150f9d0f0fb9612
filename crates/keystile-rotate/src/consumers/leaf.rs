//! Whether a part of a secret that a reference asks for has the leaked leaf in it, and under which key it lands.
//!
//! External Secrets reads `property` as one field whose name has dots, if there is one, and else as a path of
//! gjson (providers/v1/aws/secretsmanager/secretsmanager.go, `escapeDotsIfRequired`; the other providers do the
//! same). What else gjson can do (searches, modifiers) is not followed.

/// The leaked leaf: the steps of a JSON pointer. None = the whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf(Vec<String>);

/// What a part has of the leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The leaf is in it, behind these steps; or all of it is leaked.
    Has(Vec<String>),
    /// The leaf is elsewhere.
    HasNot,
    /// That can't be told; why, as a clause.
    Unknown(String),
}

impl Leaf {
    /// Reads a JSON pointer (RFC 6901).
    pub(super) fn of_pointer(pointer: &str) -> Self {
        let step = |step: &str| step.replace("~1", "/").replace("~0", "~");
        Self(pointer.split('/').skip(1).map(step).collect())
    }

    /// What a `property` has of it.
    pub(super) fn under(&self, property: Option<&str>) -> Part {
        let Some(property) = property.filter(|property| !property.is_empty()) else {
            return Part::Has(self.0.clone());
        };
        if self.0.is_empty() {
            // The whole value leaked: every part of it did.
            return Part::Has(Vec::new());
        }
        if let Some(rest) = self.behind(&[property.to_owned()]) {
            return Part::Has(rest);
        }
        match path_of(property) {
            Some(path) => self.behind(&path).map_or(Part::HasNot, Part::Has),
            None => Part::Unknown(format!(
                "the property {} is an expression that is not followed",
                keystile_policy::shown::Shown(property)
            )),
        }
    }

    /// The steps behind a path, if the leaf is there.
    fn behind(&self, path: &[String]) -> Option<Vec<String>> {
        self.0.strip_prefix(path).map(<[String]>::to_vec)
    }

    /// The names that it may have once it is a text of its own: its last step.
    pub(super) fn last(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }
}

/// The steps of a plain path of gjson; `None` for one with more than names, numbers and escaped dots.
fn path_of(text: &str) -> Option<Vec<String>> {
    let mut steps = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '.' => steps.push(String::new()),
            '\\' => steps.last_mut()?.push(characters.next()?),
            '#' | '*' | '?' | '|' | '@' | '!' | '{' | '}' | '[' | ']' | '(' | ')' | '"' | '=' | '<' | '>' | '%' => {
                return None;
            }
            other => steps.last_mut()?.push(other),
        }
    }
    Some(steps)
}

/// A key of a Secret from the name of a field or secret. Source: External Secrets 2.9.0,
/// runtime/esutils/utils.go, `convert`.
pub(super) fn converted(name: &str, strategy: Option<&str>) -> String {
    let mut key = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_alphanumeric() || matches!(character, '-' | '.' | '_') {
            key.push(character);
        } else {
            match strategy {
                None | Some("" | "Default") => key.push('_'),
                Some("Unicode") => key.push_str(&format!("_U{:04x}_", u32::from(character))),
                Some(_) => key.push(character),
            }
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn has(steps: &[&str]) -> Part {
        Part::Has(steps.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_property_has_the_leaf_or_has_it_not() {
        for (pointer, property, expected) in [
            ("/password", None, has(&["password"])),
            ("/password", Some(""), has(&["password"])),
            ("/password", Some("password"), has(&[])),
            ("/password", Some("username"), Part::HasNot),
            ("/password", Some("pass"), Part::HasNot),
            ("/password", Some("password.old"), Part::HasNot),
            ("/db/password", Some("db"), has(&["password"])),
            ("/db/password", Some("db.password"), has(&[])),
            ("/db/password", Some("db.user"), Part::HasNot),
            ("/db.password", Some("db.password"), has(&[])),
            ("/db.password", Some(r"db\.password"), has(&[])),
            ("/db.password", Some("db"), Part::HasNot),
            ("/hosts/0/key", Some("hosts.0.key"), has(&[])),
            ("/hosts/0/key", Some("hosts.1.key"), Part::HasNot),
            ("/a~1b", Some("a/b"), has(&[])),
            ("/a~0b", Some("a~b"), has(&[])),
            ("", None, has(&[])),
            ("", Some("anything"), has(&[])),
        ] {
            assert_eq!(Leaf::of_pointer(pointer).under(property), expected, "{pointer} {property:?}");
        }
        for property in ["hosts.#.key", "p*", "@this", "a|b", r#"users.#(name=="a").key"#] {
            let part = Leaf::of_pointer("/password").under(Some(property));
            assert!(matches!(part, Part::Unknown(_)), "{property}: {part:?}");
        }
    }

    #[test]
    fn a_key_is_made_as_the_operator_makes_it() {
        for (name, strategy, key) in [
            ("/prod/db", None, "_prod_db"),
            ("/prod/db", Some("Default"), "_prod_db"),
            ("a b", Some("Unicode"), "a_U0020_b"),
            ("a/b", Some("None"), "a/b"),
            ("tls.crt", None, "tls.crt"),
        ] {
            assert_eq!(converted(name, strategy), key, "{name} {strategy:?}");
        }
    }

    proptest! {
        /// A path of plain names leads to the leaf exactly where it is a beginning of it.
        #[test]
        fn a_plain_path_is_a_beginning(
            leaf in prop::collection::vec("[a-z]{1,3}", 1..4),
            path in prop::collection::vec("[a-z]{1,3}", 1..4),
        ) {
            let part = Leaf(leaf.clone()).under(Some(&path.join(".")));
            let is_beginning = leaf.starts_with(&path);
            prop_assert_eq!(matches!(part, Part::Has(_)), is_beginning);
        }

        #[test]
        fn any_property_is_answered(pointer in "(/[a-z.~]{0,4}){0,3}", property in ".{0,12}") {
            let _ = Leaf::of_pointer(&pointer).under(Some(&property));
        }
    }
}
