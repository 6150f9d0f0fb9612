//! Evaluates expressions as far as a configuration says their values by itself.

use std::cell::Cell;
use std::sync::Arc;

use hcl_edit::Span as _;
use hcl_edit::expr::{BinaryOperator, Expression, FuncCall, ObjectKey, Traversal, TraversalOperator, UnaryOperator};
use hcl_edit::parser;
use hcl_edit::template::{Element, Template};
use serde_json::{Map, Number, Value};

use super::syntax::{Field, FieldValue, Module};
use crate::places::{Place, Places};
use crate::source::{Source, Span};

/// How deep variables and locals may refer to each other, and expressions lie in each other.
const MAX_DEPTH: u32 = 64;
/// Values that the evaluation of one resource may make: locals that double each other are a bomb.
const MAX_VALUES: u32 = 50_000;
/// Characters of an expression that are kept as its text.
const SHOWN: usize = 120;

/// A value with the places of its parts.
pub(super) type Placed = (Value, Places);

/// What names mean.
pub(super) struct Scope<'m> {
    pub(super) module: &'m Module,
    /// `each.key` and `each.value`.
    pub(super) each: Option<(String, Value)>,
    /// `count.index`.
    pub(super) index: Option<u64>,
    pub(super) depth: Cell<u32>,
    pub(super) values: Cell<u32>,
}

impl<'m> Scope<'m> {
    pub(super) fn new(module: &'m Module) -> Self {
        Self { module, each: None, index: None, depth: Cell::new(0), values: Cell::new(0) }
    }

    /// The value of a field, with the field's name as its key.
    pub(super) fn field(&self, field: &Field) -> Placed {
        let (value, mut places) = match &field.value {
            FieldValue::Hcl(expression) => self.expression(expression, &field.source),
            FieldValue::Json(value, places) => self.json(value, places),
            FieldValue::Nested(fields) => self.nested(fields, field.key),
        };
        places.place.key = Some(field.key);
        (value, places)
    }

    /// A nested block as a map; blocks of one name as a list.
    pub(super) fn nested(&self, fields: &[(String, Field)], here: Span) -> Placed {
        let mut map = Map::new();
        let mut children = Vec::new();
        for (name, field) in fields {
            let (value, places) = self.field(field);
            if map.insert(name.clone(), value).is_none() {
                children.push(places);
            }
        }
        (Value::Object(map), Places { place: Place { key: None, value: here }, children })
    }

    fn json(&self, value: &Value, places: &Places) -> Placed {
        match value {
            Value::String(text) if text.contains("${") || text.contains("%{") => {
                let value = match parser::parse_template(text) {
                    Ok(template) => self.template(&template, None),
                    Err(_) => Value::String(text.clone()),
                };
                (value, Places { place: places.place(), children: Vec::new() })
            }
            Value::Array(items) => {
                let (items, children) =
                    items.iter().zip(places.children()).map(|(item, places)| self.json(item, places)).unzip();
                (Value::Array(items), Places { place: places.place(), children })
            }
            Value::Object(fields) => {
                let mut map = Map::new();
                let mut children = Vec::new();
                for ((name, value), below) in fields.iter().zip(places.children()) {
                    let (value, mut made) = self.json(value, below);
                    made.place.key = below.place().key;
                    map.insert(name.clone(), value);
                    children.push(made);
                }
                (Value::Object(map), Places { place: places.place(), children })
            }
            other => (other.clone(), places.clone()),
        }
    }

    /// Evaluates an expression that stands in `source`.
    pub(super) fn expression(&self, expression: &Expression, source: &Arc<Source>) -> Placed {
        let here = expression.span().map_or_else(Span::default, |range| Span::new(range.start, range.end));
        let made = match expression {
            Expression::Array(array) => {
                let (items, children) = array.iter().map(|item| self.expression(item, source)).unzip();
                (Value::Array(items), Places { place: Place { key: None, value: here }, children })
            }
            Expression::Object(object) => self.object(object, source, here),
            Expression::Parenthesis(inner) => self.expression(inner.inner(), source),
            other => {
                let value = self.value(other, Some(source));
                let places = spread(&value, here);
                (value, places)
            }
        };
        self.values.set(self.values.get().saturating_add(1));
        made
    }

    fn object(&self, object: &hcl_edit::expr::Object, source: &Arc<Source>, here: Span) -> Placed {
        let mut map = Map::new();
        let mut children = Vec::new();
        for (key, value) in object.iter() {
            let name = match key {
                ObjectKey::Ident(ident) => ident.as_str().to_owned(),
                ObjectKey::Expression(expression) => match self.value(expression, Some(source)) {
                    Value::String(text) => text,
                    Value::Number(number) => number.to_string(),
                    Value::Bool(value) => value.to_string(),
                    _ => text_of(expression, Some(source)),
                },
            };
            let (value, mut places) = self.expression(value.expr(), source);
            places.place.key = key.span().map(|range| Span::new(range.start, range.end));
            if map.insert(name, value).is_none() {
                children.push(places);
            }
        }
        (Value::Object(map), Places { place: Place { key: None, value: here }, children })
    }

    /// The value of an expression; what is not known is its text in `${…}`.
    fn value(&self, expression: &Expression, source: Option<&Arc<Source>>) -> Value {
        if self.depth.get() >= MAX_DEPTH || self.values.get() >= MAX_VALUES {
            return unknown(expression, source);
        }
        self.depth.set(self.depth.get() + 1);
        self.values.set(self.values.get() + 1);
        let value = self.known(expression, source).unwrap_or_else(|| unknown(expression, source));
        self.depth.set(self.depth.get() - 1);
        value
    }

    fn known(&self, expression: &Expression, source: Option<&Arc<Source>>) -> Option<Value> {
        let value = |inner: &Expression| self.value(inner, source);
        Some(match expression {
            Expression::Null(_) => Value::Null,
            Expression::Bool(flag) => Value::Bool(*flag.value()),
            Expression::Number(number) => number_of(number.value())?,
            Expression::String(text) => Value::String(text.value().clone()),
            Expression::Array(array) => Value::Array(array.iter().map(value).collect()),
            Expression::Object(object) => match source {
                Some(source) => self.object(object, source, Span::default()).0,
                None => self.object(object, &Arc::new(Source::new("", "")), Span::default()).0,
            },
            Expression::StringTemplate(template) => {
                let elements: Vec<&Element> = template.iter().collect();
                self.elements(&elements, source)
            }
            Expression::HeredocTemplate(heredoc) => self.template(&heredoc.template, source),
            Expression::Parenthesis(inner) => value(inner.inner()),
            Expression::Conditional(conditional) => match value(&conditional.cond_expr) {
                Value::Bool(true) => value(&conditional.true_expr),
                Value::Bool(false) => value(&conditional.false_expr),
                _ => return None,
            },
            Expression::Traversal(traversal) => self.traversal(traversal, source)?,
            Expression::FuncCall(call) => self.function(call, source)?,
            Expression::UnaryOp(operation) => match (operation.operator.value(), value(&operation.expr)) {
                (UnaryOperator::Not, Value::Bool(flag)) => Value::Bool(!flag),
                (UnaryOperator::Neg, Value::Number(number)) => Value::from(number.as_i64()?.checked_neg()?),
                _ => return None,
            },
            Expression::BinaryOp(operation) => {
                let (left, right) = (value(&operation.lhs_expr), value(&operation.rhs_expr));
                if holds_unknown(&left) || holds_unknown(&right) {
                    return None;
                }
                match (operation.operator.value(), &left, &right) {
                    (BinaryOperator::Eq, ..) => Value::Bool(left == right),
                    (BinaryOperator::NotEq, ..) => Value::Bool(left != right),
                    (BinaryOperator::And, Value::Bool(left), Value::Bool(right)) => Value::Bool(*left && *right),
                    (BinaryOperator::Or, Value::Bool(left), Value::Bool(right)) => Value::Bool(*left || *right),
                    (operator, Value::Number(left), Value::Number(right)) => {
                        arithmetic(*operator, left.as_i64()?, right.as_i64()?)?
                    }
                    _ => return None,
                }
            }
            Expression::Variable(_) | Expression::ForExpr(_) => return None,
        })
    }

    fn template(&self, template: &Template, source: Option<&Arc<Source>>) -> Value {
        let elements: Vec<&Element> = template.iter().collect();
        self.elements(&elements, source)
    }

    fn elements(&self, elements: &[&Element], source: Option<&Arc<Source>>) -> Value {
        // `"${x}"` alone is x, of whatever type (and `"${x}"` in JSON is how every expression is written).
        if let [Element::Interpolation(alone)] = elements {
            return self.value(&alone.expr, source);
        }
        let mut text = String::new();
        for element in elements {
            match element {
                Element::Literal(literal) => text.push_str(literal),
                Element::Interpolation(interpolation) => match self.value(&interpolation.expr, source) {
                    Value::String(value) => text.push_str(&value),
                    Value::Number(value) => text.push_str(&value.to_string()),
                    Value::Bool(value) => text.push_str(if value { "true" } else { "false" }),
                    _ => text.push_str(&text_of(&interpolation.expr, source)),
                },
                Element::Directive(_) => text.push_str("${template directive}"),
            }
        }
        Value::String(text)
    }

    fn traversal(&self, traversal: &Traversal, source: Option<&Arc<Source>>) -> Option<Value> {
        let Expression::Variable(root) = &traversal.expr else { return None };
        let mut operators = traversal.operators.iter();
        let mut step = || match operators.next()?.value() {
            TraversalOperator::GetAttr(name) => Some(name.as_str().to_owned()),
            _ => None,
        };
        let mut value = match root.as_str() {
            "var" => {
                let name = step()?;
                let declared = self.module.variables.get(&name)?;
                self.field(self.module.values.get(&name).or(declared.as_ref())?).0
            }
            "local" => self.field(self.module.locals.get(&step()?)?).0,
            "each" => match (step()?.as_str(), self.each.as_ref()?) {
                ("key", (key, _)) => Value::String(key.clone()),
                ("value", (_, value)) => value.clone(),
                _ => return None,
            },
            "count" => match step()?.as_str() {
                "index" => Value::from(self.index?),
                _ => return None,
            },
            // The one attribute of another resource that it says itself, and that rules ask for.
            "aws_kms_alias" => {
                let label = step()?;
                let alias = self.module.blocks.iter().find(|block| {
                    block.kind == "resource" && block.labels.iter().map(String::as_str).eq(["aws_kms_alias", &label])
                })?;
                let attribute = step()?;
                let name = matches!(attribute.as_str(), "name" | "id").then_some("name")?;
                self.field(&alias.fields.iter().find(|(field, _)| field == name)?.1).0
            }
            _ => return None,
        };
        for operator in operators {
            value = match operator.value() {
                TraversalOperator::GetAttr(name) => value.get(name.as_str())?.clone(),
                TraversalOperator::Index(index) => match self.value(index, source) {
                    Value::String(name) => value.get(&name)?.clone(),
                    Value::Number(at) => value.get(usize::try_from(at.as_u64()?).ok()?)?.clone(),
                    _ => return None,
                },
                _ => return None,
            };
        }
        Some(value)
    }

    /// The functions that keep values what they are; every other one is not evaluated.
    fn function(&self, call: &FuncCall, source: Option<&Arc<Source>>) -> Option<Value> {
        if !call.name.namespace.is_empty() || call.args.expand_final() {
            return None;
        }
        let arguments: Vec<Value> = call.args.iter().map(|argument| self.value(argument, source)).collect();
        match (call.name.name.as_str(), arguments.as_slice()) {
            (
                "tostring" | "tonumber" | "tobool" | "tolist" | "toset" | "tomap" | "sensitive" | "nonsensitive",
                [one],
            ) => Some(one.clone()),
            ("merge", all) => {
                let mut merged = Map::new();
                for map in all {
                    merged.extend(map.as_object()?.clone());
                }
                Some(Value::Object(merged))
            }
            ("lower" | "upper" | "trimspace", [Value::String(text)]) if !text.contains("${") => {
                Some(Value::String(match call.name.name.as_str() {
                    "lower" => text.to_lowercase(),
                    "upper" => text.to_uppercase(),
                    _ => text.trim().to_owned(),
                }))
            }
            ("join", [Value::String(separator), Value::Array(items)]) => {
                let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                Some(Value::String(items?.join(separator)))
            }
            _ => None,
        }
    }
}

/// A value's places when all of it stands at one place: a variable's, where it is used.
pub(super) fn spread(value: &Value, here: Span) -> Places {
    let children = match value {
        Value::Array(items) => items.iter().map(|item| spread(item, here)).collect(),
        Value::Object(fields) => fields
            .values()
            .map(|value| {
                let mut places = spread(value, here);
                places.place.key = Some(here);
                places
            })
            .collect(),
        _ => Vec::new(),
    };
    Places { place: Place { key: None, value: here }, children }
}

fn unknown(expression: &Expression, source: Option<&Arc<Source>>) -> Value {
    Value::String(text_of(expression, source))
}

/// An expression's text in `${…}`, in one line.
fn text_of(expression: &Expression, source: Option<&Arc<Source>>) -> String {
    let text = match (expression.span(), source) {
        (Some(range), Some(source)) => source.slice(Span::new(range.start, range.end)).to_owned(),
        _ => expression.to_string(),
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = text.chars().take(SHOWN).collect();
    // A template is in `${…}` already.
    if shown.contains("${") { shown.trim_matches('"').to_owned() } else { format!("${{{shown}}}") }
}

/// Whether something in a value is not known.
pub(super) fn holds_unknown(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${") || text.contains("%{"),
        Value::Array(items) => items.iter().any(holds_unknown),
        Value::Object(fields) => fields.values().any(holds_unknown),
        _ => false,
    }
}

fn number_of(number: &hcl_edit::Number) -> Option<Value> {
    if let Some(whole) = number.as_i64() {
        return Some(Value::from(whole));
    }
    Number::from_f64(number.as_f64()?).map(Value::Number)
}

fn arithmetic(operator: BinaryOperator, left: i64, right: i64) -> Option<Value> {
    Some(match operator {
        BinaryOperator::Plus => Value::from(left.checked_add(right)?),
        BinaryOperator::Minus => Value::from(left.checked_sub(right)?),
        BinaryOperator::Mul => Value::from(left.checked_mul(right)?),
        BinaryOperator::Less => Value::Bool(left < right),
        BinaryOperator::LessEq => Value::Bool(left <= right),
        BinaryOperator::Greater => Value::Bool(left > right),
        BinaryOperator::GreaterEq => Value::Bool(left >= right),
        _ => return None,
    })
}
