//! Where a value stands in an object: `spec.data[0].remoteRef.key`.
//!
//! [`Path`] borrows from the object and costs no allocation (a rule makes one for each value that it
//! looks at); [`FieldPath`] owns its steps and lives in violations and in maps of positions.

use std::fmt;

/// One step down: into a field of a map or an item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step<'o> {
    /// The field of this name.
    Field(&'o str),
    /// The item at this index, from 0.
    Item(u32),
}

/// Steps that a path holds without an allocation.
const INLINE: usize = 8;

/// A path that borrows its names.
#[derive(Clone, Debug)]
pub struct Path<'o>(Steps<'o>);

// Not a `SmallVec`: that is invariant in its items' lifetime, and what holds a path would be too.
#[derive(Clone, Debug)]
enum Steps<'o> {
    Inline([Step<'o>; INLINE], usize),
    Heap(Vec<Step<'o>>),
}

impl<'o> Path<'o> {
    /// The object itself.
    #[must_use]
    pub fn root() -> Self {
        Self(Steps::Inline([Step::Item(0); INLINE], 0))
    }

    /// The path of these field names, from the root.
    #[must_use]
    pub fn of(fields: &[&'o str]) -> Self {
        Self::root().fields(fields)
    }

    /// The field `name` below this.
    #[must_use]
    pub fn field(&self, name: &'o str) -> Self {
        self.step(Step::Field(name))
    }

    /// The fields `names` below this, one in the other.
    #[must_use]
    pub fn fields(&self, names: &[&'o str]) -> Self {
        let mut path = self.clone();
        for name in names {
            path.push(Step::Field(name));
        }
        path
    }

    /// The item `index` below this.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        self.step(Step::Item(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    /// One step below this.
    #[must_use]
    pub fn step(&self, step: Step<'o>) -> Self {
        let mut path = self.clone();
        path.push(step);
        path
    }

    fn push(&mut self, step: Step<'o>) {
        match &mut self.0 {
            Steps::Inline(steps, length) if *length < INLINE => {
                steps[*length] = step;
                *length += 1;
            }
            Steps::Inline(steps, _) => {
                let mut steps = steps.to_vec();
                steps.push(step);
                self.0 = Steps::Heap(steps);
            }
            Steps::Heap(steps) => steps.push(step),
        }
    }

    /// The steps, from the root.
    #[must_use]
    pub fn steps(&self) -> &[Step<'o>] {
        match &self.0 {
            Steps::Inline(steps, length) => &steps[..*length],
            Steps::Heap(steps) => steps,
        }
    }

    /// The same path with names of its own.
    #[must_use]
    pub fn to_owned(&self) -> FieldPath {
        FieldPath(
            self.steps()
                .iter()
                .map(|step| match step {
                    Step::Field(name) => OwnedStep::Field((*name).into()),
                    Step::Item(index) => OwnedStep::Item(*index),
                })
                .collect(),
        )
    }
}

impl Default for Path<'_> {
    fn default() -> Self {
        Self::root()
    }
}

impl PartialEq for Path<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.steps() == other.steps()
    }
}

impl Eq for Path<'_> {}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum OwnedStep {
    Field(Box<str>),
    Item(u32),
}

/// A path that owns its names. Shown as kubectl's users write it, with a name that is not an
/// identifier in brackets and quotes: `metadata.annotations["vault.hashicorp.com/role"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Box<[OwnedStep]>);

impl FieldPath {
    /// The steps, from the root.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = Step<'_>> + ExactSizeIterator {
        self.0.iter().map(|step| match step {
            OwnedStep::Field(name) => Step::Field(name),
            OwnedStep::Item(index) => Step::Item(*index),
        })
    }

    /// The same path with other names where `other` has one for a name.
    #[must_use]
    pub(crate) fn with_names(&self, other: impl Fn(&str) -> Option<String>) -> Self {
        let step = |step: &OwnedStep| match step {
            OwnedStep::Field(name) => other(name).map(|name| OwnedStep::Field(name.into())),
            OwnedStep::Item(_) => None,
        };
        Self(self.0.iter().map(|own| step(own).unwrap_or_else(|| own.clone())).collect())
    }

    /// The path one step up; `None` at the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.into()))
    }
}

impl From<Path<'_>> for FieldPath {
    fn from(path: Path<'_>) -> Self {
        path.to_owned()
    }
}

impl From<&Path<'_>> for FieldPath {
    fn from(path: &Path<'_>) -> Self {
        path.to_owned()
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_steps(f, self.steps())
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_steps(f, self.steps().iter().copied())
    }
}

fn write_steps<'s>(f: &mut fmt::Formatter<'_>, steps: impl Iterator<Item = Step<'s>>) -> fmt::Result {
    for (nth, step) in steps.enumerate() {
        match step {
            Step::Item(index) => write!(f, "[{index}]")?,
            Step::Field(name) if is_identifier(name) => {
                write!(f, "{}{name}", if nth == 0 { "" } else { "." })?;
            }
            Step::Field(name) => write!(f, "[{}]", crate::shown::Shown(name))?,
        }
    }
    Ok(())
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_kubectl_users_know_it() {
        let key = Path::of(&["spec", "data"]).item(3).fields(&["remoteRef", "key"]);
        assert_eq!(key.to_string(), "spec.data[3].remoteRef.key");
        let role = Path::of(&["metadata", "annotations", "vault.hashicorp.com/role"]);
        assert_eq!(role.to_owned().to_string(), r#"metadata.annotations["vault.hashicorp.com/role"]"#);
    }
}
