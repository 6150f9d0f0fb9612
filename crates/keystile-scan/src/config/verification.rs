//! Reading `[rules.verify]`: how the issuer of a credential is asked whether it is live.
//!
//! The format is ours (gitleaks ignores the table), so unknown keys are errors here. What could make a secret
//! leave for the wrong place is refused when it is read: a value in the URL, anything but `https`, an address in
//! place of a host name, headers that frame the message.

use std::net::IpAddr;

use toml::de::{DeTable, DeValue};

use super::allowlist::pattern;
use super::fields::{Fields, Located};
use super::session::{Place, Session};
use crate::rule::RuleId;
use crate::verification::{Answer, BodyEncoding, Method, Scalar, Signature, Template, Verification};

/// Headers that say how the message travels, which is not a rule's business.
const FRAMING_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Reads `table`. Errors are reported to `session`, and make the rule one that has errors.
pub(super) fn read(session: &mut Session<'_>, place: &Place, table: &DeTable<'_>) -> Option<Verification> {
    let mark = session.mark();
    let mut fields = Fields::new(session, place.file, table);
    let issuer = fields.text(session, "issuer").and_then(|text| issuer(session, text));
    let method = fields.text(session, "method").map_or(Some(Method::Get), |text| method(session, &text));
    let url = fields.text(session, "url");
    let headers = fields.table(session, "headers").map(|(place, table)| headers(session, &place, table));
    let headers = headers.unwrap_or_default();
    let body = fields.text(session, "body");
    let signature = fields.text(session, "sign").and_then(|text| signature(session, &text));
    let pair = fields.text(session, "pair").map(|text| RuleId::new(&text.value));
    let live: Vec<Answer> = fields
        .tables(session, "live")
        .into_iter()
        .filter_map(|(place, table)| answer(session, &place, table))
        .collect();
    let dead: Vec<Answer> = fields
        .tables(session, "dead")
        .into_iter()
        .filter_map(|(place, table)| answer(session, &place, table))
        .collect();
    fields.finish(session, "[rules.verify]", true);

    let url = match url {
        Some(text) => self::url(session, &text),
        None => {
            session.error(place, "`verify` has no `url`: name the address that answers for a credential");
            None
        }
    };
    if session.mark() == mark && live.is_empty() {
        let message = "`verify` has no `[[rules.verify.live]]`: say which answer a live credential gets";
        session.error(place, message);
    }
    let body_encoding = body.as_ref().map_or(Some(BodyEncoding::Form), |body| encoding(session, body, &headers));
    let body = body.map(|body| Template::parse(&body.value));
    let templates = || headers.iter().map(|(_, template)| template).chain(&body);
    if signature.is_none() && !templates().any(Template::has_value) {
        session.error(place, "the request has no `{secret}` in a header or in the body: it would ask about nothing");
    }
    if signature.is_some() && templates().any(Template::has_value) {
        session.error(place, "a request that is signed with the secret can't hold it too");
    }
    if pair.is_none() && (signature.is_some() || templates().any(Template::has_pair)) {
        session.error(place, "`verify` needs `pair`: the rule that finds the other half of the credential");
    }
    if method == Some(Method::Get) && body.is_some() {
        session.error(place, "a GET has no body: write `method = \"POST\"`");
    }
    let (host, port, target) = url?;
    if session.mark() != mark {
        // Warnings count too here; they are rare, and a check that is not understood is not made.
        return None;
    }
    Some(Verification {
        is_builtin: false,
        issuer,
        method: method?,
        host,
        port,
        target,
        headers,
        body,
        body_encoding: body_encoding?,
        signature,
        pair,
        live,
        dead,
    })
}

fn issuer(session: &mut Session<'_>, text: Located<String>) -> Option<String> {
    if text.value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Some(text.value);
    }
    session.error(&text.place, "`issuer` is a name in lower-case letters, digits and hyphens");
    None
}

fn method(session: &mut Session<'_>, text: &Located<String>) -> Option<Method> {
    match text.value.as_str() {
        "GET" => Some(Method::Get),
        "POST" => Some(Method::Post),
        _ => {
            session.error(&text.place, "`method` is \"GET\" or \"POST\"");
            None
        }
    }
}

fn signature(session: &mut Session<'_>, text: &Located<String>) -> Option<Signature> {
    if text.value == "aws-sts" {
        return Some(Signature::AwsSts);
    }
    session.error(&text.place, "`sign` is \"aws-sts\"");
    None
}

/// Host, port, and path with query.
fn url(session: &mut Session<'_>, text: &Located<String>) -> Option<(String, u16, String)> {
    let url = text.value.as_str();
    let mut refuse = |message: &str| {
        session.error(&text.place, message);
        None
    };
    if url.contains(['{', '}']) {
        return refuse("a URL can hold no value: it would end up in logs. Put `{secret}` into a header or the body");
    }
    let Some(rest) = url.strip_prefix("https://") else {
        return refuse("`url` must begin with https://");
    };
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains(['#', '\\']) {
        return refuse("`url` holds a character that a request can't have; percent-encode it");
    }
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(at);
    if authority.contains('@') {
        return refuse("`url` can't hold a user name or a password");
    }
    let (host, port) = match authority.split_once(':') {
        None => (authority, 443),
        Some((host, port)) => match port.parse::<u16>() {
            Ok(port) if port > 0 => (host, port),
            _ => return refuse("the port of `url` is a number from 1 to 65535, and an address can't be its host"),
        },
    };
    let is_name = host.contains('.')
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
        // `127.1`, `0x7f.1` and the like are addresses to some.
        && host.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_lowercase()));
    if !is_name || host.parse::<IpAddr>().is_ok() {
        return refuse("the host of `url` must be a whole name in lower case, such as api.example.com, not an address");
    }
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Some((host.to_owned(), port, target))
}

fn headers(session: &mut Session<'_>, place: &Place, table: &DeTable<'_>) -> Vec<(String, Template)> {
    let mut headers: Vec<(String, Template)> = Vec::new();
    for (key, value) in table {
        let here = Place { file: place.file, span: key.span() };
        let name = key.get_ref().to_ascii_lowercase();
        let is_token = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !is_token {
            session.error(&here, "this can't be the name of a header");
        } else if FRAMING_HEADERS.contains(&name.as_str()) {
            session.error(&here, format!("`{name}` is set by keystile itself"));
        } else if headers.iter().any(|(other, _)| *other == name) {
            session.error(&here, format!("`{name}` is given twice"));
        } else {
            match value.get_ref().as_str() {
                Some(text) if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
                    headers.push((name, Template::parse(text)));
                }
                _ => session.error(&here, format!("`{name}` must be a string of printable ASCII characters")),
            }
        }
    }
    headers
}

/// How values are written into `body`.
fn encoding(session: &mut Session<'_>, body: &Located<String>, headers: &[(String, Template)]) -> Option<BodyEncoding> {
    let kind = headers.iter().find(|(name, _)| name == "content-type").map(|(_, template)| template);
    let is = |wanted: &str| *kind.unwrap_or(&Template(Vec::new())) == Template::parse(wanted);
    if is("application/json") {
        Some(BodyEncoding::Json)
    } else if is("application/x-www-form-urlencoded") {
        Some(BodyEncoding::Form)
    } else {
        let message = "a body needs the header `Content-Type`, \"application/json\" or \
                       \"application/x-www-form-urlencoded\": it says how values are written into the body";
        session.error(&body.place, message);
        None
    }
}

/// One of `[[rules.verify.live]]` or `[[rules.verify.dead]]`.
fn answer(session: &mut Session<'_>, place: &Place, table: &DeTable<'_>) -> Option<Answer> {
    let mut fields = Fields::new(session, place.file, table);
    let status = fields.take("status").map(|(key, value)| status(session, &key, value.get_ref()));
    let field = fields.text(session, "field");
    let equals = fields.take("equals").map(|(key, value)| scalars(session, &key, value.get_ref()));
    let matches = fields.text(session, "matches").and_then(|text| pattern(session, &text));
    fields.finish(session, "an answer", true);
    let Some(status) = status else {
        session.error(place, "an answer has no `status`: say with which status codes it comes");
        return None;
    };
    if let Some(field) = &field
        && !field.value.starts_with('/')
    {
        session.error(&field.place, "`field` is a JSON pointer, such as \"/user/login\"");
    }
    if field.is_none() && equals.is_some() {
        session.error(place, "`equals` compares a `field`, and there is none");
    }
    if field.is_none() && matches.is_none() {
        let message = "an answer needs `field` or `matches`: a status alone can come from anyone on the way";
        session.error(place, message);
    }
    let equals = equals.unwrap_or_default();
    Some(Answer { status: status?, field: field.map(|field| field.value), equals, matches })
}

fn status(session: &mut Session<'_>, place: &Place, value: &DeValue<'_>) -> Option<Vec<u16>> {
    let one = |value: &DeValue<'_>| match value {
        DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    let codes: Option<Vec<u16>> = match value {
        DeValue::Array(items) => items.iter().map(|item| one(item.get_ref())).collect(),
        other => one(other).map(|code| vec![code]),
    };
    let says_something = |code: &u16| matches!(code, 200..=299 | 400..=499) && !matches!(code, 407 | 408 | 425 | 429);
    match codes {
        Some(codes) if !codes.is_empty() && codes.iter().all(says_something) => Some(codes),
        _ => {
            let message = "`status` is a list of status codes from 200 to 299 and 400 to 499; \
                           redirects, throttling (429) and failures say nothing about a credential";
            session.error(place, message);
            None
        }
    }
}

fn scalars(session: &mut Session<'_>, place: &Place, value: &DeValue<'_>) -> Vec<Scalar> {
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(Scalar::Text(text.to_string())),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(Scalar::Integer),
        DeValue::Boolean(flag) => Some(Scalar::Flag(*flag)),
        _ => None,
    };
    let values: Option<Vec<Scalar>> = match value {
        DeValue::Array(items) => items.iter().map(|item| one(item.get_ref())).collect(),
        other => one(other).map(|value| vec![value]),
    };
    match values {
        Some(values) if !values.is_empty() => values,
        _ => {
            session.error(place, "`equals` is a string, a whole number, true or false, or a list of them");
            Vec::new()
        }
    }
}
