//! Durations as a policy writes them: `90d`, `12h`, `1d12h`. Exact: no fractions, no bare numbers.

use std::time::Duration;

/// Units with their seconds, longest first.
const UNITS: [(char, u64); 4] = [('w', 7 * 86_400), ('d', 86_400), ('h', 3_600), ('m', 60)];

/// Reads a duration: whole numbers with the units `w`, `d`, `h`, `m`, the longest first, each once.
///
/// # Errors
///
/// What is wrong with the text, and the cure.
pub fn parse(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text} has no unit: write {text}d for days, {text}h for hours"));
    }
    let wrong = || {
        format!(
            "{} is no duration: write whole numbers with w, d, h or m, as in 90d or 1d12h",
            crate::shown::Shown(text)
        )
    };
    let mut seconds: u64 = 0;
    let mut units = UNITS.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0).ok_or_else(wrong)?;
        let count: u64 = rest[..end].parse().map_err(|_| wrong())?;
        let unit = rest[end..].chars().next().ok_or_else(wrong)?;
        // The iterator goes on where it stopped: a unit can't come twice, nor after a shorter one.
        let (_, length) = units.find(|(known, _)| *known == unit).ok_or_else(wrong)?;
        seconds = count.checked_mul(*length).and_then(|add| seconds.checked_add(add)).ok_or_else(wrong)?;
        rest = &rest[end + unit.len_utf8()..];
    }
    // A hundred years: more is a slip of the finger, and would overflow dates.
    match seconds {
        0 => Err(format!("{} is no time at all: write more than nothing", crate::shown::Shown(text))),
        1..=3_155_760_000 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{} is more than a hundred years", crate::shown::Shown(text))),
    }
}

/// A duration as a policy would write it: `90d`, `1d12h`.
#[must_use]
pub fn shown(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut text = String::new();
    // Weeks are read but not written: 90d is what people say.
    for (unit, length) in &UNITS[1..] {
        if rest >= *length {
            text.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if rest > 0 || text.is_empty() {
        text.push_str(&format!("{rest}s"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units() {
        for (text, seconds) in [
            ("90d", 7_776_000),
            ("12h", 43_200),
            ("30m", 1_800),
            ("2w", 1_209_600),
            ("1d12h", 129_600),
            ("1w1d1h1m", 694_860),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in ["", "90", "d", "90 d", "1.5d", "-1d", "1h1d", "1h1h", "90D", "90s", "0d", "9999999999999w", "1dé"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("90").unwrap_err(), "90 has no unit: write 90d for days, 90h for hours");
    }

    #[test]
    fn a_duration_is_shown_as_it_is_written() {
        for text in ["90d", "1d12h", "45m"] {
            assert_eq!(shown(parse(text).unwrap()), text);
        }
        assert_eq!(shown(parse("2w").unwrap()), "14d");
    }
}
