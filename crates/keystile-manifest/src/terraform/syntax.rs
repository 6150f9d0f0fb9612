//! Terraform's two spellings, HCL and JSON, to blocks with places.

use std::collections::BTreeMap;
use std::sync::Arc;

use hcl_edit::expr::Expression;
use hcl_edit::structure::{Block as HclBlock, Body, Structure};
use hcl_edit::{Span as _, parser};
use serde_json::Value;

use crate::document::{Document, Format};
use crate::places::Places;
use crate::source::{Source, Span};
use crate::unreadable::{Unreadable, Why};

/// A folder's files.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Defaults of variables, or their values from a file; `None` = a variable without either.
    pub(super) variables: BTreeMap<String, Option<Field>>,
    /// Values from `.tfvars` files.
    pub(super) values: BTreeMap<String, Field>,
    pub(super) locals: BTreeMap<String, Field>,
    /// `resource` and `module` blocks.
    pub(super) blocks: Vec<Block>,
}

/// A block: `resource "aws_secretsmanager_secret" "db" { … }`.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) source: Arc<Source>,
    /// `resource`, `module`.
    pub(super) kind: String,
    pub(super) labels: Vec<String>,
    /// Its first line, from its kind to the last label.
    pub(super) header: Span,
    pub(super) fields: Vec<(String, Field)>,
}

/// What a name in a block stands for.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) source: Arc<Source>,
    /// The name's place.
    pub(super) key: Span,
    pub(super) value: FieldValue,
}

/// The value of a field.
#[derive(Clone, Debug)]
pub(super) enum FieldValue {
    /// An expression of HCL.
    Hcl(Expression),
    /// A value of JSON, whose texts may hold expressions.
    Json(Value, Places),
    /// A nested block (HCL).
    Nested(Vec<(String, Field)>),
}

impl Module {
    /// Takes a file in.
    pub(super) fn add(&mut self, source: &Arc<Source>, is_values: bool) -> Result<(), Box<Unreadable>> {
        if source.name().ends_with(".json") {
            for document in crate::document::read(source, Format::Json) {
                self.add_json(&document.map_err(Box::new)?);
            }
            return Ok(());
        }
        let body = parser::parse_body(source.text()).map_err(|error| Box::new(broken(source, &error)))?;
        if is_values {
            for (name, field) in fields(source, &body) {
                self.values.insert(name, field);
            }
            return Ok(());
        }
        for structure in &body {
            if let Structure::Block(block) = structure {
                self.add_block(source, block);
            }
        }
        Ok(())
    }

    fn add_block(&mut self, source: &Arc<Source>, block: &HclBlock) {
        let labels: Vec<String> = block.labels.iter().map(|label| label.as_str().to_owned()).collect();
        let start = block.ident.span().map_or(0, |span| span.start);
        let end = block.labels.last().and_then(hcl_edit::Span::span).or_else(|| block.ident.span());
        let header = Span::new(start, end.map_or(start, |span| span.end));
        let fields = fields(source, &block.body);
        self.add_any(Block {
            source: Arc::clone(source),
            kind: block.ident.as_str().to_owned(),
            labels,
            header,
            fields,
        });
    }

    fn add_any(&mut self, block: Block) {
        match (block.kind.as_str(), block.labels.as_slice()) {
            ("variable", [name]) => {
                let default = block.fields.into_iter().find(|(field, _)| field == "default").map(|(_, field)| field);
                self.variables.insert(name.clone(), default);
            }
            ("locals", _) => self.locals.extend(block.fields),
            ("resource" | "module", _) => self.blocks.push(block),
            _ => {}
        }
    }

    /// JSON: labels are nested keys; where a block could be repeated, a list of them stands.
    fn add_json(&mut self, document: &Document) {
        let Some(root) = document.value.as_object() else { return };
        for ((kind, value), places) in root.iter().zip(document.places.children()) {
            let labels = match kind.as_str() {
                "resource" => 2,
                "module" | "variable" => 1,
                "locals" => 0,
                _ => continue,
            };
            self.add_json_blocks(document, kind, labels, &mut Vec::new(), value, places);
        }
    }

    fn add_json_blocks(
        &mut self,
        document: &Document,
        kind: &str,
        labels_left: usize,
        labels: &mut Vec<String>,
        value: &Value,
        places: &Places,
    ) {
        match value {
            Value::Array(items) => {
                for (item, places) in items.iter().zip(places.children()) {
                    self.add_json_blocks(document, kind, labels_left, labels, item, places);
                }
            }
            Value::Object(fields) if labels_left > 0 => {
                for ((name, value), places) in fields.iter().zip(places.children()) {
                    labels.push(name.clone());
                    self.add_json_blocks(document, kind, labels_left - 1, labels, value, places);
                    labels.pop();
                }
            }
            Value::Object(fields) => {
                let fields = fields.iter().zip(places.children()).map(|((name, value), places)| {
                    let field = Field {
                        source: Arc::clone(&document.source),
                        key: places.place().key.unwrap_or_default(),
                        value: FieldValue::Json(value.clone(), places.clone()),
                    };
                    (name.clone(), field)
                });
                self.add_any(Block {
                    source: Arc::clone(&document.source),
                    kind: kind.to_owned(),
                    labels: labels.clone(),
                    header: places.place().key.unwrap_or(places.place().value),
                    fields: fields.collect(),
                });
            }
            _ => {}
        }
    }
}

fn fields(source: &Arc<Source>, body: &Body) -> Vec<(String, Field)> {
    let span = |range: Option<std::ops::Range<usize>>| {
        range.map_or_else(Span::default, |range| Span::new(range.start, range.end))
    };
    body.iter()
        .map(|structure| match structure {
            Structure::Attribute(attribute) => {
                let field = Field {
                    source: Arc::clone(source),
                    key: span(attribute.key.span()),
                    value: FieldValue::Hcl(attribute.value.clone()),
                };
                (attribute.key.as_str().to_owned(), field)
            }
            Structure::Block(block) => {
                // `dynamic "replica"`: what it makes is not known.
                let name = match (block.ident.as_str(), block.labels.first()) {
                    ("dynamic", Some(label)) => format!("dynamic {}", label.as_str()),
                    (name, _) => name.to_owned(),
                };
                let field = Field {
                    source: Arc::clone(source),
                    key: span(block.ident.span()),
                    value: FieldValue::Nested(fields(source, &block.body)),
                };
                (name, field)
            }
        })
        .collect()
}

fn broken(source: &Arc<Source>, error: &parser::Error) -> Unreadable {
    let offset = error.location().offset().min(source.text().len());
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    Unreadable {
        source: Arc::clone(source),
        span: Span::new(offset, offset),
        why: Why::Syntax,
        message: format!("not Terraform's language: {message}"),
        also: None,
    }
}
