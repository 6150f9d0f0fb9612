//! Reading one configuration file, and the one that it extends.
//!
//! Source: gitleaks 8.30.1, `config/config.go`.

use toml::de::DeTable;

use super::fields::{Fields, Located};
use super::rule_syntax::{self, RuleSyntax};
use super::session::{Place, Session};
use super::source::SourceFile;
use super::{allowlist, merge};
use crate::rule::Allowlist;

/// How many files can be extended one after the other, as in gitleaks (`maxExtendDepth`).
const MAX_DEPTH: usize = 2;

/// What keystile's own rules are called in messages.
const BUILTIN_NAME: &str = "<built-in rules>";

/// More syntax errors than this are of no help: most follow from the first.
const MAX_SYNTAX_ERRORS: usize = 20;

/// A file, and what it extends, before rules are checked as a whole.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) rules: Vec<RuleSyntax>,
    /// Ids of rules that were left out because of errors.
    pub(super) left_out: Vec<String>,
    /// Ids of rules that a file above disabled.
    pub(super) disabled: Vec<String>,
    pub(super) allowlists: Vec<Allowlist>,
    pub(super) targeted: Vec<Targeted>,
    pub(super) salt: Option<String>,
    /// A file could not be read or parsed: what seems to be missing may be in it.
    pub(super) is_partial: bool,
}

/// A global allowlist for some rules only.
#[derive(Debug)]
pub(super) struct Targeted {
    pub(super) allowlist: Allowlist,
    pub(super) rules: Vec<Located<String>>,
    /// It stands in the file that the user named, not in one that is extended.
    pub(super) is_own: bool,
}

/// Where a document stands in the chain of extended files.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// 0: the file the user named.
    depth: usize,
    is_builtin: bool,
}

/// `[extend]`.
#[derive(Default)]
struct Extend {
    path: Option<Located<String>>,
    use_default: Option<Located<bool>>,
    disabled_rules: Vec<Located<String>>,
}

/// Reads `text` and all that it extends.
pub(super) fn read(session: &mut Session<'_>, name: &str, text: &str) -> Document {
    read_at(session, name, text, Level { depth: 0, is_builtin: false })
}

fn read_at(session: &mut Session<'_>, name: &str, text: &str, level: Level) -> Document {
    let file = session.files.len();
    session.files.push(SourceFile::new(name, text));
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors.iter().take(MAX_SYNTAX_ERRORS) {
            let span = error.span().unwrap_or(0..0);
            session.error(&Place { file, span }, error.message());
        }
        return Document { is_partial: true, ..Document::default() };
    }
    let mut fields = Fields::new(session, file, root.get_ref());
    for ignored in ["title", "description", "minVersion"] {
        fields.take(ignored);
    }
    let mut document = Document { salt: salt(session, &mut fields), ..Document::default() };
    let extend = extend(session, &mut fields);
    // Without a configuration, ours are loaded as if a user had written them.
    let is_builtin = level.is_builtin || (level.depth == 0 && text == session.loader.builtin);
    for (place, table) in fields.tables(session, "rules") {
        match rule_syntax::read(session, &place, table) {
            Ok(mut rule) => {
                if let Some(verification) = &mut rule.verification {
                    verification.is_builtin = is_builtin;
                }
                add_rule(session, &mut document, rule);
            }
            Err(id) => document.left_out.extend(id),
        }
    }
    global_allowlists(session, &mut fields, &mut document, level);
    fields.finish(session, "the configuration", false);
    follow(session, document, extend, level)
}

/// `[keystile]`: our own settings. Unknown keys are errors here, since the format is ours.
fn salt(session: &mut Session<'_>, fields: &mut Fields<'_>) -> Option<String> {
    let (place, table) = fields.table(session, "keystile")?;
    // Before anything can be said about it: the value is not to be shown.
    let salts = table.iter().filter(|(key, _)| key.get_ref().eq_ignore_ascii_case("salt"));
    session.files[place.file].secrets.extend(salts.map(|(_, value)| value.span()));
    let mut fields = Fields::new(session, place.file, table);
    let salt = match fields.take("salt") {
        None => None,
        Some((key, value)) => match value.get_ref().as_str() {
            Some(salt) if !salt.is_empty() => Some(salt.to_owned()),
            _ => {
                session.error(&key, "`salt` must be a string that is not empty");
                None
            }
        },
    };
    fields.finish(session, "[keystile]", true);
    salt
}

/// Adds `rule`; one with the same id that came before it is replaced, as in gitleaks.
fn add_rule(session: &mut Session<'_>, document: &mut Document, rule: RuleSyntax) {
    match document.rules.iter_mut().find(|other| other.id.value == rule.id.value) {
        Some(other) => {
            let message =
                format!("rule `{}` was defined before in this file, only this definition counts", rule.id.value);
            session.warning(&rule.id.place, message);
            *other = rule;
        }
        None => document.rules.push(rule),
    }
}

/// `[[allowlists]]`, or the deprecated `[allowlist]`.
fn global_allowlists(session: &mut Session<'_>, fields: &mut Fields<'_>, document: &mut Document, level: Level) {
    let mut tables = fields.tables(session, "allowlists");
    if let Some((place, table)) = fields.table(session, "allowlist") {
        if tables.is_empty() {
            session.warning(&place, "`[allowlist]` is deprecated, write `[[allowlists]]`");
        } else {
            let message = "`[allowlist]` is deprecated and can't stand beside `[[allowlists]]`: make it one of them";
            session.error(&place, message);
        }
        tables.push((place, table));
    }
    for (place, table) in tables {
        let Some((allowlist, rules)) = allowlist::read(session, &place, table, "an allowlist", true) else { continue };
        if rules.is_empty() {
            document.allowlists.push(allowlist);
        } else if session.loader.strict && level.depth > 0 && !level.is_builtin {
            session.warning(
                &place,
                "gitleaks ignores `targetRules` allowlists of an extended file, and so does --compat=strict",
            );
        } else {
            document.targeted.push(Targeted { allowlist, rules, is_own: level.depth == 0 });
        }
    }
}

fn extend(session: &mut Session<'_>, fields: &mut Fields<'_>) -> Extend {
    let Some((place, table)) = fields.table(session, "extend") else { return Extend::default() };
    let mut fields = Fields::new(session, place.file, table);
    if let Some(url) = fields.text(session, "url") {
        let message = "`extend.url` is refused: a scan must not depend on what a server answers today. \
                       Keep a copy of the file in the repository and name it with `extend.path`";
        session.error(&url.place, message);
    }
    let extend = Extend {
        path: fields.text(session, "path"),
        use_default: fields.boolean(session, "useDefault").filter(|answer| answer.value),
        disabled_rules: fields.texts(session, "disabledRules"),
    };
    fields.finish(session, "[extend]", false);
    extend
}

/// Reads what `own` extends, and merges the two.
fn follow(session: &mut Session<'_>, mut own: Document, extend: Extend, level: Level) -> Document {
    let source = match (&extend.use_default, &extend.path) {
        (None, None) => {
            if let Some(id) = extend.disabled_rules.first() {
                session.warning(&id.place, "`disabledRules` has no effect without `useDefault` or `path`");
            }
            return own;
        }
        (Some(_), Some(path)) if level.depth < MAX_DEPTH => {
            session.error(&path.place, "`extend.path` and `extend.useDefault` can't both be given");
            own.is_partial = true;
            return own;
        }
        (Some(answer), _) => &answer.place,
        (None, Some(path)) => &path.place,
    };
    if level.depth >= MAX_DEPTH {
        session.warning(source, "this is not followed: files extend each other twice at most");
        return own;
    }
    let depth = level.depth + 1;
    let base = match &extend.path {
        None => read_at(session, BUILTIN_NAME, session.loader.builtin, Level { depth, is_builtin: true }),
        Some(path) => match (session.loader.read)(&path.value) {
            Ok(text) => read_at(session, &path.value, &text, Level { depth, is_builtin: false }),
            Err(reason) => {
                session.error(&path.place, format!("can't read what is extended, {}: {reason}", path.value));
                own.is_partial = true;
                return own;
            }
        },
    };
    merge::merge(session, own, base, &extend.disabled_rules)
}
