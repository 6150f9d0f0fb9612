//! Whole histories, made by the real git and compared with what git says of them.

#[path = "../support/mod.rs"]
mod support;

mod counts;
mod damage;
mod introductions;
mod nested;
mod random;
mod reference;
mod scanning;
mod scope;
