//! Patches of Kustomize that change what the policy judges.
//!
//! They are not carried out here, so an object beside them is not what a cluster gets. Where a patch is for
//! a kind that is judged, or nothing says which kind it is for, it is named as undecided; what
//! `kustomize build` prints can be checked.
//!
//! Fields: kubectl.docs.kubernetes.io, kustomization file (`patches`, `patchesStrategicMerge`,
//! `patchesJson6902`, `replacements`; selectors are regular expressions); Flux has the first three in the
//! `spec` of its Kustomization (fluxcd.io, kustomize-controller).

use std::collections::HashMap;
use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::Arc;

use keystile_manifest::{Document, Format, Gap, Source, read};
use keystile_policy::Path;
use keystile_policy::kind::{self, Kind, Recognised};
use serde_json::Value;

/// The groups and versions in which kinds are looked up that a selector names without one.
const GROUPS: &[(&str, &str)] = &[
    (kind::EXTERNAL_SECRETS, "v1"),
    (kind::GENERATORS, "v1alpha1"),
    (kind::INFRA_OPERATOR, "v1alpha1"),
    (kind::KEYSTILE, "v1alpha1"),
    ("", "v1"),
    ("apps", "v1"),
    ("batch", "v1"),
];

/// What patches in these documents make undecidable.
pub(super) fn gaps(documents: &[Document]) -> Vec<Gap> {
    let mut files: Option<HashMap<PathBuf, Vec<&Document>>> = None;
    let mut gaps = Vec::new();
    for document in documents {
        let Some(base) = fields_at(document) else { continue };
        let files = files.get_or_insert_with(|| {
            let mut files: HashMap<PathBuf, Vec<&Document>> = HashMap::new();
            for document in documents {
                files.entry(plain(FilePath::new(document.source.name()))).or_default().push(document);
            }
            files
        });
        Kustomization { document, base, files }.look(&mut gaps);
    }
    gaps
}

/// Where a kustomization has its fields; `None` for any other document.
fn fields_at(document: &Document) -> Option<&'static [&'static str]> {
    let text = |field: &str| document.value.get(field).and_then(Value::as_str).unwrap_or("");
    let group = text("apiVersion").split('/').next().unwrap_or_default();
    let is_named = matches!(
        FilePath::new(document.source.name()).file_name()?.to_str()?,
        "kustomization.yaml" | "kustomization.yml" | "Kustomization"
    );
    match group {
        "kustomize.toolkit.fluxcd.io" => Some(&["spec"]),
        "kustomize.config.k8s.io" => Some(&[]),
        // kustomize fills both in.
        _ if is_named && text("kind").is_empty() => Some(&[]),
        _ if matches!(text("kind"), "Kustomization" | "Component") && text("apiVersion").is_empty() => Some(&[]),
        _ => None,
    }
}

/// A path without `.` and `..`, as it is written.
fn plain(path: &FilePath) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

struct Kustomization<'d> {
    document: &'d Document,
    base: &'static [&'static str],
    files: &'d HashMap<PathBuf, Vec<&'d Document>>,
}

/// What a patch consists of.
enum Patch {
    Read(Vec<Arc<Value>>),
    Unreadable,
}

impl Kustomization<'_> {
    fn look(&self, gaps: &mut Vec<Gap>) {
        let Some(fields) = self.base.iter().try_fold(&*self.document.value, |value, field| value.get(*field)) else {
            return;
        };
        for field in ["patches", "patchesStrategicMerge", "patchesJson6902"] {
            for (nth, patch) in items(fields, field) {
                if let Some(what) = self.changes(patch) {
                    gaps.push(self.gap(field, nth, &what));
                }
            }
        }
        for (nth, replacement) in items(fields, "replacements") {
            let targets = replacement.get("targets").and_then(Value::as_array);
            let what = match targets {
                // `path`: the replacement is in another file.
                None => Some("something that is said elsewhere".to_owned()),
                Some(targets) => targets.iter().find_map(|target| {
                    let all = Patch::Read(vec![Arc::new(target.clone())]);
                    selected(target.get("select").unwrap_or(&Value::Null), &all)
                }),
            };
            if let Some(what) = what {
                gaps.push(self.gap("replacements", nth, &what));
            }
        }
    }

    /// What of the judged kinds a patch changes; `None` for nothing.
    fn changes(&self, patch: &Value) -> Option<String> {
        let (content, target) = match patch {
            // A file's name, or the patch itself.
            Value::String(text) if text.contains(['\n', ':']) => (self.inline(text), None),
            Value::String(path) => (self.file(path)?, None),
            _ => {
                let content =
                    match (patch.get("patch").and_then(Value::as_str), patch.get("path").and_then(Value::as_str)) {
                        (Some(text), _) => self.inline(text),
                        (None, Some(path)) => match (self.file(path), patch.get("target")) {
                            (Some(content), _) => content,
                            // The file was read, and what it holds is judged as it stands.
                            (None, None) => return None,
                            (None, Some(_)) => self.read_file(path),
                        },
                        (None, None) => Patch::Unreadable,
                    };
                (content, patch.get("target"))
            }
        };
        match (target, &content) {
            (Some(target), content) => selected(target, content),
            (None, Patch::Unreadable) => Some("something that can't be read here".to_owned()),
            (None, Patch::Read(documents)) => documents.iter().find_map(|document| {
                let of = Patch::Read(vec![Arc::clone(document)]);
                selected(&exact(document), &of)
            }),
        }
    }

    fn inline(&self, text: &str) -> Patch {
        let source = Arc::new(Source::new(self.document.source.name(), text));
        let found: Result<Vec<_>, _> = read(&source, Format::Yaml).into_iter().collect();
        found.map_or(Patch::Unreadable, |documents| {
            Patch::Read(documents.into_iter().map(|document| document.value).collect())
        })
    }

    /// `None` for a file that is among those that were read.
    fn file(&self, path: &str) -> Option<Patch> {
        (!self.files.contains_key(&self.path(path))).then_some(Patch::Unreadable)
    }

    fn read_file(&self, path: &str) -> Patch {
        let documents = self.files.get(&self.path(path)).map(Vec::as_slice).unwrap_or_default();
        Patch::Read(documents.iter().map(|document| Arc::clone(&document.value)).collect())
    }

    fn path(&self, path: &str) -> PathBuf {
        let folder = FilePath::new(self.document.source.name()).parent().unwrap_or(FilePath::new(""));
        plain(&folder.join(path))
    }

    fn gap(&self, field: &'static str, nth: usize, what: &str) -> Gap {
        let path = Path::of(self.base).field(field).item(nth).to_owned();
        let located = self.document.locate(&path);
        let folder =
            FilePath::new(self.document.source.name()).parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.map_or_else(|| ".".to_owned(), |folder| folder.display().to_string());
        Gap {
            file: located.source.name().to_owned(),
            position: Some(located.position),
            also: None,
            kind: "template",
            message: format!(
                "{field}[{nth}] changes {what}, and patches are not carried out here; check what it renders to: \
                 `kustomize build {folder} | keystile check -`"
            ),
            source: Some((located.source, located.span)),
        }
    }
}

fn items<'v>(fields: &'v Value, field: &str) -> impl Iterator<Item = (usize, &'v Value)> {
    fields.get(field).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// A selector for the kind of an object.
fn exact(object: &Value) -> Value {
    let text = |field: &str| object.get(field).and_then(Value::as_str);
    let mut selector = serde_json::Map::new();
    if let Some(version) = text("apiVersion") {
        let group = version.split_once('/').map_or("", |(group, _)| group);
        selector.insert("group".to_owned(), group.into());
    }
    if let Some(kind) = text("kind") {
        selector.insert("kind".to_owned(), kind.into());
    }
    Value::Object(selector)
}

/// What of the judged kinds `selector` selects, where `patch` changes something in it that is looked at.
fn selected(selector: &Value, patch: &Patch) -> Option<String> {
    let word = |field: &str| selector.get(field).and_then(Value::as_str);
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let kind = match word("kind") {
        Some(kind) if !kind.is_empty() && is_plain(kind) => kind,
        Some(kind) if !kind.is_empty() => return Some("objects whose kind is a regular expression".to_owned()),
        _ => return Some("objects of any kind".to_owned()),
    };
    let group = word("group").filter(|group| is_plain(group));
    let judged =
        GROUPS.iter().filter(|(known, _)| group.is_none_or(|group| group == *known)).find_map(|(group, version)| {
            match kind::recognise(group, version, kind) {
                // Any kind is one of the generators' group; without a group it is one only if it is known.
                Recognised::Known(Kind::Generator) if word("group").is_none() && !is_generator(kind) => None,
                Recognised::Known(found) => Some(found),
                Recognised::UnknownKind if word("group").is_some() => Some(Kind::ExternalSecret),
                _ => None,
            }
        })?;
    let is_looked_at = match judged {
        // Of these, only a part is.
        Kind::Namespace => says(patch, "labels"),
        Kind::Workload => says(patch, "vault.hashicorp.com"),
        _ => true,
    };
    is_looked_at.then(|| format!("objects of the kind {}", crate::report::text::printable(kind)))
}

fn is_generator(kind: &str) -> bool {
    keystile_policy::policy::document::words::GENERATOR_KINDS.contains(&kind) || kind == "ClusterGenerator"
}

/// Whether a patch speaks of something; one that can't be read might.
fn says(patch: &Patch, word: &str) -> bool {
    match patch {
        Patch::Unreadable => true,
        Patch::Read(documents) => documents.iter().any(|document| document.to_string().contains(word)),
    }
}
