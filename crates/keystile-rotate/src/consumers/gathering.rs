//! What is found while it is being found: each object once, with everything that is known of it.

use std::collections::{BTreeMap, BTreeSet};

use super::found::{Because, Consumer, ObjectName, PickUp, Unaffected, Undecided, Use, Writer};
use super::reason::Effect;

/// Which keys of a Secret hold the leaked part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keys {
    /// These.
    These(BTreeSet<String>),
    /// Any: it can't be told.
    Any,
}

impl Keys {
    pub(super) fn none() -> Self {
        Self::These(BTreeSet::new())
    }

    pub(super) fn add(&mut self, key: impl Into<String>) {
        if let Self::These(keys) = self {
            keys.insert(key.into());
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        match self {
            Self::These(keys) => keys.contains(key),
            Self::Any => true,
        }
    }

    /// Whether a use of some keys (`None` = all) is one of these.
    pub(super) fn meet(&self, used: Option<&BTreeSet<String>>) -> bool {
        match (self, used) {
            (Self::Any, _) | (_, None) => true,
            (Self::These(keys), Some(used)) => !keys.is_disjoint(used),
        }
    }
}

/// A Secret that holds the leaked part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) secret: ObjectName,
    pub(super) keys: Keys,
    /// When it has the new value.
    pub(super) pick_up: PickUp,
    /// Whether what makes it makes it anew, with the new value, when it is deleted.
    pub(super) is_remade: bool,
}

/// The name of a Secret.
pub(super) fn secret(namespace: &str, name: &str) -> ObjectName {
    ObjectName { namespace: namespace.to_owned(), kind: "Secret".to_owned(), name: name.to_owned() }
}

#[derive(Debug, Default)]
pub(super) struct Gathering {
    pub(super) consumers: BTreeMap<ObjectName, Consumer>,
    pub(super) writers: BTreeSet<Writer>,
    pub(super) undecided: BTreeSet<Undecided>,
    pub(super) unaffected: BTreeMap<Unaffected, u64>,
    pub(super) targets: Vec<Target>,
    /// Command lines, in order, each once.
    pub(super) force_sync: BTreeSet<String>,
    pub(super) remake: BTreeSet<String>,
    pub(super) restart: BTreeSet<String>,
}

impl Gathering {
    /// Adds what is known of a consumer; what was known before stays.
    pub(super) fn consumer(
        &mut self,
        object: &ObjectName,
        file: Option<&str>,
        uses: impl IntoIterator<Item = Use>,
        pick_up: PickUp,
        reasons: impl IntoIterator<Item = Because>,
    ) -> &mut Consumer {
        let consumer = self.consumers.entry(object.clone()).or_insert_with(|| Consumer {
            object: object.clone(),
            file: file.map(ToOwned::to_owned),
            made_by: None,
            uses: Vec::new(),
            makes: Vec::new(),
            pick_up,
            reasons: Vec::new(),
        });
        consumer.pick_up = later(consumer.pick_up, pick_up);
        for used in uses {
            if !consumer.uses.contains(&used) {
                consumer.uses.push(used);
            }
        }
        for because in reasons {
            if !consumer.reasons.contains(&because) {
                consumer.reasons.push(because);
            }
        }
        consumer.uses.sort();
        consumer.reasons.sort_by_key(|because| (std::cmp::Reverse(because.effect()), because.clone()));
        consumer
    }

    pub(super) fn undecided(&mut self, object: &ObjectName, file: Option<&str>, place: String, why: String) {
        let (object, file) = (object.clone(), file.map(ToOwned::to_owned));
        self.undecided.insert(Undecided { object, file, place, why });
    }

    pub(super) fn unaffected(&mut self, why: Unaffected) {
        *self.unaffected.entry(why).or_default() += 1;
    }
}

/// The later of two.
pub(super) fn later(one: PickUp, other: PickUp) -> PickUp {
    // Not known is later than any time.
    let later = |one: Option<u64>, other: Option<u64>| one.zip(other).map(|(one, other)| one.max(other));
    match (one, other) {
        (PickUp::NotByItself, _) | (_, PickUp::NotByItself) => PickUp::NotByItself,
        (PickUp::ByItself { within_seconds: one }, PickUp::ByItself { within_seconds: other }) => {
            PickUp::ByItself { within_seconds: later(one, other) }
        }
        (
            PickUp::AtStart { from_seconds: one } | PickUp::ByItself { within_seconds: one },
            PickUp::AtStart { from_seconds: other } | PickUp::ByItself { within_seconds: other },
        ) => PickUp::AtStart { from_seconds: later(one, other) },
    }
}

/// When a consumer has the new value that by itself would have it within some seconds, for these reasons.
pub(super) fn pick_up(within_seconds: Option<u64>, reasons: &[Because]) -> PickUp {
    match reasons.iter().map(Because::effect).max() {
        Some(Effect::Never) => PickUp::NotByItself,
        Some(Effect::AtStart) => PickUp::AtStart { from_seconds: within_seconds },
        Some(Effect::Remark | Effect::Cached) | None => PickUp::ByItself { within_seconds },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pick_ups() -> impl Strategy<Value = PickUp> {
        let seconds = prop::option::of(0..5_u64);
        prop_oneof![
            seconds.clone().prop_map(|within_seconds| PickUp::ByItself { within_seconds }),
            seconds.prop_map(|from_seconds| PickUp::AtStart { from_seconds }),
            Just(PickUp::NotByItself),
        ]
    }

    proptest! {
        /// In whichever order uses are found, an object's answer is the same.
        #[test]
        fn the_later_of_several_does_not_depend_on_the_order(a in pick_ups(), b in pick_ups(), c in pick_ups()) {
            prop_assert_eq!(later(a, b), later(b, a));
            prop_assert_eq!(later(later(a, b), c), later(a, later(b, c)));
            prop_assert_eq!(later(a, a), a);
        }
    }
}
