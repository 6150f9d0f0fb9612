//! Credentials that stand in an object itself: found by the rules of keystile-scan, never repeated.
//!
//! Every text of the object is looked at once, all of them in one piece; names of fields only where they
//! are long enough to be a credential. What is found is left out of every answer about the object,
//! whichever rule speaks: a name outside of a grant is shown, a token in its place is not.

mod applied;

use std::fmt;
use std::sync::{Arc, Mutex};

use keystile_scan::{Place, RuleSet, ScanOptions, Scanner, Scratch, SecretBytes, Verdict};
use serde_json::Value;

use crate::field_path::Path;
use crate::rules::INLINE_CREDENTIAL;
use crate::shown;
use crate::violation::Violation;

/// Names of fields that are shorter are no credentials.
const SHORTEST_NAME: usize = 16;
/// The beginning of a credential that a cut text may show.
const SHORTEST_PREFIX: usize = 4;

/// A scanner as it should look at objects: a comment such as `keystile:allow` in a tenant's text excuses
/// nothing.
#[must_use]
pub fn scanner(rules: RuleSet) -> Scanner {
    Scanner::new(rules, ScanOptions { inline_allow: false, ..ScanOptions::default() })
}

/// A scanner with buffers for whoever asks at the same time.
pub(crate) struct Literals {
    scanner: Arc<Scanner>,
    idle: Mutex<Vec<Scratch>>,
}

impl fmt::Debug for Literals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Literals").field("rules", &self.scanner.rules().rules.len()).finish_non_exhaustive()
    }
}

/// What was found in one object.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// One violation for each credential, and for each rule that could not run.
    pub(crate) violations: Vec<Violation>,
    masks: Vec<Mask>,
}

#[derive(Debug)]
struct Mask {
    /// The texts that are not shown: the credential, as it is and as an answer would escape it.
    forms: Vec<SecretBytes>,
    shown: String,
}

impl Literals {
    pub(crate) fn new(scanner: Arc<Scanner>) -> Self {
        Self { scanner, idle: Mutex::default() }
    }

    /// Looks at every text of an object.
    pub(crate) fn find(&self, object: &Value) -> Texts {
        let mut texts = Joined::default();
        texts.add(object);
        let mut scratch =
            self.idle.lock().ok().and_then(|mut idle| idle.pop()).unwrap_or_else(|| self.scanner.scratch());
        let scan = self.scanner.scan(&mut scratch, texts.joined.as_bytes());
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(scratch);
        }
        let mut found = Texts::default();
        let rule_id =
            |rule: usize| self.scanner.rules().rules.get(rule).map_or_else(String::new, |rule| rule.id.to_string());
        for rule in &scan.failed_rules {
            let message = format!("the texts could not be scanned by the rule {}", rule_id(*rule));
            found.violations.push(
                Violation::new(&INLINE_CREDENTIAL, Path::root(), message.clone(), message)
                    .cure("correct the rule, or leave it out")
                    .not_evaluated(),
            );
        }
        if scan.matches.is_empty() {
            return found;
        }
        let verdicts = self.scanner.judge(&scan.matches, Place::default());
        for (hit, _) in scan.matches.iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Finding) {
            let first = texts.nth(hit.span.start);
            if first != texts.nth(hit.span.end.saturating_sub(1)) {
                continue; // it begins in one text and ends in another, which meet only here
            }
            let id = rule_id(hit.rule);
            let mut forms = vec![hit.secret.clone()];
            if !hit.encodings.is_empty() {
                forms.push(SecretBytes::new(&texts.joined.as_bytes()[hit.span.range()]));
            }
            let escaped: Vec<SecretBytes> = forms
                .iter()
                .filter_map(|form| std::str::from_utf8(form.reveal()).ok())
                .map(|form| SecretBytes::new(shown::escaped(form).as_bytes()))
                .collect();
            forms.extend(escaped);
            found.masks.push(Mask { forms, shown: format!("[a credential: {id}]") });
            let path = place(object, first, &mut 0, &Path::root()).unwrap_or_default();
            let message = format!("the text here holds a credential (scanner rule {id})");
            found.violations.push(
                Violation::new(&INLINE_CREDENTIAL, &path, format!("{id} {}", hit.fingerprint), message)
                    .cure("keep it where secrets are kept, and rotate it: whoever may read the object has read it"),
            );
        }
        for mask in &found.masks {
            for violation in &mut found.violations {
                violation.path = violation.path.with_names(|name| mask.over(name));
            }
        }
        found
    }
}

impl Texts {
    /// Takes what was found out of everything that a violation says.
    pub(crate) fn mask(&self, violation: &mut Violation) {
        for mask in &self.masks {
            let texts = [&mut violation.message, &mut violation.cure, &mut violation.about];
            for text in texts.into_iter().chain(&mut violation.effective_key).chain(&mut violation.grants) {
                if let Some(masked) = mask.over(text) {
                    *text = masked;
                }
            }
            violation.path = violation.path.with_names(|name| mask.over(name));
        }
    }
}

impl Mask {
    /// The text without the credential; `None` = it doesn't hold it.
    fn over(&self, text: &str) -> Option<String> {
        let mut masked: Option<String> = None;
        for form in self.forms.iter().filter_map(|form| std::str::from_utf8(form.reveal()).ok()) {
            let now = masked.as_deref().unwrap_or(text);
            if !form.is_empty() && now.contains(form) {
                masked = Some(now.replace(form, &self.shown));
            }
            // A text that was cut may show the beginning alone.
            let now = masked.as_deref().unwrap_or(text);
            if let Some(cut) = shown::cuts(now).into_iter().find_map(|cut| {
                let begins = |length: &usize| form.is_char_boundary(*length) && now[..cut].ends_with(&form[..*length]);
                let length = (SHORTEST_PREFIX..form.len()).rev().find(begins)?;
                Some(cut - length..cut)
            }) {
                let mut cut_out = now.to_owned();
                cut_out.replace_range(cut, &self.shown);
                masked = Some(cut_out);
            }
        }
        masked
    }
}

/// Every text of an object, one after the other.
#[derive(Default)]
struct Joined {
    joined: String,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Joined {
    fn add(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.push(text),
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(fields) => {
                for (name, value) in fields.iter().filter(|(name, _)| is_looked_at(name)) {
                    if is_name_looked_at(name) {
                        self.push(name);
                    }
                    if !self.add_applied(name, value) {
                        self.add(value);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The texts of an object that kubectl keeps as one; `false`, and nothing added = it is another text.
    fn add_applied(&mut self, name: &str, value: &Value) -> bool {
        let Value::String(text) = value else { return false };
        let (texts, bytes) = (self.starts.len(), self.joined.len());
        let is_applied = applied::each_text(name, text, &mut |text| self.push(text));
        if !is_applied {
            self.starts.truncate(texts);
            self.joined.truncate(bytes);
        }
        is_applied
    }

    fn push(&mut self, text: &str) {
        self.starts.push(self.joined.len());
        self.joined.push_str(text);
        self.joined.push('\n');
    }

    /// Which text has the byte at `offset`.
    fn nth(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }
}

/// The place of the text `wanted`, counted as [`Joined`] counts them from `count` on.
fn place<'o>(value: &'o Value, wanted: usize, count: &mut usize, here: &Path<'o>) -> Option<Path<'o>> {
    let is_wanted = |count: &mut usize| {
        *count += 1;
        *count - 1 == wanted
    };
    match value {
        Value::String(_) => is_wanted(count).then(|| here.clone()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| place(item, wanted, count, &here.item(index)))
        }
        Value::Object(fields) => fields.iter().filter(|(name, _)| is_looked_at(name)).find_map(|(name, value)| {
            let below = here.field(name);
            if is_name_looked_at(name) && is_wanted(count) {
                return Some(below);
            }
            let mut texts = 0;
            if value.as_str().is_some_and(|text| applied::each_text(name, text, &mut |_| texts += 1)) {
                *count += texts;
                return (wanted < *count).then_some(below);
            }
            place(value, wanted, count, &below)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// `managedFields` has names of fields alone.
fn is_looked_at(name: &str) -> bool {
    name != "managedFields"
}

/// The name of a field is a text of its own where a credential could stand in it.
fn is_name_looked_at(name: &str) -> bool {
    name.len() >= SHORTEST_NAME
}
