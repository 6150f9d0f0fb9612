//! Masking what the engine really finds: encoded secrets, at the places that the engine gives them.

use std::sync::Arc;

use keystile_scan::config::Loader;
use keystile_scan::{Finding, Occurrence, OccurrencePlace, RuleId, ScanOptions, Scanner};

use super::{MASK, Masker, Redaction};

const SECRET: &str = "tok-a1B2c3D4e5F6g7H8";

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            text.push(char::from(DIGITS[(word >> (18 - 6 * index)) as usize & 63]));
        }
        text.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All findings of a scan of `content`.
fn findings(content: &[u8]) -> Vec<Finding> {
    let read = |_: &str| Err("no other file".to_owned());
    let loader = Loader { builtin: "", read: &read, skip_bad_rules: false, strict: false };
    let rule =
        "[[rules]]\nid = \"sample\"\ndescription = \"d\"\nregex = '''tok-[A-Za-z0-9]{16}'''\nkeywords = [\"tok-\"]\n";
    let config = loader.load("c.toml", rule).expect("a good configuration");
    let scanner = Scanner::new(config.rules, ScanOptions::default());
    let scan = scanner.scan(&mut scanner.scratch(), content);
    scan.matches
        .into_iter()
        .map(|found| Finding {
            rule: RuleId::new("sample"),
            fingerprint: found.fingerprint,
            secret: found.secret.clone(),
            occurrences: vec![Occurrence {
                place: OccurrencePlace::File,
                path: "f".into(),
                symlink: None,
                found: Arc::clone(&found),
                in_head: None,
            }],
        })
        .collect()
}

#[test]
fn what_the_engine_decodes_is_masked_where_it_stands() {
    let inner = format!("{{\"user\": \"x\", \"key\": \"{SECRET}\", \"more\": 1}}");
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let unicode: String = SECRET.chars().map(|character| format!("\\u{:04x}", u32::from(character))).collect();
    // What is encoded, the encoded form, and the pieces of it that would give the secret away.
    let once = base64(inner.as_bytes());
    let cases: Vec<(&str, String)> = vec![
        ("as it is", SECRET.to_owned()),
        ("base64", once.clone()),
        ("base64 twice", base64(once.as_bytes())),
        ("hex", hex(inner.as_bytes())),
        ("base64 of hex", base64(hex(inner.as_bytes()).as_bytes())),
        ("percent", percent),
        ("unicode", unicode),
    ];
    for (name, encoded) in cases {
        let line = format!("before: \"{encoded}\" # after");
        let content = format!("first line\n  {line}\nlast line\n");
        let findings = findings(content.as_bytes());
        assert_eq!(findings.len(), 1, "{name}");
        let found = &findings[0].occurrences[0].found;
        let masked = Masker::new(&findings, Redaction::Full).line(found).text.to_string();
        assert_eq!(masked.trim_start(), format!("before: \"{MASK}\" # after"), "{name}");
        // Elsewhere it is masked as well.
        let elsewhere = Masker::new(&findings, Redaction::Full).str(&format!("see {encoded}."));
        assert!(!elsewhere.contains(&encoded[4..encoded.len() - 4]), "{name}: {elsewhere}");
    }

    for (name, bytes) in [
        ("little endian", utf16(&format!("\u{feff}first\nbefore: \"{SECRET}\" # after\nlast"))),
        ("no mark", utf16(&format!("before: \"{SECRET}\" # after\n"))),
    ] {
        let findings = findings(&bytes);
        assert_eq!(findings.len(), 1, "{name}");
        let found = &findings[0].occurrences[0].found;
        let masked = Masker::new(&findings, Redaction::Full).line(found).text.to_string();
        assert!(masked.contains(&format!("before: \"{MASK}\" # after")), "{name}: {masked:?}");
    }
}

#[test]
fn wrapped_base64_is_masked_on_every_line() {
    let encoded = base64(format!("{{\"filler\": \"{}\", \"key\": \"{SECRET}\"}}", "x".repeat(60)).as_bytes());
    let wrapped: Vec<&str> =
        encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    let findings = findings(format!("data: |\n  {}\n", wrapped.join("\n  ")).as_bytes());
    assert_eq!(findings.len(), 1);
    let found = &findings[0].occurrences[0].found;
    let masked = Masker::new(&findings, Redaction::Full).line(found).text.to_string();
    let core = base64(SECRET.as_bytes());
    assert!(!masked.contains(&core[..8]), "{masked}");
    for line in wrapped.last().into_iter().chain(wrapped.get(1)) {
        assert!(!masked.contains(&line[line.len() / 2..]), "{masked}");
    }
}
