//! The rule files: their examples, the reference made from them, and that they hold no secrets.

mod document;
mod reference;
