//! The rule files: their examples, the reference made from them, and that they hold no secrets.

mod builtin;
mod clean;
mod document;
mod examples;
mod reference;
