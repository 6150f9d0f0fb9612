//! Who stands in for AWS, and why.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::Stopped;
use super::built_in::BuiltIn;
use super::moto::{self, Moto};
use super::process::Surroundings;
use crate::cli::demo::Emulator;
use crate::exit::IncompleteError;

/// The region that everything is in: the one of `deploy/example`.
pub(super) const REGION: &str = "me-central-1";

/// How long fetching moto may take where nobody asked for moto: the demo as a whole is a matter of two minutes.
const FETCH_LIMIT: Duration = Duration::from_secs(60);
/// … and where somebody did.
const PATIENT_FETCH_LIMIT: Duration = Duration::from_secs(600);

/// What stands in for AWS.
#[derive(Debug)]
pub(super) enum Cloud {
    /// moto, with what is told of it.
    Moto(Moto, String),
    /// The stand-in of this program, with why it is that one.
    BuiltIn(BuiltIn, String),
}

impl Cloud {
    /// Starts what `wanted` says; `tell` shows what takes its time.
    ///
    /// # Errors
    /// moto was asked for and can't be had; or a signal came.
    pub(super) fn start(
        wanted: Emulator,
        surroundings: Surroundings<'_>,
        tell: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        if wanted == Emulator::BuiltIn {
            return Ok(Self::BuiltIn(BuiltIn::start(REGION)?, "as --emulator built-in asks".to_owned()));
        }
        let limit = if wanted == Emulator::Moto { PATIENT_FETCH_LIMIT } else { FETCH_LIMIT };
        let failed = match moto(surroundings, limit, tell) {
            Ok(cloud) => return Ok(cloud),
            Err(error) if error.downcast_ref::<Stopped>().is_some() => return Err(error),
            Err(error) => format!("{error:#}"),
        };
        if wanted == Emulator::Moto {
            let text = format!("moto can't be had: {failed}; --emulator built-in needs nothing");
            return Err(IncompleteError(text).into());
        }
        Ok(Self::BuiltIn(BuiltIn::start(REGION)?, format!("because moto can't be had ({failed})")))
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn endpoint(&self) -> String {
        match self {
            Self::Moto(moto, _) => moto.endpoint().to_owned(),
            Self::BuiltIn(built_in, _) => built_in.endpoint(),
        }
    }

    /// Adds a secret that can be rotated.
    ///
    /// # Errors
    /// The emulator does not take it.
    pub(super) fn create(&self, name: &str, value: &str, tags: &[(&str, &str)]) -> anyhow::Result<()> {
        match self {
            Self::Moto(moto, _) => moto.create(name, value, tags),
            Self::BuiltIn(built_in, _) => built_in.create(name, value, tags),
        }
        .with_context(|| format!("while making the secret {name}"))
    }

    /// The current value of a secret, asked of the emulator itself and not through keystile.
    ///
    /// # Errors
    /// The emulator does not answer, or has none.
    pub(super) fn current(&self, name: &str) -> anyhow::Result<String> {
        let current = match self {
            Self::Moto(moto, _) => moto.current(name)?,
            Self::BuiltIn(built_in, _) => built_in.current(name),
        };
        current.with_context(|| format!("the emulator has no current value of {name}"))
    }

    /// The variables with which any program of AWS talks to it. The keys open nothing.
    pub(super) fn environment(&self, command: &mut Command) {
        command
            .env("AWS_ENDPOINT_URL", self.endpoint())
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "demo")
            .env("AWS_SECRET_ACCESS_KEY", "demo");
    }
}

/// moto with a Python that has it, else with one that is made for it.
fn moto(
    surroundings: Surroundings<'_>,
    limit: Duration,
    tell: &mut dyn FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<Cloud> {
    let mut has_python = false;
    for python in moto::pythons() {
        let version = match moto::version(&python, surroundings) {
            Err(error) if error.downcast_ref::<Stopped>().is_some() => return Err(error),
            Err(_) => continue,
            Ok(version) => version,
        };
        has_python = true;
        let Some(version) = version.filter(|version| moto::is_fit(version)) else { continue };
        match Moto::start(&python, REGION, surroundings) {
            Ok(moto) => return Ok(Cloud::Moto(moto, format!("moto {version}"))),
            Err(error) if error.downcast_ref::<Stopped>().is_some() => return Err(error),
            // Without its server's packages, say: one that is fetched has them.
            Err(_) => {}
        }
    }
    if !has_python {
        return Err(anyhow!("python3 can't be started"));
    }
    tell(&format!(
        "Fetching moto {} with pip into the temporary folder, {} s at most (--emulator built-in does without) ...",
        moto::VERSION,
        limit.as_secs()
    ))?;
    let python: PathBuf = moto::fetch(surroundings, limit)?;
    let moto = Moto::start(&python, REGION, surroundings)?;
    Ok(Cloud::Moto(moto, format!("moto {}, fetched for this demo", moto::VERSION)))
}
