//! What the tests share: repositories, tokens, runs of the program.

pub(crate) mod repository;
pub(crate) mod run;
pub(crate) mod token;

pub(crate) use repository::TestRepository;
pub(crate) use run::{Run, keystile};
pub(crate) use token::github_token;
