//! Credentials that stand in an object itself: found by the rules of keystile-scan, never repeated.
//!
//! Every text of the object is looked at once, all of them in one piece; names of fields only where they
//! are long enough to be a credential. What is found is left out of every answer about the object,
//! whichever rule speaks: a name outside of a grant is shown, a token in its place is not.

mod applied;
mod masks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::iter::Peekable;
use std::sync::{Arc, Mutex};

use keystile_scan::{Place, RuleSet, ScanOptions, Scanner, Scratch, SecretBytes, Verdict};
use serde_json::Value;

use crate::field_path::{FieldPath, Path};
use crate::rules::INLINE_CREDENTIAL;
use crate::shown;
use crate::violation::Violation;
use masks::Masks;

/// Names of fields that are shorter are no credentials.
const SHORTEST_NAME: usize = 16;

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
    masks: Masks,
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
        let mut forms = Vec::new();
        let mut hits = Vec::new();
        for (hit, _) in scan.matches.iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Finding) {
            let text = texts.nth(hit.span.start);
            if text != texts.nth(hit.span.end.saturating_sub(1)) {
                continue; // it begins in one text and ends in another, which meet only here
            }
            let id = rule_id(hit.rule);
            let mut own = vec![hit.secret.clone()];
            if !hit.encodings.is_empty() {
                own.push(SecretBytes::new(&texts.joined.as_bytes()[hit.span.range()]));
            }
            // As an answer would escape it.
            let escaped: Vec<SecretBytes> = own
                .iter()
                .filter_map(|form| std::str::from_utf8(form.reveal()).ok())
                .map(|form| SecretBytes::new(shown::escaped(form).as_bytes()))
                .collect();
            own.extend(escaped);
            forms.extend(own.into_iter().map(|form| (form, format!("[a credential: {id}]"))));
            hits.push((text, id, hit.fingerprint));
        }
        found.masks = Masks::new(forms);
        let wanted: BTreeSet<usize> = hits.iter().map(|(text, ..)| *text).collect();
        let mut paths = BTreeMap::new();
        places(object, &mut 0, &Path::root(), &mut wanted.into_iter().peekable(), &mut paths);
        for (text, id, fingerprint) in hits {
            let path: FieldPath = paths.get(&text).cloned().unwrap_or_default();
            let message = format!("the text here holds a credential (scanner rule {id})");
            let mut violation = Violation::new(&INLINE_CREDENTIAL, path, format!("{id} {fingerprint}"), message)
                .cure("keep it where secrets are kept, and rotate it: whoever may read the object has read it");
            violation.path = violation.path.with_names(|name| found.masks.over(name));
            found.violations.push(violation);
        }
        found
    }
}

impl Texts {
    /// Takes what was found out of everything that a violation says.
    pub(crate) fn mask(&self, violation: &mut Violation) {
        // What speaks of the credentials themselves was made here, and shows none.
        if self.masks.is_empty() || violation.rule.id == INLINE_CREDENTIAL.id {
            return;
        }
        let texts = [&mut violation.message, &mut violation.cure, &mut violation.about];
        for text in texts.into_iter().chain(&mut violation.effective_key).chain(&mut violation.grants) {
            if let Some(masked) = self.masks.over(text) {
                *text = masked;
            }
        }
        violation.path = violation.path.with_names(|name| self.masks.over(name));
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

/// The places of the texts `wanted`, counted as [`Joined`] counts them from `count` on, in one walk.
fn places<'o>(
    value: &'o Value,
    count: &mut usize,
    here: &Path<'o>,
    wanted: &mut Peekable<impl Iterator<Item = usize>>,
    found: &mut BTreeMap<usize, FieldPath>,
) {
    match value {
        Value::String(_) => take(1, count, here, wanted, found),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if wanted.peek().is_none() {
                    return;
                }
                places(item, count, &here.item(index), wanted, found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| is_looked_at(name)) {
                if wanted.peek().is_none() {
                    return;
                }
                let below = here.field(name);
                if is_name_looked_at(name) {
                    take(1, count, &below, wanted, found);
                }
                let mut texts = 0;
                if value.as_str().is_some_and(|text| applied::each_text(name, text, &mut |_| texts += 1)) {
                    take(texts, count, &below, wanted, found);
                } else {
                    places(value, count, &below, wanted, found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Counts `texts` texts at one place, and notes it for those that are wanted.
fn take(
    texts: usize,
    count: &mut usize,
    here: &Path<'_>,
    wanted: &mut Peekable<impl Iterator<Item = usize>>,
    found: &mut BTreeMap<usize, FieldPath>,
) {
    *count += texts;
    while let Some(text) = wanted.next_if(|text| *text < *count) {
        found.insert(text, here.into());
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
