//! JSON to documents: the values are serde_json's, the places are found by a second walk over a text
//! that is known to be JSON by then.

use std::collections::HashMap;
use std::sync::Arc;

use keystile_policy::FieldPath;
use keystile_policy::shown::Shown;
use serde_json::Value;

use crate::document::Document;
use crate::places::{Place, Places};
use crate::source::{Source, Span};
use crate::template;
use crate::unreadable::{Unreadable, Why};

/// Reads the values of a text, one after the other. What comes after one that can't be read is not read.
pub(crate) fn read(source: &Arc<Source>) -> Vec<Result<Document, Unreadable>> {
    let text = source.text();
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut stream = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
    let mut found = Vec::new();
    let mut from = start;
    while let Some(next) = stream.next() {
        let value = match next {
            Ok(Value::Null) => {
                from = start + stream.byte_offset();
                continue;
            }
            Ok(value) => value,
            Err(error) => {
                found.push(Err(broken(source, from, &error)));
                break;
            }
        };
        let to = start + stream.byte_offset();
        let mut walk = Walk { source, bytes: text.as_bytes(), at: from };
        from = to;
        found.push(walk.value().map(|places| Document {
            source: Arc::clone(source),
            value: Arc::new(value),
            places,
            within: FieldPath::default(),
            elsewhere: Vec::new(),
        }));
    }
    found
}

fn broken(source: &Arc<Source>, from: usize, error: &serde_json::Error) -> Unreadable {
    let text = source.text();
    let at = offset_of(text, from, error.line(), error.column());
    let fault = |at: usize, why: Why, message: String| Unreadable {
        source: Arc::clone(source),
        span: Span::new(at, at),
        why,
        message,
        also: None,
    };
    match template::find(text.get(from..).unwrap_or("")) {
        Some((begins, template)) => {
            fault(from + begins, Why::Template(template), format!("{template}; check what it renders to"))
        }
        None => {
            // serde_json's own text ends with the place, which is ours to give.
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or(&said);
            let why = if said.starts_with("recursion limit") { Why::Budget } else { Why::Syntax };
            fault(at, why, format!("not JSON: {said}"))
        }
    }
}

/// The byte of serde_json's line and column (in bytes), which count from the stream's beginning.
fn offset_of(text: &str, from: usize, line: usize, column: usize) -> usize {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut at = start;
    for _ in 1..line {
        at = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
    }
    let mut at = (at + column.saturating_sub(1)).clamp(from.min(text.len()), text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Walks over JSON that is known to be sound; it never goes past the end, whatever it is given.
struct Walk<'s> {
    source: &'s Arc<Source>,
    bytes: &'s [u8],
    at: usize,
}

impl Walk<'_> {
    // Recursion is bounded: serde_json has refused what is over 128 deep.
    fn value(&mut self) -> Result<Places, Unreadable> {
        self.blanks();
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.map(start),
            Some(b'[') => self.list(start),
            Some(b'"') => {
                self.text();
                Ok(Places::leaf(Span::new(start, self.at)))
            }
            _ => {
                while self.peek().is_some_and(|byte| !b",]} \t\r\n".contains(&byte)) {
                    self.at += 1;
                }
                Ok(Places::leaf(Span::new(start, self.at)))
            }
        }
    }

    fn map(&mut self, start: usize) -> Result<Places, Unreadable> {
        let mut children: Vec<Places> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        self.at += 1;
        loop {
            self.blanks();
            match self.peek() {
                Some(b'"') => {
                    let from = self.at;
                    self.text();
                    let key = Span::new(from, self.at);
                    let name: String = serde_json::from_slice(&self.bytes[from..self.at]).unwrap_or_default();
                    let message = format!("{} is written twice in one map; keep one", Shown(&name));
                    if let Some(first) = seen.insert(name, key) {
                        return Err(Unreadable {
                            source: Arc::clone(self.source),
                            span: key,
                            why: Why::DuplicateKey,
                            message,
                            also: Some(first),
                        });
                    }
                    self.blanks();
                    self.at += 1; // the colon
                    let mut below = self.value()?;
                    below.place.key = Some(key);
                    children.push(below);
                }
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.at += 1;
        Ok(Places { place: Place { key: None, value: Span::new(start, start + 1) }, children })
    }

    fn list(&mut self, start: usize) -> Result<Places, Unreadable> {
        let mut children = Vec::new();
        self.at += 1;
        loop {
            self.blanks();
            match self.peek() {
                Some(b']') | None => break,
                Some(b',') => self.at += 1,
                Some(_) => children.push(self.value()?),
            }
        }
        self.at += 1;
        Ok(Places { place: Place { key: None, value: Span::new(start, start + 1) }, children })
    }

    fn text(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => break,
                _ => {}
            }
        }
        self.at = self.at.min(self.bytes.len());
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| b" \t\r\n".contains(&byte)) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests;
