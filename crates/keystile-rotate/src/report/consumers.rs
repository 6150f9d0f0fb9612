//! Who consumes a rotated secret, in words: shared by the formats.

use super::words::enumerate;
use crate::consumers::{Consumer, Consumers, PickUp};

/// `Deployment shop/web`, who makes it, and in which file it stands.
pub(super) fn who(consumer: &Consumer) -> String {
    let facts: Vec<String> = [
        consumer.made_by.as_ref().map(|maker| format!("made by {maker}")),
        consumer.file.as_ref().map(|file| format!("in {file}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if facts.is_empty() { consumer.object.to_string() } else { format!("{} ({})", consumer.object, facts.join(", ")) }
}

/// When a consumer has the new value, as a clause.
pub(super) fn when(pick_up: PickUp) -> String {
    match pick_up {
        PickUp::ByItself { within_seconds: Some(seconds) } => format!("by itself within {}", duration(seconds)),
        PickUp::ByItself { within_seconds: None } => "by itself, when is not known".to_owned(),
        PickUp::AtStart { from_seconds: Some(0) | None } => "at its next start".to_owned(),
        PickUp::AtStart { from_seconds: Some(seconds) } => {
            format!("at its next start from {} after the rotation on", duration(seconds))
        }
        PickUp::NotByItself => "not without somebody's doing".to_owned(),
    }
}

/// Why, as one text.
pub(super) fn why(consumer: &Consumer) -> String {
    consumer.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// How many consumers there are, and how many have the new value when.
pub(super) fn tally(consumers: &Consumers) -> String {
    let [mut itself, mut start, mut never] = [0_u64; 3];
    for consumer in &consumers.consumers {
        match consumer.pick_up {
            PickUp::ByItself { .. } => itself += 1,
            PickUp::AtStart { .. } => start += 1,
            PickUp::NotByItself => never += 1,
        }
    }
    let source = match consumers.looked_at.source.as_str() {
        "" => String::new(),
        source => format!(" in {source}"),
    };
    let all = consumers.consumers.len();
    if all == 0 {
        return format!("none{source}");
    }
    let parts: Vec<String> = [
        (itself, "take the new value by themselves"),
        (start, "at their next start"),
        (never, "not without somebody's doing"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {what}"))
    .collect();
    format!("{all}{source}: {}", parts.join(", "))
}

/// The commands, in the order in which they help.
pub(super) fn commands(consumers: &Consumers) -> impl Iterator<Item = &String> {
    let commands = &consumers.commands;
    commands.force_sync.iter().chain(&commands.remake).chain(&commands.restart)
}

/// The names of at most `most`, and how many more there are.
pub(super) fn names<'a>(consumers: impl Iterator<Item = &'a Consumer>, most: usize) -> String {
    let mut names: Vec<String> = consumers.map(|consumer| consumer.object.to_string()).collect();
    let all = names.len();
    names.truncate(most);
    if all > most {
        names.push(format!("{} more", all - most));
    }
    enumerate(&names)
}

/// `2 days 3 hours`, `1 hour`, `30 seconds`: the two largest units, for people.
pub(super) fn duration(seconds: u64) -> String {
    let units = [
        (seconds / 86_400, "day"),
        (seconds / 3_600 % 24, "hour"),
        (seconds / 60 % 60, "minute"),
        (seconds % 60, "second"),
    ];
    let shown: Vec<String> = units
        .iter()
        .skip_while(|(number, _)| *number == 0)
        .take(2)
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}{}", if *number == 1 { "" } else { "s" }))
        .collect();
    if shown.is_empty() { "0 seconds".to_owned() } else { shown.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_two_units() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (60, "1 minute"),
            (3_600, "1 hour"),
            (3_660, "1 hour 1 minute"),
            (86_401, "1 day"),
            (12 * 86_400 + 3 * 3_600 + 60, "12 days 3 hours"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds} s");
        }
    }
}
