//! IAM over its Query API (API reference of IAM, version 2010-05-08): six operations, four of them reading.
//!
//! Sent by [`crate::aws_call`]; the SDK's own client of IAM is 17 MB of source for 170 operations.
//! No operation here deletes anything, makes a key, or switches one on.

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_types::request_id::RequestId as _;
use jiff::Timestamp;
use keystile_inventory::aws::error::call_error;
use keystile_inventory::aws::{AwsOptions, Connection};
use keystile_inventory::{CallError, CallErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::answer::{self, Page};
use super::{AccessKeyId, AccessKeys, KeyRecord, LastUsed};
use crate::aws_call::{Answer, Service, own_endpoint};
use crate::backend::Accepted;

/// The API's version.
const VERSION: &str = "2010-05-08";

/// Pages of one list: a user has two keys and ten to twenty policies (IAM's quotas).
const MOST_PAGES: usize = 10;

/// What is not encoded in a form (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// IAM of one account.
#[derive(Debug)]
pub struct AwsAccessKeys {
    runtime: Runtime,
    connection: Connection,
    endpoint: String,
    signed_for: &'static str,
}

impl AwsAccessKeys {
    /// Reads the settings; nothing is sent yet.
    ///
    /// # Errors
    /// No region, or no threads to be had.
    pub fn open(options: &AwsOptions) -> Result<Self, CallError> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(|error| {
                CallError::new(CallErrorKind::Misconfigured, "start", format!("no threads to be had: {error}"))
            })?;
        let connection = runtime.block_on(Connection::open(options))?;
        let (endpoint, signed_for) = endpoint(connection.region());
        let is_fips = connection.config().use_fips() == Some(true);
        let endpoint = own_endpoint(&connection, "IAM").unwrap_or_else(|| {
            // The only partitions with an endpoint of its own for FIPS outside of secret regions; us-gov's is both.
            let name = if is_fips && signed_for == "us-east-1" { "iam-fips" } else { "iam" };
            format!("https://{name}.{endpoint}")
        });
        Ok(Self { runtime, connection, endpoint, signed_for })
    }

    /// Sends one operation.
    fn call(&self, operation: &'static str, parameters: &[(&str, &str)]) -> Result<Answer, CallError> {
        let service = Service {
            connection: &self.connection,
            id: "IAM",
            signing_name: "iam",
            // IAM signs for one region of the partition.
            signing_region: self.signed_for,
            endpoint: &self.endpoint,
        };
        let sent = service.call(operation, form(operation, parameters), request, read_answer);
        self.runtime.block_on(sent).map_err(|error| call_error(operation, &error, true))
    }

    /// All pages of a list of a user's.
    fn list<T>(
        &self,
        operation: &'static str,
        user: &str,
        read: impl Fn(&str) -> Result<Page<T>, String>,
    ) -> Result<Vec<T>, CallError> {
        let mut found = Vec::new();
        let mut marker = String::new();
        for _ in 0..MOST_PAGES {
            let mut parameters = vec![("UserName", user), ("MaxItems", "100")];
            if !marker.is_empty() {
                parameters.push(("Marker", &marker));
            }
            let page = read(&self.call(operation, &parameters)?.body).map_err(|what| garbled(operation, what))?;
            found.extend(page.entries);
            match page.next {
                Some(next) => marker = next,
                None => return Ok(found),
            }
        }
        Err(garbled(operation, format!("the list does not end after {MOST_PAGES} pages")))
    }
}

impl AccessKeys for AwsAccessKeys {
    fn account(&self) -> Result<String, CallError> {
        self.runtime.block_on(self.connection.identity()).map(|identity| identity.account)
    }

    fn last_used(&self, key: &AccessKeyId) -> Result<LastUsed, CallError> {
        const OPERATION: &str = "GetAccessKeyLastUsed";
        let answer = self.call(OPERATION, &[("AccessKeyId", key.as_str())])?;
        answer::last_used(&answer.body).map_err(|what| garbled(OPERATION, what))
    }

    fn keys_of(&self, user: &str) -> Result<Vec<KeyRecord>, CallError> {
        self.list("ListAccessKeys", user, answer::keys)
    }

    fn policies_of(&self, user: &str) -> Result<Vec<String>, CallError> {
        self.list("ListAttachedUserPolicies", user, answer::policies)
    }

    fn inline_policies_of(&self, user: &str) -> Result<Vec<String>, CallError> {
        self.list("ListUserPolicies", user, answer::inline_policies)
    }

    fn deactivate(&self, user: &str, key: &AccessKeyId) -> Result<Accepted, CallError> {
        // With the user's name: without it IAM takes that of the caller, who is a role and has none.
        let parameters = [("UserName", user), ("AccessKeyId", key.as_str()), ("Status", "Inactive")];
        let answer = self.call("UpdateAccessKey", &parameters)?;
        Ok(Accepted { version: None, request_id: answer.request_id })
    }

    fn deny_sessions(&self, user: &str, name: &str, until: Timestamp) -> Result<Accepted, CallError> {
        let policy = super::sessions_policy(until);
        let parameters = [("UserName", user), ("PolicyName", name), ("PolicyDocument", policy.as_str())];
        let answer = self.call("PutUserPolicy", &parameters)?;
        Ok(Accepted { version: None, request_id: answer.request_id })
    }
}

fn garbled(operation: &str, what: String) -> CallError {
    CallError::new(CallErrorKind::Garbled, operation, what)
}

/// Host (behind `iam.`) and the region that is signed for, of the partition that `region` is in (the SDK's
/// endpoint rules and list of partitions): IAM is one service for all of them.
fn endpoint(region: &str) -> (&'static str, &'static str) {
    let partitions = [
        ("cn-", "cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("us-gov-", "us-gov.amazonaws.com", "us-gov-west-1"),
        ("eusc-", "eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ("us-iso-", "us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
        ("us-isob-", "us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
        ("eu-isoe-", "eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1"),
        ("us-isof-", "us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1"),
    ];
    let found = partitions.into_iter().find(|(prefix, ..)| region.starts_with(prefix));
    found.map_or(("amazonaws.com", "us-east-1"), |(_, host, signed_for)| (host, signed_for))
}

fn form(operation: &str, parameters: &[(&str, &str)]) -> String {
    let mut form = format!("Action={operation}&Version={VERSION}");
    for (name, value) in parameters {
        form.push('&');
        form.push_str(name);
        form.push('=');
        form.extend(utf8_percent_encode(value, ENCODED));
    }
    form
}

fn request(form: String) -> HttpRequest {
    let request = http::Request::builder()
        .method(http::Method::POST)
        .uri("/")
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(http::header::CONTENT_LENGTH, form.len())
        .header(http::header::USER_AGENT, concat!("keystile/", env!("CARGO_PKG_VERSION")))
        .body(SdkBody::from(form))
        .expect("the parts are constants");
    request.try_into().expect("its headers are text")
}

fn read_answer(response: &HttpResponse) -> Result<Answer, OrchestratorError<ErrorMetadata>> {
    let body = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
    if response.status().is_success() {
        let request_id = response.request_id().map(ToOwned::to_owned).or_else(|| answer::request_id(&body));
        return Ok(Answer { body: Zeroizing::new(body.into_owned()), request_id });
    }
    Err(OrchestratorError::operation(answer::error(&body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_iam() {
        for (region, host, signed_for) in [
            ("eu-central-1", "amazonaws.com", "us-east-1"),
            ("us-gov-east-1", "us-gov.amazonaws.com", "us-gov-west-1"),
            ("cn-northwest-1", "cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("us-isob-east-1", "us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
            ("us-iso-west-1", "us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
        ] {
            assert_eq!(endpoint(region), (host, signed_for), "{region}");
        }
    }

    #[test]
    fn a_form_encodes_what_names_may_have() {
        let form = form("ListAccessKeys", &[("UserName", "a+b=c,d.e@f-g_h ü&x")]);
        let expected = "Action=ListAccessKeys&Version=2010-05-08&UserName=a%2Bb%3Dc%2Cd.e%40f-g_h%20%C3%BC%26x";
        assert_eq!(form, expected);
    }
}
