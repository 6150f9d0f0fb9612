//! A text, or a part of one, that is not an object: where and why.

use std::fmt;
use std::sync::Arc;

use crate::source::{Position, Source, Span};
use crate::template::Template;

/// Why something can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It breaks the syntax.
    Syntax,
    /// A map has a key twice.
    DuplicateKey,
    /// kubectl and other readers of the same text would get different objects.
    Ambiguous,
    /// It is a template that was not rendered.
    Template(Template),
    /// It is made to exhaust whoever reads it, or simply too large or deep.
    Budget,
}

/// Something that can't be read, with its place.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// The text.
    pub source: Arc<Source>,
    /// Where.
    pub span: Span,
    /// Why.
    pub why: Why,
    /// What is wrong, and the cure. Without values from the text.
    pub message: String,
    /// Another place that belongs to it: the first of two keys.
    pub also: Option<Span>,
}

impl Unreadable {
    /// Where it is, as people count.
    #[must_use]
    pub fn position(&self) -> Position {
        self.source.position(self.span.start)
    }

    /// Where the other place is.
    #[must_use]
    pub fn also_at(&self) -> Option<Position> {
        self.also.map(|also| self.source.position(also.start))
    }
}

/// `name:line:column: what is wrong`.
impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.source.name(), self.position(), self.message)
    }
}

impl std::error::Error for Unreadable {}
