//! Reading a rotation function's log: `FilterLogEvents` of CloudWatch Logs, of one log group and a bounded time.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_types::request_id::RequestId as _;
use jiff::{SignedDuration, Timestamp};
use keystile_inventory::aws::Connection;
use keystile_inventory::aws::error::call_error;
use keystile_inventory::{CallError, CallErrorKind, SecretArn, VersionId};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::function_log::{Line, Page, failed_step};
use crate::aws_call::{Answer, Service, own_endpoint};
use crate::backend::RotationStep;

const OPERATION: &str = "FilterLogEvents";

/// Pages that are read, of 1 MB each at most: a function that writes more in the time that is looked at says nothing.
const MOST_PAGES: usize = 10;

/// Time for all pages. It is only about a better name for what is known already.
const LIMIT: Duration = Duration::from_secs(10);

/// How much before a rotation was asked for its log may begin: two clocks are compared.
const MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// The step at which the function failed that was asked to make the version after `since`.
///
/// # Errors
/// The log can't be read. The error has no text of the log's.
pub(super) async fn step_of(
    connection: &Connection,
    function: &str,
    secret: &SecretArn,
    version: &VersionId,
    since: Timestamp,
) -> Result<Option<RotationStep>, CallError> {
    let Some(group) = log_group(function, secret) else { return Ok(None) };
    let Some(lines) = tokio::time::timeout(LIMIT, read(connection, &group, since)).await.map_err(|_| {
        CallError::new(CallErrorKind::Ambiguous, OPERATION, "no end of the log within the time limit")
    })??
    else {
        return Ok(None);
    };
    Ok(failed_step(&lines, &[&version.0, &secret.0]))
}

/// `/aws/lambda/NAME`, where the function is in the account and region that the secret is in.
fn log_group(function: &str, secret: &SecretArn) -> Option<String> {
    let (place, name) = function.split_once(":function:")?;
    let same = |index| place.split(':').nth(index).is_some_and(|part| secret.0.split(':').nth(index) == Some(part));
    // The name may have a version or an alias behind it.
    (same(3) && same(4)).then(|| format!("/aws/lambda/{}", name.split(':').next().unwrap_or(name)))
}

/// The lines since then; `None` where they are too many.
async fn read(connection: &Connection, group: &str, since: Timestamp) -> Result<Option<Vec<Line>>, CallError> {
    let region = connection.region();
    let endpoint = own_endpoint(connection, "CloudWatch Logs").unwrap_or_else(|| {
        let name = if connection.config().use_fips() == Some(true) { "logs-fips" } else { "logs" };
        format!("https://{name}.{region}.{}", dns_suffix(region))
    });
    let service = Service {
        connection,
        id: "CloudWatch Logs",
        signing_name: "logs",
        signing_region: region,
        endpoint: &endpoint,
    };
    let from = since.checked_sub(MARGIN).unwrap_or(since).as_millisecond().max(0);
    let mut wanted = json!({ "logGroupName": group, "startTime": from });
    let mut lines = Vec::new();
    for _ in 0..MOST_PAGES {
        let answer = service.call(OPERATION, wanted.to_string(), request, read_answer).await;
        let answer = answer.map_err(|error| call_error(OPERATION, &error, false))?;
        let page: Page = serde_json::from_str(&answer.body)
            .map_err(|_| CallError::new(CallErrorKind::Garbled, OPERATION, "the answer is no page of a log"))?;
        lines.extend(page.events);
        match page.next_token {
            Some(token) => wanted["nextToken"] = Value::String(token),
            None => return Ok(Some(lines)),
        }
    }
    Ok(None)
}

/// Of the partition that the region is in (the SDK's list of partitions).
fn dns_suffix(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov"),
    ];
    partitions.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("amazonaws.com", |(_, suffix)| suffix)
}

fn request(body: String) -> HttpRequest {
    let request = http::Request::builder()
        .method(http::Method::POST)
        .uri("/")
        .header(http::header::CONTENT_TYPE, "application/x-amz-json-1.1")
        .header(http::header::CONTENT_LENGTH, body.len())
        .header(http::header::USER_AGENT, concat!("keystile/", env!("CARGO_PKG_VERSION")))
        .header("x-amz-target", "Logs_20140328.FilterLogEvents")
        .body(SdkBody::from(body))
        .expect("the parts are constants");
    request.try_into().expect("its headers are text")
}

fn read_answer(response: &HttpResponse) -> Result<Answer, OrchestratorError<ErrorMetadata>> {
    let bytes = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        let body = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
        return Ok(Answer { body, request_id: response.request_id().map(ToOwned::to_owned) });
    }
    // `{"__type": "com.amazonaws.logs#ResourceNotFoundException", "message": …}`: the code alone.
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let mut metadata = ErrorMetadata::builder();
    if let Some(code) = document["__type"].as_str() {
        metadata = metadata.code(code.rsplit('#').next().unwrap_or(code));
    }
    Err(OrchestratorError::operation(metadata.build()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_that_of_a_function_beside_the_secret() {
        let secret = SecretArn("arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/db-AbCdEf".to_owned());
        for (function, group) in [
            ("arn:aws:lambda:eu-central-1:123456789012:function:rotate", Some("/aws/lambda/rotate")),
            ("arn:aws:lambda:eu-central-1:123456789012:function:rotate:live", Some("/aws/lambda/rotate")),
            ("arn:aws:lambda:eu-west-1:123456789012:function:rotate", None),
            ("arn:aws:lambda:eu-central-1:210987654321:function:rotate", None),
            ("rotate", None),
        ] {
            assert_eq!(log_group(function, &secret).as_deref(), group, "{function}");
        }
    }

    #[test]
    fn each_partition_has_its_suffix() {
        for (region, suffix) in
            [("eu-central-1", "amazonaws.com"), ("us-gov-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")]
        {
            assert_eq!(dns_suffix(region), suffix, "{region}");
        }
    }
}
