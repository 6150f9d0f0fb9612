//! Managed secrets that an object makes or changes: their KMS key, rotation, deletion, tags.
//!
//! A SecretsManagerSecret is one, each entry of a PushSecret for AWS makes one, each
//! `aws_secretsmanager_secret` and `aws_ssm_parameter` of Terraform is one. The `kms-`, `rotation-`,
//! `deletion-` and `tag-` rules look at these facts, so that a setting is judged alike wherever it is
//! written.

use std::borrow::Cow;

use crate::field_path::Path;
use crate::shown::Shown;

/// A setting as the object has it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Setting<T> {
    /// Nothing is written.
    #[default]
    Absent,
    /// This is written.
    Is(T),
    /// Something is written that is known only later: a template, a variable without a value.
    Undecidable(String),
}

impl<T> Setting<T> {
    /// What is written, where it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Undecidable(_) => None,
        }
    }
}

/// A setting with the place where it is written, or would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<'o, T> {
    /// Where.
    pub path: Path<'o>,
    /// What.
    pub setting: Setting<T>,
}

/// What makes the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Maker {
    /// The operator's SecretsManagerSecret.
    SecretsManagerSecret,
    /// A PushSecret, in AWS Secrets Manager.
    PushedSecret,
    /// A PushSecret, in SSM Parameter Store.
    PushedParameter,
    /// Terraform's `aws_secretsmanager_secret` with what else names it.
    TerraformSecret,
    /// Terraform's `aws_ssm_parameter`.
    TerraformParameter,
}

/// A copy in another region.
#[derive(Clone, Debug, PartialEq)]
pub struct Replica<'o> {
    /// Where it is written.
    pub path: Path<'o>,
    /// The region.
    pub region: Setting<Cow<'o, str>>,
    /// Its KMS key.
    pub kms_key: Setting<Cow<'o, str>>,
}

/// Rotation by a function on a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotation<'o> {
    /// Whether it is on, where a field says so.
    pub is_enabled: Placed<'o, bool>,
    /// The ARN of the function.
    pub function: Placed<'o, Cow<'o, str>>,
    /// Days between rotations.
    pub days: Placed<'o, i64>,
    /// `rate(…)` or `cron(…)`.
    pub expression: Placed<'o, Cow<'o, str>>,
}

/// What becomes of the secret when the object is deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Deletion<'o> {
    /// The policy, as the kind writes it: `Delete`, `Retain`, `None`.
    pub policy: Placed<'o, Cow<'o, str>>,
    /// Days in which it can be recovered.
    pub recovery_days: Placed<'o, i64>,
    /// Whether it is deleted without recovery, where a field of its own says so.
    pub is_forced: Placed<'o, bool>,
}

/// A secret that the object makes or changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedSecret<'o> {
    /// By what.
    pub maker: Maker,
    /// Its remote name.
    pub name: Placed<'o, Cow<'o, str>>,
    /// The region it is in; `Absent` where the object doesn't say it.
    pub region: Setting<Cow<'o, str>>,
    /// Its KMS key.
    pub kms_key: Placed<'o, Cow<'o, str>>,
    /// Its copies.
    pub replicas: Vec<Replica<'o>>,
    /// Its rotation; `None` where the maker can't say it (a PushSecret).
    pub rotation: Option<Rotation<'o>>,
    /// Its deletion; `None` where the maker can't say it.
    pub deletion: Option<Deletion<'o>>,
    /// The keys of its tags; `None` where the maker can't say them.
    pub tags: Option<Placed<'o, Vec<Cow<'o, str>>>>,
    /// Where the object holds its value in plain text. The place alone: facts are printed.
    pub inline_value: Option<Path<'o>>,
}

impl<T> Placed<'_, T> {
    /// What is written, where it is known only later.
    pub fn undecidable(&self) -> Option<&str> {
        match &self.setting {
            Setting::Undecidable(text) => Some(text),
            Setting::Absent | Setting::Is(_) => None,
        }
    }
}

impl ManagedSecret<'_> {
    /// The secret's name, as a message shows it.
    #[must_use]
    pub fn name_shown(&self) -> String {
        match &self.name.setting {
            Setting::Is(name) => Shown(name).to_string(),
            Setting::Undecidable(text) => Shown(text).to_string(),
            Setting::Absent => "the secret".to_owned(),
        }
    }

    /// The KMS keys that are known, of the secret and its copies, with their places.
    pub fn kms_keys(&self) -> impl Iterator<Item = (&Path<'_>, &str)> {
        let of_copies = self.replicas.iter().map(|replica| (&replica.path, &replica.kms_key));
        std::iter::once((&self.kms_key.path, &self.kms_key.setting))
            .chain(of_copies)
            .filter_map(|(path, key)| Some((path, &**key.known()?)))
    }
}

impl Rotation<'_> {
    /// Whether nothing of it is written, or only that it is off.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self.is_enabled.setting, Setting::Absent | Setting::Is(false))
            && self.function.setting == Setting::Absent
            && self.days.setting == Setting::Absent
            && self.expression.setting == Setting::Absent
    }

    /// Whether it is on, and known to be.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.is_enabled.setting == Setting::Is(true)
    }

    /// Whether it is known only later if there is any.
    #[must_use]
    pub fn is_undecidable(&self) -> bool {
        self.is_enabled.undecidable().is_some()
    }
}

impl Deletion<'_> {
    /// Whether the secret stays when the object goes.
    #[must_use]
    pub fn is_retained(&self) -> bool {
        self.policy.setting.known().is_some_and(|policy| &**policy == "Retain")
    }
}
