//! What the tests of rotation share: the servers that keystile talks to.

mod emulator;
mod http;
mod postgres;
mod server;

pub(crate) use emulator::{Emulator, NewSecret};
pub(crate) use postgres::Postgres;
