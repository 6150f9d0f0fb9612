//! Shannon entropy, the measure of gitleaks' `entropy` setting.

use bstr::ByteSlice as _;

/// Shannon entropy of `text` in bits per character.
///
/// Characters are Unicode scalar values, an invalid UTF-8 byte counts as U+FFFD; their counts are
/// divided by the length in *bytes*, as gitleaks does (`detect/utils.go`, `shannonEntropy`), so for
/// text beyond ASCII the value differs from the textbook's.
#[must_use]
pub fn shannon(text: &[u8]) -> f64 {
    if text.is_empty() {
        return 0.0;
    }
    let length = text.len() as f64;
    // Taken from zero, so that a single character has an entropy of 0 and not of -0.
    let add = |entropy: f64, count: u32| {
        let share = f64::from(count) / length;
        entropy - share * share.log2()
    };
    if text.is_ascii() {
        let mut counts = [0_u32; 128];
        for &byte in text {
            counts[usize::from(byte)] += 1;
        }
        counts.into_iter().filter(|&count| count > 0).fold(0.0, add)
    } else {
        let mut counts = std::collections::BTreeMap::new();
        for (start, end, character) in text.char_indices() {
            let is_invalid = character == '\u{fffd}' && text[start..end] != *"\u{fffd}".as_bytes();
            *counts.entry(character).or_insert(0_u32) += if is_invalid { (end - start) as u32 } else { 1 };
        }
        counts.into_values().fold(0.0, add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(shannon(b""), 0.0);
        assert!(shannon(b"aaaa") == 0.0 && shannon(b"aaaa").is_sign_positive());
        assert_eq!(shannon(b"\xe2\x82\xe2\x82"), shannon(b"\xff\xff\xff\xff"), "each invalid byte counts");
        assert!((shannon(b"abcd") - 2.0).abs() < 1e-9);
        assert!((shannon(b"aabb") - 1.0).abs() < 1e-9);
    }
}
