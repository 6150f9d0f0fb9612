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
    let bits = |count: u32| {
        let share = f64::from(count) / length;
        -share * share.log2()
    };
    if text.is_ascii() {
        let mut counts = [0_u32; 128];
        for &byte in text {
            counts[usize::from(byte)] += 1;
        }
        counts.into_iter().filter(|&count| count > 0).map(bits).sum()
    } else {
        let mut counts = std::collections::BTreeMap::new();
        for character in text.chars() {
            *counts.entry(character).or_insert(0_u32) += 1;
        }
        counts.into_values().map(bits).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(shannon(b""), 0.0);
        assert_eq!(shannon(b"aaaa"), 0.0);
        assert!((shannon(b"abcd") - 2.0).abs() < 1e-9);
        assert!((shannon(b"aabb") - 1.0).abs() < 1e-9);
    }
}
