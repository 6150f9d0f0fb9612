//! What the tests share: repositories, tokens, runs of the program.

pub(crate) mod assets;
pub(crate) mod commits;
pub(crate) mod places;
pub(crate) mod repository;
pub(crate) mod run;
pub(crate) mod token;

pub(crate) use places::{expect_places, gaps, places};
pub(crate) use repository::TestRepository;
pub(crate) use run::{Run, keystile};
pub(crate) use token::{github_token, random};
