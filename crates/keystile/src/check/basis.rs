//! What objects are judged by: the policy, and what lies around them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anyhow::Context as _;
use jiff::Timestamp;
use keystile_manifest::files::{self, Walk};
use keystile_manifest::inventory::read_inventory;
use keystile_manifest::{Document, Files, Place, Source, Span, Step, Unreadable, read_one};
use keystile_policy::policy::document::{self, Problem};
use keystile_policy::shown::Shown;
use keystile_policy::world::InventoryEntry;
use keystile_policy::{FieldPath, Policy};

use crate::cli::check::BasisArgs;
use crate::exit::UsageError;
use crate::report::text::{printable, printable_code};
use crate::terminal;

/// Where the policy is looked for.
pub const OWN_POLICY: &str = ".keystile/policy.yaml";

/// A policy and the file that it is in.
#[derive(Debug)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    /// The document that it was read from.
    pub document: Document,
    /// The file, as it was found.
    pub file: String,
}

/// Finds and reads the policy as of `now` (exceptions expire). Warnings go to standard error.
///
/// # Errors
///
/// When there is none, or it is wrong: every fault with its place, its line and the cure.
pub fn load_policy(flag: Option<&Path>, now: Timestamp) -> anyhow::Result<LoadedPolicy> {
    let path = match flag {
        Some(path) => path.to_owned(),
        None => find_policy()?,
    };
    let shown = path.display().to_string();
    let document = read_document(&path, "policy")?;
    let (policy, warnings) = document::read(&document.value, now).map_err(|problems| {
        let shown: Vec<_> = problems.iter().map(|problem| render(&document, problem)).collect();
        UsageError(format!("the policy can't be used\n{}", shown.join("\n")))
    })?;
    for warning in &warnings {
        terminal::warning(&format!("about the policy\n{}", render(&document, warning)));
    }
    Ok(LoadedPolicy { policy, document, file: shown })
}

/// Reads the one document of a file, which messages call `what`.
///
/// # Errors
///
/// When the file can't be read, or is not one document.
pub(crate) fn read_document(path: &Path, what: &str) -> anyhow::Result<Document> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("the {what} {shown} can't be read"))?;
    let source = Source::from_bytes(&shown, bytes)
        .map_err(|not_text| UsageError(format!("the {what} {shown} is {not_text}; save it as UTF-8")))?;
    let document = read_one(&Arc::new(source))
        .map_err(|fault| UsageError(format!("the {what} can't be used\n{}", render_unreadable(&fault))))?;
    Ok(document)
}

/// `.keystile/policy.yaml` in the current folder or one above it, no higher than a repository's top.
pub(crate) fn find_policy() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder can't be told")?;
    for (up, folder) in here.ancestors().enumerate() {
        if folder.join(OWN_POLICY).is_file() {
            // Relative to where the user is, as everything else in a report.
            let mut path: PathBuf = std::iter::repeat_n("..", up).collect();
            path.push(OWN_POLICY);
            return Ok(path);
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    Err(UsageError(format!(
        "there is no policy: no {OWN_POLICY} here or above; name one with --policy, or write one with `keystile policy init`"
    ))
    .into())
}

/// A problem of the policy with the line it is about.
pub(crate) fn render(document: &Document, problem: &Problem) -> String {
    let path = problem.path.to_string();
    // A problem that quotes the field's name is about the name, not about its value.
    let name = match problem.path.steps().next_back() {
        Some(Step::Field(name)) => Some(Shown(name).to_string()),
        _ => None,
    };
    let span = match document.place(&problem.path) {
        (Place { key: Some(key), .. }, true) if name.is_some_and(|name| problem.message.contains(&name)) => key,
        _ => document.locate(&problem.path).span,
    };
    let message = if path.is_empty() { problem.message.clone() } else { format!("{path}: {}", problem.message) };
    render_at(&document.source, span, &message, problem.is_error)
}

/// What can't be read, with the line it is about.
pub(crate) fn render_unreadable(fault: &Unreadable) -> String {
    let also = fault.also_at().map(|at| format!(" (first at {at})")).unwrap_or_default();
    render_at(&fault.source, fault.span, &format!("{}{also}", fault.message), true)
}

/// `message` with the line of the file under it. Messages go through [`crate::scrub`] on their way out.
fn render_at(source: &Source, span: Span, message: &str, is_error: bool) -> String {
    let line = source.line_of(span.start);
    let text = source.slice(line);
    // A snippet's spans are bytes of what it shows, so what is shown must not change lengths before the place.
    let start = (span.start as usize).clamp(line.start as usize, line.end as usize) - line.start as usize;
    let end = (span.end as usize).clamp(line.start as usize, line.end as usize) - line.start as usize;
    let start = text.floor_char_boundary(start);
    let end = text.ceil_char_boundary(end.max(start));
    let (before, inside, after) = (&text[..start], &text[start..end], &text[end..]);
    let (before, inside) = (printable_code(before), printable_code(inside));
    let shown = format!("{before}{inside}{}", printable_code(after));
    let level = if is_error { Level::ERROR } else { Level::WARNING };
    let position = source.position(span.start);
    let snippet = Snippet::source(shown)
        .path(printable(source.name()).into_owned())
        .line_start(position.line as usize)
        .annotation(AnnotationKind::Primary.span(before.len()..before.len() + inside.len()));
    Renderer::plain().render(&[level.primary_title(printable_lines(message)).element(snippet)])
}

fn printable_lines(message: &str) -> String {
    message.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// Where a field of the policy stands: `file:line:column`.
#[must_use]
pub fn place_in_policy(loaded: &LoadedPolicy, path: &FieldPath) -> String {
    format!("{}:{}", loaded.file, loaded.document.locate(path).position)
}

/// What lies around, as it was read.
#[derive(Debug, Default)]
pub struct Around {
    /// The manifests of `--world`; `None` without the flag.
    pub world: Option<Files>,
    /// The inventory, and when it was read; `None` without the flag.
    pub inventory: Option<(Vec<InventoryEntry>, Timestamp)>,
}

/// Reads `--world` and `--inventory`.
///
/// # Errors
///
/// When an inventory can't be read. What can't be read of a world is a gap of the check.
pub fn read_around(args: &BasisArgs) -> anyhow::Result<Around> {
    for path in &args.world {
        if !path.exists() {
            return Err(UsageError(format!("--world {}: there is no such folder", path.display())).into());
        }
    }
    let world = (!args.world.is_empty()).then(|| files::read_paths(&args.world, Walk { honour_ignore_files: false }));
    let mut entries = Vec::new();
    let mut read_at: Option<Timestamp> = None;
    for path in &args.inventory {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path).with_context(|| format!("the inventory {shown} can't be read"))?;
        let source = Source::from_bytes(&shown, bytes)
            .map_err(|not_text| UsageError(format!("the inventory {shown} is {not_text}; save it as UTF-8")))?;
        let found = read_inventory(&Arc::new(source))
            .map_err(|fault| UsageError(format!("the inventory can't be used\n{}", render_unreadable(&fault))))?;
        entries.extend(found);
        // The file's age is the inventory's; of several, the oldest counts.
        let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let modified = modified.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        read_at = Some(read_at.map_or(modified, |before| before.min(modified)));
    }
    Ok(Around { world, inventory: read_at.map(|read_at| (entries, read_at)) })
}
