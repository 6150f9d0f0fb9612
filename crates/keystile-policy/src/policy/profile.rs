//! Profiles: named sets of values for what a document leaves out, the same in every environment. The
//! values stand in the document's table; what broken rules do stands here.

use std::fmt;

use crate::judgement::Action;

/// A profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// What every cluster should hold.
    #[default]
    Baseline,
    /// What PCI DSS asks of secrets besides: rotation within 90 days, and no warning where a setting of
    /// encryption, rotation or live state is not as it should be.
    Pci,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 2] = [Self::Baseline, Self::Pci];

    /// The name as a document writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Pci => "pci",
        }
    }

    /// What the profile makes of a broken rule, where that is not the rule's own default; `id` is a
    /// rule's or a group's.
    #[must_use]
    pub fn action(self, id: &str) -> Option<Action> {
        self.actions().iter().find(|(named, _)| *named == id).map(|(_, action)| *action)
    }

    /// The rules and groups for which it has an action of its own.
    #[must_use]
    pub fn actions(self) -> &'static [(&'static str, Action)] {
        match self {
            Self::Baseline => &[],
            // What is not known is said, not refused: a webhook without an inventory would refuse everything.
            Self::Pci => &[
                ("inventory", Action::Deny),
                ("inventory-unknown", Action::Warn),
                ("kms", Action::Deny),
                ("rotation", Action::Deny),
            ],
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
