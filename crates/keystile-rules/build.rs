//! Joins the rule files into the one document that is embedded, and refuses to build a bad one.
//!
//! Every pattern is translated, parsed and compiled here by the code that does so with a user's
//! configuration, so a released keystile can't fail on its own rules.
#![allow(clippy::print_stdout, reason = "a build script talks to cargo on standard output")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use keystile_scan::config::Loader;
use keystile_scan::{ScanOptions, Scanner};
use toml::{Table, Value};

/// Keys that only the tests and the reference need.
const LEFT_OUT: &[&str] = &["examples"];

fn main() -> Result<(), Box<dyn Error>> {
    let directory = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../rules");
    println!("cargo:rerun-if-changed={}", directory.display());
    let mut files: Vec<PathBuf> =
        fs::read_dir(&directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    if files.is_empty() {
        return Err(format!("no rule files in {}", directory.display()).into());
    }

    let mut joined = String::new();
    let mut starts = Vec::new();
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
        starts.push((joined.lines().count(), file.file_name().unwrap_or_default().to_string_lossy().into_owned()));
        joined.push_str(&fs::read_to_string(file)?);
        joined.push('\n');
    }
    let compact = compact(&joined.parse::<Table>()?)?;

    let faults = faults(&joined, &starts);
    if !faults.is_empty() {
        faults.iter().for_each(|fault| println!("cargo::error={fault}"));
        return Err("the built-in rules are not in order".into());
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("builtin.toml"), compact)?;
    Ok(())
}

/// What is wrong with the document when it is read as a user's would be, and compiled. Warnings count.
fn faults(joined: &str, starts: &[(usize, String)]) -> Vec<String> {
    let refuse = |_: &str| Err("the built-in rules extend nothing".to_owned());
    let loader = Loader { builtin: "", read: &refuse, skip_bad_rules: false, strict: false };
    let diagnostics = match loader.load("rules", joined) {
        Ok(config) if config.warnings.is_empty() => {
            let failures = Scanner::new(config.rules, ScanOptions::default()).check_all().err().unwrap_or_default();
            return failures.iter().map(|failure| format!("{}: {}", failure.rule, failure.message)).collect();
        }
        Ok(config) => config.warnings,
        Err(errors) => errors.0,
    };
    let place = |line: u32| {
        let line = line as usize;
        let (start, file) = starts.iter().rev().find(|(start, _)| *start < line).unwrap_or(&starts[0]);
        format!("rules/{file}:{}", line - start)
    };
    diagnostics
        .iter()
        .map(|diagnostic| format!("{}:{}: {}", place(diagnostic.line), diagnostic.column, diagnostic.message))
        .collect()
}

/// The same rules in as few bytes as is reasonable.
fn compact(document: &Table) -> Result<String, Box<dyn Error>> {
    let mut out = String::from("# Made from rules/*.toml by crates/keystile-rules/build.rs.\n");
    for (section, value) in document {
        let tables = value.as_array().ok_or_else(|| format!("`{section}` is no array of tables"))?;
        for table in tables {
            let table = table.as_table().ok_or_else(|| format!("`{section}` holds something else than tables"))?;
            writeln!(out, "[[{section}]]")?;
            for (key, value) in table.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str())) {
                write!(out, "{key} = ")?;
                write_value(&mut out, value)?;
                out.push('\n');
            }
        }
    }
    Ok(out)
}

fn write_value(out: &mut String, value: &Value) -> Result<(), Box<dyn Error>> {
    match value {
        Value::String(text) => write_string(out, text)?,
        Value::Integer(number) => write!(out, "{number}")?,
        Value::Float(number) => write!(out, "{number:?}")?,
        Value::Boolean(flag) => write!(out, "{flag}")?,
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_value(out, value)?;
            }
            out.push(']');
        }
        Value::Table(table) => {
            out.push('{');
            for (index, (key, value)) in table.iter().enumerate() {
                write!(out, "{}{key}=", if index == 0 { "" } else { "," })?;
                write_value(out, value)?;
            }
            out.push('}');
        }
        Value::Datetime(_) => return Err("a rule has no dates".into()),
    }
    Ok(())
}

/// A basic string of TOML.
fn write_string(out: &mut String, text: &str) -> Result<(), Box<dyn Error>> {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => write!(out, "\\u{:04X}", u32::from(control))?,
            other => out.push(other),
        }
    }
    out.push('"');
    Ok(())
}
