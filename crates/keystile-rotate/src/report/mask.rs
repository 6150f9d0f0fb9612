//! Names that tell who someone is, replaced so that a report can be shown outside: ARNs, accounts, callers, users
//! of IAM and the ids of their access keys.
//!
//! The whole report is walked as JSON, so that no field and no sentence is forgotten. Each name gets a number, the
//! same one wherever it stands. Names of secrets and places stay: without them a report says nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::incident::Incident;

/// The report with its names replaced.
pub(super) fn mask(incident: &Incident) -> Incident {
    let mut names = Names::default();
    for identity in &incident.identities {
        names.caller(&identity.caller);
        names.account(&identity.account);
    }
    for item in &incident.items {
        if let Some(held) = &item.secret {
            names.account(&held.account);
        }
        if let Some(key) = &item.access_key {
            key.account.iter().for_each(|account| names.account(account));
            key.user.iter().for_each(|user| number(&mut names.users, user));
            // The account's number is in an id.
            number(&mut names.keys, &key.id);
            key.other_active.iter().for_each(|id| number(&mut names.keys, id));
        }
    }
    let mut document = serde_json::to_value(incident).expect("names, numbers and times are JSON");
    each_string(&mut document, "", &mut |_, text| names.learn(text));
    each_string(&mut document, "", &mut |key, text| *text = names.replace(key, text));
    let mut masked: Incident = serde_json::from_value(document).expect("what was made of a report is one");
    masked.masked = true;
    masked
}

/// Calls `each` with every string and the name of the field it is in.
fn each_string(value: &mut Value, key: &str, each: &mut dyn FnMut(&str, &mut String)) {
    match value {
        Value::String(text) => each(key, text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_string(item, key, each)),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| each_string(value, key, each)),
        _ => {}
    }
}

#[derive(Default)]
struct Names {
    arns: BTreeMap<String, usize>,
    accounts: BTreeMap<String, usize>,
    callers: BTreeMap<String, usize>,
    users: BTreeMap<String, usize>,
    keys: BTreeMap<String, usize>,
}

fn number(names: &mut BTreeMap<String, usize>, name: &str) {
    let next = names.len() + 1;
    if !name.is_empty() {
        names.entry(name.to_owned()).or_insert(next);
    }
}

impl Names {
    fn account(&mut self, account: &str) {
        number(&mut self.accounts, account);
    }

    fn caller(&mut self, caller: &str) {
        if !caller.starts_with("arn:") {
            number(&mut self.callers, caller);
        }
    }

    /// Takes note of the ARNs in a text, and of their accounts.
    fn learn(&mut self, text: &str) {
        for arn in arns(text) {
            number(&mut self.arns, arn);
            if let Some(account) = arn.split(':').nth(4).filter(|account| is_account(account)) {
                self.account(account);
            }
        }
    }

    fn replace(&self, key: &str, text: &str) -> String {
        if key == "account"
            && let Some(number) = self.accounts.get(text)
        {
            return format!("account-{number}");
        }
        if key == "caller"
            && let Some(number) = self.callers.get(text)
        {
            return format!("caller-{number}");
        }
        let mut masked = text.to_owned();
        // The longest first: one may begin with another.
        let mut known: Vec<_> = self.arns.iter().collect();
        known.sort_by_key(|(arn, _)| std::cmp::Reverse(arn.len()));
        for (arn, number) in known {
            masked = masked.replace(arn.as_str(), &format!("arn-{number}"));
        }
        for (caller, number) in &self.callers {
            if caller.len() >= LONG {
                masked = masked.replace(caller.as_str(), &format!("caller-{number}"));
            }
        }
        for (id, number) in &self.keys {
            masked = masked.replace(id.as_str(), &format!("key-{number}"));
        }
        for (user, number) in &self.users {
            masked = replace_words(&masked, user, &format!("user-{number}"));
        }
        for (account, number) in &self.accounts {
            let account_number = format!("account-{number}");
            masked = if is_account(account) || account.len() >= LONG {
                replace_words(&masked, account, &account_number)
            } else {
                // A project of Google Cloud, in the full names of its secrets.
                masked.replace(&format!("projects/{account}/"), &format!("projects/{account_number}/"))
            };
        }
        masked
    }
}

/// Names shorter than this may be part of any sentence: they are replaced in their own fields only.
const LONG: usize = 8;

/// AWS's account ids have twelve digits.
fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The ARNs in a text: from `arn:` to what can't be part of one.
fn arns(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("arn:").map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c: char| c.is_whitespace() || "\"'`<>(),;".contains(c)).unwrap_or(rest.len());
        rest[..end].trim_end_matches(['.', ':'])
    })
}

/// Replaces `word` where no letter or digit stands beside it.
fn replace_words(text: &str, word: &str, by: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find(word) {
        let (head, tail) = (&rest[..at], &rest[at + word.len()..]);
        let left = head.chars().next_back().or(before);
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        replaced.push_str(head);
        replaced.push_str(if is_part(left) || is_part(tail.chars().next()) { word } else { by });
        before = word.chars().next_back();
        rest = tail;
    }
    replaced.push_str(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_end_where_a_sentence_goes_on() {
        let text =
            "User: arn:aws:sts::111111111111:assumed-role/ci/me is not allowed (arn:aws:x:::y), see arn:a:b:c:d:e.";
        assert_eq!(
            arns(text).collect::<Vec<_>>(),
            ["arn:aws:sts::111111111111:assumed-role/ci/me", "arn:aws:x:::y", "arn:a:b:c:d:e"]
        );
    }

    #[test]
    fn accounts_are_replaced_as_words() {
        let account = "111111111111";
        for (text, expected) in [
            ("account 111111111111 is not allowed", "account A is not allowed"),
            ("1111111111112", "1111111111112"),
            ("x111111111111", "x111111111111"),
            ("111111111111:111111111111", "A:A"),
            ("", ""),
        ] {
            assert_eq!(replace_words(text, account, "A"), expected);
        }
    }
}
