//! Asks the engine about each object of the files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use keystile_manifest::{Document, Files, Gap, Source, Span, template};
use keystile_policy::kind::{self, Recognised};
use keystile_policy::{Action, Judged, Policy, Request, Rule, Snapshot, rules};
use rayon::prelude::*;
use serde_json::Value;

use super::basis::Around;
use super::excerpt::{Excerpts, plaintext_of};
use super::{Covered, GapShown, ObjectName, Problem};
use crate::scrub::Scrubber;

/// What was found in the files.
#[derive(Debug)]
pub struct Judgements {
    /// Broken rules and those that could not be answered: by file, then place.
    pub problems: Vec<Problem>,
    /// What could not be read, of the files and of the world.
    pub gaps: Vec<GapShown>,
    /// What was looked at.
    pub covered: Covered,
}

/// An object that the policy may speak about, with who it is.
#[derive(Debug)]
pub struct Subject {
    /// The object and its places.
    pub document: Document,
    /// What it is.
    pub recognised: Recognised,
    /// Its name.
    pub name: ObjectName,
}

impl Subject {
    /// Reads who an object is; one of a namespaced kind that names no namespace is in `namespace`.
    /// `None` for what the policy doesn't speak about.
    #[must_use]
    pub fn new(document: Document, namespace: Option<&str>) -> Option<Self> {
        let text = |path: &str| document.value.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
        let api_version = text("/apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let recognised = kind::recognise(group, version, &text("/kind"));
        let mut name = ObjectName {
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: match text("/metadata/name") {
                name if name.is_empty() => text("/metadata/generateName"),
                name => name,
            },
            api_version: String::new(),
        };
        let is_cluster_scoped = match recognised {
            Recognised::Foreign => return None,
            Recognised::Known(kind) | Recognised::UnknownVersion(kind) => kind.is_cluster_scoped(),
            Recognised::UnknownKind => false,
        } || name.kind == "ClusterGenerator";
        name.api_version.clone_from(&api_version);
        let mut document = document;
        if is_cluster_scoped {
            name.namespace.clear();
        } else if let (true, Some(namespace)) = (name.namespace.is_empty(), namespace) {
            namespace.clone_into(&mut name.namespace);
            document = document.with_namespace(namespace);
        }
        Some(Self { document, recognised, name })
    }

    fn identity(&self) -> (&str, &str, &str, &str) {
        let group = self.name.api_version.split_once('/').map_or("", |(group, _)| group);
        (group, &self.name.kind, &self.name.namespace, &self.name.name)
    }
}

/// What the policy may speak about in some documents.
#[derive(Debug)]
pub struct Subjects {
    /// The objects.
    pub subjects: Vec<Subject>,
    /// Objects that only a template says the kind of.
    pub gaps: Vec<Gap>,
    /// How many are of other kinds.
    pub foreign: usize,
}

/// Finds the objects that the policy may speak about.
#[must_use]
pub fn subjects(documents: Vec<Document>, namespace: Option<&str>) -> Subjects {
    let all = documents.len();
    let patched = super::kustomize::gaps(&documents);
    let found: Vec<Result<Subject, Gap>> = documents
        .into_par_iter()
        .filter_map(|document| match unknown_kind(&document) {
            Some(gap) => Some(Err(gap)),
            None => Subject::new(document, namespace).map(Ok),
        })
        .collect();
    let foreign = all - found.len();
    let (mut subjects, mut gaps) = (Vec::new(), patched);
    for one in found {
        match one {
            Ok(subject) => subjects.push(subject),
            Err(gap) => gaps.push(gap),
        }
    }
    Subjects { subjects, gaps, foreign }
}

/// A template where the kind is said: it could become any kind.
fn unknown_kind(document: &Document) -> Option<Gap> {
    ["apiVersion", "kind"].into_iter().find_map(|field| {
        let (_, template) = template::find(document.value.get(field)?.as_str()?)?;
        let span = document.locate(&keystile_policy::Path::of(&[field]).to_owned()).span;
        Some(Gap {
            file: document.source.name().to_owned(),
            position: Some(document.source.position(span.start)),
            also: None,
            kind: "template",
            message: format!("{template}, so the kind is not known; check what it renders to"),
            source: Some((Arc::clone(&document.source), span)),
        })
    })
}

/// What lies around the files' objects: each other, and the world where there is one.
///
/// A world is a whole cluster: what neither it nor the files have is absent. Without one, it is unknown.
/// Of two objects of the files with one name, neither is taken in: which of them would be there is not known.
#[must_use]
pub fn world(subjects: &[Subject], around: &Around, namespace: Option<&str>) -> (Snapshot, Vec<Gap>) {
    let mut gaps = Vec::new();
    let mut by_identity: HashMap<_, Vec<&Subject>> = HashMap::with_capacity(subjects.len());
    for subject in subjects.iter().filter(|subject| !subject.name.name.is_empty()) {
        by_identity.entry(subject.identity()).or_default().push(subject);
    }
    let mut snapshot = if around.world.is_some() { Snapshot::complete() } else { Snapshot::default() };
    for document in around.world.iter().flat_map(|files| &files.documents) {
        if let Some(subject) = Subject::new(document.clone(), namespace)
            && !by_identity.contains_key(&subject.identity())
        {
            snapshot.insert(Arc::clone(&subject.document.value));
        }
    }
    for subject in subjects {
        match by_identity.get(&subject.identity()).map(Vec::as_slice) {
            Some([first, others @ ..]) if !others.is_empty() => {
                let are_same = others.iter().all(|other| other.document.value == first.document.value);
                match (std::ptr::eq(*first, subject), are_same) {
                    // The same twice over: a base and its rendered form.
                    (true, true) => snapshot.insert(Arc::clone(&subject.document.value)),
                    (false, false) => gaps.push(twice(first, subject)),
                    _ => {}
                }
            }
            _ => snapshot.insert(Arc::clone(&subject.document.value)),
        }
    }
    if let Some((entries, read_at)) = &around.inventory {
        snapshot.set_inventory(entries.iter().cloned(), *read_at);
    }
    (snapshot, gaps)
}

fn twice(first: &Subject, second: &Subject) -> Gap {
    let place = |subject: &Subject| {
        let span = subject.document.locate(&keystile_policy::Path::of(&["metadata", "name"]).to_owned()).span;
        (Arc::clone(&subject.document.source), span)
    };
    let (source, span) = place(second);
    let (other, at) = place(first);
    Gap {
        file: source.name().to_owned(),
        position: Some(source.position(span.start)),
        also: None,
        kind: "ambiguous",
        message: format!(
            "{} is in this run with another content too ({}:{}), and a cluster has room for one; check what goes to one cluster in a run of its own",
            first.name,
            other.name(),
            other.position(at.start)
        ),
        source: Some((source, span)),
    }
}

/// Judges every object.
#[must_use]
pub fn judge(policy: Policy, files: Files, around: &Around, namespace: Option<&str>, now: Timestamp) -> Judgements {
    let about_live_state: Vec<&Rule> = rules::RULES
        .iter()
        .filter(|rule| rule.group() == "inventory" && policy.action(rule, None) > Action::Allow)
        .copied()
        .collect();
    let engine = crate::check::engine(policy);
    let Subjects { subjects, gaps: unknown, foreign } = subjects(files.documents, namespace);
    let (snapshot, twice) = world(&subjects, around, namespace);
    let mut judged = BTreeMap::new();
    for subject in &subjects {
        *judged.entry(subject.name.kind.clone()).or_default() += 1;
    }
    let has_live_state = |subject: &&Subject| match subject.recognised {
        Recognised::Known(kind) => about_live_state.iter().any(|rule| rule.kinds.contains(&kind)),
        _ => false,
    };
    let live_state_not_evaluated =
        if around.inventory.is_some() { 0 } else { subjects.iter().filter(has_live_state).count() };
    let answers: Vec<Vec<Judged>> = subjects
        .par_iter()
        .map(|subject| {
            let request = Request::offline(&subject.document.value, namespace.unwrap_or(""), now);
            engine.judge(&request, &snapshot).violations
        })
        .collect();
    let world_gaps = around.world.iter().flat_map(|files| files.gaps.iter().cloned());
    let gaps: Vec<Gap> = files.gaps.into_iter().chain(unknown).chain(twice).chain(world_gaps).collect();
    let shown = Shown::new(&subjects, &answers, &gaps);
    let mut problems: Vec<Problem> = subjects
        .iter()
        .zip(answers)
        .flat_map(|(subject, violations)| violations.into_iter().map(move |judged| (subject, judged)))
        .map(|(subject, judged)| shown.problem(subject, judged))
        .collect();
    problems.sort_by(|one, other| {
        (&one.file, one.position, std::cmp::Reverse(one.action), one.rule.id).cmp(&(
            &other.file,
            other.position,
            std::cmp::Reverse(other.action),
            other.rule.id,
        ))
    });
    let gaps = gaps.into_iter().map(|gap| shown.gap(gap)).collect();
    let covered = Covered {
        files: files.read,
        judged,
        foreign,
        skipped: files.skipped,
        world_files: around.world.as_ref().map_or(0, |files| files.read),
        live_state_not_evaluated,
    };
    Judgements { problems, gaps, covered }
}

/// The excerpts of every file that something is shown of.
struct Shown {
    by_file: HashMap<*const Source, Excerpts>,
}

impl Shown {
    fn new(subjects: &[Subject], answers: &[Vec<Judged>], gaps: &[Gap]) -> Self {
        let mut sources: HashMap<*const Source, &Arc<Source>> = HashMap::new();
        for (subject, violations) in subjects.iter().zip(answers) {
            if !violations.is_empty() {
                for source in subject.document.sources() {
                    sources.insert(Arc::as_ptr(source), source);
                }
            }
        }
        for (source, _) in gaps.iter().filter_map(|gap| gap.source.as_ref()) {
            sources.insert(Arc::as_ptr(source), source);
        }
        if sources.is_empty() {
            return Self { by_file: HashMap::new() };
        }
        let scrubber = Scrubber::new();
        let sources: Vec<&Arc<Source>> = sources.into_values().collect();
        let mut by_file: HashMap<*const Source, Excerpts> = sources
            .par_iter()
            .map(|source| (Arc::as_ptr(source) as usize, Excerpts::new(source, &scrubber)))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(at, excerpts)| (at as *const Source, excerpts))
            .collect();
        let mut hidden: HashMap<*const Source, Vec<Span>> = HashMap::new();
        for (subject, violations) in subjects.iter().zip(answers).filter(|(_, violations)| !violations.is_empty()) {
            let document = &subject.document;
            let inline = violations.iter().filter(|judged| judged.violation.rule.group() == "inline");
            let inline = inline.filter_map(|judged| match document.place(&judged.violation.path) {
                (place, true) => Some((document.source_of(&judged.violation.path), place.value)),
                _ => None,
            });
            for (source, span) in plaintext_of(document).into_iter().chain(inline) {
                hidden.entry(Arc::as_ptr(source)).or_default().push(span);
            }
        }
        for (source, spans) in hidden {
            if let Some(excerpts) = by_file.get_mut(&source) {
                excerpts.hide(&spans);
            }
        }
        Self { by_file }
    }

    fn problem(&self, subject: &Subject, judged: Judged) -> Problem {
        let violation = judged.violation;
        let located = subject.document.locate(&violation.path);
        let excerpts = self.by_file.get(&Arc::as_ptr(&located.source));
        let masked = |text: &str| excerpts.map_or_else(|| text.to_owned(), |excerpts| excerpts.text(text));
        let (within, path) = (subject.document.within.to_string(), violation.path.to_string());
        Problem {
            rule: violation.rule,
            outcome: violation.outcome,
            action: judged.action,
            excused_by: judged.excused_by,
            file: located.source.name().to_owned(),
            position: located.position,
            path: match (within.as_str(), path.as_str()) {
                ("", _) => path,
                (_, "") => within,
                _ => format!("{within}.{path}"),
            },
            object: subject.name.clone(),
            message: masked(&violation.message),
            cure: masked(&violation.cure),
            effective_key: violation.effective_key.as_deref().map(masked),
            grants: violation.grants,
            excerpt: excerpts.map(|excerpts| excerpts.at(located.span)).unwrap_or_default(),
        }
    }

    fn gap(&self, gap: Gap) -> GapShown {
        let excerpts =
            gap.source.as_ref().and_then(|(source, span)| Some((self.by_file.get(&Arc::as_ptr(source))?, *span)));
        GapShown {
            message: excerpts.map_or_else(|| gap.message.clone(), |(excerpts, _)| excerpts.text(&gap.message)),
            excerpt: excerpts.map(|(excerpts, span)| excerpts.at(span)),
            file: gap.file,
            position: gap.position,
            also: gap.also,
            kind: gap.kind,
        }
    }
}
