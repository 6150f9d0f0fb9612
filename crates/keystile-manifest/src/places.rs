//! Where the fields of a document stand in its text.
//!
//! A tree beside the value, in the order of its fields and items: two spans a node, lines and columns
//! counted only when somebody asks. A map from field path to place would cost more than the parse.

use keystile_policy::{FieldPath, Step};
use serde_json::Value;

use crate::source::Span;

/// Where a field stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its name; `None` for an item of a list and for the document itself.
    pub key: Option<Span>,
    /// Its value. Of a map or list in block style: where it begins.
    pub value: Span,
}

/// The places of a value and all below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub(crate) place: Place,
    pub(crate) children: Vec<Places>,
}

impl Places {
    pub(crate) fn leaf(value: Span) -> Self {
        Self { place: Place { key: None, value }, children: Vec::new() }
    }

    /// The place of the value itself.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The places of the fields or items, in their order.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// The places one step down, beside `value`, whose places these are.
    #[must_use]
    pub fn step<'p, 'v>(&'p self, value: &'v Value, step: Step<'_>) -> Option<(&'p Self, &'v Value)> {
        match (step, value) {
            (Step::Field(name), Value::Object(fields)) => {
                let (index, (_, below)) = fields.iter().enumerate().find(|(_, (field, _))| *field == name)?;
                Some((self.children.get(index)?, below))
            }
            (Step::Item(index), Value::Array(items)) => {
                let index = index as usize;
                Some((self.children.get(index)?, items.get(index)?))
            }
            _ => None,
        }
    }

    /// The place of the field at `path` of `value`; where there is none, of the nearest field above
    /// it, and `false`.
    #[must_use]
    pub fn nearest(&self, value: &Value, path: &FieldPath) -> (Place, bool) {
        let (mut places, mut value) = (self, value);
        for step in path.steps() {
            match places.step(value, step) {
                Some(below) => (places, value) = below,
                None => return (places.place, false),
            }
        }
        (places.place, true)
    }
}
