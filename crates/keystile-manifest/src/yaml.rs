//! YAML to documents.
//!
//! The parser gives events with places; here they become values as kubectl builds them. Differences
//! between readers that could hide something are refused instead of resolved: a key that is there twice
//! (kubectl takes the last), a merge key after a key that it overrides (go-yaml 2 takes the merged value,
//! go-yaml 3, which kustomize uses, the written one), line breaks of YAML 1.1 that are none in 1.2.
//!
//! Held against sigs.k8s.io/yaml 1.6.0 on 240,000 generated texts: of the 85,000 that both read, all but one
//! became the same JSON. The one: `[x:, y]`, where a colon ends a plain scalar in a flow collection; go-yaml
//! keeps it as text, this reader makes a map of it, which no rule takes for a name.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as EventSpan, StrInput, Tag, options};
use keystile_policy::FieldPath;
use keystile_policy::shown::Shown;
use serde_json::{Map, Value};

use crate::document::Document;
use crate::places::{Place, Places};
use crate::source::{Source, Span};
use crate::template;
use crate::unreadable::{Unreadable, Why};
use crate::yaml_scalar::{self, Fault};

/// Maps and lists in each other; serde_json, which the API server's answers go through, has the same bound.
const MAX_DEPTH: usize = 100;
/// Values that aliases and merge keys of one document may add. go-yaml 2 lets 400,000 pass.
const MAX_COPIED_VALUES: usize = 400_000;
/// Bytes of text that they may add.
const MAX_COPIED_BYTES: usize = 32 << 20;

/// Reads the documents of a text.
pub(crate) fn read(source: &Arc<Source>) -> Vec<Result<Document, Unreadable>> {
    if let Some(unreadable) = other_line_break(source) {
        return vec![Err(unreadable)];
    }
    let options = options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        block_scalar_eof_without_line_feed: true,
    };
    let mut parser = Parser::new_from_str_with_options(source.text(), options);
    let mut found = Vec::new();
    loop {
        let from = found.len();
        let mut builder = Builder::new(source);
        match builder.documents(&mut parser, &mut found) {
            Ok(()) => break,
            Err(unreadable) => found.push(Err(unreadable)),
        }
        // A template breaks the file's structure itself: what looks like a document after it may be
        // none, and would only repeat the answer.
        let is_template = matches!(&found[from..], [.., Err(Unreadable { why: Why::Template(_), .. })]);
        if is_template || !parser.proceed_next_document().unwrap_or(false) {
            break;
        }
    }
    found
}

/// U+0085, U+2028 and U+2029 end lines in YAML 1.1 (5.4 there) and so for kubectl; in YAML 1.2 they are
/// text. Behind one of them, a comment could hide fields from one reader.
fn other_line_break(source: &Arc<Source>) -> Option<Unreadable> {
    let text = source.text();
    let at = text.find(['\u{85}', '\u{2028}', '\u{2029}'])?;
    let character = text[at..].chars().next()?;
    Some(Unreadable {
        source: Arc::clone(source),
        span: Span::new(at, at + character.len_utf8()),
        why: Why::Ambiguous,
        message: format!(
            "U+{:04X} ends a line for kubectl and does not for other readers; write it as an escape in double quotes",
            u32::from(character)
        ),
        also: None,
    })
}

/// A value that is complete.
struct Built {
    value: Value,
    places: Places,
    /// Values in it, itself included.
    values: usize,
    /// Bytes of its texts.
    bytes: usize,
}

/// A value that aliases may name, as far as it is known.
enum Anchored {
    Open,
    Whole(Box<Built>),
}

/// A map or list that is being read.
struct Open {
    items: Items,
    place: Span,
    anchor: usize,
    values: usize,
    bytes: usize,
}

enum Items {
    List(Vec<Value>, Vec<Places>),
    Map {
        fields: Map<String, Value>,
        places: Vec<Places>,
        /// Whether each field came by a merge key only.
        is_merged: Vec<bool>,
        /// The key that waits for its value.
        key: Option<Key>,
    },
}

enum Key {
    Name(String, Span),
    Merge(Span),
}

struct Builder<'s> {
    source: &'s Arc<Source>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    copied_values: usize,
    copied_bytes: usize,
    /// Where the document begins, to look for templates when it can't be read.
    start: usize,
    root: Option<Built>,
}

impl<'s> Builder<'s> {
    fn new(source: &'s Arc<Source>) -> Self {
        Self {
            source,
            open: Vec::new(),
            anchors: HashMap::new(),
            copied_values: 0,
            copied_bytes: 0,
            start: 0,
            root: None,
        }
    }

    /// Reads to the end of the text, or to the first thing that can't be read.
    fn documents(
        &mut self,
        parser: &mut Parser<'s, StrInput<'s>>,
        found: &mut Vec<Result<Document, Unreadable>>,
    ) -> Result<(), Unreadable> {
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| self.syntax(&error))?;
            let here = bytes_of(&span);
            match event {
                Event::StreamStart => {}
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(..) => {
                    self.start = here.start as usize;
                    self.anchors.clear();
                    (self.copied_values, self.copied_bytes) = (0, 0);
                }
                Event::DocumentEnd => {
                    if let Some(root) = self.root.take().filter(|root| !root.value.is_null()) {
                        found.push(Ok(Document {
                            source: Arc::clone(self.source),
                            value: Arc::new(root.value),
                            places: root.places,
                            within: FieldPath::default(),
                            elsewhere: Vec::new(),
                        }));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), here)?,
                Event::SequenceStart(_, anchor, tag) => {
                    self.collection_tag(tag.as_deref(), here)?;
                    self.begin(Items::List(Vec::new(), Vec::new()), anchor, here)?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.collection_tag(tag.as_deref(), here)?;
                    let items = Items::Map { fields: Map::new(), places: Vec::new(), is_merged: Vec::new(), key: None };
                    self.begin(items, anchor, here)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                Event::Alias(anchor) => {
                    let copy = self.copy(anchor, here)?;
                    self.complete(copy, 0)?;
                }
                other => return Err(self.fault(here, Why::Syntax, &format!("{other:?} is not read here"))),
            }
        }
        Ok(())
    }

    fn fault(&self, span: Span, why: Why, message: &str) -> Unreadable {
        Unreadable { source: Arc::clone(self.source), span, why, message: message.to_owned(), also: None }
    }

    /// A broken document: of a template, the template is the reason.
    fn broken(&self, span: Span, message: &str) -> Unreadable {
        let text = self.source.text();
        let from = self.start.min(text.len());
        let to = text[from..].find("\n---").map_or(text.len(), |at| from + at);
        match template::find(text.get(from..to).unwrap_or("")) {
            Some((at, template)) => self.fault(
                Span::new(from + at, from + at + 2),
                Why::Template(template),
                &format!("{template}; check what it renders to"),
            ),
            None => self.fault(span, Why::Syntax, message),
        }
    }

    fn syntax(&self, error: &ScanError) -> Unreadable {
        let at = error.marker().byte_offset().unwrap_or(0);
        let message = format!("not YAML: {}", error.info());
        self.broken(Span::new(at, at), &message)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        here: Span,
    ) -> Result<(), Unreadable> {
        let is_plain = style == ScalarStyle::Plain && tag.is_none();
        let is_merge = text == "<<" && (is_plain || tag.and_then(yaml_scalar::own_tag).as_deref() == Some("merge"));
        if let Some(Open { items: Items::Map { key: key @ None, .. }, .. }) = self.open.last_mut()
            && is_merge
        {
            *key = Some(Key::Merge(here));
            return Ok(());
        }
        let value = yaml_scalar::resolve(text, style, tag).map_err(|fault| match fault {
            Fault::NotJson => self.fault(here, Why::Syntax, "JSON has no infinity and no NaN; put the text in quotes"),
            Fault::NotOfTag => self.fault(here, Why::Syntax, "the value is not of the type that its tag names"),
            Fault::Binary => self.fault(here, Why::Syntax, "!!binary is not read; write the text itself"),
        })?;
        let built = Built { bytes: text.len(), value, places: Places::leaf(here), values: 1 };
        self.complete(built, anchor)
    }

    fn collection_tag(&self, tag: Option<&Tag>, here: Span) -> Result<(), Unreadable> {
        match tag.and_then(yaml_scalar::own_tag).as_deref() {
            None | Some("map" | "seq") => Ok(()),
            Some(_) => Err(self.fault(here, Why::Syntax, "a map or list with this tag is not read")),
        }
    }

    fn begin(&mut self, items: Items, anchor: usize, here: Span) -> Result<(), Unreadable> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.fault(here, Why::Budget, &format!("maps and lists in each other, over {MAX_DEPTH} deep")));
        }
        if let Some(Open { items: Items::Map { key: None, .. }, .. }) = self.open.last() {
            return Err(self.broken(here, "not JSON: the name of a field is a map or list"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Anchored::Open);
        }
        self.open.push(Open { items, place: here, anchor, values: 1, bytes: 0 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (value, children) = match open.items {
            Items::List(items, places) => (Value::Array(items), places),
            Items::Map { fields, places, .. } => (Value::Object(fields), places),
        };
        let places = Places { place: Place { key: None, value: open.place }, children };
        self.complete(Built { value, places, values: open.values, bytes: open.bytes }, open.anchor)
    }

    /// The value that an alias names, counted against the budget.
    fn copy(&mut self, anchor: usize, here: Span) -> Result<Built, Unreadable> {
        let whole = match self.anchors.get(&anchor) {
            Some(Anchored::Whole(whole)) => whole,
            _ => return Err(self.fault(here, Why::Syntax, "the alias names a value that contains it")),
        };
        let (values, bytes) = (whole.values, whole.bytes);
        self.copied_values += values;
        self.copied_bytes += bytes;
        if self.copied_values > MAX_COPIED_VALUES || self.copied_bytes > MAX_COPIED_BYTES {
            return Err(self.fault(here, Why::Budget, "aliases make the document too large; write it out"));
        }
        let mut places = whole.places.clone();
        // What is below stands where the anchor is; the value itself is written here.
        places.place = Place { key: None, value: here };
        Ok(Built { value: whole.value.clone(), places, values, bytes })
    }

    /// Puts a value into the map or list that is open.
    fn complete(&mut self, built: Built, anchor: usize) -> Result<(), Unreadable> {
        if anchor > 0 {
            let copy = Built { value: built.value.clone(), places: built.places.clone(), ..built };
            self.copied_values += built.values;
            self.copied_bytes += built.bytes;
            self.anchors.insert(anchor, Anchored::Whole(Box::new(copy)));
        }
        let Some(mut open) = self.open.pop() else {
            self.root = Some(built);
            return Ok(());
        };
        open.values += built.values;
        open.bytes += built.bytes;
        match &mut open.items {
            Items::List(items, places) => {
                items.push(built.value);
                places.push(built.places);
            }
            Items::Map { key: key @ None, .. } => {
                let here = built.places.place.value;
                let Some(name) = yaml_scalar::field_name(&built.value) else {
                    return Err(self.broken(here, "not JSON: the name of a field is null, a map or a list"));
                };
                *key = Some(Key::Name(name, here));
            }
            Items::Map { fields, places, is_merged, key } => match key.take() {
                Some(Key::Merge(here)) => self.merge(built, here, fields, places, is_merged)?,
                Some(Key::Name(name, span)) => {
                    let mut below = built.places;
                    below.place.key = Some(span);
                    if let Some(index) = index_of(fields, &name) {
                        if !is_merged[index] {
                            let mut twice = self.fault(
                                span,
                                Why::DuplicateKey,
                                &format!("{} is written twice in one map; keep one", Shown(&name)),
                            );
                            twice.also = places[index].place.key;
                            return Err(twice);
                        }
                        fields[&name] = built.value;
                        places[index] = below;
                        is_merged[index] = false;
                    } else {
                        fields.insert(name, built.value);
                        places.push(below);
                        is_merged.push(false);
                    }
                }
                None => {}
            },
        }
        self.open.push(open);
        Ok(())
    }

    /// Carries out `<<: value`.
    fn merge(
        &mut self,
        built: Built,
        here: Span,
        fields: &mut Map<String, Value>,
        places: &mut Vec<Places>,
        is_merged: &mut Vec<bool>,
    ) -> Result<(), Unreadable> {
        let wants_map = || self.fault(here, Why::Syntax, "<< wants a map, an alias of one, or a list of those");
        let sources = match built.value {
            Value::Object(map) => vec![(map, built.places.children)],
            Value::Array(items) => {
                let maps = items.into_iter().zip(built.places.children).map(|(item, below)| match item {
                    Value::Object(map) => Some((map, below.children)),
                    _ => None,
                });
                maps.collect::<Option<Vec<_>>>().ok_or_else(wants_map)?
            }
            _ => return Err(wants_map()),
        };
        // Earlier ones win: so they come last, and each overrides what was merged before it.
        for (map, below) in sources.into_iter().rev() {
            for ((name, value), below) in map.into_iter().zip(below) {
                let Some(index) = index_of(fields, &name) else {
                    fields.insert(name, value);
                    places.push(below);
                    is_merged.push(true);
                    continue;
                };
                if is_merged[index] {
                    fields[&name] = value;
                    places[index] = below;
                } else if fields[&name] != value {
                    let mut ambiguous = self.fault(
                        here,
                        Why::Ambiguous,
                        &format!(
                            "<< comes after {}, which it has too: kubectl takes the merged value, others the written one; \
                             write << first",
                            Shown(&name)
                        ),
                    );
                    ambiguous.also = places[index].place.key;
                    return Err(ambiguous);
                }
            }
        }
        Ok(())
    }
}

/// Where a field stands among the others; the search costs only those that are there twice.
fn index_of(fields: &Map<String, Value>, name: &str) -> Option<usize> {
    if fields.contains_key(name) { fields.keys().position(|field| field == name) } else { None }
}

fn bytes_of(span: &EventSpan) -> Span {
    span.byte_range().map_or_else(Span::default, |range| Span::new(range.start, range.end))
}

#[cfg(test)]
mod tests;
