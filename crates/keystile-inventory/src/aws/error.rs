//! The SDK's errors as ours.

use std::error::Error;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::request_id::RequestId as _;

use super::endpoint::EndpointRefused;
use crate::error::{CallError, CallErrorKind};

/// Longest text of AWS's that is repeated.
const MOST_CHARACTERS: usize = 300;

/// What a failed call of the SDK means. `shows_message` must be false for operations that carry a value: an
/// endpoint that is not AWS's could repeat it in its answer.
pub fn call_error<E>(operation: &str, error: &SdkError<E, HttpResponse>, shows_message: bool) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let mut answer = match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code();
            let kind = kind_of(code, status);
            let name = code.map_or_else(
                || match status {
                    400.. => format!("HTTP status {status}"),
                    _ => {
                        format!("an answer (HTTP status {status}) that is none of AWS's; what is set as the endpoint?")
                    }
                },
                clean,
            );
            let message = service.err().message().filter(|_| shows_message).map(clean);
            CallError::new(kind, operation, message.map_or(name.clone(), |message| format!("{name}: {message}")))
        }
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            let kind = match status {
                401 | 403 => CallErrorKind::Denied,
                429 => CallErrorKind::Throttled,
                _ => CallErrorKind::Ambiguous,
            };
            CallError::new(kind, operation, format!("the answer (HTTP status {status}) can't be read"))
        }
        SdkError::TimeoutError(_) => {
            CallError::new(CallErrorKind::Ambiguous, operation, "no answer within the time limit")
        }
        other => of_chain(operation, other),
    };
    answer.request_id = error.request_id().map(clean);
    answer
}

/// Of an error code (which the two protocols write alike) and an HTTP status.
fn kind_of(code: Option<&str>, status: u16) -> CallErrorKind {
    match (code, status) {
        (Some("ResourceNotFoundException" | "NoSuchEntity"), _) => CallErrorKind::NotFound,
        (Some("AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation"), _) => CallErrorKind::Denied,
        (
            Some(
                "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidClientTokenId"
                | "UnrecognizedClientException"
                | "InvalidSignatureException"
                | "SignatureDoesNotMatch"
                | "MissingAuthenticationToken"
                | "IncompleteSignature"
                | "InvalidAccessKeyId",
            ),
            _,
        ) => CallErrorKind::NoCredentials,
        (
            Some(
                "Throttling"
                | "ThrottlingException"
                | "ThrottledException"
                | "TooManyRequestsException"
                | "RequestLimitExceeded"
                | "RequestThrottled"
                | "RequestThrottledException"
                | "SlowDown"
                | "BandwidthLimitExceeded"
                | "LimitExceededException",
            ),
            _,
        )
        | (None, 429) => CallErrorKind::Throttled,
        (None, 401 | 403) => CallErrorKind::Denied,
        (Some("InternalServiceError" | "InternalServiceErrorException" | "InternalFailure"), _) | (_, 500..) => {
            CallErrorKind::Ambiguous
        }
        (_, 400..500) => CallErrorKind::Refused,
        _ => CallErrorKind::Ambiguous,
    }
}

/// No answer came: what lies below tells whether anything was sent.
fn of_chain(operation: &str, error: &(dyn Error + 'static)) -> CallError {
    let mut found = None;
    let mut lowest = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        lowest = cause.to_string();
        if let Some(refused) = cause.downcast_ref::<EndpointRefused>() {
            return CallError::new(CallErrorKind::Misconfigured, operation, refused.to_string());
        }
        if cause.is::<CredentialsError>() {
            found = Some(CallErrorKind::NoCredentials);
        } else if found.is_none() && is_before_sending(cause) {
            found = Some(CallErrorKind::Unreachable);
        }
        next = cause.source();
    }
    let kind = found.unwrap_or(CallErrorKind::Ambiguous);
    let what = match kind {
        CallErrorKind::NoCredentials => "no credentials",
        CallErrorKind::Unreachable => "no connection",
        _ => "no answer",
    };
    // The SDK lists every place that it looked at, each with a sentence of its own.
    if lowest.starts_with("no credentials found in chain") {
        lowest = "none in the environment, the profile, a web identity token, the container or the machine".to_owned();
    }
    CallError::new(kind, operation, format!("{what}: {}", clean(&lowest)))
}

fn is_before_sending(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect)
        || cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// One line, not too long, without control characters.
fn clean(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    let mut line: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(MOST_CHARACTERS)
        .collect();
    if text.chars().nth(MOST_CHARACTERS).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses_have_a_meaning() {
        use CallErrorKind::{Ambiguous, Denied, NoCredentials, NotFound, Refused, Throttled};
        for (code, status, kind) in [
            (Some("ResourceNotFoundException"), 400, NotFound),
            (Some("ResourceNotFoundException"), 404, NotFound),
            (Some("NoSuchEntity"), 404, NotFound),
            (Some("AccessDeniedException"), 400, Denied),
            (None, 403, Denied),
            (Some("ExpiredTokenException"), 400, NoCredentials),
            (Some("UnrecognizedClientException"), 400, NoCredentials),
            (Some("ThrottlingException"), 400, Throttled),
            (None, 429, Throttled),
            (Some("InvalidRequestException"), 400, Refused),
            (Some("SomethingNew"), 409, Refused),
            (Some("InternalServiceError"), 500, Ambiguous),
            (Some("SomethingNew"), 503, Ambiguous),
            (None, 502, Ambiguous),
            (None, 302, Ambiguous),
        ] {
            assert_eq!(kind_of(code, status), kind, "{code:?} {status}");
        }
    }

    #[test]
    fn what_an_endpoint_says_is_one_short_line() {
        assert_eq!(clean("a\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(clean("x".repeat(1_000)).chars().count(), MOST_CHARACTERS + 1);
    }
}
