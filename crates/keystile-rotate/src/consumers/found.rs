//! What was found for one secret: who consumes it, who writes it, what could not be told.
//!
//! Names, places and times only; there is no field that could hold a value.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::reason::{Effect, Reason};

/// Who consumes a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumers {
    /// What was looked through.
    pub looked_at: LookedAt,
    /// Who consumes the leaked part of the secret, by namespace, kind and name; each object once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<Consumer>,
    /// Who writes the secret, or copies its value elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writers: Vec<Writer>,
    /// What may consume it: that could not be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<Undecided>,
    /// References to the secret, or to a Secret made from it, that do not get the leaked part: how many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unaffected: BTreeMap<Unaffected, u64>,
    /// Seconds until the last of those that pick a new value up by themselves has done so, counted from the
    /// rotation: how long to wait before a second one. `None` = nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
    /// What can be done about those that do not. Shown, never run.
    #[serde(default, skip_serializing_if = "Commands::is_empty")]
    pub commands: Commands,
}

/// What was looked through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookedAt {
    /// Where the objects come from, as a reader of the report would name it: `manifests in k8s/`.
    pub source: String,
    /// How many objects of each kind were looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objects: BTreeMap<String, u64>,
    /// What could not be read, each as a sentence. Not empty: there may be more consumers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
}

/// Names one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectName {
    /// Its namespace; empty for a cluster-scoped one, or where none is written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// `Deployment shop/web`.
impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// An object that gets the leaked part of the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// Which.
    pub object: ObjectName,
    /// The file that it stands in, where it comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Who makes it: a ClusterExternalSecret, a controller of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<ObjectName>,
    /// Each place where it asks for the value.
    pub uses: Vec<Use>,
    /// The Secrets that it makes out of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub makes: Vec<ObjectName>,
    /// When it has the new value.
    pub pick_up: PickUp,
    /// Why, the gravest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Because>,
}

impl Consumer {
    /// Whether it goes on serving the leaked value after the rotation until somebody changes it.
    #[must_use]
    pub fn keeps_leak(&self) -> bool {
        self.reasons.iter().any(|because| because.reason.keeps_leak())
    }
}

/// One place where an object asks for a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// Where in the object: `spec.data[0].remoteRef.key`.
    pub place: String,
    /// How.
    pub how: How,
    /// The Secret or SecretProviderClass that it comes through; `None` = it asks the manager itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<ObjectName>,
}

/// How a value is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// One secret by its name, or a part of it.
    Reference,
    /// The whole secret, each field of it a key.
    Extract,
    /// A search that finds it.
    Find,
    /// An object of a SecretProviderClass.
    ProviderClass,
    /// The Vault Agent.
    Agent,
    /// An environment variable.
    Environment,
    /// A mounted volume.
    Volume,
    /// One file of a volume, mounted by `subPath`.
    SubPath,
    /// A volume of the Secrets Store CSI driver.
    CsiVolume,
    /// What pulls images.
    ImagePull,
    /// A list of a ServiceAccount.
    ServiceAccount,
    /// A certificate.
    Tls,
    /// A field that names a Secret, of an object that is not known here.
    Other,
}

/// When a consumer has the new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "when", deny_unknown_fields)]
pub enum PickUp {
    /// By itself.
    ByItself {
        /// Seconds after the rotation, at most; `None` = not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_seconds: Option<u64>,
    },
    /// Not before it is started again.
    AtStart {
        /// Seconds after the rotation from which on a start gets it, at most; `None` = not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_seconds: Option<u64>,
    },
    /// Not without somebody's doing.
    NotByItself,
}

/// A reason, with what is particular here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// Which.
    pub reason: Reason,
    /// What is particular here (`refreshInterval 24h`, `version uuid/…`); empty where there is nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Because {
    /// A reason, with what is particular.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// What it means.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.reason.effect()
    }
}

impl From<Reason> for Because {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: String::new() }
    }
}

/// The detail, where there is one, and the reason's sentence.
impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.detail.is_empty() {
            write!(f, "{}: ", self.detail)?;
        }
        f.write_str(self.reason.sentence())
    }
}

/// An object that writes the secret, or its value elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writer {
    /// Which.
    pub object: ObjectName,
    /// The file that it stands in, where it comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where in it.
    pub place: String,
    /// What it does.
    pub effect: Writes,
    /// A sentence: what it writes, when, and what to do.
    pub why: String,
}

/// What a writer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writes {
    /// It writes the secret, and may bring the leaked value back.
    Back,
    /// It writes the value to another place, which no rotation of this secret changes at once.
    Elsewhere,
}

/// What may consume the secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undecided {
    /// Which.
    pub object: ObjectName,
    /// The file that it stands in, where it comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where in it.
    pub place: String,
    /// Why it can't be told, as a clause.
    pub why: String,
}

/// Why a reference to the secret does not get the leaked part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unaffected {
    /// It reads another part.
    OtherPart,
    /// It reads another version, which a rotation does not change.
    OtherVersion,
    /// It reads tags only.
    TagsOnly,
    /// It uses other keys of a Secret that holds the leaked part in one.
    OtherKey,
    /// It writes another part, or nothing where the secret is there already.
    WritesOtherPart,
}

/// Command lines for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    /// Make External Secrets read again now: `kubectl annotate …`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub force_sync: Vec<String>,
    /// Have Secrets made anew: `kubectl delete secret …`, where only that helps. Whoever starts meanwhile waits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remake: Vec<String>,
    /// Start processes again: `kubectl rollout restart …`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart: Vec<String>,
}

impl Commands {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.force_sync.is_empty() && self.remake.is_empty() && self.restart.is_empty()
    }
}

impl Consumers {
    /// Whether everything in scope was read and decided.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.looked_at.gaps.is_empty() && self.undecided.is_empty()
    }

    /// Those that do not have the new value without somebody's doing, restarts included.
    pub fn late(&self) -> impl Iterator<Item = &Consumer> {
        self.consumers.iter().filter(|consumer| !matches!(consumer.pick_up, PickUp::ByItself { .. }))
    }

    /// Whether something writes the secret that may bring the leaked value back.
    #[must_use]
    pub fn may_come_back(&self) -> bool {
        self.writers.iter().any(|writer| writer.effect == Writes::Back)
    }
}
