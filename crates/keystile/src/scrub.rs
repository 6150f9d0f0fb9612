//! Messages that quote what they are about: a faulty line of a configuration may hold a credential.

use std::ffi::OsString;
use std::ops::Range;

use keystile_scan::config::Loader;
use keystile_scan::{RuleSet, ScanOptions, Scanner};

use crate::mask::MASK;

/// `text` with everything masked that the built-in rules take for a credential.
///
/// For messages about files that could not be read as what they are; reports have [`crate::mask`], which
/// knows the secrets of the findings.
#[must_use]
pub fn scrub(text: &str) -> String {
    Scrubber::new().scrub(text)
}

/// The built-in rules, ready to look for credentials in several texts.
#[derive(Debug)]
pub struct Scrubber {
    scanner: Option<Scanner>,
}

/// The built-in rules; the build has checked that they load.
#[must_use]
pub fn builtin_rules() -> Option<RuleSet> {
    let read = |path: &str| Err(format!("{path} is not read here"));
    let loader = Loader { builtin: keystile_rules::BUILTIN, read: &read, skip_bad_rules: true, strict: false };
    loader.load("the built-in rules", keystile_rules::BUILTIN).ok().map(|config| config.rules)
}

impl Default for Scrubber {
    fn default() -> Self {
        Self::new()
    }
}

impl Scrubber {
    /// Compiles the built-in rules.
    #[must_use]
    pub fn new() -> Self {
        // The build has checked the built-in rules; without them, nothing of a text can be shown.
        let options = ScanOptions { inline_allow: false, ..ScanOptions::default() };
        Self { scanner: builtin_rules().map(|rules| Scanner::new(rules, options)) }
    }

    /// What of a text must not be shown: bytes of it, and texts that may stand elsewhere again.
    #[must_use]
    pub fn find(&self, text: &str) -> (Vec<Range<usize>>, Vec<String>) {
        let Some(scanner) = &self.scanner else { return (std::iter::once(0..text.len()).collect(), Vec::new()) };
        let (mut ranges, mut secrets) = (Vec::new(), Vec::new());
        for found in scanner.scan(&mut scanner.scratch(), text.as_bytes()).matches {
            // Of decoded text the secret does not stand there: what it was decoded from does.
            let range = found.span.range();
            for hidden in [found.secret.reveal(), text.as_bytes().get(range.clone()).unwrap_or_default()] {
                if let Ok(hidden) = std::str::from_utf8(hidden)
                    && !hidden.is_empty()
                {
                    secrets.push(hidden.to_owned());
                }
            }
            ranges.push(range.start.min(text.len())..range.end.min(text.len()));
        }
        (ranges, secrets)
    }

    /// `text` with its credentials masked.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        if self.scanner.is_none() {
            return MASK.to_owned();
        }
        self.find(text).1.iter().fold(text.to_owned(), |text, hidden| text.replace(hidden, MASK))
    }
}

/// `text` with those of the `arguments` masked, or their parts on either side of a `=`, that could be random, whatever
/// the rules say: what nobody knows the form of can be typed in the wrong place too.
#[must_use]
pub fn scrub_arguments(text: &str, arguments: impl Iterator<Item = OsString>) -> String {
    let mut scrubbed = text.to_owned();
    for argument in arguments {
        let argument = argument.to_string_lossy();
        for part in std::iter::once(&*argument).chain(argument.split('=')) {
            // The name of a flag has hyphens between its words.
            let name = part.trim_start_matches('-');
            if could_be_random(name) && (name.len() == part.len() || !name.contains('-')) {
                scrubbed = scrubbed.replace(name, MASK);
            }
        }
    }
    scrubbed
}

/// Sixteen characters and more, letters and digits among them. With `/`, `.`, `,` or `:` it is rather a file, a
/// reference or a list, which whoever mistyped it wants to see.
fn could_be_random(text: &str) -> bool {
    text.len() >= 16
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !text.bytes().any(|byte| b"/.,:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_could_be_random_are_masked_and_others_stay() {
        for (argument, masked) in [
            (random_text(16), true),
            (random_text(15), false),
            (format!("--key={}", random_text(32)), true),
            (format!("{}=a.sarif", random_text(32)), true),
            (format!("--{}", random_text(32)), true),
            ("--a-long-flag-with-2-digits".to_owned(), false),
            ("reports/2026-11-25.sarif".to_owned(), false),
            ("a-long-word-without-any-digit".to_owned(), false),
            ("20261125202611252026".to_owned(), false),
        ] {
            let text = format!("error: '{argument}' is wrong\n");
            let scrubbed = scrub_arguments(&text, [OsString::from(&argument)].into_iter());
            assert_eq!(scrubbed != text, masked, "{scrubbed}");
            if masked {
                assert!(!scrubbed.contains(&random_text(16)), "{scrubbed}");
                assert!(scrubbed.starts_with("error: '") && scrubbed.ends_with("' is wrong\n"), "{scrubbed}");
            }
        }
    }

    /// Letters and digits in turn.
    fn random_text(length: usize) -> String {
        (0..length)
            .map(|at| char::from(if at % 2 == 0 { b'a' + (at % 26) as u8 } else { b'0' + (at % 10) as u8 }))
            .collect()
    }

    #[test]
    fn a_token_in_a_quoted_line_is_masked_and_the_rest_stays() {
        let token = format!("gh{}_{}", 'p', "q8Zk2vT7nXc4LwB9sRj1HdY6mPf3GaE5uKoN");
        let text = format!("scan.toml:3:1: unknown key\n3 | token = \"{token}\"\n");
        let scrubbed = scrub(&text);
        assert!(!scrubbed.contains(&token), "{scrubbed}");
        assert!(scrubbed.starts_with("scan.toml:3:1: unknown key\n3 |"), "{scrubbed}");
        assert_eq!(scrub("nothing to hide\n"), "nothing to hide\n");
    }
}
