//! Reading the keys of a TOML table the way gitleaks does.
//!
//! gitleaks reads its configuration with viper and mapstructure's weak typing: keys in any case, a
//! number where a text is wanted, a text where a number or a list is wanted (lists in a text are
//! separated by commas). The same is accepted here, with a warning. Anything else is an error.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::session::{Place, Session};

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// The keys of a table that were not asked for yet.
pub(super) struct Fields<'t> {
    file: usize,
    /// By the key in lower case: the key's place, and the value.
    rest: BTreeMap<String, (Place, &'t Spanned<DeValue<'t>>)>,
    /// Keys that were asked for, for suggestions.
    known: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    pub(super) fn new(session: &mut Session<'_>, file: usize, table: &'t DeTable<'t>) -> Self {
        let mut rest = BTreeMap::new();
        for (key, value) in table {
            let place = Place { file, span: key.span() };
            let name = key.get_ref().to_lowercase();
            if rest.insert(name, (place.clone(), value)).is_some() {
                session.error(&place, format!("`{}` is given twice, in different case", key.get_ref()));
            }
        }
        Self { file, rest, known: Vec::new() }
    }

    /// The value of the key `name`, and the key's place.
    pub(super) fn take(&mut self, name: &'static str) -> Option<(Place, &'t Spanned<DeValue<'t>>)> {
        self.known.push(name);
        self.rest.remove(&name.to_lowercase())
    }

    fn place(&self, value: &Spanned<DeValue<'_>>) -> Place {
        Place { file: self.file, span: value.span() }
    }

    /// A text; an empty one counts as none, as in gitleaks.
    pub(super) fn text(&mut self, session: &mut Session<'_>, name: &'static str) -> Option<Located<String>> {
        let (_, value) = self.take(name)?;
        text(session, &self.place(value), value.get_ref(), name).filter(|text| !text.value.is_empty())
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, session: &mut Session<'_>, name: &'static str) -> Vec<Located<String>> {
        let Some((_, value)) = self.take(name) else { return Vec::new() };
        let place = self.place(value);
        match value.get_ref() {
            DeValue::Array(items) => {
                items.iter().filter_map(|item| text(session, &self.place(item), item.get_ref(), name)).collect()
            }
            DeValue::String(whole) => {
                session.warning(&place, format!("`{name}` should be a list; it is read as one, split at commas"));
                let parts = whole.split(',').filter(|_| !whole.is_empty());
                parts.map(|part| Located { value: part.to_owned(), place: place.clone() }).collect()
            }
            other => {
                session.error(&place, format!("`{name}` must be a list of strings, not {}", kind(other)));
                Vec::new()
            }
        }
    }

    /// A whole number.
    pub(super) fn integer(&mut self, session: &mut Session<'_>, name: &'static str) -> Option<Located<i64>> {
        let (_, value) = self.take(name)?;
        let place = self.place(value);
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            DeValue::String(text) => {
                let number = text.parse().ok();
                if number.is_some() {
                    session.warning(&place, format!("`{name}` should be a number, without quotes"));
                }
                number
            }
            _ => None,
        };
        if number.is_none() {
            let message = match value.get_ref() {
                DeValue::Integer(_) => format!("`{name}` is far too large"),
                DeValue::Float(_) => format!("`{name}` must be a whole number"),
                other => format!("`{name}` must be a whole number, not {}", kind(other)),
            };
            session.error(&place, message);
        }
        Some(Located { value: number?, place })
    }

    /// A number.
    pub(super) fn number(&mut self, session: &mut Session<'_>, name: &'static str) -> Option<Located<f64>> {
        let (_, value) = self.take(name)?;
        let place = self.place(value);
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n as f64),
            DeValue::String(text) => {
                let number = text.parse().ok();
                if number.is_some() {
                    session.warning(&place, format!("`{name}` should be a number, without quotes"));
                }
                number
            }
            _ => None,
        };
        let number = number.filter(|number: &f64| number.is_finite());
        if number.is_none() {
            let message = match value.get_ref() {
                DeValue::Integer(_) | DeValue::Float(_) => format!("`{name}` must be a finite number"),
                other => format!("`{name}` must be a number, not {}", kind(other)),
            };
            session.error(&place, message);
        }
        Some(Located { value: number?, place })
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, session: &mut Session<'_>, name: &'static str) -> Option<Located<bool>> {
        let (_, value) = self.take(name)?;
        let place = self.place(value);
        let answer = match value.get_ref() {
            DeValue::Boolean(answer) => Some(*answer),
            DeValue::String(text) => {
                let answer = text.to_ascii_lowercase().parse().ok();
                if answer.is_some() {
                    session.warning(&place, format!("`{name}` should be true or false, without quotes"));
                }
                answer
            }
            _ => None,
        };
        if answer.is_none() {
            session.error(&place, format!("`{name}` must be true or false, not {}", kind(value.get_ref())));
        }
        Some(Located { value: answer?, place })
    }

    /// A table, and the key's place.
    pub(super) fn table(&mut self, session: &mut Session<'_>, name: &'static str) -> Option<(Place, &'t DeTable<'t>)> {
        let (key, value) = self.take(name)?;
        if let DeValue::Table(table) = value.get_ref() {
            return Some((key, table));
        }
        let place = self.place(value);
        session.error(&place, format!("`{name}` must be a table, not {}", kind(value.get_ref())));
        None
    }

    /// A list of tables, each with its place.
    pub(super) fn tables(&mut self, session: &mut Session<'_>, name: &'static str) -> Vec<(Place, &'t DeTable<'t>)> {
        let Some((_, value)) = self.take(name) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .filter_map(|item| {
                    let place = self.place(item);
                    if let DeValue::Table(table) = item.get_ref() {
                        return Some((place, table));
                    }
                    session.error(&place, format!("`{name}` must be tables, not {}", kind(item.get_ref())));
                    None
                })
                .collect(),
            DeValue::Table(table) => {
                let place = self.place(value);
                session
                    .warning(&place, format!("`{name}` should be a list of tables, with two brackets: `[[..{name}]]`"));
                vec![(place, table)]
            }
            other => {
                let place = self.place(value);
                session.error(&place, format!("`{name}` must be a list of tables, not {}", kind(other)));
                Vec::new()
            }
        }
    }

    /// Says which keys nobody asked for. `owner` says whose keys they are.
    pub(super) fn finish(self, session: &mut Session<'_>, owner: &str, is_error: bool) {
        for (name, (place, _)) in &self.rest {
            let near = self.known.iter().find(|known| is_near(name, &known.to_lowercase()));
            let suggestion = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            if is_error {
                session.error(place, format!("{owner} has no key `{name}`{suggestion}"));
            } else {
                session.warning(place, format!("{owner} has no key `{name}`, it is ignored{suggestion}"));
            }
        }
    }
}

/// The text `value`, or the number `value` as a text.
fn text(session: &mut Session<'_>, place: &Place, value: &DeValue<'_>, name: &str) -> Option<Located<String>> {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        _ => {
            session.error(place, format!("`{name}` must be a string, not {}", kind(value)));
            return None;
        }
    };
    if !value.is_str() {
        session.warning(place, format!("`{name}` should be a string, in quotes"));
    }
    Some(Located { value: text, place: place.clone() })
}

/// What a value is, with its article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Whether one insertion, deletion or replacement makes one word of the other.
fn is_near(a: &str, b: &str) -> bool {
    let (a, b) = if a.len() <= b.len() { (a.as_bytes(), b.as_bytes()) } else { (b.as_bytes(), a.as_bytes()) };
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    match b.len() - a.len() {
        0 => a.len() > same && a[same + 1..] == b[same + 1..],
        1 => a[same..] == b[same + 1..],
        _ => false,
    }
}
