//! `keystile rules`: look at the rules in force and try them.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use keystile_scan::{Place, Rule, RuleSet, ScanOptions, Scanner, Verdict};

use crate::cli::rules::{RulesArgs, RulesCommand};
use crate::config_files::{self, ConfigChoice, ConfigFiles};
use crate::exit::{Exit, UsageError};
use crate::scan_request::open_repository;

/// Lists, shows or tries rules.
///
/// # Errors
/// If the configuration or the text to try can't be read, or the rule is not there.
pub fn run(args: RulesArgs) -> anyhow::Result<Exit> {
    let repository = open_repository(Path::new("."), true).ok();
    let files = match repository.as_ref().and_then(|repository| repository.work_tree()) {
        Some(top) => ConfigFiles::Folder(top.to_owned()),
        None => ConfigFiles::Folder(PathBuf::from(".")),
    };
    let choice =
        ConfigChoice { flag: args.config.as_deref(), skip_bad_rules: args.skip_bad_rules, ..ConfigChoice::default() };
    let loaded = config_files::load(&choice, &files)?;
    let rules = loaded.config.rules;
    let text = match args.command {
        RulesCommand::List { json: false } => list(&rules, &loaded.origin),
        RulesCommand::List { json: true } => {
            let list: Vec<_> = rules.rules.iter().map(as_json).collect();
            serde_json::to_string_pretty(&list)? + "\n"
        }
        RulesCommand::Show { id } => show(find(&rules, &id)?),
        RulesCommand::Test { file, rule } => return test(rules, file.as_deref(), rule.as_deref()),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Clean)
}

fn find<'a>(rules: &'a RuleSet, id: &str) -> anyhow::Result<&'a Rule> {
    rules
        .get(id)
        .ok_or_else(|| UsageError(format!("there is no rule \"{id}\"; `keystile rules list` shows them")).into())
}

fn list(rules: &RuleSet, origin: &str) -> String {
    let width = rules.rules.iter().map(|rule| rule.id.as_str().len()).max().unwrap_or(0);
    let mut text = String::new();
    for rule in &rules.rules {
        text.push_str(&format!("{:<width$}  {:<8}  {}\n", rule.id.as_str(), severity(rule), rule.description.trim()));
    }
    text.push_str(&format!("{} rules from {origin}\n", rules.rules.len()));
    text
}

fn severity(rule: &Rule) -> &'static str {
    crate::report::view::severity_str(rule.severity)
}

fn as_json(rule: &Rule) -> serde_json::Value {
    serde_json::json!({
        "id": rule.id.as_str(),
        "description": rule.description.trim(),
        "severity": severity(rule),
        "regex": rule.regex.as_ref().map(|pattern| &*pattern.source),
        "path": rule.path.as_ref().map(|pattern| &*pattern.source),
        "secret_group": rule.secret_group,
        "entropy": rule.entropy,
        "keywords": rule.keywords,
        "tags": rule.tags,
        "allowlists": rule.allowlists.len(),
        "required": rule.required.iter().map(|other| other.id.as_str()).collect::<Vec<_>>(),
        "skip_report": rule.skip_report,
    })
}

fn show(rule: &Rule) -> String {
    let mut text = format!("id           {}\ndescription  {}\n", rule.id, rule.description.trim());
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{name:<12} {value}\n"));
        }
    };
    line("severity", severity(rule));
    line("regex", rule.regex.as_ref().map_or("", |pattern| &pattern.source));
    line("path", rule.path.as_ref().map_or("", |pattern| &pattern.source));
    if rule.secret_group > 0 {
        line("secretGroup", &rule.secret_group.to_string());
    }
    if rule.entropy > 0.0 {
        line("entropy", &format!("more than {} bits per character", rule.entropy));
    }
    line("keywords", &rule.keywords.join(", "));
    line("tags", &rule.tags.join(", "));
    for other in &rule.required {
        line("required", other.id.as_str());
    }
    for allowlist in &rule.allowlists {
        for pattern in allowlist.regexes.iter().chain(&allowlist.paths) {
            line("allows", &pattern.source);
        }
        line("allows", &allowlist.stopwords.join(", "));
    }
    text
}

/// Compiles every rule; with a text, says where which rule matches. Positions only: the text stays private.
fn test(mut rules: RuleSet, file: Option<&Path>, only: Option<&str>) -> anyhow::Result<Exit> {
    if let Some(id) = only {
        find(&rules, id)?;
        rules.rules.retain(|rule| rule.id.as_str() == id);
    }
    let scanner = Scanner::new(rules, ScanOptions::default());
    scanner.check_all().map_err(|failures| {
        let said: Vec<_> =
            failures.iter().map(|failure| format!("rule {}: {}", failure.rule, failure.message)).collect();
        UsageError(said.join("\n"))
    })?;
    let mut out = std::io::stdout();
    let Some(file) = file else {
        writeln!(out, "{} rules compile", scanner.rules().rules.len())?;
        return Ok(Exit::Clean);
    };
    let mut text = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut text).context("while reading standard input")?;
    } else {
        text = std::fs::read(file).with_context(|| format!("while reading {}", file.display()))?;
    }
    let mut scratch = scanner.scratch();
    let scan = scanner.scan(&mut scratch, &text);
    let path = if file.as_os_str() == "-" { String::new() } else { file.display().to_string() };
    let verdicts = scanner.judge(&scan.matches, Place { path: path.as_str().into(), commit: "" });
    let mut findings = false;
    for (found, verdict) in scan.matches.iter().zip(verdicts) {
        findings |= verdict == Verdict::Finding;
        let said = match verdict {
            Verdict::Finding => "finding",
            Verdict::PathNotCovered => "not for this path",
            Verdict::Allowed => "allowed",
            Verdict::PathAllowed => "at an allowed path",
            Verdict::Superseded => "superseded by a more specific rule",
        };
        let (start, rule) = (found.start, scanner.rule(found));
        writeln!(out, "{}:{}: {} ({said}, entropy {:.2})", start.line, start.column, rule.id, found.entropy)?;
    }
    Ok(if findings { Exit::Findings(1) } else { Exit::Clean })
}
