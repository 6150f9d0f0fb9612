//! Which secrets a template of the Vault Agent reads.
//!
//! Templates are Go's (`text/template`) with consul-template's functions. A path counts only where it is
//! written as one text right behind `secret`; whatever could name another one (a variable, a pipe, a function
//! that reads something else or that is not known) makes the template undecidable.

/// Words and functions that read nothing: Go's own, and consul-template's that only form text.
const HARMLESS: &[&str] = &[
    "and",
    "base64Decode",
    "base64Encode",
    "base64URLDecode",
    "base64URLEncode",
    "block",
    "break",
    "contains",
    "containsAll",
    "containsAny",
    "containsNone",
    "containsNotAll",
    "continue",
    "define",
    "else",
    "end",
    "eq",
    "explode",
    "explodeMap",
    "false",
    "ge",
    "gt",
    "hmacSHA256Hex",
    "html",
    "if",
    "in",
    "indent",
    "index",
    "join",
    "js",
    "le",
    "len",
    "loop",
    "lt",
    "md5sum",
    "mergeMap",
    "mergeMapWithOverride",
    "ne",
    "nil",
    "not",
    "or",
    "parseBool",
    "parseFloat",
    "parseInt",
    "parseJSON",
    "parseUint",
    "parseYAML",
    "print",
    "printf",
    "println",
    "range",
    "regexMatch",
    "regexReplaceAll",
    "replaceAll",
    "sha256Hex",
    "slice",
    "split",
    "splitToMap",
    "template",
    "timestamp",
    "toJSON",
    "toJSONPretty",
    "toLower",
    "toTitle",
    "toTOML",
    "toUnescapedJSON",
    "toUnescapedJSONPretty",
    "toUpper",
    "toYAML",
    "trim",
    "trimPrefix",
    "trimSpace",
    "trimSuffix",
    "true",
    "urlquery",
    "with",
];

/// Templates that are longer are not looked at.
const LONGEST: usize = 256 * 1024;

/// The paths that a template reads, in its order.
///
/// # Errors
///
/// Says why that can't be said, in words that follow the annotation.
pub fn secrets(template: &str) -> Result<Vec<&str>, String> {
    if template.len() > LONGEST {
        return Err(format!("holds a template of {} bytes, too long to be judged", template.len()));
    }
    let mut found = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let (tokens, after) = action(&rest[start + 2..])?;
        look(&tokens, &mut found)?;
        rest = after;
    }
    Ok(found)
}

/// A word of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    /// A name that is neither a field nor a variable: a keyword or a function.
    Name(&'t str),
    /// A text without escapes.
    Text(&'t str),
    /// A text with escapes, a character, a number, a field, a variable.
    Operand,
    /// `(`, `)`, `|` and the like.
    Sign(char),
}

/// The words of an action up to `}}`, and what follows it.
fn action(text: &str) -> Result<(Vec<Token<'_>>, &str), String> {
    let open = || "holds a template with an action that does not end".to_owned();
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        let first = rest.chars().next().ok_or_else(open)?;
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok((tokens, after));
        }
        let length = match first {
            '"' => {
                let end = end_of_text(&rest[1..]).ok_or_else(open)?;
                let inner = &rest[1..=end];
                tokens.push(if inner.contains('\\') { Token::Operand } else { Token::Text(inner) });
                end + 2
            }
            '`' => {
                let end = rest[1..].find('`').ok_or_else(open)?;
                tokens.push(Token::Text(&rest[1..=end]));
                end + 2
            }
            '\'' => {
                let end = end_of_character(&rest[1..]).ok_or_else(open)?;
                tokens.push(Token::Operand);
                end + 2
            }
            '/' if rest.starts_with("/*") => rest.find("*/").ok_or_else(open)? + 2,
            '.' | '$' => {
                tokens.push(Token::Operand);
                1 + word(&rest[1..])
            }
            first if first.is_alphabetic() || first == '_' => {
                let length = word(rest);
                tokens.push(Token::Name(&rest[..length]));
                length
            }
            first if first.is_ascii_digit() => {
                tokens.push(Token::Operand);
                word(rest)
            }
            first if first.is_whitespace() => first.len_utf8(),
            first => {
                tokens.push(Token::Sign(first));
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
}

/// Bytes of the letters and digits that `text` begins with.
fn word(text: &str) -> usize {
    text.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(text.len())
}

/// Where a text in double quotes ends.
fn end_of_text(text: &str) -> Option<usize> {
    end_at(text, b'"')
}

fn end_of_character(text: &str) -> Option<usize> {
    end_at(text, b'\'')
}

fn end_at(text: &str, quote: u8) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == quote && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

fn look<'t>(tokens: &[Token<'t>], found: &mut Vec<&'t str>) -> Result<(), String> {
    for (nth, token) in tokens.iter().enumerate() {
        match token {
            Token::Name("secret") => match (tokens.get(nth + 1), tokens.get(nth + 2)) {
                (Some(Token::Text(path)), None | Some(Token::Sign(')' | '|' | '-'))) => found.push(path),
                (Some(Token::Text(_)), _) => {
                    return Err("holds a template that asks Vault with arguments, which can write".to_owned());
                }
                _ => return Err("holds a template whose secret is not written as a plain text".to_owned()),
            },
            Token::Name(name) if !HARMLESS.contains(name) => {
                return Err(format!("holds a template with {}, which can't be judged", crate::shown::Shown(name)));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_behind_secret_are_read() {
        for (template, paths) in [
            ("", vec![]),
            ("plain text with { and }}", vec![]),
            (r#"{{ with secret "kv/data/a" }}{{ .Data.data.password }}{{ end }}"#, vec!["kv/data/a"]),
            (r#"{{- with secret "kv/data/a" -}}x{{- end -}}"#, vec!["kv/data/a"]),
            ("{{ with secret `kv/data/a` }}{{ end }}", vec!["kv/data/a"]),
            (r#"{{ $x := secret "kv/a" }}{{ $x.Data.secret }}"#, vec!["kv/a"]),
            (r#"{{ (secret "kv/a").Data.x | toJSON }} {{ secret "kv/b" | toJSON }}"#, vec!["kv/a", "kv/b"]),
            (r#"{{ /* secret "kv/no" */ }}{{ print "}} secret" }}{{ printf "%s" (secret "kv/a") }}"#, vec!["kv/a"]),
            (r#"{{ range $k, $v := .Data.data }}{{ $k }}={{ $v }}{{ end }}"#, vec![]),
            (r#"{{ define "t" }}{{ secret "kv/a" }}{{ end }}{{ template "t" . }}"#, vec!["kv/a"]),
        ] {
            assert_eq!(secrets(template), Ok(paths), "{template}");
        }
    }

    #[test]
    fn what_could_name_another_secret_is_undecidable() {
        for template in [
            r#"{{ with secret (print "kv/" .x) }}{{ end }}"#,
            r#"{{ "kv/a" | secret }}"#,
            r#"{{ $p := "kv/a" }}{{ secret $p }}"#,
            r#"{{ secret "kv\u002fa" }}"#,
            r#"{{ secret "pki/issue/x" "common_name=a" }}"#,
            r#"{{ range secrets "kv/metadata/" }}{{ end }}"#,
            r#"{{ pkiCert "pki/issue/x" }}"#,
            r#"{{ key "consul" }}"#,
            r#"{{ file "/var/run/secrets/kubernetes.io/serviceaccount/token" }}"#,
            r#"{{ executeTemplate "x" }}"#,
            r#"{{ call .f "kv/a" }}"#,
            r#"{{ secret "kv/a" "#,
            r#"{{ "never ends }}"#,
            "{{ secret }}",
        ] {
            assert!(secrets(template).is_err(), "{template}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(template in "[{}\"`'\\\\a-z $.|()/*-]{0,80}") {
            let _ = secrets(&template);
        }

        #[test]
        fn every_action_that_names_secret_is_read_or_refused(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
            // Whatever stands around it, the action is not passed over, unless it is no action there.
            let template = format!("{before}{{{{ secret $x }}}}{after}");
            let is_in_text = before.contains("{{");
            proptest::prop_assert!(is_in_text || secrets(&template).is_err());
        }
    }
}
