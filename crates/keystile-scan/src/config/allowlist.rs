//! Reading an allowlist, of one rule or of all.
//!
//! Source: gitleaks 8.30.1, `config/config.go` (`parseAllowlist`) and `config/allowlist.go`
//! (`Validate`).

use std::collections::HashSet;

use toml::de::DeTable;

use super::fields::{Fields, Located};
use super::session::{Place, Session};
use crate::re2;
use crate::rule::{Allowlist, Condition, Pattern, RegexTarget};

/// Reads the allowlist `table`, whose header stands at `place`; `owner` names the form for messages.
/// The second value are the `targetRules`, which only global ones have. None: it has an error, which
/// was reported.
pub(super) fn read(
    session: &mut Session<'_>,
    place: &Place,
    table: &DeTable<'_>,
    owner: &str,
    is_global: bool,
) -> Option<(Allowlist, Vec<Located<String>>)> {
    let mut fields = Fields::new(session, place.file, table);
    let description = fields.text(session, "description").map_or(String::new(), |text| text.value);
    let condition = fields.text(session, "condition");
    let condition = self::condition(session, condition);
    let regex_target = fields.text(session, "regexTarget");
    let regex_target = self::regex_target(session, regex_target);
    let commits = fields.texts(session, "commits");
    let path_texts = fields.texts(session, "paths");
    let regex_texts = fields.texts(session, "regexes");
    let stopword_texts = fields.texts(session, "stopwords");
    let targets = if is_global { fields.texts(session, "targetRules") } else { Vec::new() };
    fields.finish(session, owner, false);

    let is_empty = commits.is_empty() && path_texts.is_empty() && regex_texts.is_empty() && stopword_texts.is_empty();
    if is_empty {
        session.error(place, format!("{owner} allows nothing: give it `commits`, `paths`, `regexes` or `stopwords`"));
    }
    let paths = patterns(session, &path_texts);
    let regexes = patterns(session, &regex_texts);
    let commits = commit_ids(session, &commits);
    let mut stopwords = Vec::new();
    let mut seen = HashSet::new();
    for word in &stopword_texts {
        let lower = word.value.to_lowercase();
        if lower.is_empty() {
            session.warning(&word.place, "an empty stop word stands in every secret: this allows all of them");
        }
        if seen.insert(lower.clone()) {
            stopwords.push(lower);
        }
    }
    if is_empty {
        return None;
    }
    let allowlist = Allowlist {
        description,
        condition: condition?,
        commits,
        paths: paths?,
        regexes: regexes?,
        regex_target: regex_target?,
        stopwords,
    };
    Some((allowlist, targets))
}

fn condition(session: &mut Session<'_>, text: Option<Located<String>>) -> Option<Condition> {
    let Some(text) = text else { return Some(Condition::Or) };
    match text.value.to_uppercase().as_str() {
        "AND" | "&&" => Some(Condition::And),
        "OR" | "||" => Some(Condition::Or),
        _ => {
            session.error(&text.place, format!("`condition` is \"AND\" or \"OR\", not \"{}\"", text.value));
            None
        }
    }
}

fn regex_target(session: &mut Session<'_>, text: Option<Located<String>>) -> Option<RegexTarget> {
    let Some(text) = text else { return Some(RegexTarget::Secret) };
    // In this case only, as in gitleaks.
    match text.value.as_str() {
        "secret" => Some(RegexTarget::Secret),
        "match" => Some(RegexTarget::Match),
        "line" => Some(RegexTarget::Line),
        _ => {
            let message = format!("`regexTarget` is \"secret\", \"match\" or \"line\", not \"{}\"", text.value);
            session.error(&text.place, message);
            None
        }
    }
}

/// Trimmed, in lower case, each once.
fn commit_ids(session: &mut Session<'_>, texts: &[Located<String>]) -> Vec<String> {
    let mut ids = Vec::new();
    let mut seen = HashSet::new();
    for text in texts {
        let id = text.value.to_lowercase().trim().to_owned();
        if !matches!(id.len(), 40 | 64) || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            session
                .warning(&text.place, "this is no whole commit id (40 or 64 hexadecimal digits), it matches no commit");
        }
        if seen.insert(id.clone()) {
            ids.push(id);
        }
    }
    ids
}

/// All patterns, or None if one has an error.
fn patterns(session: &mut Session<'_>, texts: &[Located<String>]) -> Option<Vec<Pattern>> {
    let patterns: Vec<_> = texts
        .iter()
        .map(|text| {
            if text.value.is_empty() {
                session.warning(&text.place, "an empty pattern matches everything: this allows all findings");
            }
            pattern(session, text)
        })
        .collect();
    patterns.into_iter().collect()
}

/// The pattern, or None if it has an error, which is reported at the character.
pub(super) fn pattern(session: &mut Session<'_>, text: &Located<String>) -> Option<Pattern> {
    match re2::parse(&text.value) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let place = session.inside_string(&text.place, &error.span);
            session.error(&place, error.to_string());
            None
        }
    }
}
