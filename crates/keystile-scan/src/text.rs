//! Text that is not ours (names, messages, code) made fit for a terminal or one line of a report.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with everything spelled out that a terminal obeys or that hides what is there: control
/// characters (escape sequences, new lines), marks that turn the direction of writing, characters
/// without width, and separators of lines that only some programs know.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            '\u{0}'..='\u{ff}' if is_unsafe(character) => {
                let _ = write!(safe, "\\x{:02x}", u32::from(character));
            }
            _ if is_unsafe(character) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
            }
            _ => safe.push(character),
        }
    }
    Cow::Owned(safe)
}

/// [`printable`] for source code: tabs become spaces.
#[must_use]
pub fn printable_code(text: &str) -> String {
    printable(&text.replace('\t', "    ")).into_owned()
}

/// [`printable`] for bytes: those that are not UTF-8 are spelled out as well.
#[must_use]
pub fn printable_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&printable(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Unicode's control characters and bidirectional formatting characters (UAX 9), plus what is
/// invisible: CVE-2021-42574 is about such characters in source code.
#[must_use]
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Cuts `text` to at most `limit` characters, keeping what stands around byte `focus` (the start of
/// the mask); `…` stands for what is left out.
#[must_use]
pub fn window(text: &str, focus: std::ops::Range<usize>, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit || text.chars().count() <= limit {
        return Cow::Borrowed(text);
    }
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (from, to) = (floor(focus.start), floor(focus.end));
    let inside = text[from..to].chars().count().min(limit);
    let before = (limit - inside) / 3;
    let start = text[..from].char_indices().rev().take(before).last().map_or(from, |(at, _)| at);
    let end = text[start..].char_indices().nth(limit).map_or(text.len(), |(at, _)| start + at);
    let mut cut = String::with_capacity(end - start + 8);
    if start > 0 {
        cut.push('…');
    }
    cut.push_str(&text[start..end]);
    if end < text.len() {
        cut.push('…');
    }
    Cow::Owned(cut)
}

/// The first line of a message, at most `limit` characters of it.
#[must_use]
pub fn subject(message: &str, limit: usize) -> String {
    let line = message.trim_start().lines().next().unwrap_or_default();
    window(line, 0..0, limit).into_owned()
}

/// `1 blob`, `2 blobs`, `12,345 blobs`.
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// `12,345`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Bytes in decimal units: `999 B`, `1.5 kB`, `1.72 GB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            return match unit {
                "B" => format!("{number} B"),
                "GB" => format!("{value:.2} GB"),
                _ => format!("{value:.1} {unit}"),
            };
        }
        value /= 1000.0;
    }
    format!("{value:.2} TB")
}

/// How many columns a terminal gives a character: two for wide ones (Unicode UAX 11, by ranges).
#[must_use]
pub fn columns(character: char) -> usize {
    match u32::from(character) {
        0x300..=0x36f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_obeys() {
        let cases = [
            ("plain – ä 漢", "plain – ä 漢"),
            ("\u{1b}[31mred", "\\x1b[31mred"),
            ("\u{9b}31m", "\\x9b31m"),
            ("a\r\nb\tc\u{7}", "a\\r\\nb\\tc\\x07"),
            ("user\u{202e}txt.exe", "user\\u{202e}txt.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("\u{7f}", "\\x7f"),
        ];
        for (text, expected) in cases {
            assert_eq!(printable(text), expected, "{text:?}");
            assert!(!printable(text).chars().any(is_unsafe));
        }
        assert_eq!(printable_code("\tif\u{1b}"), "    if\\x1b");
    }

    #[test]
    fn windows_keep_the_focus() {
        assert_eq!(window("short", 0..1, 10), "short");
        assert_eq!(window("0123456789abcdef", 10..12, 8), "…89abcdef");
        assert_eq!(window("0123456789abcdef", 0..2, 8), "01234567…");
        assert_eq!(window("ääääääääääXäääääääää", 20..21, 5), "…äXäää…");
        assert_eq!(window("0123456789", 0..10, 4), "0123…");
        assert_eq!(window("0123456789", 50..60, 4), "…9");
    }

    #[test]
    fn numbers() {
        assert_eq!(count(1, "blob", "blobs"), "1 blob");
        assert_eq!(count(1_234_567, "blob", "blobs"), "1,234,567 blobs");
        assert_eq!(
            [0, 999, 1000, 1_500_000, 1_720_000_000, 5_000_000_000_000].map(bytes),
            ["0 B", "999 B", "1.0 kB", "1.5 MB", "1.72 GB", "5.00 TB"]
        );
    }
}
