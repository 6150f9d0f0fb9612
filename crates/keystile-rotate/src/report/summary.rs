//! A few lines for the log of a job: how each item stands, and what to type next.

use keystile_scan::text::printable;

use super::incident::Incident;

/// One line for each item, then the verdict, then the command to go on with. Without line feeds.
#[must_use]
pub fn summary(incident: &Incident) -> Vec<String> {
    let mut lines: Vec<String> = incident
        .items
        .iter()
        .map(|item| {
            let status = &item.status;
            let stands =
                status.outcome.map_or_else(|| format!("to do: {}", item.action.verb()), |outcome| outcome.to_string());
            let why = item.blocked.first().map(|block| &block.why).filter(|_| item.proof.is_empty());
            let why = item.proof.last().or(why).map_or(status.meaning.as_str(), String::as_str);
            printable(&format!("item {}: {stands}: {}: {why}", item.number, item.name())).into_owned()
        })
        .collect();
    lines.push(incident.verdict.clone());
    if let Some(command) = &incident.next_command {
        lines.push(printable(&format!("next: {command}")).into_owned());
    }
    lines
}
