//! Measures the engine alone, on one thread: `scan_bench RULES.toml PATH…`.
//!
//! Reads every file under the paths into memory and prints how fast the literal search, a whole scan
//! and a scan of derived content are. The derived content is each file with two small edits, as a
//! commit makes them. The rules file is read leniently: ids, expressions, entropy, keywords, stop words
//! and expressions of allowlists.

#![allow(clippy::print_stdout, reason = "what it measures goes to standard output")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use keystile_scan::re2;
use keystile_scan::rule::{Allowlist, Rule, RuleId, RuleSet, Severity};
use keystile_scan::{ContentScan, DeltaOp, ScanOptions, Scanner, Span, decode};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rules = arguments.next().ok_or("usage: scan_bench RULES.toml PATH…")?;
    let mut files = Vec::new();
    for path in arguments {
        collect(Path::new(&path), &mut files)?;
    }
    let depth = std::env::var("DEPTH").ok().and_then(|depth| depth.parse().ok()).unwrap_or(2);

    let set = read_rules(&std::fs::read_to_string(rules)?)?;
    let start = cpu_seconds();
    let wall = Instant::now();
    let scanner = Scanner::new(set, ScanOptions { decode_depth: depth, ..ScanOptions::default() });
    println!(
        "{:>10.2} ms to make {} rules ready",
        cpu_seconds().zip(start).map_or(wall.elapsed().as_secs_f64(), |(end, start)| end - start) * 1e3,
        scanner.rules().rules.len()
    );

    let mut scratch = scanner.scratch();
    let (derived, ops): (Vec<Vec<u8>>, Vec<Vec<DeltaOp>>) = files.iter().map(|file| edit(file)).unzip();
    let bytes: usize = files.iter().map(Vec::len).sum();
    let derived_bytes: usize = derived.iter().map(Vec::len).sum();
    println!("{:>10} files, {:.1} MB", files.len(), bytes as f64 / 1e6);

    for round in 0..3 {
        println!("round {round}");
        let mut hits = 0;
        report("literal search", bytes, || {
            hits = files.iter().map(|file| scanner.count_literals(&mut scratch, file)).sum();
        });
        println!("{:>10.1} bytes per literal", bytes as f64 / hits.max(1) as f64);
        let mut found = 0;
        report("search for encoded text", bytes, || {
            let mut segments = decode::Segments::default();
            for file in &files {
                decode::find(file, &[Span::new(0, file.len())], decode::Options::default(), &mut segments);
                found += segments.len();
            }
        });
        println!("{:>10.1} bytes per encoded segment", bytes as f64 / found.max(1) as f64);
        let mut scans: Vec<ContentScan> = Vec::new();
        report("whole scan", bytes, || {
            scans = files.iter().map(|file| scanner.scan(&mut scratch, file)).collect();
        });
        let mut whole = 0;
        report("whole scan of derived content", derived_bytes, || {
            whole = derived.iter().map(|content| scanner.scan(&mut scratch, content).matches.len()).sum();
        });
        let mut by_delta = 0;
        report("delta scan of derived content", derived_bytes, || {
            by_delta = (0..derived.len())
                .map(|at| scanner.scan_delta(&mut scratch, &derived[at], &scans[at], &ops[at]).matches.len())
                .sum();
        });
        println!(
            "{:>10} matches, {whole} in derived content, {by_delta} by delta",
            scans.iter().map(|scan| scan.matches.len()).sum::<usize>()
        );
    }
    Ok(())
}

fn report(name: &str, bytes: usize, mut work: impl FnMut()) {
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    work();
    let seconds = match (cpu, cpu_seconds()) {
        (Some(before), Some(after)) => after - before,
        _ => wall.elapsed().as_secs_f64(),
    };
    println!("{:>10.0} MB/s {name} ({:.3} s)", bytes as f64 / 1e6 / seconds, seconds);
}

/// Seconds that this thread ran; other work on the machine does not count. Linux only.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn collect(path: &Path, files: &mut Vec<Vec<u8>>) -> Result<(), Box<dyn Error>> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.is_file() {
        files.push(std::fs::read(path)?);
    }
    Ok(())
}

/// Two edits: twenty bytes replaced by a line, thirty bytes left out.
fn edit(base: &[u8]) -> (Vec<u8>, Vec<DeltaOp>) {
    const LINE: &[u8] = b"\n    let api_key = config.value(\"name\");\n";
    let third = base.len() / 3;
    let skip = |at: usize, len: usize| (at + len).min(base.len());
    let (second, last) = (skip(third, 20), skip(2 * third, 30).max(skip(third, 20)));
    let middle = (2 * third).max(second);
    let content = [&base[..third], LINE, &base[second..middle], &base[last.max(middle)..]].concat();
    let ops = vec![
        DeltaOp::Copy { from: 0, len: third },
        DeltaOp::Insert { len: LINE.len() },
        DeltaOp::Copy { from: second, len: middle - second },
        DeltaOp::Copy { from: last.max(middle), len: base.len() - last.max(middle) },
    ];
    (content, ops)
}

fn read_rules(text: &str) -> Result<RuleSet, Box<dyn Error>> {
    let document: toml::Table = text.parse()?;
    let strings = |table: &toml::Table, key: &str| -> Vec<String> {
        let list = table.get(key).and_then(toml::Value::as_array).into_iter().flatten();
        list.filter_map(|value| value.as_str().map(str::to_lowercase)).collect()
    };
    let allowlists = |table: &toml::Table| -> Result<Vec<Allowlist>, Box<dyn Error>> {
        let mut lists = Vec::new();
        for list in table.get("allowlists").and_then(toml::Value::as_array).into_iter().flatten() {
            let Some(list) = list.as_table() else { continue };
            let patterns = |key: &str| -> Result<Vec<_>, Box<dyn Error>> {
                let list = list.get(key).and_then(toml::Value::as_array).into_iter().flatten();
                list.filter_map(toml::Value::as_str).map(|regex| Ok(re2::parse(regex)?)).collect()
            };
            lists.push(Allowlist {
                regexes: patterns("regexes")?,
                paths: patterns("paths")?,
                stopwords: strings(list, "stopwords"),
                ..Allowlist::default()
            });
        }
        Ok(lists)
    };
    let mut rules = Vec::new();
    for rule in document.get("rules").and_then(toml::Value::as_array).into_iter().flatten() {
        let Some(rule) = rule.as_table() else { continue };
        let pattern = |key: &str| rule.get(key).and_then(toml::Value::as_str).map(re2::parse).transpose();
        let number =
            |key: &str| rule.get(key).and_then(|value| value.as_float().or(value.as_integer().map(|n| n as f64)));
        rules.push(Rule {
            id: RuleId::new(rule.get("id").and_then(toml::Value::as_str).unwrap_or_default()),
            description: String::new(),
            regex: pattern("regex")?,
            path: pattern("path")?,
            secret_group: number("secretGroup").unwrap_or(0.0) as usize,
            entropy: number("entropy").unwrap_or(0.0),
            keywords: strings(rule, "keywords"),
            tags: Vec::new(),
            allowlists: allowlists(rule)?,
            required: Vec::new(),
            skip_report: false,
            severity: Severity::High,
            remedy: None,
            references: Vec::new(),
            verification: None,
        });
    }
    Ok(RuleSet { rules, allowlists: allowlists(&document)? })
}
