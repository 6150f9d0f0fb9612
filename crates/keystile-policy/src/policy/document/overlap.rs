//! Whether two teams can spell one name.
//!
//! `{env}-{team}-db` looks like a name of one team, but `prod-eu-x-db` is of team `eu-x` in `prod` and of
//! team `x` in `prod-eu`: DNS labels hold hyphens. `/{env}/{team}/**` beside `/{env}/shared/**` gives a
//! team called `shared` everybody's names. Both are found here, by walking two patterns side by side over
//! the same (imagined) name: is there one that both have, for two different teams?
//!
//! The second is a warning, since such a team must be made first. The first is an error.
//!
//! Teams are different where what `{team}` stands for begins or ends at different places of the name.
//! That is a little more than needed (the two texts could still be equal, as in `a-a`), and what a
//! variable stands for twice in one pattern is not compared: a warning too many, never one too few.

use std::collections::BTreeSet;

use super::reader::Reader;
use crate::field_path::Path;
use crate::name::{NamePattern, Piece, Segment, TextPattern};
use crate::policy::{BindingRule, ByEnv, EnvRule, Grant, Policy};
use crate::shown::Shown;

/// Checks the names of the grants of one entry.
pub(super) fn check_names(reader: &mut Reader, grants: &[(Path<'_>, &Grant)], binding: &BindingRule) {
    let envs = Envs::of(binding);
    for (nth, (path, grant)) in grants.iter().enumerate() {
        if shares(&grant.names, &grant.names, &envs) == Some(Shared::TwoTeams) && !is_one_team(grant) {
            reader.error(path, ambiguous(&grant.names.to_string(), binding, grant.names.separator()));
            continue;
        }
        for (other_path, other) in &grants[..nth] {
            // Two grants to teams by name say whose names they are, each for itself.
            if is_one_team(grant) && is_one_team(other) {
                continue;
            }
            match shares(&grant.names, &other.names, &envs) {
                Some(Shared::TwoTeams) => reader.error(
                    path,
                    format!(
                        "{} and {other_path} can spell one name for two teams: part variables from other text with {:?}",
                        Shown(&grant.names.to_string()),
                        grant.names.separator()
                    ),
                ),
                // Names that are given to listed teams are shared on purpose.
                Some(_) if (if has_team(&grant.names) { other } else { grant }).teams.is_some() => {}
                Some(Shared::EachTeamAndAll) => reader.warning(
                    path,
                    format!(
                        "by this and {other_path} every team has names of every other: write which teams have {}",
                        Shown(&(if has_team(&grant.names) { other } else { grant }).names.to_string())
                    ),
                ),
                Some(Shared::ATeamAndAll(teams)) => {
                    if let Some(team) = open(teams, binding) {
                        reader.warning(
                            path,
                            format!(
                                "a team named {team} would share its names with every team, by this and {other_path}: add {team} to binding.team.reserved"
                            ),
                        );
                    }
                }
                None => {}
            }
        }
    }
}

/// Checks the roles that stores may use.
pub(super) fn check_roles(reader: &mut Reader, policy: &Policy) {
    let envs = Envs::of(&policy.binding);
    for (field, list) in [("roles", &policy.stores.roles), ("serviceAccounts", &policy.stores.service_accounts)] {
        let path = Path::of(&["spec", "stores", field]);
        // A service account lies in the team's own namespace: its name alone gives nothing away.
        if field == "roles" {
            check_texts(reader, &path, list, &envs, &policy.binding);
        }
    }
}

fn check_texts(
    reader: &mut Reader,
    path: &Path<'_>,
    list: &ByEnv<Vec<TextPattern>>,
    envs: &Envs,
    binding: &BindingRule,
) {
    let mut texts: Vec<&TextPattern> = Vec::new();
    for text in list.values().flatten() {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let has_team = |text: &TextPattern| text.pieces().contains(&Piece::Team);
    for (nth, text) in texts.iter().enumerate() {
        if !has_team(text) {
            continue;
        }
        if walk(text.pieces(), text.pieces(), envs).apart {
            reader.error(path, ambiguous(&text.to_string(), binding, '/'));
            continue;
        }
        for (_, other) in texts.iter().enumerate().filter(|(other, _)| *other != nth) {
            if has_team(other) && walk(text.pieces(), other.pieces(), envs).apart {
                reader.error(
                    path,
                    format!(
                        "{} and {} can spell one role for two teams",
                        Shown(&text.to_string()),
                        Shown(&other.to_string())
                    ),
                );
            } else if !has_team(other) {
                let teams = teams_in(text.pieces(), other.pieces(), envs);
                if let Some(team) = open(teams, binding) {
                    reader.warning(
                        path,
                        format!(
                            "a team named {team} would have {} by {}: add {team} to binding.team.reserved",
                            Shown(&other.to_string()),
                            Shown(&text.to_string())
                        ),
                    );
                }
            }
        }
    }
}

fn ambiguous(text: &str, binding: &BindingRule, separator: char) -> String {
    let cure = match &binding.env {
        EnvRule::Label { values, .. } if values.is_empty() => {
            format!("list the environments in binding.env.values, or part the variables with {separator:?}")
        }
        _ => format!("part the variables with {separator:?}, which no team's name can hold"),
    };
    format!("{} can spell one name for two teams, since names of teams hold hyphens: {cure}", Shown(text))
}

/// The teams that are not reserved, as a message names them.
fn open(teams: BTreeSet<String>, binding: &BindingRule) -> Option<String> {
    let open: Vec<String> = teams.into_iter().filter(|team| !binding.reserved_teams.contains(team)).collect();
    (!open.is_empty()).then(|| open.join(" or "))
}

fn is_one_team(grant: &Grant) -> bool {
    grant.teams.as_ref().is_some_and(|teams| teams.len() == 1)
}

fn has_team(names: &NamePattern) -> bool {
    names.segments().iter().any(|segment| matches!(segment, Segment::Pieces(pieces) if pieces.contains(&Piece::Team)))
}

/// How a name can be shared.
#[derive(Debug, PartialEq, Eq)]
enum Shared {
    /// Both patterns have it, for two teams.
    TwoTeams,
    /// One pattern has it for these teams, the other for every team.
    ATeamAndAll(BTreeSet<String>),
    /// One pattern has it for a team, the other for every team, whatever the team's name.
    EachTeamAndAll,
}

/// The environments of the policy.
struct Envs(Option<Vec<Vec<char>>>);

impl Envs {
    fn of(binding: &BindingRule) -> Self {
        let letters = |text: &String| text.chars().collect();
        Self(match &binding.env {
            EnvRule::Value(value) => Some(vec![letters(value)]),
            EnvRule::Label { values, .. } if !values.is_empty() => Some(values.iter().map(letters).collect()),
            EnvRule::Label { .. } => None,
        })
    }
}

/// Whether two patterns share a name, for two teams. Segments lie side by side: no variable holds a
/// separator.
fn shares(a: &NamePattern, b: &NamePattern, envs: &Envs) -> Option<Shared> {
    let (teams_a, teams_b) = (has_team(a), has_team(b));
    if !teams_a && !teams_b {
        return None;
    }
    let mut named = BTreeSet::new();
    let mut is_any_team = false;
    let is_team = |segment: &Segment| matches!(segment, Segment::Pieces(pieces) if pieces.contains(&Piece::Team));
    let (mut left, mut right) = (a.segments().iter(), b.segments().iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => break,
            // The rest of the other pattern lies where anything may.
            (Some(Segment::Rest), Some(first)) => {
                is_any_team |= std::iter::once(first).chain(right).any(is_team);
                break;
            }
            (Some(first), Some(Segment::Rest)) => {
                is_any_team |= std::iter::once(first).chain(left).any(is_team);
                break;
            }
            (None, _) | (_, None) => return None,
            (Some(Segment::One), Some(segment)) | (Some(segment), Some(Segment::One)) => {
                if matches!(segment, Segment::Pieces(pieces) if pieces.is_empty()) {
                    return None;
                }
                is_any_team |= is_team(segment);
            }
            (Some(Segment::Pieces(left)), Some(Segment::Pieces(right))) => {
                let found = walk(left, right, envs);
                // No common text, or only such with one team in both: then it is the same team's name.
                if !found.apart && !found.without_teams {
                    return None;
                }
                let (with, without) = if teams_a { (left, right) } else { (right, left) };
                if with.contains(&Piece::Team) {
                    named.extend(teams_in(with, without, envs));
                }
            }
        }
    }
    Some(match (teams_a && teams_b, is_any_team) {
        (true, _) => Shared::TwoTeams,
        (false, true) => Shared::EachTeamAndAll,
        (false, false) => Shared::ATeamAndAll(named),
    })
}

/// What `{team}` of `pieces` can stand for, for the texts that the other pieces are. Nothing where the
/// other pieces hold a label that is not known.
fn teams_in(pieces: &[Piece], other: &[Piece], envs: &Envs) -> BTreeSet<String> {
    let mut texts = vec![String::new()];
    for piece in other {
        let alternatives: Vec<String> = match (piece, &envs.0) {
            (Piece::Text(text), _) => vec![text.clone()],
            (Piece::Env, Some(known)) => known.iter().map(|env| env.iter().collect()).collect(),
            (Piece::Env, None) | (Piece::Team, _) => return BTreeSet::new(),
        };
        texts = texts.iter().flat_map(|text| alternatives.iter().map(move |more| format!("{text}{more}"))).collect();
    }
    let mut teams = BTreeSet::new();
    for text in texts {
        for (from, to) in (0..text.len()).flat_map(|from| (from + 1..=text.len()).map(move |to| (from, to))) {
            let Some(team) = text.get(from..to).filter(|team| super::syntax::is_dns_label(team)) else { continue };
            let filled: Vec<Piece> = pieces
                .iter()
                .map(|piece| if *piece == Piece::Team { Piece::Text(team.to_owned()) } else { piece.clone() })
                .collect();
            if walk(&filled, &[Piece::Text(text.clone())], envs).without_teams {
                teams.insert(team.to_owned());
            }
        }
    }
    teams
}

/// How two segments can have one text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    /// With teams at different places.
    apart: bool,
    /// With a team at the same place in both.
    together: bool,
    /// With no team in at least one of them.
    without_teams: bool,
}

/// Where a walk stands in a segment: before a character of the piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    piece: usize,
    /// Of a text: which character. Of a listed environment: which one, times 64, and which character.
    /// Of a label: 0 = nothing yet, 1 = after a letter or digit, 2 = after a hyphen.
    inner: usize,
}

/// What is read of the name in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Exactly(char),
    LetterOrDigit,
    Hyphen,
}

impl Read {
    fn can_be(self, other: Self) -> bool {
        match (self, other) {
            (Self::Exactly(a), Self::Exactly(b)) => a == b,
            (Self::Exactly(c), Self::LetterOrDigit) | (Self::LetterOrDigit, Self::Exactly(c)) => {
                c.is_ascii_lowercase() || c.is_ascii_digit()
            }
            (Self::Exactly(c), Self::Hyphen) | (Self::Hyphen, Self::Exactly(c)) => c == '-',
            (a, b) => a == b,
        }
    }
}

/// One step: what is read, where it leads (`None` = the end of the segment).
type Step = (Read, Option<At>);

/// The starts of a piece; for the end of the pieces `None`.
fn starts(pieces: &[Piece], piece: usize, envs: &Envs) -> Vec<Option<At>> {
    match pieces.get(piece) {
        None => vec![None],
        Some(Piece::Env) => match &envs.0 {
            Some(known) => (0..known.len()).map(|env| Some(At { piece, inner: env * 64 })).collect(),
            None => vec![Some(At { piece, inner: 0 })],
        },
        Some(_) => vec![Some(At { piece, inner: 0 })],
    }
}

fn steps(pieces: &[Piece], at: At, envs: &Envs) -> Vec<Step> {
    let exactly = |letters: &[char], nth: usize, inner: usize| -> Vec<Step> {
        let Some(letter) = letters.get(nth) else { return Vec::new() };
        if nth + 1 < letters.len() {
            return vec![(Read::Exactly(*letter), Some(At { piece: at.piece, inner: inner + 1 }))];
        }
        starts(pieces, at.piece + 1, envs).into_iter().map(|next| (Read::Exactly(*letter), next)).collect()
    };
    match (&pieces[at.piece], &envs.0) {
        (Piece::Text(text), _) => exactly(&text.chars().collect::<Vec<_>>(), at.inner, at.inner),
        (Piece::Env, Some(known)) => exactly(&known[at.inner / 64], at.inner % 64, at.inner),
        (Piece::Env | Piece::Team, _) => {
            let mut steps = vec![(Read::LetterOrDigit, Some(At { piece: at.piece, inner: 1 }))];
            steps.extend(starts(pieces, at.piece + 1, envs).into_iter().map(|next| (Read::LetterOrDigit, next)));
            if at.inner > 0 {
                steps.push((Read::Hyphen, Some(At { piece: at.piece, inner: 2 })));
            }
            steps
        }
    }
}

/// Walks two segments over the same text.
fn walk(a: &[Piece], b: &[Piece], envs: &Envs) -> Found {
    /// How the teams of the two lie, so far.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct State {
        a: Option<At>,
        b: Option<At>,
        /// Both are within a team that began at the same place.
        is_level: bool,
        /// Both had a team at the same place, from its beginning to its end.
        was_together: bool,
    }
    let is_team_start =
        |pieces: &[Piece], at: Option<At>| at.is_some_and(|at| at.inner == 0 && pieces[at.piece] == Piece::Team);
    let both_have_teams = a.contains(&Piece::Team) && b.contains(&Piece::Team);
    let mut found = Found::default();
    let mut seen: BTreeSet<State> = BTreeSet::new();
    let mut open: Vec<State> = Vec::new();
    for start_a in starts(a, 0, envs) {
        for start_b in starts(b, 0, envs) {
            let is_level = is_team_start(a, start_a) && is_team_start(b, start_b);
            open.push(State { a: start_a, b: start_b, is_level, was_together: false });
        }
    }
    while let Some(state) = open.pop() {
        if !seen.insert(state) {
            continue;
        }
        let (at_a, at_b) = match (state.a, state.b) {
            (None, None) => {
                found.together |= state.was_together;
                found.apart |= both_have_teams && !state.was_together;
                found.without_teams |= !both_have_teams;
                continue;
            }
            (Some(at_a), Some(at_b)) => (at_a, at_b),
            _ => continue,
        };
        for (read_a, next_a) in steps(a, at_a, envs) {
            for (read_b, next_b) in steps(b, at_b, envs) {
                if !read_a.can_be(read_b) {
                    continue;
                }
                let leaves = |at: At, next: Option<At>| next.is_none_or(|next| next.piece != at.piece);
                let (left_a, left_b) = (leaves(at_a, next_a), leaves(at_b, next_b));
                let started = is_team_start(a, next_a) && is_team_start(b, next_b);
                open.push(State {
                    a: next_a,
                    b: next_b,
                    is_level: started || (state.is_level && !left_a && !left_b),
                    was_together: state.was_together || (state.is_level && left_a && left_b),
                });
            }
        }
    }
    found
}
