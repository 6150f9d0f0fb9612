//! Reading one `[[rules]]` table.
//!
//! Source: gitleaks 8.30.1, `config/config.go` (`ViperConfig`, `Translate`) and `config/rule.go`
//! (`Validate`). The keys `severity`, `remedy`, `references`, `verify` and `examples` are ours.

use toml::de::DeTable;

use super::allowlist::{self, pattern};
use super::fields::{Fields, Located};
use super::session::{Place, Session};
use super::verification;
use crate::rule::{Allowlist, Pattern, Required, RuleId, Severity};
use crate::verification::Verification;

/// A rule as one file gives it. What it leaves out can come from the file that it extends.
#[derive(Debug, Clone)]
pub(super) struct RuleSyntax {
    pub(super) id: Located<String>,
    pub(super) description: Option<String>,
    pub(super) regex: Option<Pattern>,
    pub(super) path: Option<Pattern>,
    pub(super) secret_group: Option<Located<usize>>,
    pub(super) entropy: Option<f64>,
    pub(super) keywords: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) allowlists: Vec<Allowlist>,
    pub(super) required: Vec<Located<Required>>,
    pub(super) skip_report: Option<Located<bool>>,
    pub(super) severity: Option<Severity>,
    pub(super) remedy: Option<String>,
    pub(super) references: Vec<String>,
    pub(super) verification: Option<Verification>,
}

/// Reads the rule `table`, whose header stands at `place`. `Err`: the rule has an error, which was
/// reported; its id, if it has one.
pub(super) fn read(
    session: &mut Session<'_>,
    place: &Place,
    table: &DeTable<'_>,
) -> Result<RuleSyntax, Option<String>> {
    let mark = session.mark();
    let mut fields = Fields::new(session, place.file, table);
    let id = fields.text(session, "id").filter(|id| !id.value.trim().is_empty());
    let description = fields.text(session, "description").map(|text| text.value);
    let regex = fields.text(session, "regex").and_then(|text| pattern(session, &text));
    let path = fields.text(session, "path").and_then(|text| pattern(session, &text));
    let secret_group = fields.integer(session, "secretGroup").and_then(|number| secret_group(session, &number));
    let entropy = fields.number(session, "entropy").map(|number| number.value).filter(|&number| number != 0.0);
    let keywords = fields.texts(session, "keywords");
    let keywords = self::keywords(session, keywords);
    let tags = fields.texts(session, "tags").into_iter().map(|tag| tag.value).collect();
    let allowlists = allowlists(session, &mut fields);
    let required =
        fields.tables(session, "required").into_iter().filter_map(|(place, table)| required(session, &place, table));
    let required = required.collect();
    let skip_report = fields.boolean(session, "skipReport");
    let severity = fields.text(session, "severity").and_then(|text| severity(session, &text));
    let remedy = fields.text(session, "remedy").map(|text| text.value);
    let references = fields.texts(session, "references").into_iter().map(|text| text.value).collect();
    let verification =
        fields.table(session, "verify").and_then(|(place, table)| verification::read(session, &place, table));
    // For whoever tests the rules; not ours to read.
    fields.take("examples");
    fields.finish(session, "a rule", false);

    let Some(id) = id else {
        session.error(place, "it has no `id`");
        session.judge_rule(mark, None);
        return Err(None);
    };
    if !session.judge_rule(mark, Some(&id.value)) {
        return Err(Some(id.value));
    }
    Ok(RuleSyntax {
        id,
        description,
        regex,
        path,
        secret_group,
        entropy,
        keywords,
        tags,
        allowlists,
        required,
        skip_report,
        severity,
        remedy,
        references,
        verification,
    })
}

impl RuleSyntax {
    /// The rule's id, once it is known to be fine.
    pub(super) fn rule_id(&self) -> RuleId {
        RuleId::new(&self.id.value)
    }
}

fn secret_group(session: &mut Session<'_>, number: &Located<i64>) -> Option<Located<usize>> {
    match usize::try_from(number.value) {
        Ok(0) => None,
        Ok(value) => Some(Located { value, place: number.place.clone() }),
        Err(_) => {
            session.error(&number.place, "`secretGroup` is the number of a group of the regex, 0 or more");
            None
        }
    }
}

/// In lower case, each once.
fn keywords(session: &mut Session<'_>, texts: Vec<Located<String>>) -> Vec<String> {
    let mut keywords: Vec<String> = Vec::new();
    for text in texts {
        let keyword = text.value.to_lowercase();
        if keyword.is_empty() {
            session.warning(&text.place, "an empty keyword is ignored");
        } else if !keywords.contains(&keyword) {
            keywords.push(keyword);
        }
    }
    keywords
}

/// `[[rules.allowlists]]`, or the deprecated `[rules.allowlist]`.
fn allowlists(session: &mut Session<'_>, fields: &mut Fields<'_>) -> Vec<Allowlist> {
    let mut tables = fields.tables(session, "allowlists");
    if let Some((place, table)) = fields.table(session, "allowlist") {
        if tables.is_empty() {
            session.warning(&place, "`[rules.allowlist]` is deprecated, write `[[rules.allowlists]]`");
        } else {
            let message =
                "`[rules.allowlist]` is deprecated and can't stand beside `[[rules.allowlists]]`: make it one of them";
            session.error(&place, message);
        }
        tables.push((place, table));
    }
    let mut allowlists = Vec::with_capacity(tables.len());
    for (place, table) in tables {
        allowlists.extend(allowlist::read(session, &place, table, "a rule's allowlist", false).map(|(list, _)| list));
    }
    allowlists
}

/// One of `[[rules.required]]`.
fn required(session: &mut Session<'_>, place: &Place, table: &DeTable<'_>) -> Option<Located<Required>> {
    let mut fields = Fields::new(session, place.file, table);
    let id = fields.text(session, "id");
    let within_lines =
        fields.integer(session, "withinLines").and_then(|number| distance(session, "withinLines", &number));
    let within_columns =
        fields.integer(session, "withinColumns").and_then(|number| distance(session, "withinColumns", &number));
    fields.finish(session, "a required rule", false);
    let Some(id) = id else {
        session.error(place, "`[[rules.required]]` has no `id`: name the rule that must match nearby");
        return None;
    };
    Some(Located { value: Required { id: RuleId::new(&id.value), within_lines, within_columns }, place: id.place })
}

fn distance(session: &mut Session<'_>, name: &str, number: &Located<i64>) -> Option<u32> {
    let distance = u32::try_from(number.value).ok();
    if distance.is_none() {
        session.error(&number.place, format!("`{name}` is a distance, 0 or more"));
    }
    distance
}

fn severity(session: &mut Session<'_>, text: &Located<String>) -> Option<Severity> {
    Some(match text.value.to_lowercase().as_str() {
        "low" => Severity::Low,
        "medium" => Severity::Medium,
        "high" => Severity::High,
        "critical" => Severity::Critical,
        _ => {
            session.error(&text.place, "`severity` is \"low\", \"medium\", \"high\" or \"critical\"");
            return None;
        }
    })
}
