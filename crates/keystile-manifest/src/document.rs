//! One document of a text: its value and the places of its fields.

use std::fmt;
use std::sync::Arc;

use keystile_policy::{FieldPath, Step};
use serde_json::Value;

use crate::places::{Place, Places};
use crate::source::{Position, Source, Span};
use crate::unreadable::{Unreadable, Why};
use crate::{json, yaml};

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML, of any number of documents.
    Yaml,
    /// JSON; several values in a row are several documents, as kubectl reads them.
    Json,
}

impl Format {
    /// What a file of this name is written in; `None` for neither.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        // One of the names that kustomize looks for (kustomize/api, konfig).
        if name.rsplit(['/', std::path::MAIN_SEPARATOR]).next() == Some("Kustomization") {
            return Some(Self::Yaml);
        }
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A value with the places of its fields.
#[derive(Clone)]
pub struct Document {
    /// The text that it stands in.
    pub source: Arc<Source>,
    /// The value, as a cluster would get it.
    pub value: Arc<Value>,
    /// Where its fields stand.
    pub places: Places,
    /// Where in its document it stands: empty, or `items[3]` of a `List`.
    pub within: FieldPath,
    /// Fields at the top whose text is another: a Terraform resource of another file that belongs to this one.
    pub elsewhere: Vec<(&'static str, Arc<Source>)>,
}

/// Ids only: an object may hold secret values.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("source", &self.source.name())
            .field("kind", &self.value.get("kind").and_then(Value::as_str))
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

/// A field's place as people count, and whether it is there.
#[derive(Clone, Debug)]
pub struct Located {
    /// The text that it stands in.
    pub source: Arc<Source>,
    /// What to point at: a single value that is on the same line as its key, else the key.
    pub span: Span,
    /// Where that begins.
    pub position: Position,
    /// Whether the field is there; otherwise the place is that of the nearest field above it.
    pub is_exact: bool,
}

impl Document {
    /// The place of the field at `path`, or of the nearest field above it.
    #[must_use]
    pub fn place(&self, path: &FieldPath) -> (Place, bool) {
        self.places.nearest(&self.value, path)
    }

    /// The text in which the field at `path` stands.
    #[must_use]
    pub fn source_of(&self, path: &FieldPath) -> &Arc<Source> {
        let Some(Step::Field(first)) = path.steps().next() else { return &self.source };
        self.elsewhere.iter().find(|(field, _)| *field == first).map_or(&self.source, |(_, source)| source)
    }

    /// Every text that a part of it stands in.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        std::iter::once(&self.source).chain(self.elsewhere.iter().map(|(_, source)| source))
    }

    /// The same object with `metadata.namespace`, where it had none.
    #[must_use]
    pub fn with_namespace(mut self, namespace: &str) -> Self {
        let value = Arc::make_mut(&mut self.value);
        let Some(index) = value.as_object().and_then(|fields| fields.keys().position(|field| field == "metadata"))
        else {
            return self;
        };
        let (Some(Value::Object(metadata)), Some(places)) =
            (value.get_mut("metadata"), self.places.children.get_mut(index))
        else {
            return self;
        };
        if metadata.insert("namespace".to_owned(), Value::String(namespace.to_owned())).is_none() {
            // At the end, as the map has it; it is pointed at where the metadata are.
            let here = Place { key: places.place.key, value: places.place.value };
            places.children.push(Places { place: here, children: Vec::new() });
        }
        self
    }

    /// Where a message about the field at `path` points.
    #[must_use]
    pub fn locate(&self, path: &FieldPath) -> Located {
        let (place, is_exact) = self.place(path);
        let source = self.source_of(path);
        let span = match place.key {
            // Of a field that lacks something, its name says more than the whole of its value; a value
            // on later lines is named by its key.
            Some(key) if !is_exact || self.is_collection(path) || source.slice(place.value).is_empty() => key,
            Some(key) if source.line_of(key.start) != source.line_of(place.value.start) => key,
            _ => place.value,
        };
        Located { source: Arc::clone(source), span, position: source.position(span.start), is_exact }
    }

    fn is_collection(&self, path: &FieldPath) -> bool {
        let below = path.steps().try_fold(&*self.value, |value, step| match step {
            Step::Field(name) => value.get(name),
            Step::Item(index) => value.get(index as usize),
        });
        below.is_some_and(|value| value.is_object() || value.is_array())
    }

    /// Where the name of the field at `path` begins, as people count; `None` where there is no such field.
    #[must_use]
    pub fn key_position(&self, path: &FieldPath) -> Option<Position> {
        match self.place(path) {
            (Place { key: Some(key), .. }, true) => Some(self.source_of(path).position(key.start)),
            _ => None,
        }
    }

    /// Where the value of the field at `path` begins; `None` where there is no such field.
    #[must_use]
    pub fn value_position(&self, path: &FieldPath) -> Option<Position> {
        match self.place(path) {
            (place, true) => Some(self.source_of(path).position(place.value.start)),
            _ => None,
        }
    }
}

/// The documents of a text, and what of it can't be read, in the order of the text. Empty documents
/// (nothing but comments) are left out.
#[must_use]
pub fn read(source: &Arc<Source>, format: Format) -> Vec<Result<Document, Unreadable>> {
    match format {
        Format::Yaml => yaml::read(source),
        Format::Json => json::read(source),
    }
}

/// The one document of a text in YAML (of which JSON is a part): a policy, for example.
///
/// # Errors
///
/// When something can't be read, or the text has another number of documents than one.
pub fn read_one(source: &Arc<Source>) -> Result<Document, Unreadable> {
    let mut documents = read(source, Format::Yaml).into_iter();
    let fault = |span: Span, message: &str| Unreadable {
        source: Arc::clone(source),
        span,
        why: Why::Syntax,
        message: message.to_owned(),
        also: None,
    };
    let first = documents.next().unwrap_or_else(|| Err(fault(Span::default(), "the file is empty")))?;
    match documents.next() {
        None => Ok(first),
        Some(Err(second)) => Err(second),
        Some(Ok(second)) => {
            Err(fault(second.places.place().value, "one document is expected here, and this is a second"))
        }
    }
}
