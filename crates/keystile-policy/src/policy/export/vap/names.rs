//! Grants as CEL: whether a name is one that a grant covers.

use crate::name::{NamePattern, Piece, Segment};
use crate::policy::Grant;
use crate::policy::export::cel::{self, text};

/// Whether a grant covers a canonical name; `env` says where it does.
pub(super) fn of_grant(grant: &Grant, env: &str, key: &str) -> String {
    let mut ways = vec![covers(&grant.names, key)];
    if env != "true" {
        ways.insert(0, env.to_owned());
    }
    if let Some(teams) = &grant.teams {
        let teams: Vec<&str> = teams.iter().map(String::as_str).collect();
        ways.insert(0, format!("variables.team in {}", cel::list(&teams)));
    }
    format!("({})", ways.join(" && "))
}

/// Whether a pattern has a canonical name.
fn covers(names: &NamePattern, key: &str) -> String {
    let segments = names.segments();
    if segments.contains(&Segment::One) {
        let parts = segments.iter().map(|segment| match segment {
            Segment::Pieces(pieces) => filled(pieces, cel::escaped),
            Segment::One => vec![text("[^/]+")],
            Segment::Rest => vec![text("[^/]+(/[^/]+)*")],
        });
        let between = text("/");
        let mut pattern = vec![text("^")];
        for (nth, part) in parts.enumerate() {
            if nth > 0 {
                pattern.push(between.clone());
            }
            pattern.extend(part);
        }
        pattern.push(text("$"));
        return format!("{key}.matches({})", cel::sum(&pattern));
    }
    let (is_open, before) = match segments.split_last() {
        Some((Segment::Rest, before)) => (true, before),
        _ => (false, segments),
    };
    let mut whole = Vec::new();
    for (nth, segment) in before.iter().enumerate() {
        if nth > 0 {
            whole.push(text("/"));
        }
        if let Segment::Pieces(pieces) = segment {
            whole.extend(filled(pieces, str::to_owned));
        }
    }
    match (is_open, before.is_empty()) {
        // A name that begins with a slash has an empty segment before it.
        (true, true) => format!("!{key}.startsWith(\"/\")"),
        // Canonical names don't end in a slash: something follows.
        (true, false) => {
            whole.push(text("/"));
            format!("{key}.startsWith({})", cel::sum(&whole))
        }
        (false, _) => format!("{key} == {}", cel::sum(&whole)),
    }
}

/// The pieces of a segment as CEL; environments and teams are DNS labels, and mean themselves in expressions.
fn filled(pieces: &[Piece], written: impl Fn(&str) -> String) -> Vec<String> {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(piece) => text(&written(piece)),
            Piece::Env => "variables.env".to_owned(),
            Piece::Team => "variables.team".to_owned(),
        })
        .collect()
}
