//! What must hold of masking whatever the text is.

use keystile_scan::{Fingerprint, RuleId, Salt};
use proptest::prelude::*;

use super::*;

fn finding(secret: &[u8]) -> Finding {
    Finding {
        rule: RuleId::new("rule"),
        fingerprint: Fingerprint::new(&Salt::default(), "rule", secret),
        secret: SecretBytes::new(secret),
        occurrences: Vec::new(),
    }
}

fn masker(secrets: &[&str]) -> Masker {
    let findings: Vec<_> = secrets.iter().map(|secret| finding(secret.as_bytes())).collect();
    Masker::new(&findings, Redaction::Full)
}

#[test]
fn masks_every_form() {
    let secret = "p/ss'w\"rd+\u{e9}<&>";
    let masker = masker(&[secret]);
    let cases = [
        ("as it is", secret.to_owned()),
        ("URL, upper case", "p%2Fss%27w%22rd%2B%C3%A9%3C%26%3E".to_owned()),
        ("URL, lower case, in part", "p%2fss'w%22rd+%c3%a9<&>".to_owned()),
        ("JSON", r#"p\/ss'w\"rd+\u00e9<&>"#.to_owned()),
        ("JSON as Go writes it", r#"p/ss'w\"rd+é\u003c\u0026\u003e"#.to_owned()),
        ("HTML", "p/ss&#39;w&quot;rd+é&lt;&amp;&gt;".to_owned()),
        ("shell, single quotes", r#"p/ss'\''w"rd+é<&>"#.to_owned()),
        ("shell, backslashes", r#"p/ss\'w\"rd\+é\<\&\>"#.to_owned()),
        ("CSV", "p/ss'w\"\"rd+é<&>".to_owned()),
        ("base64", "cC9zcyd3InJkK8OpPCY+".to_owned()),
        ("hex", "702f737327772272642bc3a93c263e".to_owned()),
    ];
    for (name, form) in cases {
        assert_eq!(masker.str(&format!("a {form} b")), format!("a {MASK} b"), "{name}: {form}");
        assert!(masker.would_mask(form.as_bytes()), "{name}");
    }
    assert!(!masker.would_mask(b"p/ss"));
}

#[test]
fn secrets_that_overlap_get_one_mask() {
    let masker = masker(&["abcdef", "defghi", "cdef"]);
    assert_eq!(masker.str("<abcdefghi>"), format!("<{MASK}>"));
    assert_eq!(masker.str("<abcdefabcdef>"), format!("<{MASK}>"));
    assert_eq!(masker.str("<abcdef abcdef>"), format!("<{MASK} {MASK}>"));
}

#[test]
fn the_length_does_not_leak() {
    for length in [4, 5, 40, 4000] {
        let secret = "x".repeat(length);
        assert_eq!(masker(&[&secret]).secret(&SecretBytes::new(secret.as_bytes())), MASK);
        assert_eq!(masker(&[&secret]).str(&secret), MASK);
    }
}

#[test]
fn shows_a_part_as_gitleaks_does() {
    // `gitleaks --redact=N` on a secret of ten characters.
    for (percent, expected) in [(20, "abcdefgh..."), (75, "ab..."), (99, "..."), (1, "abcdefghij...")] {
        let findings = [finding(b"abcdefghij")];
        let masker = Masker::new(&findings, Redaction::from_percent(percent));
        assert_eq!(masker.secret(&findings[0].secret), expected, "{percent}");
        assert_eq!(masker.str("key=abcdefghij;"), format!("key={expected};"), "{percent}");
        assert_eq!(masker.str("YWJjZGVmZ2hpag=="), format!("{MASK}g=="), "{percent}: no part of any other form");
    }
    assert_eq!(Redaction::from_percent(0), Redaction::Off);
    assert_eq!(Redaction::from_percent(100), Redaction::Full);
    assert_eq!(Redaction::from_percent(1000), Redaction::Full);
}

#[test]
fn an_encoded_match_is_masked_where_it_stands() {
    // {"key": "secret-value"} in base64, cut at odd places by the decoder's span.
    let encoded = "eyJrZXkiOiAic2VjcmV0LXZhbHVlIn0=";
    let mut found = Match::new(0, finding(b"secret-value").fingerprint, SecretBytes::new(b"secret-value"));
    found.line = SecretBytes::new(format!("data: \"{encoded}\" # and more").as_bytes());
    found.encodings = vec!["base64"];
    found.start.column = 12;
    found.span = keystile_scan::Span::new(1011, 1030);
    let mut finding = finding(b"secret-value");
    finding.occurrences.push(keystile_scan::Occurrence {
        place: keystile_scan::OccurrencePlace::File,
        path: "a".into(),
        symlink: None,
        found: std::sync::Arc::new(found),
        in_head: None,
    });
    let findings = [finding];
    let masker = Masker::new(&findings, Redaction::Full);
    let found = &findings[0].occurrences[0].found;
    assert_eq!(masker.line(found).text, format!("data: \"{MASK}\" # and more"));
    assert_eq!(masker.str(&format!("see {encoded}!")), format!("see {MASK}!"), "in any other text too");
}

#[test]
fn a_line_whose_secret_is_not_recognised_is_not_shown() {
    let mut found = Match::new(0, finding(b"secret-value").fingerprint, SecretBytes::new(b"secret-value"));
    found.line = SecretBytes::new(b"nothing like it");
    let findings = [finding(b"secret-value")];
    assert_eq!(Masker::new(&findings, Redaction::Full).line(&found).text, MASK);
}

#[test]
fn short_secrets_are_masked_in_their_own_line_only() {
    let mut found = Match::new(0, finding(b"abc").fingerprint, SecretBytes::new(b"abc"));
    found.line = SecretBytes::new(b"pin=abc # abc");
    let findings = [finding(b"abc")];
    let masker = Masker::new(&findings, Redaction::Full);
    assert_eq!(masker.line(&found).text, format!("pin={MASK} # {MASK}"));
    assert_eq!(masker.str("abcde"), "abcde");
}

proptest! {
    #[test]
    fn no_masked_text_holds_a_secret(
        secrets in prop::collection::vec("[ -~]{4,24}|[a-z0-9\n]{20,60}", 1..6),
        around in prop::collection::vec("[ -~\n]{0,10}", 8),
    ) {
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        // The mask itself is not a secret, nor part of one.
        prop_assume!(secrets.iter().all(|secret| !MASK.contains(secret)));
        let masker = masker(&secrets);
        let mut text = String::new();
        for (index, part) in around.iter().enumerate() {
            text.push_str(part);
            text.push_str(secrets[index % secrets.len()]);
        }
        let masked = masker.str(&text);
        for secret in &secrets {
            // A secret that a mask's ends complete ("DACTEDx") was not in the text.
            let without = masked.replace(MASK, "\u{0}");
            prop_assert!(!without.contains(secret), "{secret:?} in {masked:?}");
        }
    }

    #[test]
    fn never_panics(text in prop::collection::vec(any::<u8>(), 0..200), secret in prop::collection::vec(any::<u8>(), 0..20)) {
        let findings = [finding(&secret)];
        let _ = Masker::new(&findings, Redaction::Full).text(&text);
        let _ = Masker::new(&findings, Redaction::Part(20)).text(&text);
    }
}
