//! Managed secrets: connections to their managers, and looking through them for leaked values.

mod clock;
mod holders;
mod managers;

use std::io::{IsTerminal as _, Read as _};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keystile_rotate::index::IndexKey;
use keystile_rotate::search::{Progress, Scope, Search, search};

pub use clock::SystemClock;
pub use holders::{Holder, Holders, ManagedRequest};
pub use managers::{Managers, failed};

use crate::exit::UsageError;
use crate::terminal;

/// Reads the managed secrets of the scope, of each manager and region. A signal ends the process: nothing is changed.
///
/// # Errors
/// No credentials, no network, or a list that ends early.
pub fn look_through(managers: &Managers, scope: &Scope, shows_progress: bool) -> anyhow::Result<Vec<Search>> {
    let clock = SystemClock::without_signals();
    let is_covered = |prefix: &str| managers.backends().any(|(_, backend)| backend.covers(prefix));
    if let Some(stray) = scope.prefixes.iter().chain(&scope.names).find(|prefix| !is_covered(prefix)) {
        let text = format!("no secret manager that was named (--manager) has secrets whose names begin with {stray}");
        return Err(UsageError(text).into());
    }
    let mut searches = Vec::new();
    for (identity, backend) in managers.backends() {
        let bar = progress_bar(shows_progress);
        let mut show = |progress: Progress| {
            bar.set_length(progress.of as u64);
            bar.set_position(progress.read as u64);
        };
        let mut scope = scope.clone();
        scope.prefixes.retain(|prefix| backend.covers(prefix));
        scope.names.retain(|name| backend.covers(name));
        let found = search(backend, &scope, IndexKey::new(random()?), &clock, &mut show);
        bar.finish_and_clear();
        let found = found.map_err(|error| failed(&error))?;
        if found.secrets.is_empty() && !scope.prefixes.is_empty() {
            terminal::warning(&format!(
                "account {}{} has no secret whose name begins with {}",
                identity.account,
                identity.region.as_ref().map(|region| format!(", {region},")).unwrap_or_default(),
                scope.prefixes.join(", ")
            ));
        }
        searches.push(found);
    }
    Ok(searches)
}

fn progress_bar(wanted: bool) -> ProgressBar {
    if !wanted || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("reading managed secrets [{bar:30}] {human_pos}/{human_len} {eta}");
    let style = style.expect("a constant template").progress_chars("=> ");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}

/// A key for an index, from the operating system.
fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("while asking the operating system for random bytes (/dev/urandom)")?;
    Ok(bytes)
}
