//! How to ask a credential's issuer whether it is live, as a rule describes it: one request and the answers
//! that say something.
//!
//! This is data. [`crate::config`] reads and checks it (`[rules.verify]`), `keystile-verify` asks. A secret can
//! stand in a header's value or in the body, never in the URL: URLs end up in the logs of every server and
//! proxy on the way.

use crate::rule::{Pattern, RuleId};

/// How a rule's secrets are verified.
#[derive(Debug, Clone)]
pub struct Verification {
    /// It is keystile's own, on a match of keystile's own rule. Anything else is only asked at hosts that the
    /// command line names: whoever can change a configuration must not be able to send secrets anywhere.
    pub is_builtin: bool,
    /// Whose credential it is, such as `github`: the name by which the command line gives other endpoints.
    pub issuer: Option<String>,
    /// How the request is made.
    pub method: Method,
    /// Lower-case host name, never an address.
    pub host: String,
    /// Port, 443 unless the URL says otherwise.
    pub port: u16,
    /// Path and query, beginning with `/`; without any secret.
    pub target: String,
    /// Names in lower case, each once.
    pub headers: Vec<(String, Template)>,
    /// What is sent.
    pub body: Option<Template>,
    /// How a value is written into the body.
    pub body_encoding: BodyEncoding,
    /// How the request is signed, if it is: the secret itself is not sent then.
    pub signature: Option<Signature>,
    /// The rule that finds the other half of the credential, looked for in the same file.
    pub pair: Option<RuleId>,
    /// What a live credential gets.
    pub live: Vec<Answer>,
    /// What a dead one gets.
    pub dead: Vec<Answer>,
}

/// Methods of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
}

impl Method {
    /// As HTTP writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// How values are written into a body, by its `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEncoding {
    /// `application/json`: inside of a string.
    Json,
    /// `application/x-www-form-urlencoded`: percent-encoded.
    Form,
}

/// Ways to sign a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// AWS Signature Version 4 of the service `sts`; the pair is the access key id.
    AwsSts,
}

/// Text with places for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text as it stands.
    Text(String),
    /// `{secret}`: the finding's secret.
    Secret,
    /// `{pair}`: the other half of the credential.
    Pair,
    /// `{basic}`: the secret as the user name of HTTP's basic authentication (RFC 7617), without a password.
    Basic,
}

impl Template {
    /// Reads `text`. Braces that name none of the places are text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        loop {
            let places = [("{secret}", Piece::Secret), ("{pair}", Piece::Pair), ("{basic}", Piece::Basic)];
            let next = places.into_iter().filter_map(|(name, piece)| Some((rest.find(name)?, name, piece)));
            let Some((at, name, piece)) = next.min_by_key(|(at, ..)| *at) else { break };
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].to_owned()));
            }
            pieces.push(piece);
            rest = &rest[at + name.len()..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Self(pieces)
    }

    /// Whether a value goes into it.
    #[must_use]
    pub fn has_value(&self) -> bool {
        self.0.iter().any(|piece| !matches!(piece, Piece::Text(_)))
    }

    /// Whether the other half of a credential goes into it.
    #[must_use]
    pub fn has_pair(&self) -> bool {
        self.0.contains(&Piece::Pair)
    }
}

/// An answer that says something. All conditions that are given must hold.
#[derive(Debug, Clone)]
pub struct Answer {
    /// One of these status codes; at least one, none of them a redirect, a throttle or a server's failure.
    pub status: Vec<u16>,
    /// The body is JSON and has this field: a JSON pointer (RFC 6901).
    pub field: Option<String>,
    /// The field is one of these; empty: any value but `null`.
    pub equals: Vec<Scalar>,
    /// The field (a string), or without one the whole body, matches this.
    pub matches: Option<Pattern>,
}

/// A value that a field can be compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Flag(bool),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let cases = [
            ("Bearer {secret}", vec![text("Bearer "), Piece::Secret]),
            (
                r#"{"a":"{secret}","b":"{pair}"}"#,
                vec![text(r#"{"a":""#), Piece::Secret, text(r#"","b":""#), Piece::Pair, text(r#""}"#)],
            ),
            ("Basic {basic}", vec![text("Basic "), Piece::Basic]),
            ("{other} {}", vec![text("{other} {}")]),
            ("", vec![]),
        ];
        for (written, pieces) in cases {
            assert_eq!(Template::parse(written), Template(pieces), "{written}");
        }
    }
}
