//! `keystile policy show`: the values in force, and who says each.

use std::fmt::Write as _;

use anyhow::Context as _;
use jiff::Timestamp;
use keystile_policy::policy::document::{self, Origin, Resolved};
use keystile_policy::rules::RULES;
use keystile_policy::{Action, Policy};

use crate::check::basis::load_policy;
use crate::cli::policy::ShowArgs;
use crate::exit::Exit;
use crate::report::text::printable;
use crate::scan_request::Destination;
use crate::scrub::Scrubber;

pub(super) fn run(args: &ShowArgs) -> anyhow::Result<Exit> {
    let text = if args.schema {
        let schema = serde_json::to_string_pretty(&document::schema::schema()).context("while writing the schema")?;
        format!("{schema}\n")
    } else {
        let now = args.at.unwrap_or_else(Timestamp::now);
        let loaded = load_policy(args.policy.as_deref(), now)?;
        // It was read a moment ago, so there are no errors left.
        let resolved = document::resolve(&loaded.document.value, now).unwrap_or_default();
        let mut text = values(&resolved, args.resolved);
        if args.resolved {
            actions(&loaded.policy, &mut text);
        }
        Scrubber::new().scrub(&text)
    };
    crate::commands::scan::hand_over(text.as_bytes(), &Destination::StandardOutput)?;
    Ok(Exit::Clean)
}

fn values(resolved: &[Resolved], is_whole: bool) -> String {
    let mut lines: Vec<(String, String, Origin)> = Vec::new();
    for value in resolved.iter().filter(|value| is_whole || value.origin == Origin::Document) {
        let mut path = value.path.to_string();
        // What is written for an environment has it in its path; what is filled in for the others has not.
        if let Some(env) = &value.env
            && !path.ends_with(&format!(".{env}"))
        {
            let _ = write!(path, ".{env}");
        }
        let path = path.strip_prefix("spec.").map_or(path.clone(), str::to_owned);
        lines.push((path, printable(&value.value.to_string()).into_owned(), value.origin));
    }
    let widest = lines.iter().map(|(path, ..)| path.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (path, value, origin) in lines {
        let _ = if is_whole {
            writeln!(text, "{path:widest$}  {value}   # {origin}")
        } else {
            writeln!(text, "{path:widest$}  {value}")
        };
    }
    text
}

/// What each rule does, by environment where that differs.
fn actions(policy: &Policy, text: &mut String) {
    let widest = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let envs = policy.environments();
    text.push('\n');
    for rule in RULES {
        let said: Vec<(&str, Action, Origin)> =
            envs.iter().map(|env| (*env, policy.action(rule, Some(env)), policy.action_origin(rule, env))).collect();
        let shown = |action: Action, origin: Origin| {
            let who = if origin == Origin::Default { "rule".to_owned() } else { origin.to_string() };
            (format!("{action:?}").to_lowercase(), who)
        };
        let is_one = said.iter().all(|(_, action, origin)| (*action, *origin) == (said[0].1, said[0].2));
        let line = if is_one {
            let (action, who) = shown(said[0].1, said[0].2);
            format!("{action}   # {who}")
        } else {
            said.iter()
                .map(|(env, action, origin)| {
                    let (action, who) = shown(*action, *origin);
                    format!("{}: {action} ({who})", if env.is_empty() { "others" } else { env })
                })
                .collect::<Vec<_>>()
                .join(", ")
        };
        let _ = writeln!(text, "{:widest$}  {line}", rule.id);
    }
}
