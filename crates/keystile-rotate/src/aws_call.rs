//! Calls of AWS's services that have no client here: of IAM five operations are needed, of CloudWatch Logs one, and the
//! SDK's clients have hundreds.
//!
//! They are sent by what the SDK's clients are made of, so that credentials, retries, time limits, the longest answer and
//! the check of the endpoint are those of every other call.

use std::fmt;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{AuthSchemeOptionResolverParams, SharedAuthSchemeOptionResolver};
use aws_smithy_runtime_api::client::identity::{SharedIdentityCache, SharedIdentityResolver};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_types::SigningName;
use aws_types::region::{Region, SigningRegion};
use aws_types::service_config::ServiceConfigKey;
use keystile_inventory::aws::Connection;
use zeroize::Zeroizing;

/// What came back. Its text may have a value in it and is wiped.
pub(crate) struct Answer {
    pub(crate) body: Zeroizing<String>,
    pub(crate) request_id: Option<String>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// A service of AWS.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    pub(crate) connection: &'a Connection,
    /// As the SDK calls it.
    pub(crate) id: &'static str,
    /// What signatures are for (Signature version 4).
    pub(crate) signing_name: &'static str,
    /// … and where.
    pub(crate) signing_region: &'a str,
    pub(crate) endpoint: &'a str,
}

impl Service<'_> {
    /// Sends one operation: `write` makes the request of its body, `read` reads the answer.
    ///
    /// # Errors
    /// As for every call of the SDK.
    pub(crate) async fn call(
        &self,
        operation: &'static str,
        body: String,
        write: fn(String) -> HttpRequest,
        read: fn(&HttpResponse) -> Result<Answer, OrchestratorError<ErrorMetadata>>,
    ) -> Result<Answer, SdkError<ErrorMetadata, HttpResponse>> {
        let config = self.connection.config();
        let (Some(credentials), Some(http)) = (config.credentials_provider(), config.http_client()) else {
            return Err(SdkError::construction_failure(CredentialsError::not_loaded(
                "no credentials are set anywhere",
            )));
        };
        let mut builder = Operation::builder()
            .service_name(self.id)
            .operation_name(operation)
            .http_client(http)
            .endpoint_url(self.endpoint)
            .interceptor(self.connection.guard().clone())
            .retry_classifier(AwsErrorCodeClassifier::<ErrorMetadata>::new())
            .retry_classifier(TransientErrorClassifier::<ErrorMetadata>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
            .with_connection_poisoning()
            .runtime_plugin(self.signing(credentials))
            .serializer(move |body: String| Ok(write(body)))
            .deserializer(read);
        if let Some(version) = config.behavior_version() {
            builder = builder.behavior_version(version);
        }
        if let Some(retry) = config.retry_config() {
            builder = builder.standard_retry(retry);
        }
        if let Some(timeouts) = config.timeout_config() {
            builder = builder.timeout_config(timeouts.clone());
        }
        if let Some(sleep) = config.sleep_impl() {
            builder = builder.sleep_impl(sleep);
        }
        if let Some(time) = config.time_source() {
            builder = builder.time_source(time);
        }
        builder.build().invoke(body).await
    }

    fn signing(&self, credentials: SharedCredentialsProvider) -> StaticRuntimePlugin {
        let mut layer = Layer::new("signing");
        layer.store_put(SigningName::from_static(self.signing_name));
        layer.store_put(SigningRegion::from(Region::new(self.signing_region.to_owned())));
        layer.store_put(SigV4OperationSigningConfig::default());
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        let cache = self.connection.config().identity_cache();
        let cache: SharedIdentityCache = cache.unwrap_or_else(|| IdentityCache::lazy().build());
        let resolver = StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]);
        let components = RuntimeComponentsBuilder::new("signing")
            .with_auth_scheme(SigV4AuthScheme::new())
            .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(resolver)))
            .with_identity_cache(Some(cache))
            .with_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
        StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components)
    }
}

/// The endpoint of the environment or the profile: the service's own before the one for all services.
pub(crate) fn own_endpoint(connection: &Connection, service_id: &str) -> Option<String> {
    let config = connection.config();
    let key =
        ServiceConfigKey::builder().service_id(service_id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let key = key.expect("all three are set");
    config
        .service_config()
        .and_then(|settings| settings.load_config(key))
        .or_else(|| config.endpoint_url().map(ToOwned::to_owned))
}
