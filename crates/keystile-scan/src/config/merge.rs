//! Merging a file with the one it extends, and the checks that need the whole.
//!
//! Source: gitleaks 8.30.1, `config/config.go` (`extend`, the end of `Translate`), `config/rule.go`
//! (`Validate`).

use std::collections::HashSet;

use super::document::{Document, Targeted};
use super::fields::Located;
use super::rule_syntax::RuleSyntax;
use super::session::Session;
use crate::rule::{Required, Rule, RuleSet};

/// `own` over `base`: the rules of `base` come first, in their order, each with what a rule of the
/// same id in `own` changes; then the rules that only `own` has.
pub(super) fn merge(
    session: &mut Session<'_>,
    own: Document,
    mut base: Document,
    disabled: &[Located<String>],
) -> Document {
    for id in disabled {
        let is_known = base.rules.iter().any(|rule| rule.id.value == id.value) || base.left_out.contains(&id.value);
        if !is_known {
            session.warning(&id.place, format!("there is no rule `{}` to disable in what is extended", id.value));
        }
    }
    base.rules.retain(|rule| disabled.iter().all(|id| id.value != rule.id.value));
    base.disabled.extend(disabled.iter().map(|id| id.value.clone()));
    for rule in own.rules {
        match base.rules.iter_mut().find(|other| other.id.value == rule.id.value) {
            Some(other) => override_rule(session, other, rule),
            None => base.rules.push(rule),
        }
    }
    base.left_out.extend(own.left_out);
    let mut allowlists = own.allowlists;
    allowlists.append(&mut base.allowlists);
    let mut targeted = own.targeted;
    targeted.append(&mut base.targeted);
    Document {
        rules: base.rules,
        left_out: base.left_out,
        disabled: base.disabled,
        allowlists,
        targeted,
        salt: own.salt.or(base.salt),
        is_partial: own.is_partial || base.is_partial,
    }
}

/// Changes `base` to what `own` says. Single values replace, lists are added to.
fn override_rule(session: &mut Session<'_>, base: &mut RuleSyntax, own: RuleSyntax) {
    base.id = own.id;
    // What our own check would be told must be what our own rule finds.
    if (own.regex.is_some() || own.path.is_some() || own.secret_group.is_some())
        && let Some(verification) = &mut base.verification
    {
        verification.is_builtin = false;
    }
    replace(&mut base.verification, own.verification);
    replace(&mut base.description, own.description);
    replace(&mut base.regex, own.regex);
    replace(&mut base.path, own.path);
    replace(&mut base.secret_group, own.secret_group);
    replace(&mut base.entropy, own.entropy);
    replace(&mut base.severity, own.severity);
    replace(&mut base.remedy, own.remedy);
    base.tags.extend(own.tags);
    for keyword in own.keywords {
        if !base.keywords.contains(&keyword) {
            base.keywords.push(keyword);
        }
    }
    base.allowlists.extend(own.allowlists);
    if !own.references.is_empty() {
        base.references = own.references;
    }
    if session.loader.strict {
        const MESSAGE: &str =
            "gitleaks ignores this in a rule that overrides an extended one, and so does --compat=strict";
        for place in
            own.required.iter().map(|required| &required.place).chain(own.skip_report.iter().map(|skip| &skip.place))
        {
            session.warning(place, MESSAGE);
        }
        return;
    }
    if !own.required.is_empty() {
        base.required = own.required;
    }
    replace(&mut base.skip_report, own.skip_report);
}

fn replace<T>(base: &mut Option<T>, own: Option<T>) {
    if own.is_some() {
        *base = own;
    }
}

/// Checks the merged rules and makes the rule set of them.
pub(super) fn resolve(session: &mut Session<'_>, document: Document) -> RuleSet {
    if document.is_partial {
        // Errors were reported, and what is checked here could only add wrong ones.
        return RuleSet::default();
    }
    let Document { rules: mut syntax, mut left_out, disabled, allowlists, targeted, .. } = document;
    attach(session, &mut syntax, targeted, &left_out);
    syntax.retain(|rule| {
        let is_fine = check(session, rule);
        if !is_fine {
            left_out.push(rule.id.value.clone());
        }
        is_fine
    });
    check_required(session, &mut syntax, left_out, disabled);
    RuleSet { rules: syntax.into_iter().map(rule).collect(), allowlists }
}

/// Hands global allowlists with `targetRules` to their rules.
fn attach(session: &mut Session<'_>, rules: &mut [RuleSyntax], targeted: Vec<Targeted>, left_out: &[String]) {
    for Targeted { allowlist, rules: targets, is_own } in targeted {
        for target in targets {
            match rules.iter_mut().find(|rule| rule.id.value == target.value) {
                Some(rule) => rule.allowlists.push(allowlist.clone()),
                // A rule with errors, or one that the user disabled.
                None if left_out.contains(&target.value) || !is_own => {}
                None => session.error(&target.place, format!("there is no rule `{}`", target.value)),
            }
        }
    }
}

/// The checks of one merged rule.
fn check(session: &mut Session<'_>, rule: &RuleSyntax) -> bool {
    let mark = session.mark();
    if rule.regex.is_none() && rule.path.is_none() {
        let message = "it has neither `regex` nor `path`, and extends no rule that has: it would find nothing";
        session.error(&rule.id.place, message);
    }
    if let (Some(regex), Some(group)) = (&rule.regex, &rule.secret_group)
        && group.value > regex.groups
    {
        let groups = match regex.groups {
            0 => "the regex has no group".to_owned(),
            1 => "the regex has one group".to_owned(),
            n => format!("the regex has {n} groups"),
        };
        session.error(&group.place, format!("`secretGroup` is {}, but {groups}", group.value));
    }
    session.judge_rule(mark, Some(&rule.id.value))
}

/// Takes out the rules that can't match because they require one that is not there; they take others
/// with them.
fn check_required(
    session: &mut Session<'_>,
    rules: &mut Vec<RuleSyntax>,
    mut left_out: Vec<String>,
    mut disabled: Vec<String>,
) {
    if rules.iter().all(|rule| rule.required.is_empty()) {
        return;
    }
    loop {
        let ids: HashSet<String> = rules.iter().map(|rule| rule.id.value.clone()).collect();
        let before = rules.len();
        rules.retain(|rule| {
            let mark = session.mark();
            let mut is_disabled = false;
            for Located { value: Required { id, .. }, place } in &rule.required {
                let is_in = |ids: &[String]| ids.iter().any(|other| other == id.as_str());
                if ids.contains(id.as_str()) {
                    continue;
                }
                if is_in(&disabled) {
                    let message = format!(
                        "rule `{}` finds nothing any more: it requires `{id}`, which is disabled",
                        rule.id.value
                    );
                    session.warning(place, message);
                    is_disabled = true;
                } else if !is_in(&left_out) {
                    session.error(place, format!("it requires rule `{id}`, which does not exist"));
                } else if session.loader.skip_bad_rules {
                    session.error(place, format!("it requires rule `{id}`, which is left out"));
                }
                // Otherwise the run fails because of the rule that was left out.
            }
            if !session.judge_rule(mark, Some(&rule.id.value)) {
                left_out.push(rule.id.value.clone());
                return false;
            }
            if is_disabled {
                disabled.push(rule.id.value.clone());
            }
            !is_disabled
        });
        if rules.len() == before {
            return;
        }
    }
}

fn rule(syntax: RuleSyntax) -> Rule {
    Rule {
        id: syntax.rule_id(),
        description: syntax.description.unwrap_or_default(),
        regex: syntax.regex,
        path: syntax.path,
        secret_group: syntax.secret_group.map_or(0, |group| group.value),
        entropy: syntax.entropy.unwrap_or(0.0),
        keywords: syntax.keywords,
        tags: syntax.tags,
        allowlists: syntax.allowlists,
        required: syntax.required.into_iter().map(|required| required.value).collect(),
        skip_report: syntax.skip_report.is_some_and(|skip| skip.value),
        severity: syntax.severity.unwrap_or_default(),
        remedy: syntax.remedy,
        references: syntax.references,
        verification: syntax.verification,
    }
}
