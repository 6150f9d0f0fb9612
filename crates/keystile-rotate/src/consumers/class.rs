//! SecretProviderClasses of the Secrets Store CSI driver, for the providers of AWS, Vault and Google Cloud.
//!
//! What they mount is written as YAML inside of a text. Sources: the AWS Secrets Manager user guide,
//! "SecretProviderClass" (`objects`: `objectName`, `objectType`, `objectVersion`, `objectVersionLabel`,
//! `objectAlias`, `jmesPath`, `failoverObject`; `region`, `failoverRegion`, `pathTranslation`); the Vault
//! provider's documentation (`secretPath`, `secretKey`; `vaultNamespace`); the README of Google's provider
//! (`secrets`: `resourceName`, `fileName`, `path`, `extractJSONKey`); the driver's documentation of `secretObjects`.

use std::collections::BTreeSet;
use std::sync::Arc;

use keystile_manifest::{Format, Source, read};
use serde_json::Value;

use super::found::{Because, How, ObjectName, Unaffected, Use};
use super::leaf::Part;
use super::wanted::{Means, Version, Wanted};

/// A SecretProviderClass.
#[derive(Debug, Clone)]
pub(super) struct Class {
    pub(super) name: ObjectName,
    pub(super) file: Option<String>,
    provider: String,
    regions: Vec<String>,
    /// AWS's `pathTranslation`: what stands for `/` in a file's name.
    path_translation: String,
    vault_namespace: Option<String>,
    objects: Result<Vec<Value>, String>,
    /// Where the list stands.
    place: &'static str,
    synced: Vec<Synced>,
}

/// A Secret that the driver makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Synced {
    pub(super) secret: String,
    /// Names of mounted files, and the keys that they become.
    data: Vec<(String, String)>,
}

/// What a class has of the secret.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounted {
    pub(super) uses: Vec<Use>,
    pub(super) reasons: Vec<Because>,
    /// Names of the files that hold the leaked part.
    files: BTreeSet<String>,
    /// Whether which account is asked depends on the pod.
    pub(super) is_account_of_pod: bool,
    pub(super) undecided: Vec<(String, String)>,
    pub(super) unaffected: Vec<Unaffected>,
}

fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty())
}

impl Class {
    pub(super) fn read(object: &Value, name: &ObjectName, file: Option<&str>) -> Self {
        let parameter = |field: &str| text(object, &format!("/spec/parameters/{field}"));
        let provider = text(object, "/spec/provider").unwrap_or_default().to_ascii_lowercase();
        let (field, place) = match provider.as_str() {
            "gcp" => ("secrets", "spec.parameters.secrets"),
            _ => ("objects", "spec.parameters.objects"),
        };
        let objects = match object.pointer(&format!("/spec/parameters/{field}")) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(yaml)) => list_of(yaml),
            Some(_) => Err("is no text".to_owned()),
        };
        let items =
            |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        let spec = object.get("spec").cloned().unwrap_or_default();
        let synced = items(&spec, "secretObjects")
            .iter()
            .map(|synced| Synced {
                secret: text(synced, "/secretName").unwrap_or_default().to_owned(),
                data: items(synced, "data")
                    .iter()
                    .map(|item| {
                        let field = |path| text(item, path).unwrap_or_default().to_owned();
                        (field("/objectName"), field("/key"))
                    })
                    .collect(),
            })
            .collect();
        Self {
            name: name.clone(),
            file: file.map(ToOwned::to_owned),
            regions: ["region", "failoverRegion"].into_iter().filter_map(parameter).map(ToOwned::to_owned).collect(),
            path_translation: parameter("pathTranslation").unwrap_or("_").to_owned(),
            vault_namespace: parameter("vaultNamespace").map(ToOwned::to_owned),
            provider,
            objects,
            place,
            synced,
        }
    }

    /// What it has of the secret. `account`: that of the pods that mount it, where they are of one.
    pub(super) fn mounts(&self, wanted: &Wanted<'_>, account: Option<&str>) -> Mounted {
        let mut mounted = Mounted::default();
        let objects = match &self.objects {
            Ok(objects) => objects,
            Err(why) => {
                if matches!(
                    (self.provider.as_str(), wanted.is_vault()),
                    ("vault" | "openbao", true) | ("aws" | "gcp", false)
                ) {
                    mounted.undecided.push((self.place.to_owned(), why.clone()));
                }
                return mounted;
            }
        };
        for (nth, object) in objects.iter().enumerate() {
            let place = format!("{}[{nth}]", self.place);
            match self.provider.as_str() {
                "aws" => self.aws(object, &place, wanted, account, &mut mounted),
                "vault" | "openbao" => self.vault(object, &place, wanted, &mut mounted),
                "gcp" => gcp(object, &place, wanted, &mut mounted),
                _ => {}
            }
        }
        mounted
    }

    fn aws(&self, object: &Value, place: &str, wanted: &Wanted<'_>, account: Option<&str>, mounted: &mut Mounted) {
        let name = text(object, "/objectName").unwrap_or_default();
        let kind = text(object, "/objectType");
        let regions: Vec<&str> = self.regions.iter().map(String::as_str).collect();
        let mut names = vec![(name, "")];
        if let Some(failover) = text(object, "/failoverObject/objectName") {
            names.push((failover, "/failoverObject"));
        }
        for (asked, base) in names {
            match wanted.as_mounted(asked, kind, &regions, account) {
                Means::No => continue,
                Means::Unknown(why) => {
                    mounted.undecided.push((place.to_owned(), why));
                    continue;
                }
                Means::Yes(known) => {
                    mounted.is_account_of_pod |= !keystile_policy::provider::arn::is_arn(asked);
                    let version = match text(object, &format!("{base}/objectVersion")) {
                        Some(id) => wanted.version_id(id),
                        None => wanted.stage(text(object, &format!("{base}/objectVersionLabel")).unwrap_or_default()),
                    };
                    if !mounted.take(place, known, version) {
                        continue;
                    }
                }
            }
            // The whole object is a file, whatever parts of it are made files as well.
            let alias = text(object, "/objectAlias").unwrap_or(name);
            mounted.files.insert(alias.to_owned());
            mounted.files.insert(alias.trim_start_matches('/').replace('/', &self.path_translation));
            mounted.files.insert(alias.replace('/', &self.path_translation));
            for part in object.get("jmesPath").and_then(Value::as_array).into_iter().flatten() {
                let path = text(part, "/path").unwrap_or_default();
                let Some(alias) = text(part, "/objectAlias") else { continue };
                // Of JMESPath, as of gjson, plain names are followed; what is more counts.
                let has = match wanted.leaf.under(Some(&path.replace('"', ""))) {
                    Part::Has(_) | Part::Unknown(_) => true,
                    Part::HasNot => path.contains(|sign: char| !sign.is_alphanumeric() && !"_-.\"".contains(sign)),
                };
                if has {
                    mounted.files.insert(alias.to_owned());
                }
            }
        }
    }

    fn vault(&self, object: &Value, place: &str, wanted: &Wanted<'_>, mounted: &mut Mounted) {
        let path = text(object, "/secretPath").unwrap_or_default();
        let is_namespace = self.vault_namespace.as_deref().is_none_or(|namespace| wanted.is_namespace(namespace));
        if !wanted.is_vault() || !is_namespace || !wanted.is_vault_path(path) {
            return;
        }
        match wanted.leaf.under(text(object, "/secretKey")) {
            Part::Has(_) => {}
            Part::HasNot => return mounted.unaffected.push(Unaffected::OtherPart),
            Part::Unknown(why) => return mounted.undecided.push((place.to_owned(), why)),
        }
        // `secretArgs` may pin a version, which is an argument of Vault's API.
        let version = object.pointer("/secretArgs/version").map(|version| match version {
            Value::String(version) => version.clone(),
            other => other.to_string(),
        });
        let in_path = path.split_once("?version=").map(|(_, version)| version.to_owned());
        let version = wanted.version(version.or(in_path).as_deref());
        if mounted.take(place, Vec::new(), version) {
            mounted.files.extend(text(object, "/objectName").map(ToOwned::to_owned));
        }
    }

    /// The Secrets that the driver makes out of it, with the keys that hold the leaked part.
    pub(super) fn makes(&self, mounted: &Mounted) -> Vec<(&str, BTreeSet<String>)> {
        let keys = |synced: &Synced| -> BTreeSet<String> {
            let of_file = synced.data.iter().filter(|(file, _)| mounted.files.contains(file));
            of_file.map(|(_, key)| key.clone()).collect()
        };
        self.synced
            .iter()
            .map(|synced| (synced.secret.as_str(), keys(synced)))
            .filter(|(secret, keys)| !secret.is_empty() && !keys.is_empty())
            .collect()
    }
}

fn gcp(object: &Value, place: &str, wanted: &Wanted<'_>, mounted: &mut Mounted) {
    let resource = text(object, "/resourceName").unwrap_or_default();
    let Some((means, version)) = wanted.of_resource(resource) else { return };
    let known = match means {
        Means::Yes(known) => known,
        Means::No => return,
        Means::Unknown(why) => return mounted.undecided.push((place.to_owned(), why)),
    };
    match wanted.leaf.under(text(object, "/extractJSONKey").or_else(|| text(object, "/extractYAMLKey"))) {
        Part::Has(_) => {}
        Part::HasNot => return mounted.unaffected.push(Unaffected::OtherPart),
        Part::Unknown(why) => return mounted.undecided.push((place.to_owned(), why)),
    }
    if mounted.take(place, known, wanted.version(Some(version))) {
        for field in ["/fileName", "/path"] {
            mounted.files.extend(text(object, field).map(ToOwned::to_owned));
        }
    }
}

impl Mounted {
    /// Takes an object in; whether it reads the leaked version or the current one.
    fn take(&mut self, place: &str, known: Vec<Because>, version: Version) -> bool {
        match version {
            Version::Other => {
                self.unaffected.push(Unaffected::OtherVersion);
                return false;
            }
            Version::Fixed(because) => self.reasons.push(because),
            Version::Current => {}
        }
        self.reasons.extend(known);
        self.uses.push(Use { place: place.to_owned(), how: How::ProviderClass, through: None });
        true
    }
}

/// The list that a text holds as YAML. Google's provider takes a list of texts, each an object, as well.
fn list_of(yaml: &str) -> Result<Vec<Value>, String> {
    let source = Arc::new(Source::new("objects", yaml));
    let mut list = Vec::new();
    for document in read(&source, Format::Yaml) {
        // What is wrong with it is not repeated: the text may hold anything.
        let document = document.map_err(|_| "is no YAML that can be read".to_owned())?;
        let items = match &*document.value {
            Value::Array(items) => items.clone(),
            Value::Object(fields) => match fields.get("array") {
                Some(Value::Array(items)) => items.clone(),
                _ => return Err("is no list".to_owned()),
            },
            _ => return Err("is no list".to_owned()),
        };
        for item in items {
            match item {
                Value::String(yaml) => {
                    let source = Arc::new(Source::new("object", yaml));
                    for document in read(&source, Format::Yaml) {
                        let document = document.map_err(|_| "holds an object that is no YAML".to_owned())?;
                        list.push((*document.value).clone());
                    }
                }
                other => list.push(other),
            }
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_as_each_provider_writes_them() {
        let names = |yaml: &str| -> Result<Vec<String>, String> {
            Ok(list_of(yaml)?.iter().map(|object| text(object, "/objectName").unwrap_or("-").to_owned()).collect())
        };
        for (yaml, expected) in [
            ("- objectName: a\n- objectName: b\n  objectType: secretsmanager\n", Ok(vec!["a", "b"])),
            ("array:\n- |\n  objectName: a\n- |\n  objectName: b\n", Ok(vec!["a", "b"])),
            ("", Ok(vec![])),
            ("objectName: a\n", Err("is no list")),
            ("- a: [\n", Err("is no YAML that can be read")),
        ] {
            let expected: Result<Vec<String>, String> =
                expected.map(|names| names.into_iter().map(ToOwned::to_owned).collect()).map_err(ToOwned::to_owned);
            assert_eq!(names(yaml), expected, "{yaml:?}");
        }
    }
}
