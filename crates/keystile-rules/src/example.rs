//! The little language in which rules give examples of what they match.
//!
//! A credential-shaped literal in the repository would be found by every scanner that looks at it,
//! ours first. So an example is a template that is filled in when it is tested:
//!
//! | part | becomes |
//! |---|---|
//! | `{x}`, one character | that character; breaks a prefix in two, and stands for a brace: `{{}` |
//! | `{base62:30}` | thirty random characters of that alphabet: [`ALPHABETS`] |
//! | `{crc32:6}` | the CRC-32 of the random part before it in base 62, as GitHub and npm append it |
//! | `{uuid}` | a random UUID |
//! | `{jwt}`, `{jwt-header}` | a JSON Web Token, or the first of its three parts |
//! | `{pem:LABEL}`, `{pem-line:LABEL}` | a PEM block with random content; on one line with `\n` |
//! | `«`, `»` | nothing: what stands between them is the secret (otherwise all of it is) |
//!
//! "Random" means: from a generator that is seeded by the caller, so that a test that fails does so
//! every time.

use std::ops::Range;

/// The alphabets that random characters can come from.
pub const ALPHABETS: &[(&str, &str)] = &[
    ("alpha", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    ("base36", "0123456789abcdefghijklmnopqrstuvwxyz"),
    ("base62", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    ("base64", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
    ("base64url", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
    // BIP 173, in the upper case that age prints.
    ("bech32", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    ("digit", "0123456789"),
    ("HEX", "0123456789ABCDEF"),
    ("hex", "0123456789abcdef"),
    ("lower", "abcdefghijklmnopqrstuvwxyz"),
    ("upper", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ("UPPER36", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    // RFC 4648, section 6.
    ("upper32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
];

const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace is never closed.
    #[error("the brace at byte {0} is never closed; a brace itself is written {{{{}} or {{}}}}")]
    Unclosed(usize),
    /// No such part.
    #[error("`{{{0}}}` is none of the parts that an example can have")]
    UnknownPart(String),
    /// `«` and `»` do not come as one pair.
    #[error("an example has one `«` and one `»` after it, or neither")]
    Marks,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Random { name: String, alphabet: &'static str, length: usize },
    Checksum { length: usize },
    Uuid,
    JwtHeader,
    Jwt,
    Pem { label: String, on_one_line: bool },
    SecretStart,
    SecretEnd,
}

/// An example that can be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// A filled-in example. It is made up, so it may be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// All of it.
    pub text: String,
    /// Where in the text the secret stands.
    pub secret: Range<usize>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// An unclosed brace, an unknown part, a mark without its other.
    pub fn parse(template: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = template;
        while let Some(character) = rest.chars().next() {
            let at = template.len() - rest.len();
            rest = &rest[character.len_utf8()..];
            let part = match character {
                '«' => Part::SecretStart,
                '»' => Part::SecretEnd,
                '{' => {
                    // The first character belongs to the name even if it is a brace: `{}}`.
                    let first = rest.chars().next().ok_or(TemplateError::Unclosed(at))?;
                    let end = rest[first.len_utf8()..].find('}').ok_or(TemplateError::Unclosed(at))?;
                    let name = &rest[..first.len_utf8() + end];
                    rest = &rest[name.len() + 1..];
                    if name.len() == first.len_utf8() {
                        literal.push(first);
                        continue;
                    }
                    named_part(name)?
                }
                other => {
                    literal.push(other);
                    continue;
                }
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let marks: Vec<&Part> =
            parts.iter().filter(|part| matches!(part, Part::SecretStart | Part::SecretEnd)).collect();
        if !matches!(marks[..], [] | [Part::SecretStart, Part::SecretEnd]) {
            return Err(TemplateError::Marks);
        }
        Ok(Self { parts })
    }

    /// Whether `«` and `»` say what the secret is: the example brings the text around it along.
    #[must_use]
    pub fn has_marks(&self) -> bool {
        self.parts.contains(&Part::SecretStart)
    }

    /// Fills the template in; the same `seed` gives the same text.
    #[must_use]
    pub fn fill(&self, seed: &str) -> Filled {
        let mut random = Random::new(seed);
        let mut text = String::new();
        let mut secret = None::<(usize, usize)>;
        let mut last_random = 0..0;
        for part in &self.parts {
            let start = text.len();
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Random { alphabet, length, .. } => {
                    random.push(&mut text, alphabet, *length);
                    last_random = start..text.len();
                }
                Part::Checksum { length } => {
                    let checksum = base62(crc32(text[last_random.clone()].as_bytes()), *length);
                    text.push_str(&checksum);
                }
                Part::Uuid => random.push_uuid(&mut text),
                Part::JwtHeader => push_jwt_header(&mut text),
                Part::Jwt => random.push_jwt(&mut text),
                Part::Pem { label, on_one_line } => random.push_pem(&mut text, label, *on_one_line),
                Part::SecretStart => secret = Some((start, start)),
                Part::SecretEnd => secret = secret.map(|(from, _)| (from, start)),
            }
        }
        let (from, to) = secret.unwrap_or((0, text.len()));
        Filled { text, secret: from..to }
    }

    /// The template for people: what is filled in stands in angle brackets, the marks are gone.
    #[must_use]
    pub fn describe(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(literal) => literal.clone(),
                Part::Random { name, length, .. } => format!("<{name} × {length}>"),
                Part::Checksum { length } => format!("<CRC-32 × {length}>"),
                Part::Uuid => "<UUID>".to_owned(),
                Part::JwtHeader => "<header>".to_owned(),
                Part::Jwt => "<header>.<claims>.<signature>".to_owned(),
                Part::Pem { label, .. } => format!("<PEM block: {label}>"),
                Part::SecretStart | Part::SecretEnd => String::new(),
            })
            .collect()
    }
}

fn named_part(name: &str) -> Result<Part, TemplateError> {
    let unknown = || TemplateError::UnknownPart(name.to_owned());
    match name {
        "uuid" => return Ok(Part::Uuid),
        "jwt" => return Ok(Part::Jwt),
        "jwt-header" => return Ok(Part::JwtHeader),
        _ => {}
    }
    let (kind, argument) = name.split_once(':').ok_or_else(unknown)?;
    if matches!(kind, "pem" | "pem-line") {
        return Ok(Part::Pem { label: argument.to_owned(), on_one_line: kind == "pem-line" });
    }
    let length: usize = argument.parse().map_err(|_| unknown())?;
    if kind == "crc32" {
        return Ok(Part::Checksum { length });
    }
    let (name, alphabet) = ALPHABETS.iter().find(|(name, _)| *name == kind).ok_or_else(unknown)?;
    Ok(Part::Random { name: (*name).to_owned(), alphabet, length })
}

/// SplitMix64 (Steele, Lea, Flood 2014): a few lines, and good enough for made-up tokens.
struct Random(u64);

impl Random {
    fn new(seed: &str) -> Self {
        // FNV-1a, so that seeds that differ in one character start far apart.
        Self(
            seed.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)),
        )
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn push(&mut self, text: &mut String, alphabet: &str, length: usize) {
        let letters = alphabet.as_bytes();
        for _ in 0..length {
            // The bias of the remainder does not matter here.
            let index = usize::try_from(self.next() % letters.len() as u64).expect("less than the alphabet's length");
            text.push(char::from(letters[index]));
        }
    }

    /// Version 4 of RFC 9562.
    fn push_uuid(&mut self, text: &mut String) {
        for (separator, version, length) in [("", "", 8), ("-", "", 4), ("-", "4", 3), ("-", "a", 3), ("-", "", 12)] {
            text.push_str(separator);
            text.push_str(version);
            self.push(text, "0123456789abcdef", length);
        }
    }

    fn push_jwt(&mut self, text: &mut String) {
        push_jwt_header(text);
        text.push('.');
        let mut claims = String::from("{\"iss\":\"https://issuer.internal\",\"jti\":\"");
        self.push(&mut claims, BASE62, 16);
        claims.push_str("\",\"exp\":1767225600}");
        push_base64url(text, claims.as_bytes());
        text.push('.');
        self.push(text, BASE64URL, 43);
    }

    fn push_pem(&mut self, text: &mut String, label: &str, on_one_line: bool) {
        let end_of_line = if on_one_line { "\\n" } else { "\n" };
        for (marker, lines) in [("BEGIN", 5), ("END", 0)] {
            text.push_str(&format!("-----{marker} {label}-----"));
            for _ in 0..lines {
                text.push_str(end_of_line);
                self.push(text, BASE64, 64);
            }
            if lines > 0 {
                text.push_str(end_of_line);
            }
        }
    }
}

fn push_jwt_header(text: &mut String) {
    push_base64url(text, b"{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
}

/// RFC 4648, section 5, without padding.
fn push_base64url(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().enumerate().fold(0_u32, |word, (index, &byte)| word | u32::from(byte) << (16 - 8 * index));
        for index in 0..=chunk.len() {
            text.push(char::from(BASE64URL.as_bytes()[(word >> (18 - 6 * index) & 63) as usize]));
        }
    }
}

/// CRC-32 of ISO-HDLC (zip, PNG), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// `value` in base 62, digits first, with zeros in front up to `length`.
fn base62(mut value: u32, length: usize) -> String {
    let mut digits = Vec::new();
    while value > 0 || digits.len() < length {
        digits.push(char::from(BASE62.as_bytes()[(value % 62) as usize]));
        value /= 62;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str) -> String {
        Template::parse(template).expect("a valid template").fill("seed").text
    }

    #[test]
    fn literal_parts_stay_as_they_are() {
        assert_eq!(fill("a{b}c{{}d{}}e"), "abc{d}e");
    }

    #[test]
    fn random_parts_have_their_length_and_alphabet() {
        for (name, alphabet) in ALPHABETS {
            let text = fill(&format!("{{{name}:200}}"));
            assert_eq!(text.len(), 200, "{name}");
            assert!(text.chars().all(|character| alphabet.contains(character)), "{name}: {text}");
        }
    }

    #[test]
    fn filling_is_repeatable_and_depends_on_the_seed() {
        let template = Template::parse("{hex:32}").expect("a valid template");
        assert_eq!(template.fill("a"), template.fill("a"));
        assert_ne!(template.fill("a"), template.fill("b"));
    }

    #[test]
    fn marks_give_the_place_of_the_secret() {
        let filled = Template::parse("key=«{digit:4}»;").expect("a valid template").fill("seed");
        assert_eq!(filled.secret, 4..8);
        assert!(filled.text.starts_with("key=") && filled.text.ends_with(';'), "{}", filled.text);
    }

    #[test]
    fn checksum_is_that_of_the_random_part() {
        // "123456789" is the check value's input in every catalogue of CRCs.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(base62(0, 6), "000000");
        assert_eq!(base62(62 * 62 + 61, 4), "010z");
        let text = fill("x_{base62:30}{crc32:6}");
        assert_eq!(text[32..], base62(crc32(&text.as_bytes()[2..32]), 6));
    }

    #[test]
    fn json_web_tokens_are_base64url_of_json() {
        let mut header = String::new();
        push_jwt_header(&mut header);
        assert_eq!(header, concat!("eyJhbGciOiJIUzI1NiIs", "InR5cCI6IkpXVCJ9"));
        assert_eq!(fill("{jwt}").split('.').count(), 3);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |template| Template::parse(template).expect_err("an invalid template");
        assert_eq!(error("ab{hex:3"), TemplateError::Unclosed(2));
        assert_eq!(error("{hax:3}"), TemplateError::UnknownPart("hax:3".into()));
        assert_eq!(error("{hex:many}"), TemplateError::UnknownPart("hex:many".into()));
        assert_eq!(error("«a"), TemplateError::Marks);
        assert_eq!(error("»a«"), TemplateError::Marks);
    }
}
