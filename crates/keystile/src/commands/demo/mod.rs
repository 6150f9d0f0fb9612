//! `keystile demo`: the whole story on a fresh machine, and nothing left behind.
//!
//! It starts this program with the commands that anybody would type, and shows what they say: what is seen is
//! what there is. Its acts are in [`story`]; AWS is stood in for by an emulator ([`cloud`]). Whatever is made lies in
//! one temporary folder ([`place`]), and whatever is started ends with the demo ([`process`]).

mod built_in;
mod cloud;
mod moto;
mod place;
mod process;
mod random;
mod stage;
mod story;

use std::fmt;

use crate::cli::demo::DemoArgs;
use crate::exit::{Exit, UsageError};
use crate::terminal;
use place::Place;
use process::Surroundings;
use stage::Stage;

/// A signal asked for the end.
#[derive(Debug)]
struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Stopped {}

/// Shows the story.
///
/// # Errors
/// git is missing, or something did not go as the story has it. Nothing is left behind either way.
pub fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    if !process::has_git() {
        let text = "git can't be started, and the demo makes a repository with it; install git and try again";
        return Err(UsageError(text.to_owned()).into());
    }
    let stop = terminal::stop_tidily();
    let place = Place::new()?;
    let surroundings = Surroundings { folder: place.path(), stop };
    let mut stage = Stage::new(surroundings, args.pause);
    let shown = story::play(&mut stage, args);
    if args.keep {
        let path = place.keep();
        terminal::note(&format!(
            "kept: {} (it holds made-up credentials only; the emulator has ended, so the plan can be looked at with \
             `keystile rotate status --offline` alone)",
            path.display()
        ));
    } else if let Err(error) = place.remove() {
        terminal::warning(&error);
    }
    match shown {
        Ok(()) => Ok(Exit::Clean),
        Err(error) if error.downcast_ref::<Stopped>().is_some() => {
            Ok(terminal::signal_status().map_or(Exit::Incomplete, Exit::Interrupted))
        }
        Err(error) => Err(error),
    }
}
