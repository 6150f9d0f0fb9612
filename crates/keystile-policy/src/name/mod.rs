//! Names of remote secrets as a policy writes them, and how a name is compared with them.
//!
//! A pattern is a text of segments with a separator: `/{env}/{team}/**`. Variables stand for a segment
//! or a part of one, `*` for one whole segment, a final `**` for one or more. Nothing else is special.
//! A name is compared exactly, segment by segment: no case folding, no trimming, no cleaning.

use std::fmt;

use crate::binding::{Binding, Part};

/// What a segment of a pattern is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// This text.
    Text(String),
    /// The environment of the binding.
    Env,
    /// The team of the binding.
    Team,
}

/// A segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Exactly these pieces.
    Pieces(Vec<Piece>),
    /// One segment, whatever it is, but not empty.
    One,
    /// One or more segments; the last of its pattern.
    Rest,
}

/// A pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    separator: char,
    segments: Vec<Segment>,
}

/// Why a pattern is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing is written.
    #[error("is empty")]
    Empty,
    /// It ends at a separator.
    #[error("ends in a separator: say what may follow (a final ** for everything below)")]
    EndsInSeparator,
    /// `**` is not the last segment, or `*` is a part of one.
    #[error("has a * that is not a whole segment, or a ** that is not the last one")]
    Wildcard,
    /// A variable that there is not, or a brace without its partner; with the variable that may be meant.
    #[error("has a variable other than {{env}} and {{team}}, or a lone brace{}", meant(.0.as_ref()))]
    Variable(Option<&'static str>),
    /// It ends in a variable: the name of one team could begin another's.
    #[error("ends in a variable: add a segment for the secret's own name")]
    EndsInVariable,
    /// A segment is empty, `.` or `..`.
    #[error("has an empty segment, or one that is . or ..")]
    Segment,
}

/// Which variable may be meant, for a message.
fn meant(variable: Option<&&'static str>) -> String {
    variable.map_or_else(String::new, |variable| format!("; did you mean {{{variable}}}?"))
}

impl NamePattern {
    /// Reads a pattern whose segments are parted by `separator`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text; see [`PatternError`].
    pub fn parse(text: &str, separator: char) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.ends_with(separator) {
            return Err(PatternError::EndsInSeparator);
        }
        let mut segments = Vec::new();
        let parts: Vec<&str> = text.split(separator).collect();
        for (nth, part) in parts.iter().enumerate() {
            let is_last = nth + 1 == parts.len();
            segments.push(match *part {
                // A leading separator: the name begins with it.
                "" if nth == 0 => Segment::Pieces(Vec::new()),
                "" | "." | ".." => return Err(PatternError::Segment),
                "*" => Segment::One,
                "**" if is_last => Segment::Rest,
                other if other.contains('*') => return Err(PatternError::Wildcard),
                other => Segment::Pieces(pieces(other)?),
            });
        }
        if let Some(Segment::Pieces(pieces)) = segments.last()
            && matches!(pieces.last(), Some(Piece::Env | Piece::Team))
        {
            return Err(PatternError::EndsInVariable);
        }
        Ok(Self { text: text.to_owned(), separator, segments })
    }

    /// The segments, for those who prove things about them.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What parts the segments.
    #[must_use]
    pub fn separator(&self) -> char {
        self.separator
    }

    /// Whether the pattern, filled in for `binding`, has `name`.
    #[must_use]
    pub fn matches(&self, name: &str, binding: &Binding) -> bool {
        let mut buffer = [0; 4];
        let separator: &str = self.separator.encode_utf8(&mut buffer);
        let mut rest = Some(name);
        for segment in &self.segments {
            let Some(now) = rest else { return false };
            let (part, after) = cut(now, separator);
            match segment {
                Segment::Rest => return has_no_empty_segment(now, separator),
                Segment::One if part.is_empty() => return false,
                Segment::One => {}
                Segment::Pieces(pieces) => {
                    if !pieces_are(pieces, part, binding) {
                        return false;
                    }
                }
            }
            rest = after;
        }
        rest.is_none()
    }

    /// The pattern filled in for `binding`, as a message shows it; a part that is any stays a variable.
    #[must_use]
    pub fn filled(&self, binding: &Binding) -> String {
        let fill = |text: String, variable: &str, part: &Part| match part.value() {
            Some(value) => text.replace(variable, value),
            None => text,
        };
        fill(fill(self.text.clone(), "{env}", &binding.env), "{team}", &binding.team)
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `text` up to the first separator, and what follows it. All separators are one byte, and names are
/// short: a plain loop is three times as fast as the searcher of `split`.
fn cut<'n>(text: &'n str, separator: &str) -> (&'n str, Option<&'n str>) {
    match (separator.as_bytes(), text.as_bytes()) {
        ([one], bytes) => match bytes.iter().position(|byte| byte == one) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        },
        _ => text.split_once(separator).map_or((text, None), |(part, after)| (part, Some(after))),
    }
}

fn has_no_empty_segment(text: &str, separator: &str) -> bool {
    let mut rest = Some(text);
    while let Some(now) = rest {
        let (part, after) = cut(now, separator);
        if part.is_empty() {
            return false;
        }
        rest = after;
    }
    true
}

/// Reads text with variables.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['{', '}']).unwrap_or(rest.len());
        if end > 0 {
            pieces.push(Piece::Text(rest[..end].to_owned()));
            rest = &rest[end..];
            continue;
        }
        let (piece, length) = if rest.starts_with("{env}") {
            (Piece::Env, "{env}".len())
        } else if rest.starts_with("{team}") {
            (Piece::Team, "{team}".len())
        } else {
            let word = rest[1..].split(['{', '}']).next().unwrap_or_default();
            return Err(PatternError::Variable(crate::suggest::nearest(word, ["env", "team"])));
        };
        pieces.push(piece);
        rest = &rest[length..];
    }
    Ok(pieces)
}

/// Whether `text` is exactly these pieces, filled in. A part that may be anything is never equal.
pub(crate) fn pieces_are(pieces: &[Piece], text: &str, binding: &Binding) -> bool {
    let mut rest = text;
    for piece in pieces {
        let expected = match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Env => binding.env.value(),
            Piece::Team => binding.team.value(),
        };
        match expected.and_then(|expected| rest.strip_prefix(expected)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

/// A text with variables, compared as a whole: an IAM role, a Vault role, a KMS alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPattern {
    text: String,
    pieces: Vec<Piece>,
}

impl TextPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        Ok(Self { text: text.to_owned(), pieces: pieces(text)? })
    }

    /// Whether the pattern, filled in for `binding`, is `text`.
    #[must_use]
    pub fn matches(&self, text: &str, binding: &Binding) -> bool {
        pieces_are(&self.pieces, text, binding)
    }

    /// Its pieces.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

impl fmt::Display for TextPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_compared_by_whole_segments() {
        let pattern = NamePattern::parse("/{env}/{team}/**", '/').unwrap();
        let binding = Binding::new("prod", "team-a");
        for name in ["/prod/team-a/db", "/prod/team-a/db/password"] {
            assert!(pattern.matches(name, &binding), "{name}");
        }
        for name in [
            "/prod/team-ab/db",
            "/prod/team-a",
            "/prod/team-a/",
            "prod/team-a/db",
            "//prod/team-a/db",
            "/prod/team-a//db",
            "/PROD/team-a/db",
            "/prodx/team-a/db",
            "",
        ] {
            assert!(!pattern.matches(name, &binding), "{name}");
        }
    }

    #[test]
    fn any_team_has_only_names_without_a_team() {
        let any = Binding { env: Part::Is("prod".into()), team: Part::Any };
        assert!(NamePattern::parse("/{env}/shared/**", '/').unwrap().matches("/prod/shared/ca", &any));
        assert!(!NamePattern::parse("/{env}/{team}/**", '/').unwrap().matches("/prod/team-a/db", &any));
    }

    #[test]
    fn a_pattern_that_gives_too_much_is_refused() {
        for (text, error) in [
            ("", PatternError::Empty),
            ("/prod/", PatternError::EndsInSeparator),
            ("/prod/{team}", PatternError::EndsInVariable),
            ("/prod/x-{team}", PatternError::EndsInVariable),
            ("/**/db", PatternError::Wildcard),
            ("/prod/a*", PatternError::Wildcard),
            ("/prod//x", PatternError::Segment),
            ("/prod/../x", PatternError::Segment),
            ("/{stage}/x", PatternError::Variable(None)),
            ("/{envv}/x", PatternError::Variable(Some("env"))),
            ("/{tema}/x", PatternError::Variable(Some("team"))),
            ("/{Team}/x", PatternError::Variable(Some("team"))),
            ("/{team/x", PatternError::Variable(Some("team"))),
            ("/env}/x", PatternError::Variable(None)),
        ] {
            assert_eq!(NamePattern::parse(text, '/').unwrap_err(), error, "{text}");
        }
    }
}
