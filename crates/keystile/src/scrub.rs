//! Messages that quote what they are about: a faulty line of a configuration may hold a credential.

use keystile_scan::config::Loader;
use keystile_scan::{ScanOptions, Scanner};

use crate::mask::MASK;

/// `text` with everything masked that the built-in rules take for a credential.
///
/// For messages about files that could not be read as what they are; reports have [`crate::mask`], which
/// knows the secrets of the findings.
#[must_use]
pub fn scrub(text: &str) -> String {
    let read = |path: &str| Err(format!("{path} is not read here"));
    let loader = Loader { builtin: keystile_rules::BUILTIN, read: &read, skip_bad_rules: true, strict: false };
    // The build has checked the built-in rules; without them, nothing of the text can be shown.
    let Ok(config) = loader.load("the built-in rules", keystile_rules::BUILTIN) else { return MASK.to_owned() };
    let scanner = Scanner::new(config.rules, ScanOptions { inline_allow: false, ..ScanOptions::default() });
    let mut scrubbed = text.to_owned();
    for found in scanner.scan(&mut scanner.scratch(), text.as_bytes()).matches {
        // Of decoded text the secret does not stand there: what it was decoded from does.
        for hidden in [found.secret.reveal(), text.as_bytes().get(found.span.range()).unwrap_or_default()] {
            if let Ok(hidden) = std::str::from_utf8(hidden)
                && !hidden.is_empty()
            {
                scrubbed = scrubbed.replace(hidden, MASK);
            }
        }
    }
    scrubbed
}

#[cfg(test)]
mod tests {
    use super::*;

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
