//! Rotation schedules of AWS: `rate(…)` and `cron(…)`, read as the longest time between two rotations.
//!
//! Source: AWS Secrets Manager user guide, "Schedule expressions": a rate is a whole number of hours or
//! days; a cron expression has six fields, minutes hours day-of-month month day-of-week year, in UTC,
//! and one of the two day fields is `?`. Names of months and weekdays, lists, ranges, steps, `L`, `W`
//! and `#` are read as EventBridge documents them.
//!
//! A schedule is judged by its *longest* gap: `cron(0 8 1 JAN,FEB ? *)` runs twice in a month and then
//! not for eleven.

use std::time::Duration;

use jiff::civil::{Date, Weekday, date};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Longest expression that is read, in bytes.
const LONGEST: usize = 256;

/// Why an expression is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Neither `rate(…)` nor `cron(…)`, or longer than 256 bytes.
    #[error("is neither rate(…) nor cron(…)")]
    Form,
    /// A rate that is not a number and `hours` or `days`.
    #[error("is not a whole number above 0 and hours or days, as in rate(30 days)")]
    Rate,
    /// A cron expression without six fields.
    #[error("does not have six fields: minutes hours day-of-month month day-of-week year")]
    Fields,
    /// Both day fields, or neither, are `?`.
    #[error("must have ? in exactly one of day-of-month and day-of-week")]
    Days,
    /// A field that can't be read; names it.
    #[error("has a {0} that can't be read")]
    Field(&'static str),
    /// It runs in some years only, or never: there is no longest gap.
    #[error("does not run again and again")]
    Ends,
}

/// The longest time between two rotations under `expression`.
///
/// # Errors
///
/// Says what is wrong with the expression; see [`ScheduleError`].
pub fn longest_gap(expression: &str) -> Result<Duration, ScheduleError> {
    if expression.len() > LONGEST {
        return Err(ScheduleError::Form);
    }
    let inside = |name: &str| expression.trim().strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(rate) = inside("rate") {
        return rate_gap(rate);
    }
    Cron::parse(inside("cron").ok_or(ScheduleError::Form)?)?.longest_gap()
}

fn rate_gap(rate: &str) -> Result<Duration, ScheduleError> {
    let mut words = rate.split_ascii_whitespace();
    let (Some(count), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return Err(ScheduleError::Rate);
    };
    let seconds = match unit {
        "hour" | "hours" => HOUR,
        "day" | "days" => DAY,
        _ => return Err(ScheduleError::Rate),
    };
    // A sign, which `parse` would take, is not a number of AWS.
    let count = count
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| count.parse::<u32>().ok())
        .flatten()
        .filter(|count| *count > 0)
        .ok_or(ScheduleError::Rate)?;
    Ok(Duration::from_secs(u64::from(count) * seconds))
}

/// A day of the month, as a cron field chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MonthDay {
    /// This day.
    Day(i8),
    /// The last day, less these.
    Last(i8),
    /// The weekday (Monday to Friday) nearest to this day, in the same month.
    NearestWeekday(i8),
    /// The last weekday (Monday to Friday).
    LastWeekday,
}

/// A day of the week, as a cron field chooses it. 1 = Sunday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WeekDay {
    /// Every such day.
    Every(i8),
    /// The last such day of the month.
    Last(i8),
    /// The nth such day of the month.
    Nth(i8, i8),
}

enum Days {
    OfMonth(Vec<MonthDay>),
    OfWeek(Vec<WeekDay>),
}

struct Cron {
    /// Minutes of the day at which it runs, rising.
    minutes_of_day: Vec<u64>,
    days: Days,
    /// By month, from January.
    months: [bool; 12],
}

impl Cron {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, month_days, months, week_days, year] = fields[..] else {
            return Err(ScheduleError::Fields);
        };
        if year != "*" {
            return Err(ScheduleError::Ends);
        }
        let minutes = numbers(minutes, 0, 59, &[]).ok_or(ScheduleError::Field("minutes field"))?;
        let hours = numbers(hours, 0, 23, &[]).ok_or(ScheduleError::Field("hours field"))?;
        let chosen = numbers(months, 1, 12, &MONTHS).ok_or(ScheduleError::Field("month field"))?;
        let days = match (month_days, week_days) {
            ("?", "?") => return Err(ScheduleError::Days),
            ("?", days) => Days::OfWeek(week_days_of(days).ok_or(ScheduleError::Field("day-of-week field"))?),
            (days, "?") => Days::OfMonth(month_days_of(days).ok_or(ScheduleError::Field("day-of-month field"))?),
            _ => return Err(ScheduleError::Days),
        };
        let mut of_day = Vec::new();
        for hour in &hours {
            for minute in &minutes {
                of_day.push(u64::from(hour.unsigned_abs()) * 60 + u64::from(minute.unsigned_abs()));
            }
        }
        of_day.sort_unstable();
        of_day.dedup();
        let mut months = [false; 12];
        for month in chosen {
            months[usize::from(month.unsigned_abs()) - 1] = true;
        }
        Ok(Self { minutes_of_day: of_day, days, months })
    }

    /// Looks at 28 years, after which weekdays and leap years repeat (within a century).
    fn longest_gap(&self) -> Result<Duration, ScheduleError> {
        let (Some(first), Some(last)) = (self.minutes_of_day.first(), self.minutes_of_day.last()) else {
            return Err(ScheduleError::Ends);
        };
        let mut longest = self.minutes_of_day.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        let mut day = date(2001, 1, 1);
        let mut number = 0_u64;
        let mut last_run: Option<u64> = None;
        let mut runs = 0_u32;
        while day.year() < 2029 {
            if self.runs_on(day) {
                if let Some(before) = last_run {
                    longest = longest.max((number - before) * 24 * 60 + first - last);
                }
                last_run = Some(number);
                runs += 1;
            }
            number += 1;
            day = day.tomorrow().map_err(|_| ScheduleError::Ends)?;
        }
        // No day that it runs on (30 February), or too few to tell.
        if runs < 2 {
            return Err(ScheduleError::Ends);
        }
        Ok(Duration::from_secs(longest * 60))
    }

    fn runs_on(&self, day: Date) -> bool {
        if !self.months[usize::from(day.month().unsigned_abs()) - 1] {
            return false;
        }
        match &self.days {
            Days::OfMonth(days) => days.iter().any(|choice| is_month_day(*choice, day)),
            Days::OfWeek(days) => days.iter().any(|choice| is_week_day(*choice, day)),
        }
    }
}

fn is_month_day(choice: MonthDay, day: Date) -> bool {
    let length = day.days_in_month();
    match choice {
        MonthDay::Day(number) => day.day() == number,
        MonthDay::Last(less) => day.day() == length - less,
        MonthDay::LastWeekday => day.day() == nearest_weekday(day, length),
        // A month without the day doesn't have its nearest weekday either.
        MonthDay::NearestWeekday(number) => number <= length && day.day() == nearest_weekday(day, number),
    }
}

/// The day of `month`'s month, Monday to Friday, that is nearest to `number`.
fn nearest_weekday(month: Date, number: i8) -> i8 {
    let length = month.days_in_month();
    let aim = month.first_of_month().with().day(number).build().unwrap_or(month);
    match aim.weekday() {
        Weekday::Saturday if number == 1 => number + 2,
        Weekday::Saturday => number - 1,
        Weekday::Sunday if number == length => number - 2,
        Weekday::Sunday => number + 1,
        _ => number,
    }
}

fn is_week_day(choice: WeekDay, day: Date) -> bool {
    let number = day.weekday().to_sunday_one_offset();
    match choice {
        WeekDay::Every(wanted) => number == wanted,
        WeekDay::Last(wanted) => number == wanted && day.day() > day.days_in_month() - 7,
        WeekDay::Nth(wanted, nth) => number == wanted && (day.day() - 1) / 7 + 1 == nth,
    }
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One number, or a name of `names` (whose first is `low`).
fn number(text: &str, low: i8, high: i8, names: &[&str]) -> Option<i8> {
    if let Some(place) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return i8::try_from(place).ok().map(|place| place + low);
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| (low..=high).contains(number))
}

/// The numbers of a field: a list of `*`, numbers, ranges and steps.
fn numbers(field: &str, low: i8, high: i8, names: &[&str]) -> Option<Vec<i8>> {
    let mut all = Vec::new();
    for part in field.split(',') {
        let (span, step) = match part.split_once('/') {
            Some((span, step)) => (span, Some(step.parse::<usize>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (from, to) = match span.split_once('-') {
            _ if span == "*" => (low, high),
            Some((from, to)) => (number(from, low, high, names)?, number(to, low, high, names)?),
            // `8/4` = from 8 on, every fourth.
            None if step.is_some() => (number(span, low, high, names)?, high),
            None => {
                let only = number(span, low, high, names)?;
                (only, only)
            }
        };
        if from <= to {
            all.extend((from..=to).step_by(step.unwrap_or(1)));
        } else {
            // FRI-MON goes over the end.
            all.extend((from..=high).chain(low..=to).step_by(step.unwrap_or(1)));
        }
    }
    Some(all)
}

fn month_days_of(field: &str) -> Option<Vec<MonthDay>> {
    let mut days = Vec::new();
    for part in field.split(',') {
        if part == "L" {
            days.push(MonthDay::Last(0));
        } else if part == "LW" {
            days.push(MonthDay::LastWeekday);
        } else if let Some(less) = part.strip_prefix("L-") {
            days.push(MonthDay::Last(number(less, 1, 30, &[])?));
        } else if let Some(day) = part.strip_suffix('W') {
            days.push(MonthDay::NearestWeekday(number(day, 1, 31, &[])?));
        } else {
            days.extend(numbers(part, 1, 31, &[])?.into_iter().map(MonthDay::Day));
        }
    }
    Some(days)
}

fn week_days_of(field: &str) -> Option<Vec<WeekDay>> {
    let mut days = Vec::new();
    for part in field.split(',') {
        if part == "L" {
            days.push(WeekDay::Every(7));
        } else if let Some((day, nth)) = part.split_once('#') {
            days.push(WeekDay::Nth(number(day, 1, 7, &WEEKDAYS)?, number(nth, 1, 5, &[])?));
        } else if let Some(day) = part.strip_suffix('L') {
            days.push(WeekDay::Last(number(day, 1, 7, &WEEKDAYS)?));
        } else {
            days.extend(numbers(part, 1, 7, &WEEKDAYS)?.into_iter().map(WeekDay::Every));
        }
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(expression: &str) -> u64 {
        longest_gap(expression).unwrap_or_else(|error| panic!("{expression} {error}")).as_secs() / HOUR
    }

    #[test]
    fn a_rate_is_its_own_gap() {
        assert_eq!(hours("rate(12 hours)"), 12);
        assert_eq!(hours("rate(1 day)"), 24);
        assert_eq!(hours("rate(90 days)"), 90 * 24);
    }

    #[test]
    fn the_longest_gap_of_a_cron_counts() {
        for (expression, days) in [
            ("cron(0 8 * * ? *)", 1),
            ("cron(0 0/8 * * ? *)", 0),
            ("cron(0 8 1 * ? *)", 31),
            ("cron(0 0 1,15 * ? *)", 17),
            ("cron(0 8 ? * SUN *)", 7),
            ("cron(0 8 ? * 2#1 *)", 35),
            ("cron(0 8 ? * FRIL *)", 35),
            ("cron(0 8 L * ? *)", 31),
            ("cron(0 8 31 * ? *)", 61),
            ("cron(0 8 1 JAN,FEB ? *)", 335),
            ("cron(0 8 1 1/3 ? *)", 92),
            ("cron(0 8 29 2 ? *)", 4 * 365 + 1),
            ("cron(0 8 ? * MON-FRI *)", 3),
            ("cron(0 8 ? * FRI-MON *)", 4),
        ] {
            assert_eq!(hours(expression) / 24, days, "{expression}");
        }
        assert_eq!(hours("cron(0 0/8 * * ? *)"), 8);
        assert_eq!(hours("cron(0 20/4 * * ? *)"), 24);
        assert_eq!(hours("cron(0 6,18 * * ? *)"), 12);
        assert_eq!(hours("cron(0 6,12 * * ? *)"), 18);
    }

    #[test]
    fn the_nearest_weekday_stays_in_its_month() {
        // 1 September 2001 is a Saturday: the nearest weekday of the month is Monday the 3rd.
        assert_eq!(nearest_weekday(date(2001, 9, 1), 1), 3);
        // 30 September 2001 is a Sunday.
        assert_eq!(nearest_weekday(date(2001, 9, 1), 30), 28);
        assert_eq!(nearest_weekday(date(2001, 9, 1), 15), 14);
        assert!((33..=35).contains(&(hours("cron(0 8 1W * ? *)") / 24)));
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_the_reason() {
        for (expression, error) in [
            ("", ScheduleError::Form),
            ("30 days", ScheduleError::Form),
            ("rate()", ScheduleError::Rate),
            ("rate(0 days)", ScheduleError::Rate),
            ("rate(+3 days)", ScheduleError::Rate),
            ("rate(10 minutes)", ScheduleError::Rate),
            ("rate(1.5 days)", ScheduleError::Rate),
            ("cron(0 8 * * *)", ScheduleError::Fields),
            ("cron(0 8 * * * *)", ScheduleError::Days),
            ("cron(0 8 ? * ? *)", ScheduleError::Days),
            ("cron(0 25 * * ? *)", ScheduleError::Field("hours field")),
            ("cron(0 8 0 * ? *)", ScheduleError::Field("day-of-month field")),
            ("cron(0 8 ? * 8 *)", ScheduleError::Field("day-of-week field")),
            ("cron(0 8 * 13 ? *)", ScheduleError::Field("month field")),
            ("cron(0/0 8 * * ? *)", ScheduleError::Field("minutes field")),
            ("cron(0 8 1 1 ? 2030)", ScheduleError::Ends),
            ("cron(0 8 30 2 ? *)", ScheduleError::Ends),
        ] {
            assert_eq!(longest_gap(expression), Err(error), "{expression}");
        }
        assert_eq!(longest_gap(&format!("rate({} days)", "1".repeat(300))), Err(ScheduleError::Form));
    }
}
