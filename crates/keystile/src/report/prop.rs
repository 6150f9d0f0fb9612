//! Redaction leaves no secret in any format, whatever was found where.

use std::sync::Arc;

use keystile_git::GapKind;
use keystile_scan::{OccurrencePlace, Position, SecretBytes, Span};
use proptest::prelude::*;

use super::sample::{self, found, occurrence};
use super::{Format, Options, Report, TargetKind};
use crate::link::Remote;
use crate::mask::Redaction;

/// How the secret stands in the line of its match.
#[derive(Debug, Clone, Copy)]
enum Written {
    Plain,
    Base64,
    Hex,
    Percent,
    Utf16,
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * index)) as usize & 63];
            text.push(if index <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fn written(how: Written, secret: &str) -> Vec<u8> {
    match how {
        Written::Plain => secret.as_bytes().to_vec(),
        Written::Base64 => base64(format!("key={secret}").as_bytes()).into_bytes(),
        Written::Hex => secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes(),
        Written::Percent => secret.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>().into_bytes(),
        Written::Utf16 => secret.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    }
}

/// Text that holds the secret in a form that is not its own must not come out either.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), base64(format!("key={secret}").as_bytes())];
    for how in [Written::Hex, Written::Percent] {
        forms.push(String::from_utf8(written(how, secret)).expect("ASCII"));
    }
    forms.push(serde_json::Value::from(secret).to_string().trim_matches('"').to_owned());
    forms
}

/// Letters that no format writes by itself, digits, and what formats have to escape.
fn secrets() -> impl Strategy<Value = Vec<String>> {
    let one = prop_oneof![
        "[q-z]{3}[G-P]{2}[0-9]{3}[ -~]{0,12}[G-P]{2}",
        "[q-z]{2}[<>&\"'\\\\`|%=/+]{2,6}[G-P]{2}[0-9]",
        "[q-z]{2}7[G-P]",
        // Several lines, each long enough to be a secret of its own.
        "[a-z0-9]{24}QX7\n[a-z0-9]{24}QX8",
    ];
    prop::collection::vec(one, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_format_shows_a_secret(
        secrets in secrets(),
        how in prop::collection::vec(
            prop_oneof![
                Just(Written::Plain), Just(Written::Base64), Just(Written::Hex), Just(Written::Percent), Just(Written::Utf16)
            ],
            5,
        ),
        lead in "[ -~]{0,6}",
        color in any::<bool>(),
        verbose in any::<bool>(),
        width in prop::option::of(20_usize..200),
    ) {
        let rules = sample::rules();
        let all = secrets.join(" | ");
        let findings = secrets.iter().enumerate().map(|(index, secret)| {
            let how = how[index];
            let encoded = written(how, secret);
            let mut line = format!("{lead} ").into_bytes();
            let column = lead.chars().count() as u32 + 2;
            line.extend_from_slice(&encoded);
            line.extend_from_slice(format!(" {all}").as_bytes());
            let mut one = found(index % 3, "rule", secret, "", (3, column));
            one.line = SecretBytes::new(&line);
            one.span = Span::new(1000, 1000 + encoded.len());
            one.encodings = match how {
                Written::Plain => vec![],
                Written::Base64 => vec!["base64"],
                Written::Hex => vec!["hex"],
                Written::Percent => vec!["percent"],
                Written::Utf16 => vec!["utf-16"],
            };
            one.matched = SecretBytes::new(format!("x={secret}").as_bytes());
            one.end = Position { line: 3, column: column + 3 };
            if index > 0 {
                one.required = vec![found(0, "rule", &secrets[0], &secrets[0], (1, 1))];
            }
            let one = Arc::new(one);
            let other = &secrets[(index + 1) % secrets.len()];
            let path = format!("dir/{other}/file");
            let message = format!("{secret} and {}\n\nbody {all}", forms(other).join(" "));
            let mut places = vec![
                occurrence(OccurrencePlace::Commit(sample::commit('4', &message)), path.as_bytes(), &one, Some(true)),
                occurrence(OccurrencePlace::CommitMessage(sample::commit('5', &message)), b"", &one, None),
                occurrence(OccurrencePlace::TagMessage(all.as_str().into()), b"", &one, None),
                occurrence(OccurrencePlace::WorkTree, secret.as_bytes(), &one, Some(false)),
            ];
            places[0].symlink = Some(all.as_str().into());
            sample::finding(rules.rules[index % 3].id.as_str(), &one, places)
        }).collect();
        let mut report = Report { findings, ..sample::report(&rules) };
        report.coverage.gap(GapKind::UnreadableFile, all.clone(), format!("can't read {all}"));
        report.coverage.notes.push(all.clone());
        report.warnings.push(all.clone());
        report.unused[0].entry = format!("{all}:rule:1");
        report.target.path = all.clone();
        report.target.kind = TargetKind::Directory;
        report.remote = Remote::parse("https://github.com/keystile/sample", None);
        let options = Options { redaction: Redaction::Full, color, width, verbose };
        for format in Format::ALL {
            let text = sample::render_with(&report, format, &options);
            // What a reader of the format sees: the text as it is, and with its escapes undone.
            let seen = [text.clone(), unescaped(&text)];
            for secret in &secrets {
                for part in secret.split('\n').filter(|part| part.len() >= 4).chain([secret.as_str()]) {
                    for form in forms(part) {
                        for text in &seen {
                            if let Some(at) = text.find(&form) {
                                let from = text[..at].char_indices().rev().nth(40).map_or(0, |(at, _)| at);
                                prop_assert!(false, "{}: {form:?} of {secret:?} after {:?}", format.as_str(), &text[from..at]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `text` with the escapes of JSON, XML and HTML undone.
fn unescaped(text: &str) -> String {
    let mut plain = text.to_owned();
    for code in 33..127_u8 {
        let character = char::from(code).to_string();
        plain = plain.replace(&format!("&#{code};"), &character).replace(&format!("\\u{code:04x}"), &character);
    }
    for (escape, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
        ("\\\"", "\""),
        ("\\n", "\n"),
        ("\\\\", "\\"),
        ("\"\"", "\""),
    ] {
        plain = plain.replace(escape, character);
    }
    plain
}
