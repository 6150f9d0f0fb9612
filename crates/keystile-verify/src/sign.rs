//! AWS Signature Version 4 for the one request that is made of AWS: `GetCallerIdentity` of STS.
//!
//! Source: AWS, "Create a signed AWS API request" (IAM User Guide). The secret key signs and is not sent.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use keystile_scan::SecretBytes;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::request::{Request, hex};
use crate::verdict::Reason;

/// Adds `X-Amz-Date` and `Authorization` to `request`.
pub(crate) fn sign(
    request: &mut Request,
    authority: &str,
    region: &str,
    id: &str,
    secret: &SecretBytes,
    now: Timestamp,
) -> Result<(), Reason> {
    sign_for(request, authority, (region, "sts"), id, secret, now)
}

fn sign_for(
    request: &mut Request,
    authority: &str,
    (region, service): (&str, &str),
    id: &str,
    secret: &SecretBytes,
    now: Timestamp,
) -> Result<(), Reason> {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let date = HeaderValue::from_str(&time).map_err(|_| Reason::Unsendable)?;
    request.headers.push((HeaderName::from_static("x-amz-date"), date));

    let mut signed: Vec<(String, String)> = vec![("host".to_owned(), authority.to_owned())];
    for (name, value) in &request.headers {
        signed.push((name.as_str().to_owned(), value.to_str().map_err(|_| Reason::Unsendable)?.trim().to_owned()));
    }
    signed.sort();
    let names = signed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let payload = hex(&Sha256::digest(request.body.as_slice()));
    let canonical = format!("{}\n{path}\n{query}\n{lines}\n{names}\n{payload}", request.method);

    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut key = Zeroizing::new([b"AWS4", secret.reveal()].concat());
    for part in [day, region, service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    let signature = hex(&mac(&key, text.as_bytes()));
    let value = format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    let mut value = HeaderValue::from_str(&value).map_err(|_| Reason::Unsendable)?;
    value.set_sensitive(true);
    request.headers.push((HeaderName::from_static("authorization"), value));
    Ok(())
}

fn mac(key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

/// The region of a host such as `sts.eu-west-1.amazonaws.com`; `us-east-1` for the global one and for others.
pub(crate) fn region(host: &str) -> String {
    let mut labels = host.split('.');
    match (labels.next(), labels.next(), labels.next()) {
        (Some("sts" | "sts-fips"), Some(region), Some("amazonaws")) => region.to_owned(),
        _ => "us-east-1".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "post-vanilla" of AWS's test suite for Signature Version 4, with the key of its manuals.
    #[test]
    fn as_the_test_suite_has_it() {
        let mut request =
            Request { method: "POST", target: "/".to_owned(), headers: Vec::new(), body: Zeroizing::default() };
        let secret = ["wJalrXUtnFEMI", "/K7MDENG+bPxRfiCY", "EXAMPLEKEY"].concat();
        let now = "2015-08-30T12:36:00Z".parse().expect("a time");
        let secret = SecretBytes::new(secret.as_bytes());
        sign_for(&mut request, "example.amazonaws.com", ("us-east-1", "service"), "AKIDEXAMPLE", &secret, now)
            .expect("can be signed");
        let (_, value) = request.headers.last().expect("a header");
        let value = value.to_str().expect("text");
        let expected = ["5da7c1a2acd57cee7505fc6676e4e544", "621c30862966e37dddb68e92efbe5d6b"].concat();
        assert!(value.ends_with(&format!("SignedHeaders=host;x-amz-date, Signature={expected}")), "{value}");
    }

    #[test]
    fn regions() {
        for (host, expected) in [
            ("sts.amazonaws.com", "us-east-1"),
            ("sts.eu-west-1.amazonaws.com", "eu-west-1"),
            ("sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("127.0.0.1", "us-east-1"),
        ] {
            assert_eq!(region(host), expected, "{host}");
        }
    }
}
