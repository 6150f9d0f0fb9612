//! Whose namespaces a cluster-scoped object reaches, now or later.
//!
//! A selector that asks for a team and an environment reaches namespaces of these alone, whenever they
//! are made: only administrators set the labels that bind. What a selector does not ask for may be
//! anything ([`Part::Any`]), whatever the namespaces of today have. A namespace that is named is what it
//! is bound to now. Bindings are judged once each, however many namespaces have them.

use std::collections::BTreeMap;

use crate::binding::{Binding, Part};
use crate::field_path::{FieldPath, Path};
use crate::policy::{EnvRule, Policy};
use crate::selector::Selector;
use crate::subject::fan_out::FanOut;
use crate::world::{Lookup, Namespace, Query, World};

/// The label in which the API server keeps a Namespace's own name. It can't be changed.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Bindings that are judged one by one; more are judged as any team's, which is stricter.
const MOST_BINDINGS: usize = 256;
/// Bindings times references that are judged one by one.
const MOST_JUDGED: usize = 200_000;
/// Namespaces that a message names.
const SHOWN: usize = 3;

/// Whose namespaces are reached.
#[derive(Debug, Default)]
pub struct Reach {
    /// Every binding, once.
    pub bindings: Vec<Reached>,
    /// Namespaces that are reached and bound to nobody, by the place that chooses them.
    pub unbound: Vec<Unreached>,
    /// Whether exactly one namespace is reached, whatever is made later.
    pub is_one_namespace: bool,
}

/// A binding that is reached.
#[derive(Debug)]
pub struct Reached {
    /// The binding.
    pub binding: Binding,
    /// What chooses it first.
    pub path: FieldPath,
    /// Namespaces of today that are named; none where a selector chooses.
    pub namespaces: Vec<String>,
}

/// What is reached and bound to nobody.
#[derive(Debug)]
pub struct Unreached {
    /// What chooses it.
    pub path: FieldPath,
    /// The first few namespaces.
    pub namespaces: Vec<String>,
    /// How many more there are.
    pub more: usize,
    /// Why, in words that follow the namespaces; or that it is not known here.
    pub why: String,
    /// Whether the world could not tell.
    pub is_unknown: bool,
}

impl Reached {
    /// The binding, and the namespaces where they are few.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.namespaces.as_slice() {
            [] => self.binding.to_string(),
            names => format!("{} ({})", self.binding, list(names, 0)),
        }
    }
}

impl Unreached {
    /// The namespaces, as a message names them.
    #[must_use]
    pub fn shown(&self) -> String {
        list(&self.namespaces, self.more)
    }
}

fn list(names: &[String], more: usize) -> String {
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) + more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Whose namespaces are reached; what the world can't answer is added to `unanswered`.
pub(crate) fn reach(
    fan_out: &FanOut<'_>,
    references: usize,
    policy: &Policy,
    world: &dyn World,
    unanswered: &mut impl Extend<Query>,
) -> Reach {
    let mut finder = Finder { policy, world, found: BTreeMap::new(), unbound: Vec::new(), questions: Vec::new() };
    for (path, name) in &fan_out.names {
        finder.named(path, name, None);
    }
    let mut is_named = fan_out.selectors.is_empty();
    for (path, selector) in &fan_out.selectors {
        match selector.pins(NAME_LABEL) {
            Some(names) => {
                is_named |= names.len() == 1 && fan_out.names.is_empty() && fan_out.selectors.len() == 1;
                for name in names {
                    finder.named(path, name, Some(selector));
                }
            }
            None => finder.selected(path, selector),
        }
    }
    unanswered.extend(finder.questions);
    let bindings: Vec<Reached> = finder.found.into_values().collect();
    let count = bindings.len();
    let namespaces: usize = bindings.iter().map(|reached| reached.namespaces.len()).sum();
    Reach {
        is_one_namespace: is_named && count == 1 && namespaces == 1,
        bindings: bounded(bindings, references),
        unbound: finder.unbound,
    }
}

/// The same bindings where they are few enough to be judged one by one; else any team's of their
/// environments, or any at all. What is right for any is right for each.
fn bounded(bindings: Vec<Reached>, references: usize) -> Vec<Reached> {
    let is_few = |count: usize| count <= MOST_BINDINGS && count.saturating_mul(references) <= MOST_JUDGED;
    if is_few(bindings.len()) {
        return bindings;
    }
    let widened = |bindings: Vec<Reached>, widen: &dyn Fn(&Binding) -> Binding| -> Vec<Reached> {
        let mut wide: BTreeMap<Binding, Reached> = BTreeMap::new();
        for reached in bindings {
            let binding = widen(&reached.binding);
            wide.entry(binding.clone()).or_insert(Reached { binding, path: reached.path, namespaces: Vec::new() });
        }
        wide.into_values().collect()
    };
    let bindings = widened(bindings, &|binding| Binding { env: binding.env.clone(), team: Part::Any });
    if is_few(bindings.len()) {
        return bindings;
    }
    widened(bindings, &|_| Binding { env: Part::Any, team: Part::Any })
}

struct Finder<'f> {
    policy: &'f Policy,
    world: &'f dyn World,
    found: BTreeMap<Binding, Reached>,
    unbound: Vec<Unreached>,
    questions: Vec<Query>,
}

impl Finder<'_> {
    fn add(&mut self, binding: Binding, path: &Path<'_>, namespace: Option<&str>) {
        let reached = self.found.entry(binding.clone()).or_insert_with(|| Reached {
            binding,
            path: path.into(),
            namespaces: Vec::new(),
        });
        if let Some(namespace) = namespace
            && !reached.namespaces.iter().any(|known| known == namespace)
            && reached.namespaces.len() <= SHOWN
        {
            reached.namespaces.push(namespace.to_owned());
        }
    }

    fn lost(&mut self, path: &Path<'_>, namespace: Option<&str>, why: &str, is_unknown: bool) {
        let path = FieldPath::from(path);
        let known = self.unbound.iter_mut().find(|unbound| unbound.path == path && unbound.why == why);
        let unbound = match known {
            Some(unbound) => unbound,
            None => {
                self.unbound.push(Unreached { path, namespaces: Vec::new(), more: 0, why: why.to_owned(), is_unknown });
                self.unbound.last_mut().expect("it was pushed just now")
            }
        };
        if let Some(namespace) = namespace {
            if unbound.namespaces.len() < SHOWN {
                unbound.namespaces.push(namespace.to_owned());
            } else {
                unbound.more += 1;
            }
        }
    }

    /// A namespace by its name; `selector` may ask for more.
    fn named(&mut self, path: &Path<'_>, name: &str, selector: Option<&Selector<'_>>) {
        let namespace = self.world.namespace(name);
        if let (Lookup::Found(namespace), Some(selector)) = (&namespace, selector)
            && !selector.matches(|label| label_of(namespace, label))
        {
            return;
        }
        if let Some(binding) = self.policy.namespaces.get(name) {
            return self.add(binding.clone(), path, Some(name));
        }
        match namespace {
            Lookup::Found(namespace) => match self.policy.binding.bind(&namespace.labels) {
                Ok(binding) => self.add(binding, path, Some(name)),
                Err(_) => self.lost(path, Some(name), "is bound to nobody", false),
            },
            Lookup::Absent => self.lost(path, Some(name), "is not there, and may be anybody's later", false),
            Lookup::Unknown => {
                self.questions.push(Query::Namespace(name.to_owned()));
                self.lost(path, Some(name), "is not known here", true);
            }
        }
    }

    /// Namespaces by their labels.
    fn selected(&mut self, path: &Path<'_>, selector: &Selector<'_>) {
        let rule = &self.policy.binding;
        let teams = selector.pins(&rule.team_label);
        let (envs, fixed_env) = match &rule.env {
            EnvRule::Value(value) => (None, Some(value.as_str())),
            EnvRule::Label { label, .. } => (selector.pins(label), None),
        };
        let is_certain = teams.is_some() && (envs.is_some() || fixed_env.is_some());
        let teams = parts(teams);
        let envs = match fixed_env {
            Some(env) => vec![Part::Is(env.into())],
            None => parts(envs),
        };
        for (team, env) in teams.iter().flat_map(|team| envs.iter().map(move |env| (team, env))).take(MOST_BINDINGS + 1)
        {
            match self.binds(team, env) {
                Ok(()) => self.add(Binding { env: env.clone(), team: team.clone() }, path, None),
                Err(why) => self.lost(path, None, &why, false),
            }
        }
        if teams.len().saturating_mul(envs.len()) > MOST_BINDINGS {
            self.add(Binding { env: Part::Any, team: Part::Any }, path, None);
        }
        // Names that the policy binds win over labels.
        for name in self.policy.namespaces.keys() {
            if let Lookup::Found(namespace) = self.world.namespace(name)
                && selector.matches(|label| label_of(&namespace, label))
            {
                self.add(self.policy.namespaces[name].clone(), path, Some(name));
            }
        }
        if is_certain {
            return;
        }
        match self.world.namespaces() {
            Lookup::Found(namespaces) => {
                for namespace in namespaces {
                    if !self.policy.namespaces.contains_key(&namespace.name)
                        && selector.matches(|label| label_of(&namespace, label))
                        && self.policy.binding.bind(&namespace.labels).is_err()
                    {
                        self.lost(path, Some(&namespace.name), "is bound to nobody", false);
                    }
                }
            }
            Lookup::Absent | Lookup::Unknown => {
                self.lost(path, None, "may choose namespaces that are bound to nobody: not all are known here", true);
            }
        }
    }

    /// Whether labels with these values bind; a part that is any does.
    fn binds(&self, team: &Part, env: &Part) -> Result<(), String> {
        let rule = &self.policy.binding;
        let mut labels = BTreeMap::new();
        if let Some(team) = team.value() {
            labels.insert(rule.team_label.clone(), team.to_owned());
        }
        if let (Some(env), EnvRule::Label { label, .. }) = (env.value(), &rule.env) {
            labels.insert(label.clone(), env.to_owned());
        }
        match rule.bind(&labels) {
            Err(unbound) if unbound.value.is_some() => {
                Err(format!("asks for namespaces that are bound to nobody: it {unbound}"))
            }
            _ => {
                // The label that is missing is the one that may be any; the other may still be wrong.
                let env_is_known = match (env.value(), &rule.env) {
                    (Some(env), EnvRule::Label { values, .. }) => {
                        values.is_empty() || values.iter().any(|known| known == env)
                    }
                    _ => true,
                };
                if env_is_known { Ok(()) } else { Err("asks for an environment that there is not".to_owned()) }
            }
        }
    }
}

fn parts(values: Option<Vec<&str>>) -> Vec<Part> {
    match values {
        None => vec![Part::Any],
        Some(values) => values.into_iter().map(|value| Part::Is(value.into())).collect(),
    }
}

fn label_of<'n>(namespace: &'n Namespace, label: &str) -> Option<&'n str> {
    match label {
        NAME_LABEL => Some(&namespace.name),
        _ => namespace.labels.get(label).map(String::as_str),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::policy::BindingRule;
    use crate::subject::Subject;
    use crate::world::Snapshot;

    fn policy() -> Policy {
        Policy {
            binding: BindingRule {
                team_label: "team".to_owned(),
                reserved_teams: vec!["shared".to_owned()],
                env: EnvRule::Label { label: "env".to_owned(), values: vec!["dev".to_owned(), "prod".to_owned()] },
            },
            namespaces: BTreeMap::from([("legacy".to_owned(), Binding::new("prod", "billing"))]),
            ..Policy::default()
        }
    }

    fn world() -> Snapshot {
        let mut world = Snapshot::complete();
        for (name, labels) in [
            ("a", json!({"team": "team-a", "env": "prod"})),
            ("a2", json!({"team": "team-a", "env": "prod"})),
            ("a-dev", json!({"team": "team-a", "env": "dev"})),
            ("loose", json!({"zone": "eu"})),
            ("legacy", json!({"team": "team-a", "env": "prod"})),
        ] {
            world.insert(Arc::new(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}),
            ));
        }
        world
    }

    fn reached(spec: Value) -> (Vec<String>, Vec<String>) {
        let object = json!({"kind": "ClusterExternalSecret", "spec": spec});
        let mut subject = Subject::default();
        crate::subject::fan_out::read(&object, &mut subject);
        assert_eq!(subject.faults, []);
        let reach = reach(&subject.fan_out.unwrap(), 1, &policy(), &world(), &mut Vec::new());
        (
            reach.bindings.iter().map(Reached::shown).collect(),
            reach.unbound.iter().map(|unbound| format!("{} {}", unbound.shown(), unbound.why)).collect(),
        )
    }

    #[test]
    fn a_selector_reaches_what_it_asks_for_now_and_later() {
        for (spec, bindings, unbound) in [
            (
                json!({"namespaceSelectors": [{"matchLabels": {"team": "team-x", "env": "prod"}}]}),
                vec!["env=prod team=team-x"],
                vec![],
            ),
            (json!({"namespaceSelectors": [{"matchLabels": {"team": "team-x"}}]}), vec!["env=* team=team-x"], vec![]),
            (
                json!({"namespaceSelectors": [{}]}),
                vec!["env=prod team=billing (legacy)", "env=* team=*"],
                vec!["loose is bound to nobody"],
            ),
            (
                json!({"namespaceSelector": {"matchLabels": {"zone": "eu"}}}),
                vec!["env=* team=*"],
                vec!["loose is bound to nobody"],
            ),
            (
                json!({"namespaceSelectors": [{"matchExpressions": [
                    {"key": "team", "operator": "In", "values": ["team-a", "team-b"]},
                    {"key": "env", "operator": "In", "values": ["prod"]},
                ]}]}),
                vec!["env=prod team=billing (legacy)", "env=prod team=team-a", "env=prod team=team-b"],
                vec![],
            ),
            (
                json!({"namespaces": ["a", "a2", "a-dev", "legacy"]}),
                vec!["env=dev team=team-a (a-dev)", "env=prod team=billing (legacy)", "env=prod team=team-a (a, a2)"],
                vec![],
            ),
            (
                json!({"namespaces": ["loose", "gone"]}),
                vec![],
                vec!["loose is bound to nobody", "gone is not there, and may be anybody's later"],
            ),
            (
                json!({"namespaceSelectors": [{"matchLabels": {"kubernetes.io/metadata.name": "a"}}]}),
                vec!["env=prod team=team-a (a)"],
                vec![],
            ),
            (
                json!({"namespaceSelectors": [{"matchLabels": {"kubernetes.io/metadata.name": "a", "team": "other"}}]}),
                vec![],
                vec![],
            ),
            (
                json!({"namespaceSelectors": [{"matchLabels": {"team": "shared", "env": "prod"}}]}),
                vec![],
                vec![
                    " asks for namespaces that are bound to nobody: it has the label team with \"shared\", which is reserved",
                ],
            ),
            (json!({}), vec![], vec![]),
        ] {
            let (found, lost) = reached(spec.clone());
            assert_eq!(
                (found, lost),
                (bindings.iter().map(ToString::to_string).collect(), unbound.iter().map(ToString::to_string).collect()),
                "{spec}"
            );
        }
    }

    #[test]
    fn more_bindings_than_can_be_judged_are_judged_as_any_team_of_their_environments() {
        let named: Vec<Reached> = (0..5_000)
            .map(|nth| Reached {
                binding: Binding::new(if nth % 2 == 0 { "prod" } else { "dev" }, &format!("t{nth}")),
                path: FieldPath::default(),
                namespaces: Vec::new(),
            })
            .collect();
        let shown: Vec<String> = bounded(named, 50).iter().map(Reached::shown).collect();
        assert_eq!(shown, ["env=dev team=*", "env=prod team=*"]);
    }
}
