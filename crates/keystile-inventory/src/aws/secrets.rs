//! Lists and descriptions of Secrets Manager's secrets.

use std::ops::ControlFlow;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};

use super::connection::Connection;
use super::convert;
use super::error::call_error;
use crate::error::{CallError, CallErrorKind};
use crate::record::{SecretArn, SecretRecord};

/// Most entries of one page (API reference of `ListSecrets`, `MaxResults`).
const PAGE: i32 = 100;

/// Pages of one list, at most: an endpoint that never ends a list must not keep us forever. (1,000,000 secrets;
/// an account may have 500,000 in a region: AWS Secrets Manager quotas.)
const MOST_PAGES: u32 = 10_000;

/// Secrets Manager, as far as names and settings go.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: Client,
    region: String,
}

impl Secrets {
    /// Asks through `connection`.
    #[must_use]
    pub fn new(connection: &Connection) -> Self {
        let config = aws_sdk_secretsmanager::config::Builder::from(connection.config())
            .interceptor(connection.guard().clone())
            .build();
        Self { client: Client::from_conf(config), region: connection.region().to_owned() }
    }

    /// The region that is asked.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Hands over the secrets whose names begin with `prefix` (empty: all), those that are scheduled for deletion
    /// included, until `each` has enough. A list may be some minutes old.
    ///
    /// # Errors
    /// A page could not be had; the secrets of the pages before were handed over.
    pub async fn list(
        &self,
        prefix: &str,
        each: &mut (dyn FnMut(SecretRecord) -> ControlFlow<()> + Send),
    ) -> Result<(), CallError> {
        let filter =
            (!prefix.is_empty()).then(|| Filter::builder().key(FilterNameStringType::Name).values(prefix).build());
        let mut next = None;
        for _ in 0..MOST_PAGES {
            let page = self
                .client
                .list_secrets()
                .max_results(PAGE)
                .include_planned_deletion(true)
                .set_filters(filter.clone().map(|filter| vec![filter]))
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| call_error("ListSecrets", &error, true))?;
            for entry in page.secret_list.unwrap_or_default() {
                // The filter leaves more through than a prefix of the name: it also matches words of it.
                let Some(record) = convert::listed(entry)? else { continue };
                if record.name.starts_with(prefix) && each(record).is_break() {
                    return Ok(());
                }
            }
            next = page.next_token;
            if next.is_none() {
                return Ok(());
            }
        }
        Err(CallError::new(CallErrorKind::Garbled, "ListSecrets", format!("no end after {MOST_PAGES} pages")))
    }

    /// One secret, by name or ARN, with its replicas.
    ///
    /// # Errors
    /// There is none, or it may not be described.
    pub async fn describe(&self, secret: &str) -> Result<SecretRecord, CallError> {
        let answer = self
            .client
            .describe_secret()
            .secret_id(secret)
            .send()
            .await
            .map_err(|error| call_error("DescribeSecret", &error, true))?;
        convert::described(answer)
    }

    /// One secret by its ARN.
    ///
    /// # Errors
    /// As [`describe`](Self::describe).
    pub async fn describe_arn(&self, arn: &SecretArn) -> Result<SecretRecord, CallError> {
        self.describe(&arn.0).await
    }
}
