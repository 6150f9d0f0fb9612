//! Filling in a rule's request.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use keystile_scan::SecretBytes;
use keystile_scan::verification::{BodyEncoding, Piece, Template, Verification};
use zeroize::Zeroizing;

use crate::endpoint::Origin;
use crate::sign;
use crate::verdict::Reason;

/// A request as it is sent.
pub(crate) struct Request {
    pub(crate) method: &'static str,
    /// Path and query; the rule's, without any value.
    pub(crate) target: String,
    /// Those with a value are marked, so that nothing prints or indexes them.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// The request about `secret` (and `pair`), to be sent to `origin` at `now`.
pub(crate) fn fill(
    verification: &Verification,
    origin: &Origin,
    prefix: &str,
    secret: &SecretBytes,
    pair: Option<&SecretBytes>,
    now: Timestamp,
) -> Result<Request, Reason> {
    let values = Values { secret, pair };
    let mut headers = Vec::new();
    for (name, template) in &verification.headers {
        let text = values.fill(template, |value, out| {
            // A line end would begin another header.
            let is_sendable = value.iter().all(|byte| (b'!'..=b'~').contains(byte));
            out.extend_from_slice(value);
            is_sendable.then_some(()).ok_or(Reason::Unsendable)
        })?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Reason::Unsendable)?;
        let mut value = HeaderValue::from_bytes(&text).map_err(|_| Reason::Unsendable)?;
        value.set_sensitive(template.has_value());
        headers.push((name, value));
    }
    let body = match &verification.body {
        None => Zeroizing::default(),
        Some(template) => values.fill(template, |value, out| encode(verification.body_encoding, value, out))?,
    };
    let mut request = Request {
        method: verification.method.as_str(),
        target: format!("{prefix}{}", verification.target),
        headers,
        body,
    };
    if verification.signature.is_some() {
        let id = pair.ok_or(Reason::NoPair)?;
        let id = str::from_utf8(id.reveal()).map_err(|_| Reason::Unsendable)?;
        sign::sign(&mut request, &origin.authority(), &sign::region(&origin.host), id, secret, now)?;
    }
    Ok(request)
}

struct Values<'a> {
    secret: &'a SecretBytes,
    pair: Option<&'a SecretBytes>,
}

impl Values<'_> {
    fn fill(
        &self,
        template: &Template,
        mut write: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), Reason>,
    ) -> Result<Zeroizing<Vec<u8>>, Reason> {
        // Room for all of it, so that growing leaves no copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(16 * 1024));
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Secret => write(self.secret.reveal(), &mut out)?,
                Piece::Pair => write(self.pair.ok_or(Reason::NoPair)?.reveal(), &mut out)?,
                Piece::Basic => {
                    let mut user = Zeroizing::new(self.secret.reveal().to_vec());
                    user.push(b':');
                    write(Zeroizing::new(BASE64_STANDARD.encode(&*user)).as_bytes(), &mut out)?;
                }
            }
        }
        Ok(out)
    }
}

fn encode(encoding: BodyEncoding, value: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
    match encoding {
        BodyEncoding::Form => {
            for &byte in value {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(byte);
                } else {
                    out.extend_from_slice(format!("%{byte:02X}").as_bytes());
                }
            }
        }
        BodyEncoding::Json => {
            let text = str::from_utf8(value).map_err(|_| Reason::Unsendable)?;
            let quoted = Zeroizing::new(serde_json::to_string(text).map_err(|_| Reason::Unsendable)?);
            out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
        }
    }
    Ok(())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_for_their_place() {
        let value = SecretBytes::new(b"a\"b&c=d\ne");
        let values = Values { secret: &value, pair: None };
        let body = |encoding, template: &str| {
            let filled = values.fill(&Template::parse(template), |value, out| encode(encoding, value, out));
            String::from_utf8(filled.expect("can be sent").to_vec()).expect("text")
        };
        assert_eq!(body(BodyEncoding::Form, "t={secret}&x=1"), "t=a%22b%26c%3Dd%0Ae&x=1");
        assert_eq!(body(BodyEncoding::Json, r#"{"t":"{secret}"}"#), r#"{"t":"a\"b&c=d\ne"}"#);
        // A user name without a password (RFC 7617, section 2).
        let value = SecretBytes::new(b"user");
        let values = Values { secret: &value, pair: None };
        let header = values.fill(&Template::parse("Basic {basic}"), |value, out| {
            out.extend_from_slice(value);
            Ok(())
        });
        assert_eq!(&**header.as_ref().expect("can be sent"), b"Basic dXNlcjo=");
    }
}
