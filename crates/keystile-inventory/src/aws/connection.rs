//! Credentials, region, time limits: one connection for everything that is asked.

use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::{ProvideRegion as _, RegionProviderChain};
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::os_shim_internal::{Env, Fs};

use super::bounded::bounded;
use super::endpoint::EndpointGuard;
use super::error::call_error;
use crate::error::{CallError, CallErrorKind};

/// What the user may say; the rest is taken from the environment and the profile, as every AWS tool does.
#[derive(Debug, Clone, Default)]
pub struct AwsOptions {
    /// Profile of the shared configuration files, whose credentials are then the only ones; `None` = what the
    /// environment has, then `AWS_PROFILE`, then `default`, then what the machine or container is given.
    pub profile: Option<String>,
    /// Region; `None` = `AWS_REGION`, then the profile's, then the machine's own.
    pub region: Option<String>,
    /// Where requests go instead of AWS's own addresses; `None` = `AWS_ENDPOINT_URL` and its like, then the
    /// profile's, then AWS's. [`EndpointGuard`] looks at it too.
    pub endpoint_url: Option<String>,
    /// Time for one attempt of a call; `None` = [`ATTEMPT`].
    pub attempt_timeout: Option<Duration>,
    /// Attempts of a call that is throttled, or that a server failed to answer; `None` = [`ATTEMPTS`].
    pub attempts: Option<u32>,
}

/// Time limit of one attempt: Secrets Manager answers within a fraction of a second.
pub const ATTEMPT: Duration = Duration::from_secs(10);

/// Attempts of a call: the SDK repeats throttled ones and server errors with increasing waits.
pub const ATTEMPTS: u32 = 3;

/// Attempts where nothing but a list is at stake and nobody waits for a single call: the waits between them add up
/// to half a minute at most.
pub const PATIENT_ATTEMPTS: u32 = 7;

/// Longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A way to AWS, in one region. Nothing is sent until the first call.
#[derive(Debug, Clone)]
pub struct Connection {
    config: SdkConfig,
    region: String,
    guard: EndpointGuard,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsIdentity {
    /// The account's id, twelve digits.
    pub account: String,
    /// The caller's ARN.
    pub caller: String,
    /// Host and port that was asked.
    pub endpoint: String,
}

/// The credentials of a profile that was named, and no others: the SDK would take an access key of the environment
/// first, and with it another account than the one that was asked for. (AWS's command line does as this does.)
async fn credentials_of(
    profile: &str,
    region: Option<Region>,
    http: &SharedHttpClient,
) -> ProfileFileCredentialsProvider {
    let config = ProviderConfig::without_region().with_http_client(http.clone());
    let region = match region {
        Some(region) => Some(region),
        // Roles are assumed in a region too.
        None => {
            let of_profile = ProfileFileRegionProvider::builder().profile_name(profile).build();
            RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(of_profile).region().await
        }
    };
    ProfileFileCredentialsProvider::builder().configure(&config.with_region(region)).profile_name(profile).build()
}

/// Fails where no shared configuration file has the profile: the SDK would look for credentials elsewhere, and say of the
/// last place that it has none. (AWS's command line does as this does.)
async fn expect_profile(profile: &str) -> Result<(), CallError> {
    let (files, env) = (EnvConfigFiles::default(), Env::real());
    let known = aws_config::profile::load(&Fs::real(), &env, &files, None).await.map_err(|error| {
        CallError::new(CallErrorKind::Misconfigured, "configuration", format!("AWS's configuration files: {error}"))
    })?;
    if known.get_profile(profile).is_some() {
        return Ok(());
    }
    let text = format!(
        "there is no profile {profile:?} in AWS's shared configuration files (~/.aws/config and ~/.aws/credentials, or \
         what AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name)"
    );
    Err(CallError::new(CallErrorKind::Misconfigured, "configuration", text))
}

/// The region where a variable for it is set to nothing, as a pipeline does with one that it lacks: what the other
/// variable or the profile says. The SDK would take the empty one.
async fn region_beside_an_empty_variable(profile: Option<&str>) -> Option<Region> {
    let variables: Vec<String> = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().flat_map(std::env::var).collect();
    if !variables.iter().any(String::is_empty) {
        return None;
    }
    if let Some(region) = variables.into_iter().find(|region| !region.is_empty()) {
        return Some(Region::new(region));
    }
    let mut of_profile = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        of_profile = of_profile.profile_name(profile);
    }
    of_profile.build().region().await
}

impl Connection {
    /// Reads the settings.
    ///
    /// # Errors
    /// No region is set anywhere.
    pub async fn open(options: &AwsOptions) -> Result<Self, CallError> {
        let http = bounded(Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https());
        let attempt = options.attempt_timeout.unwrap_or(ATTEMPT);
        let attempts = options.attempts.unwrap_or(ATTEMPTS).max(1);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .app_name(AppName::new("keystile").expect("a name of letters"))
            .retry_config(RetryConfig::standard().with_max_attempts(attempts).with_max_backoff(LONGEST_WAIT))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(attempt)
                    // Room for the waits between the attempts.
                    .operation_timeout((attempt + LONGEST_WAIT) * attempts)
                    .build(),
            );
        let variable = std::env::var("AWS_PROFILE").ok().filter(|profile| !profile.is_empty());
        if let Some(profile) = options.profile.as_ref().or(variable.as_ref()) {
            expect_profile(profile).await?;
        }
        let region = match &options.region {
            Some(region) => Some(Region::new(region.clone())),
            None => region_beside_an_empty_variable(options.profile.as_deref()).await,
        };
        if let Some(region) = &region {
            loader = loader.region(region.clone());
        }
        if let Some(profile) = &options.profile {
            let credentials = credentials_of(profile, region, &http).await;
            loader = loader.profile_name(profile).credentials_provider(credentials);
        }
        if let Some(url) = &options.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = loader.load().await;
        // A variable that is set to nothing sets nothing.
        let Some(region) = config.region().map(ToString::to_string).filter(|region| !region.is_empty()) else {
            return Err(CallError::new(
                CallErrorKind::Misconfigured,
                "configuration",
                "no region: set AWS_REGION, give --region, or write region into the profile",
            ));
        };
        // It becomes a part of host names.
        if !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            let text = format!("{region:?} is no region; it looks like eu-west-1 (AWS_REGION, --region, the profile)");
            return Err(CallError::new(CallErrorKind::Misconfigured, "configuration", text));
        }
        Ok(Self { config, region, guard: EndpointGuard::default() })
    }

    /// The same, in another region.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        Self { config, region: region.to_owned(), guard: EndpointGuard::default() }
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The settings, for clients of other services. They must use [`guard`](Self::guard) too.
    #[must_use]
    pub const fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// What keeps requests from leaving this machine without TLS.
    #[must_use]
    pub const fn guard(&self) -> &EndpointGuard {
        &self.guard
    }

    /// Who asks (`sts:GetCallerIdentity`, which needs no permission).
    ///
    /// # Errors
    /// No credentials, no network, an endpoint that is not allowed.
    pub async fn identity(&self) -> Result<AwsIdentity, CallError> {
        let config = aws_sdk_sts::config::Builder::from(&self.config).interceptor(self.guard.clone()).build();
        let answer = aws_sdk_sts::Client::from_conf(config)
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| call_error("GetCallerIdentity", &error, true))?;
        let (Some(account), Some(caller)) = (answer.account, answer.arn) else {
            return Err(CallError::new(CallErrorKind::Garbled, "GetCallerIdentity", "the answer names no account"));
        };
        Ok(AwsIdentity { account, caller, endpoint: self.guard.host().unwrap_or_default() })
    }
}
