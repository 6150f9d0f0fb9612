//! Schedules of sync windows: five-field cron expressions in UTC, and `@every`.
//!
//! Source: External Secrets 2.9.0 reads them with robfig/cron v3 (minute, hour, day of month, month, day
//! of week, descriptors): lists, ranges, steps, names, `?`; where both days are restricted, either will do.

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::refresh::go_duration;

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At these times.
    Cron(Cron),
    /// `@every`: again after this.
    Every(Duration),
}

/// A five-field expression: sets of values as bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether days of the month, and of the week, are restricted.
    has_days: bool,
    has_weekdays: bool,
}

/// Reads a schedule; `None` = it is not one, and the operator leaves its window out.
#[must_use]
pub fn parse(text: &str) -> Option<Schedule> {
    if let Some(every) = text.strip_prefix("@every ") {
        // robfig/cron rounds down to seconds, one at least.
        return go_duration(every.trim()).map(|every| Schedule::Every(every.max(Duration::from_secs(1))));
    }
    let text = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        other => other,
    };
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [minutes, hours, days, months, weekdays] = fields.as_slice() else { return None };
    let is_any = |field: &str| field.split(',').any(|part| part.starts_with(['*', '?']));
    Some(Schedule::Cron(Cron {
        minutes: set(minutes, 0, 59, &[])?,
        hours: set(hours, 0, 23, &[])?,
        days: set(days, 1, 31, &[])?,
        months: set(
            months,
            1,
            12,
            &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        )?,
        weekdays: set(weekdays, 0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"])?,
        has_days: !is_any(days),
        has_weekdays: !is_any(weekdays),
    }))
}

/// One field: `*`, `*/5`, `1-5`, `1,3`, `mon-fri`.
fn set(field: &str, least: u32, most: u32, names: &[&str]) -> Option<u64> {
    let value = |text: &str| -> Option<u32> {
        let named = names.iter().position(|name| text.eq_ignore_ascii_case(name));
        match named {
            Some(nth) => u32::try_from(nth).ok().map(|nth| nth + least),
            None => text.parse().ok().filter(|value| (least..=most).contains(value)),
        }
    };
    let mut bits = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (least, most),
            Some((from, to)) => (value(from)?, value(to)?),
            // `5/10` is from 5 on.
            None => (value(range)?, if step.is_some() { most } else { value(range)? }),
        };
        if from > to {
            return None;
        }
        for value in (from..=to).step_by(usize::try_from(step.unwrap_or(1)).ok()?) {
            bits |= 1u64 << value;
        }
    }
    Some(bits)
}

/// The days that are looked at: two years, and a week more, so that what opens once a year is seen to
/// open again. What is shut for longer is shut.
const DAYS: i64 = 2 * 366 + 7;

/// The most days and openings of windows that are looked at, for all of an object's together (some
/// milliseconds). Whoever writes more has them taken for shut.
const MAX_STEPS: usize = 400_000;

/// The longest time for which no reading is let through by windows: closed while one is open (`deny`),
/// or while none is (`allow`). `None` = for ever, as far as can be seen.
#[must_use]
pub fn longest_shut(windows: &[(Schedule, Duration)], is_allow: bool) -> Option<Duration> {
    let mut spans = Vec::new();
    let mut steps = 0;
    for (schedule, duration) in windows {
        open_spans(schedule, duration.as_secs(), &mut spans, &mut steps)?;
    }
    spans.sort_unstable();
    let end = u64::try_from(DAYS).ok()? * 86_400;
    let mut longest_open = 0;
    let mut longest_closed = 0;
    let mut open: Option<(u64, u64)> = None;
    for (from, to) in spans {
        match &mut open {
            Some((_, until)) if from <= *until => *until = (*until).max(to),
            _ => {
                // What lies before the first opening is cut off by where the days begin.
                if let Some((since, until)) = open {
                    longest_open = longest_open.max(until - since);
                    longest_closed = longest_closed.max(from - until);
                }
                open = Some((from, to));
            }
        }
    }
    let Some((since, until)) = open else { return if is_allow { None } else { Some(Duration::ZERO) } };
    longest_open = longest_open.max(until.min(end) - since.min(end));
    longest_closed = longest_closed.max(end.saturating_sub(until));
    let shut = if is_allow { longest_closed } else { longest_open };
    // A year without a gap, or with nothing but one.
    (shut <= 366 * 86_400).then(|| Duration::from_secs(shut))
}

/// The spans, in seconds from the first day looked at, in which a window is open; merged as they come.
/// `None` = there are too many.
fn open_spans(schedule: &Schedule, length: u64, spans: &mut Vec<(u64, u64)>, steps: &mut usize) -> Option<()> {
    let from = spans.len();
    let end = u64::try_from(DAYS).ok()? * 86_400;
    let mut step = || {
        *steps += 1;
        (*steps < MAX_STEPS).then_some(())
    };
    match schedule {
        // The operator asks a fresh schedule, which begins with each question: it is open whenever
        // the interval has not passed since the question less the duration.
        Schedule::Every(every) if every.as_secs() <= length => spans.push((0, end)),
        Schedule::Every(_) => {}
        Schedule::Cron(cron) => {
            let openings = cron.openings();
            let first: Date = date(2026, 1, 1);
            for nth in 0..DAYS {
                step()?;
                if !cron.is_on(first.checked_add(nth.days()).ok()?) {
                    continue;
                }
                let midnight = u64::try_from(nth).ok()? * 86_400;
                for (opening, last_opening) in merged(&openings, length) {
                    step()?;
                    let (start, until) = (midnight + opening, (midnight + last_opening).saturating_add(length));
                    match spans[from..].last_mut() {
                        Some(last) if start <= last.1 => last.1 = last.1.max(until),
                        _ => spans.push((start, until)),
                    }
                }
            }
        }
    }
    Some(())
}

/// Openings of a day, those that follow each other without a gap as one: first and last.
fn merged(openings: &[u64], length: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
    openings
        .chunk_by(move |one, next| next - one <= length)
        .filter_map(|together| Some((*together.first()?, *together.last()?)))
}

impl Cron {
    /// The times of a day, in seconds.
    fn openings(&self) -> Vec<u64> {
        let of = |set: u64, most: u64| (0..most).filter(move |value| set & (1 << value) != 0);
        of(self.hours, 24).flat_map(|hour| of(self.minutes, 60).map(move |minute| hour * 3600 + minute * 60)).collect()
    }

    fn is_on(&self, day: Date) -> bool {
        let has = |set: u64, value: i8| u32::try_from(value).is_ok_and(|value| set & (1 << value) != 0);
        let is_day = has(self.days, day.day());
        let is_weekday = has(self.weekdays, day.weekday().to_sunday_zero_offset());
        let is_either = if self.has_days && self.has_weekdays { is_day || is_weekday } else { is_day && is_weekday };
        has(self.months, day.month()) && is_either
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shut(windows: &[(&str, &str)], is_allow: bool) -> Option<u64> {
        let windows: Vec<_> = windows
            .iter()
            .map(|(schedule, duration)| (parse(schedule).unwrap(), go_duration(duration).unwrap()))
            .collect();
        longest_shut(&windows, is_allow).map(|shut| shut.as_secs())
    }

    #[test]
    fn the_longest_time_without_a_reading_is_found() {
        for (windows, is_allow, hours) in [
            (&[("0 22 * * 1-5", "8h")][..], false, Some(8)),
            (&[("0 22 * * *", "8h")], true, Some(16)),
            (&[("0 22 * * 1-5", "8h")], true, Some(64)),
            (&[("0 0 * * *", "24h")], false, None),
            (&[("0 0 * * *", "12h"), ("0 12 * * *", "12h")], false, None),
            (&[("0 0 * * *", "12h"), ("0 13 * * *", "11h")], false, Some(23)),
            (&[("* * * * *", "1m")], false, None),
            (&[("* * * * *", "1m")], true, Some(0)),
            (&[("0 0 31 2 *", "1h")], true, None),
            (&[("0 0 31 2 *", "1h")], false, Some(0)),
            (&[("@daily", "1h")], true, Some(23)),
            (&[("@every 1h", "2h")], false, None),
            (&[("@every 2h", "1h")], true, None),
            (&[("0 0 13 * fri", "24h")], false, Some(48)),
            (&[("0 */6 * * *", "1h")], true, Some(5)),
        ] {
            assert_eq!(shut(windows, is_allow), hours.map(|hours| hours * 3600), "{windows:?} allow: {is_allow}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_none() {
        for text in ["", "* * * *", "60 * * * *", "* * * * 7", "5-1 * * * *", "*/0 * * * *", "x * * * *", "@never"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn windows_that_open_too_often_to_follow_are_shut() {
        let windows = vec![(parse("*/4 * * * *").unwrap(), Duration::from_secs(1)); 2];
        assert_eq!(longest_shut(&windows[..1], true), Some(Duration::from_secs(239)));
        assert_eq!(longest_shut(&windows, true), None);
    }
}
