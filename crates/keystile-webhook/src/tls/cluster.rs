//! The certificate's state in a Secret, its bundle in a ValidatingWebhookConfiguration.
//!
//! The one Secret that keystile reads is its own, by name: `get` and `update` on it, and on the
//! webhook configuration, are all that the role has to grant (and `create` where the Secret is not
//! part of the installation). Writes name the `resourceVersion` they were made from.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind, ObjectMeta};
use serde_json::{Value, json};

use super::authority::Stored;
use super::self_managed::{Place, PlaceError, Version};
use crate::config::Namespaced;

/// Fields of the Secret. `tls.crt`, `tls.key` and `ca.crt` are named as in Secrets of cert-manager.
const FIELDS: [&str; 4] = ["ca.crt", "ca.key", "tls.crt", "tls.key"];

/// A Secret and a webhook configuration.
pub struct ClusterPlace {
    secrets: Api<Secret>,
    configurations: Api<DynamicObject>,
    secret: String,
    service: Namespaced,
    configuration: String,
}

impl ClusterPlace {
    /// `service` tells which webhooks of the configuration are ours.
    #[must_use]
    pub fn new(client: Client, secret: Namespaced, service: Namespaced, configuration: String) -> Self {
        // Dynamic, so that fields which this release does not know survive being written back.
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration");
        Self {
            configurations: Api::all_with(client.clone(), &ApiResource::from_gvk(&kind)),
            secrets: Api::namespaced(client, &secret.namespace),
            secret: secret.name,
            service,
            configuration,
        }
    }
}

impl Place for ClusterPlace {
    async fn read(&self) -> Result<(Stored, Version), PlaceError> {
        let Some(secret) = self.secrets.get_opt(&self.secret).await.map_err(|error| failed(&error))? else {
            return Ok((Stored::default(), None));
        };
        let data = secret.data.unwrap_or_default();
        let [authorities, authority_key, certificate, key] = FIELDS.map(|field| {
            data.get(field).map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned()).unwrap_or_default()
        });
        Ok((Stored { authorities, authority_key, certificate, key }, secret.metadata.resource_version))
    }

    async fn write(&self, stored: &Stored, version: Version) -> Result<(), PlaceError> {
        let texts = [&stored.authorities, &stored.authority_key, &stored.certificate, &stored.key];
        let data: BTreeMap<String, ByteString> = FIELDS
            .iter()
            .zip(texts)
            .map(|(field, text)| ((*field).to_owned(), ByteString(text.clone().into_bytes())))
            .collect();
        let parameters = PostParams::default();
        let Some(version) = version else {
            let metadata = ObjectMeta { name: Some(self.secret.clone()), ..ObjectMeta::default() };
            let secret = Secret { metadata, data: Some(data), ..Secret::default() };
            self.secrets.create(&parameters, &secret).await.map_err(|error| failed(&error))?;
            return Ok(());
        };
        // Labels, owners and type stay as whoever installed the Secret gave them.
        let mut secret = self.secrets.get(&self.secret).await.map_err(|error| failed(&error))?;
        if secret.metadata.resource_version.as_ref() != Some(&version) {
            return Err(PlaceError::Conflict);
        }
        secret.data.get_or_insert_default().extend(data);
        self.secrets.replace(&self.secret, &parameters, &secret).await.map_err(|error| failed(&error))?;
        Ok(())
    }

    async fn publish(&self, authorities: &str) -> Result<(), PlaceError> {
        let mut configuration = self.configurations.get(&self.configuration).await.map_err(|error| failed(&error))?;
        let bundle = serde_json::to_value(ByteString(authorities.as_bytes().to_vec()))
            .map_err(|_| PlaceError::Failed("the bundle could not be encoded".into()))?;
        match set_bundle(&mut configuration.data, &self.service, &bundle) {
            Bundles::None => Err(PlaceError::Failed(format!(
                "no webhook of ValidatingWebhookConfiguration {} calls Service {}/{}: correct --service or the configuration",
                self.configuration, self.service.namespace, self.service.name
            ))),
            Bundles::Same => Ok(()),
            Bundles::Changed => {
                let parameters = PostParams::default();
                self.configurations
                    .replace(&self.configuration, &parameters, &configuration)
                    .await
                    .map_err(|error| failed(&error))?;
                tracing::info!(configuration = self.configuration, "caBundle was written");
                Ok(())
            }
        }
    }
}

/// What became of a configuration's bundles.
#[derive(Debug, PartialEq, Eq)]
enum Bundles {
    /// No webhook is ours.
    None,
    /// All had it.
    Same,
    /// Some had not.
    Changed,
}

/// Gives every webhook that calls `service` the bundle.
fn set_bundle(configuration: &mut Value, service: &Namespaced, bundle: &Value) -> Bundles {
    let mut found = Bundles::None;
    let webhooks = configuration.get_mut("webhooks").and_then(Value::as_array_mut);
    for client in webhooks.into_iter().flatten().filter_map(|webhook| webhook.get_mut("clientConfig")) {
        let called = client.get("service");
        let is = |field: &str, expected: &str| called.and_then(|called| called.get(field)) == Some(&json!(expected));
        if !is("namespace", &service.namespace) || !is("name", &service.name) {
            continue;
        }
        if client.get("caBundle") == Some(bundle) {
            if found == Bundles::None {
                found = Bundles::Same;
            }
        } else {
            client["caBundle"] = bundle.clone();
            found = Bundles::Changed;
        }
    }
    found
}

/// An error in words that hold nothing of a Secret: of an answer its code and reason alone.
fn failed(error: &kube::Error) -> PlaceError {
    match error {
        kube::Error::Api(status) if status.code == 409 => PlaceError::Conflict,
        kube::Error::Api(status) => {
            PlaceError::Failed(format!("the API server answered {} {}", status.code, status.reason))
        }
        kube::Error::SerdeError(_) => PlaceError::Failed("the API server's answer could not be read".into()),
        other => PlaceError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_goes_to_our_webhooks_alone() {
        let service = Namespaced { namespace: "keystile".into(), name: "webhook".into() };
        let ours = |bundle: Value| json!({"name": "a", "clientConfig": {"service": {"namespace": "keystile", "name": "webhook", "path": "/validate"}, "caBundle": bundle}, "newField": 1});
        let theirs = json!({"name": "b", "clientConfig": {"service": {"namespace": "other", "name": "webhook"}, "caBundle": "b2xk"}});
        let mut configuration = json!({"webhooks": [ours(json!("b2xk")), theirs, ours(Value::Null)]});
        let bundle = json!("bmV3");
        assert_eq!(set_bundle(&mut configuration, &service, &bundle), Bundles::Changed);
        assert_eq!(configuration, json!({"webhooks": [ours(bundle.clone()), theirs, ours(bundle.clone())]}));
        assert_eq!(set_bundle(&mut configuration, &service, &bundle), Bundles::Same);
        assert_eq!(set_bundle(&mut json!({"webhooks": [theirs]}), &service, &bundle), Bundles::None);
        assert_eq!(set_bundle(&mut json!({}), &service, &bundle), Bundles::None);
    }
}
