//! Label selectors, as Kubernetes reads them: which labels an object must have to be chosen.
//!
//! Source: apimachinery, meta/v1 `LabelSelectorAsSelector`: every requirement must hold, the empty
//! selector chooses everything, a missing one nothing. `NotIn` and `DoesNotExist` hold for an object
//! without the label.

use serde_json::Value;

/// A label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector<'o> {
    /// What must hold, all of it.
    pub requirements: Vec<Requirement<'o>>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement<'o> {
    /// The label's name.
    pub label: &'o str,
    /// What must hold.
    pub test: Test<'o>,
}

/// What must hold for a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test<'o> {
    /// It has one of these values. `matchLabels` asks for one.
    In(Vec<&'o str>),
    /// It has none of these values, or is not there.
    NotIn(Vec<&'o str>),
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl<'o> Selector<'o> {
    /// Reads a selector.
    ///
    /// # Errors
    ///
    /// Says what can't be read, in words that follow the selector's path.
    pub fn parse(value: &'o Value) -> Result<Self, String> {
        let Value::Object(fields) = value else { return Err("is not a map".to_owned()) };
        let mut requirements = Vec::new();
        for (field, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match (field.as_str(), value) {
                ("matchLabels", Value::Object(labels)) => {
                    for (label, value) in labels {
                        let value = value.as_str().ok_or_else(|| format!("has a value of {label} that is not text"))?;
                        requirements.push(Requirement { label, test: Test::In(vec![value]) });
                    }
                }
                ("matchExpressions", Value::Array(expressions)) => {
                    for expression in expressions {
                        requirements.push(requirement(expression)?);
                    }
                }
                ("matchLabels" | "matchExpressions", _) => return Err(format!("has a {field} of the wrong type")),
                _ => return Err(format!("has a field {field}, which no selector has")),
            }
        }
        Ok(Self { requirements })
    }

    /// Whether an object with these labels is chosen.
    pub fn matches<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = label(requirement.label);
            match &requirement.test {
                Test::In(values) => value.is_some_and(|value| values.contains(&value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(&value)),
                Test::Exists => value.is_some(),
                Test::DoesNotExist => value.is_none(),
            }
        })
    }

    /// The values that a label must have to be chosen; `None` = any value, or none.
    #[must_use]
    pub fn pins(&self, label: &str) -> Option<Vec<&'o str>> {
        let mut pinned: Option<Vec<&'o str>> = None;
        for requirement in self.requirements.iter().filter(|requirement| requirement.label == label) {
            if let Test::In(values) = &requirement.test {
                pinned = Some(match pinned {
                    None => values.clone(),
                    Some(before) => before.into_iter().filter(|value| values.contains(value)).collect(),
                });
            }
        }
        pinned
    }
}

fn requirement(expression: &Value) -> Result<Requirement<'_>, String> {
    let text = |field: &str| expression.get(field).and_then(Value::as_str);
    let label = text("key").ok_or("has an expression without a key")?;
    let mut values = Vec::new();
    match expression.get("values") {
        None | Some(Value::Null) => {}
        Some(Value::Array(items)) => {
            for item in items {
                values.push(item.as_str().ok_or_else(|| format!("has a value of {label} that is not text"))?);
            }
        }
        Some(_) => return Err(format!("has values of {label} that are no list")),
    }
    let test = match (text("operator").unwrap_or_default(), values.is_empty()) {
        ("In", false) => Test::In(values),
        ("NotIn", false) => Test::NotIn(values),
        ("Exists", true) => Test::Exists,
        ("DoesNotExist", true) => Test::DoesNotExist,
        ("In" | "NotIn", true) => return Err(format!("names no values of {label}")),
        ("Exists" | "DoesNotExist", false) => return Err(format!("names values of {label} where none belong")),
        (other, _) => return Err(format!("has an operator {}", crate::shown::Shown(other))),
    };
    Ok(Requirement { label, test })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chooses(selector: &Value, labels: &[(&str, &str)]) -> bool {
        let find = |name: &str| labels.iter().find(|(label, _)| *label == name).map(|(_, value)| *value);
        Selector::parse(selector).unwrap().matches(find)
    }

    #[test]
    fn a_selector_chooses_as_kubernetes_does() {
        let expression = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "team", "operator": operator, "values": values}]});
        let team_a: &[(&str, &str)] = &[("team", "team-a"), ("env", "prod")];
        for (selector, labels, is_chosen) in [
            (json!({}), team_a, true),
            (json!({}), &[], true),
            (json!({"matchLabels": {"team": "team-a"}}), team_a, true),
            (json!({"matchLabels": {"team": "team-a", "env": "dev"}}), team_a, false),
            (json!({"matchLabels": {"team": "team-a"}}), &[], false),
            (expression("In", json!(["team-b", "team-a"])), team_a, true),
            (expression("NotIn", json!(["team-b"])), team_a, true),
            (expression("NotIn", json!(["team-b"])), &[], true),
            (expression("NotIn", json!(["team-a"])), team_a, false),
            (expression("Exists", json!([])), team_a, true),
            (expression("Exists", json!(null)), &[], false),
            (expression("DoesNotExist", json!(null)), &[], true),
            (expression("DoesNotExist", json!(null)), team_a, false),
        ] {
            assert_eq!(chooses(&selector, labels), is_chosen, "{selector} on {labels:?}");
        }
    }

    #[test]
    fn what_kubernetes_would_refuse_is_no_selector() {
        for selector in [
            json!([]),
            json!({"matchLabels": ["team"]}),
            json!({"matchLabels": {"team": 1}}),
            json!({"matchExpressions": [{"operator": "Exists"}]}),
            json!({"matchExpressions": [{"key": "team", "operator": "In", "values": []}]}),
            json!({"matchExpressions": [{"key": "team", "operator": "Exists", "values": ["x"]}]}),
            json!({"matchExpressions": [{"key": "team", "operator": "Is", "values": ["x"]}]}),
            json!({"matchFields": []}),
        ] {
            assert!(Selector::parse(&selector).is_err(), "{selector}");
        }
    }

    #[test]
    fn only_what_every_requirement_leaves_is_pinned() {
        let selector = json!({
            "matchLabels": {"team": "team-a"},
            "matchExpressions": [
                {"key": "team", "operator": "In", "values": ["team-a", "team-b"]},
                {"key": "env", "operator": "NotIn", "values": ["dev"]},
            ],
        });
        let selector = Selector::parse(&selector).unwrap();
        assert_eq!(selector.pins("team"), Some(vec!["team-a"]));
        assert_eq!(selector.pins("env"), None);
    }
}
