//! `keystile policy test`: cases beside a policy, so that it is changed like code.
//!
//! ```yaml
//! apiVersion: keystile.dev/v1alpha1
//! kind: SecretPolicyTest
//! world:                                  # objects that lie around every case
//! - {apiVersion: external-secrets.io/v1, kind: ClusterSecretStore, metadata: {name: aws}, spec: …}
//! cases:
//! - name: a team reads its own names
//!   binding: {team: team-a, env: prod}    # or namespaceLabels: {team: team-a, env: prod}
//!   object: {apiVersion: external-secrets.io/v1, kind: ExternalSecret, …}    # or file: db.yaml
//!   deny: [key-outside-grant]             # exactly these rules refuse; unless said: none
//! ```
//!
//! The pure part: what a file of cases says, and what one object of a case gets. Files are read by who
//! calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::reader::{Object, Reader};
use super::syntax::Syntax;
use super::table::{Field, Shape, Unsaid};
use super::{Problem, outcome};
use crate::engine::Engine;
use crate::field_path::Path;
use crate::judgement::{Action, Judgement};
use crate::policy::{EnvRule, Policy};
use crate::request::{Door, Operation, Request, User};
use crate::shown::Shown;
use crate::world::Snapshot;

/// The namespace of a case's object that names none.
const NAMESPACE: &str = "test";

const fn field(name: &'static str, shape: Shape, unsaid: Unsaid, meaning: &'static str) -> Field {
    Field { name, meaning, shape, unsaid }
}

use Shape::{Anything, List, Object as Fields, Objects, One, OneByName};
use Unsaid::{Nothing, Refused};

/// A file of cases.
pub static CASES: &[Field] = &[
    field("apiVersion", One(Syntax::Words(&["keystile.dev/v1alpha1"])), Refused, "the version of the language"),
    field("kind", One(Syntax::Words(&["SecretPolicyTest"])), Refused, "the kind"),
    field("world", Anything, Nothing("only the namespace of the case"), "a list of objects that lie around every case"),
    field("cases", Objects(CASE), Refused, "the cases"),
];

static CASE: &[Field] = &[
    field("name", One(Syntax::Text), Refused, "what the case shows"),
    field("object", Anything, Nothing("`file` is written instead"), "the object"),
    field(
        "file",
        One(Syntax::Text),
        Nothing("`object` is written instead"),
        "a manifest, beside the file of cases; each object of it is judged",
    ),
    field(
        "oldObject",
        Anything,
        Nothing("the object is created"),
        "the object as it was: then it is updated, or deleted where there is no object",
    ),
    field(
        "binding",
        Fields(CASE_BINDING),
        Nothing("the namespace as the world has it"),
        "who the object's namespace is",
    ),
    field(
        "namespaceLabels",
        OneByName(Syntax::LabelKey, Syntax::TextOrEmpty),
        Nothing("the namespace as the world has it"),
        "the labels of the object's namespace",
    ),
    field("user", Fields(CASE_USER), Nothing("nobody known, as when a file is checked"), "who asks"),
    field("world", Anything, Nothing("nothing more"), "a list of further objects that lie around"),
    field("deny", List(Syntax::RuleId), Unsaid::Is("[]"), "the rules that refuse: exactly these"),
    field("warn", List(Syntax::RuleId), Nothing("whatever warns"), "the rules that warn: exactly these"),
];

static CASE_BINDING: &[Field] = &[
    field("team", One(Syntax::DnsLabel), Refused, "its team"),
    field("env", One(Syntax::DnsLabel), Refused, "its environment"),
];

static CASE_USER: &[Field] = &[
    field("name", One(Syntax::Text), Refused, "the name"),
    field("groups", List(Syntax::Text), Unsaid::Is("[]"), "the groups"),
];

/// A file of cases, as read.
#[derive(Clone, Debug)]
pub struct Suite {
    /// What lies around every case.
    pub world: Vec<Value>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The object; `None` where a file has it, or where the old one is deleted.
    pub object: Option<Value>,
    /// The file that has the objects.
    pub file: Option<String>,
    /// The object as it was.
    pub old: Option<Value>,
    /// Labels of the object's namespace; `None` = as the world has it.
    pub namespace_labels: Option<BTreeMap<String, String>>,
    /// The environment and team that its namespace is to have.
    pub binding: Option<(String, String)>,
    /// Who asks; `None` = nobody known.
    pub user: Option<User>,
    /// What else lies around.
    pub world: Vec<Value>,
    /// The rules that must refuse.
    pub deny: BTreeSet<String>,
    /// The rules that must warn; `None` = whatever warns.
    pub warn: Option<BTreeSet<String>>,
}

/// Reads a file of cases.
///
/// # Errors
///
/// Every problem, where at least one is an error.
pub fn read(document: &Value) -> Result<(Suite, Vec<Problem>), Vec<Problem>> {
    let mut reader = Reader::new();
    let document = reader.object(document, Path::root(), CASES);
    reader.text(&document, "apiVersion");
    reader.text(&document, "kind");
    let world = reader.values_in(&document, "world").into_iter().cloned().collect();
    let cases = reader.objects_in(&document, "cases").iter().map(|case| read_case(&mut reader, case)).collect();
    outcome(Suite { world, cases }, reader.problems)
}

fn read_case(reader: &mut Reader, case: &Object<'_>) -> Case {
    let name = reader.text(case, "name").unwrap_or_default();
    let file = reader.text(case, "file");
    let (object, old) = (case.written("object").cloned(), case.written("oldObject").cloned());
    match (&object, &file, &old) {
        (Some(_), Some(_), _) => reader.error(&case.at("file"), "stands beside an object: write one of them"),
        (None, None, None) => reader.error(&case.path, "has nothing to judge: write object or file"),
        (None, Some(_), Some(_)) => {
            reader.error(&case.at("oldObject"), "stands beside a file: write the object here as well");
        }
        _ => {}
    }
    let binding = case.written("binding").and_then(|_| {
        let binding = reader.object_in(case, "binding");
        let (team, env) = (reader.text(&binding, "team"), reader.text(&binding, "env"));
        Some((env?, team?))
    });
    let namespace_labels = case.written("namespaceLabels").map(|_| {
        let mut labels = BTreeMap::new();
        for (label, value) in reader.entries_in(case, "namespaceLabels") {
            let path = case.at("namespaceLabels").field(label);
            if let Some(value) = reader.scalar(value, &path, Syntax::TextOrEmpty) {
                labels.insert(label.to_owned(), value);
            }
        }
        labels
    });
    if case.written("binding").is_some() && case.written("namespaceLabels").is_some() {
        reader.error(&case.at("namespaceLabels"), "stands beside a binding: write one of them");
    }
    let user = case.written("user").map(|_| {
        let user = reader.object_in(case, "user");
        User {
            name: reader.text(&user, "name").unwrap_or_default(),
            groups: reader.list(&user, "groups").unwrap_or_default(),
        }
    });
    let world = reader.values_in(case, "world").into_iter().cloned().collect();
    let deny = reader.list(case, "deny").unwrap_or_default().into_iter().collect();
    let warn = reader.list(case, "warn").map(|warn| warn.into_iter().collect());
    Case { name, object, file, old, namespace_labels, binding, user, world, deny, warn }
}

/// What a case came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was expected otherwise; empty where the case passed.
    pub faults: Vec<String>,
    /// The whole judgement.
    pub judgement: Judgement,
}

impl Case {
    /// Judges an object of the case: its own, or one of its file.
    #[must_use]
    pub fn run(&self, suite: &Suite, engine: &Engine, object: Option<&Value>, now: Timestamp) -> Outcome {
        let mut snapshot = Snapshot::complete();
        for object in suite.world.iter().chain(&self.world) {
            snapshot.insert(Arc::new(object.clone()));
        }
        let Some(judged) = object.or(self.old.as_ref()) else {
            return Outcome { faults: vec!["there is no object".to_owned()], judgement: Judgement::default() };
        };
        let mut request = Request::offline(judged, NAMESPACE, now);
        if let Some(labels) = self.labels(engine.policy()) {
            snapshot.insert(Arc::new(json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": request.namespace, "labels": labels},
            })));
        }
        request.object = object;
        request.old_object = self.old.as_ref();
        request.operation = match (object, &self.old) {
            (None, _) => Operation::Delete,
            (Some(_), Some(_)) => Operation::Update,
            (Some(_), None) => Operation::Create,
        };
        if let Some(user) = &self.user {
            request.user = Some(user);
            request.door = Door::Admission;
        }
        let judgement = engine.judge(&request, &snapshot);
        let found = |action: Action| -> BTreeSet<String> {
            judgement.with(action).map(|violation| violation.rule.id.to_owned()).collect()
        };
        let mut faults = differences("refuse", &self.deny, &found(Action::Deny));
        if let Some(warn) = &self.warn {
            faults.extend(differences("warn", warn, &found(Action::Warn)));
        }
        if let Some((env, team)) = &self.binding
            && let Some(bound) = engine.policy().namespaces.get(request.namespace)
            && (bound.env.value(), bound.team.value()) != (Some(env), Some(team))
        {
            faults.push(format!("the policy binds namespace {} by name, to {bound}", Shown(request.namespace)));
        }
        Outcome { faults, judgement }
    }

    /// The labels of the object's namespace.
    fn labels(&self, policy: &Policy) -> Option<BTreeMap<String, String>> {
        let Some((env, team)) = &self.binding else { return self.namespace_labels.clone() };
        let mut labels = BTreeMap::from([(policy.binding.team_label.clone(), team.clone())]);
        if let EnvRule::Label { label, .. } = &policy.binding.env {
            labels.insert(label.clone(), env.clone());
        }
        Some(labels)
    }
}

fn differences(verb: &str, expected: &BTreeSet<String>, found: &BTreeSet<String>) -> Vec<String> {
    let missing = expected.difference(found).map(|rule| format!("{rule} should {verb}, and does not"));
    missing.chain(found.difference(expected).map(|rule| format!("{rule} should not {verb}, and does"))).collect()
}
