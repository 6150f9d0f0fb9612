//! Which namespaces a ClusterExternalSecret or ClusterPushSecret says that it goes to.
//!
//! Source: External Secrets 2.9.0, runtime/esutils/utils.go, `GetTargetNamespaces`: every selector and
//! every name adds namespaces; the empty selector adds all of them. `namespaceSelector` and `namespaces`
//! are older fields of a ClusterExternalSecret that still count.

use serde_json::Value;

use super::{Fault, Subject};
use crate::field_path::Path;
use crate::selector::Selector;

/// Selectors and names that are looked at; more can't be judged in the time of a request.
const MOST_SELECTORS: usize = 256;
const MOST_NAMES: usize = 10_000;

/// The namespaces that an object goes to, as it says them.
#[derive(Debug, Default, PartialEq)]
pub struct FanOut<'o> {
    /// Selectors, each with its place; any of them may choose.
    pub selectors: Vec<(Path<'o>, Selector<'o>)>,
    /// Names, each with its place.
    pub names: Vec<(Path<'o>, &'o str)>,
}

/// Reads the selectors and names of a cluster-scoped object.
pub(crate) fn read<'o>(object: &'o Value, subject: &mut Subject<'o>) {
    let base = Path::of(&["spec"]);
    let mut found = FanOut::default();
    let mut fault = |path: Path<'o>, message: String| subject.faults.push(Fault { path: path.into(), message });
    let Some(spec) = object.get("spec").and_then(Value::as_object) else { return };
    for (field, value) in spec.iter().filter(|(_, value)| !value.is_null()) {
        let path = base.field(field);
        match (field.as_str(), value) {
            ("namespaceSelector", selector) => match Selector::parse(selector) {
                Ok(selector) => found.selectors.push((path, selector)),
                Err(message) => fault(path, message),
            },
            ("namespaceSelectors", Value::Array(items)) if items.len() <= MOST_SELECTORS => {
                for (index, selector) in items.iter().enumerate() {
                    match Selector::parse(selector) {
                        Ok(selector) => found.selectors.push((path.item(index), selector)),
                        Err(message) => fault(path.item(index), message),
                    }
                }
            }
            ("namespaces", Value::Array(items)) if items.len() <= MOST_NAMES => {
                for (index, name) in items.iter().enumerate() {
                    match name.as_str() {
                        Some(name) => found.names.push((path.item(index), name)),
                        None => fault(path.item(index), "is not text".to_owned()),
                    }
                }
            }
            ("namespaceSelectors" | "namespaces", Value::Array(items)) => {
                fault(path, format!("has {} items, more than can be judged", items.len()));
            }
            ("namespaceSelectors" | "namespaces", _) => fault(path, "is not a list".to_owned()),
            _ => {}
        }
    }
    // The same selector twice chooses the same.
    let mut once: Vec<(Path<'o>, Selector<'o>)> = Vec::new();
    for (path, selector) in found.selectors {
        if !once.iter().any(|(_, other)| *other == selector) {
            once.push((path, selector));
        }
    }
    found.selectors = once;
    subject.fan_out = Some(found);
}
