//! Text that some tool fills in later: Helm's and Go's templates, Kustomize's variables, envsubst's.

use std::fmt;

/// A kind of template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// `{{ … }}`: Go templates, of which Helm's are; Jinja writes the same.
    Go,
    /// `{% … %}`: a statement of Jinja.
    Jinja,
    /// `$(NAME)`: Kustomize's variables.
    Kustomize,
    /// `${NAME}`: envsubst's and Flux's.
    Envsubst,
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Go => "a template ({{ … }}) that is not rendered",
            Self::Jinja => "a template ({% … %}) that is not rendered",
            Self::Kustomize => "a variable ($(…)) that is not filled in",
            Self::Envsubst => "a variable (${…}) that is not filled in",
        })
    }
}

/// The first template in a text, and where it begins (bytes).
#[must_use]
pub fn find(text: &str) -> Option<(usize, Template)> {
    let bytes = text.as_bytes();
    bytes.windows(2).enumerate().find_map(|(at, pair)| {
        let rest = &text.as_bytes()[at + 2..];
        let template = match pair {
            b"{{" => Template::Go,
            b"{%" => Template::Jinja,
            b"$(" if is_name(rest, b')') => Template::Kustomize,
            b"${" if is_name(rest, b'}') => Template::Envsubst,
            _ => return None,
        };
        Some((at, template))
    })
}

/// Whether `rest` begins with a variable's name and goes on to `close`.
fn is_name(rest: &[u8], close: u8) -> bool {
    rest.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_') && rest.contains(&close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found_and_near_misses_are_not() {
        for (text, expected) in [
            ("/{{ .Values.env }}/db", Some((1, Template::Go))),
            ("{{- if .x }}", Some((0, Template::Go))),
            ("{% if x %}", Some((0, Template::Jinja))),
            ("/$(ENV)/db", Some((1, Template::Kustomize))),
            ("/prod/${TEAM}/db", Some((6, Template::Envsubst))),
            ("${TEAM:=team-a}", Some((0, Template::Envsubst))),
            ("/prod/team-a/db", None),
            ("$1/db", None),
            ("$$(echo", None),
            ("{env}", None),
            ("", None),
        ] {
            assert_eq!(find(text), expected, "{text}");
        }
    }
}
