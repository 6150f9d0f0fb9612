//! Proves that a search can only find names inside of what is granted.
//!
//! A tenant's expression is never run on a name. It is read as Go reads it ([`keystile_scan::re2`]),
//! made an automaton of all names in which it matches anywhere, and walked in step with the automaton of
//! the granted names: a name that the one accepts and the other doesn't is a way out, and is shown. No
//! such name is a proof. Both automata are built lazily, within a [`Budget`] for the whole object: what
//! is too long, too large or too costly is not proved, which means refused.
//!
//! Names are made of a provider's characters, all ASCII. Within ASCII the translation of Go's syntax is
//! exact, so the proof is about what the operator does.

pub mod find;
mod granted;

use std::collections::HashSet;

use keystile_scan::re2;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{self, Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

pub use granted::expression as granted_expression;

/// The longest expression that is looked at, in bytes. Those in use are a few dozen.
pub const MAX_EXPRESSION: usize = 1024;

/// The largest automaton of an expression before it is made deterministic, in bytes.
const NFA_LIMIT: usize = 128 << 10;

/// The same for the granted names, which an administrator wrote.
const GRANTED_NFA_LIMIT: usize = 8 << 20;

/// The most memory that deterministic states may take, in bytes.
const STATES_LIMIT: usize = 4 << 20;

/// Work that may be done for one object: a unit is about a nanosecond in a release build.
#[derive(Clone, Debug)]
pub struct Budget(u64);

impl Default for Budget {
    /// Enough for any expression that a person wrote, and some milliseconds at most.
    fn default() -> Self {
        Self(4_000_000)
    }
}

impl Budget {
    fn take(&mut self, units: u64) -> Result<(), NotProved> {
        match self.0.checked_sub(units) {
            Some(rest) => {
                self.0 = rest;
                Ok(())
            }
            None => {
                self.0 = 0;
                Err(NotProved::TooCostly)
            }
        }
    }
}

/// What a search finds, and where.
#[derive(Clone, Copy, Debug)]
pub struct Search<'q> {
    /// The expression, which matches anywhere in a name; `None` = every name.
    pub expression: Option<&'q str>,
    /// Every name that is found begins so.
    pub begins_with: &'q str,
    /// What is put before a found name when its value is fetched.
    pub fetched_behind: &'q str,
    /// What names are made of.
    pub alphabet: &'q [u8],
    /// The granted names, an expression of [`granted_expression`].
    pub granted: &'q str,
}

/// A name that is found and not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayOut(pub String);

/// Why nothing was proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProved {
    /// Longer than [`MAX_EXPRESSION`].
    #[error("it is longer than {MAX_EXPRESSION} bytes")]
    TooLong,
    /// Go refuses it, or means something by it that can't be translated.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// Its repetitions make too large an automaton.
    #[error("it is too large: use fewer and smaller repetitions")]
    TooLarge,
    /// The walk took too long, or other expressions of the object have used the time up.
    #[error("it is too costly to follow: use a simpler one, or find.path")]
    TooCostly,
}

/// Looks for a name that a search finds and no grant covers. `None` = there is none: it is proved.
///
/// # Errors
///
/// Where nothing could be proved; the search is then to be refused.
pub fn way_out(search: &Search<'_>, budget: &mut Budget) -> Result<Option<WayOut>, NotProved> {
    // What reading it costs, before it is read: an object may hold thousands that are refused for their
    // size or syntax.
    let length = search.expression.map_or(0, str::len).min(MAX_EXPRESSION) as u64;
    budget.take(15_000 + 20 * length)?;
    let translated = translated(search.expression)?;
    let mut found = Automaton::new(&translated, NFA_LIMIT).inspect_err(|_| {
        // Finding out that it is too large took about as long as the limit allows; what is left then shows.
        let _ = budget.take(400_000);
    })?;
    budget.take(found.step.saturating_mul(50))?;
    // An administrator wrote these names: few of their states are alive at once, however many there are.
    let mut granted = Automaton { step: 50, ..Automaton::new(search.granted, GRANTED_NFA_LIMIT)? };
    let letters = letters(&found.dfa, &granted.dfa, search.alphabet);

    let mut at_granted = granted.start()?;
    for byte in search.fetched_behind.bytes() {
        at_granted = granted.next(at_granted, byte, budget)?;
    }
    let mut at_found = Some(found.start()?);
    for byte in search.begins_with.bytes() {
        at_granted = granted.next(at_granted, byte, budget)?;
        at_found = found.step(at_found, byte, budget)?;
    }

    // Breadth first, so that the name shown is a shortest one.
    let mut nodes = vec![Node { found: at_found, granted: at_granted, from: 0, byte: 0 }];
    let mut seen = HashSet::from([(at_found, at_granted)]);
    let mut next = 0;
    while let Some(&node) = nodes.get(next) {
        if found.accepts(node.found)? && !granted.is_match_here(node.granted)? {
            return Ok(Some(WayOut(name_of(search, &nodes, next))));
        }
        if !node.found.is_some_and(|state| state.is_dead()) && !granted.is_everything(node.granted, &letters, budget)? {
            for &byte in &letters {
                let step = (found.step(node.found, byte, budget)?, granted.next(node.granted, byte, budget)?);
                if seen.insert(step) {
                    nodes.push(Node { found: step.0, granted: step.1, from: next, byte });
                }
            }
        }
        next += 1;
    }
    Ok(None)
}

/// A pair of states, and how it was reached.
#[derive(Clone, Copy)]
struct Node {
    /// `None` = the expression has matched already, and does so whatever follows.
    found: Option<LazyStateID>,
    granted: LazyStateID,
    from: usize,
    byte: u8,
}

fn name_of(search: &Search<'_>, nodes: &[Node], mut at: usize) -> String {
    let mut bytes = Vec::new();
    while at != 0 {
        bytes.push(nodes[at].byte);
        at = nodes[at].from;
    }
    bytes.reverse();
    format!("{}{}{}", search.fetched_behind, search.begins_with, String::from_utf8_lossy(&bytes))
}

/// The expression in the syntax of the automata.
fn translated(expression: Option<&str>) -> Result<String, NotProved> {
    let expression = expression.unwrap_or_default();
    if expression.len() > MAX_EXPRESSION {
        return Err(NotProved::TooLong);
    }
    re2::translate(expression).map(|translation| translation.regex).map_err(|error| {
        let text = error.to_string();
        // The kind's words only: they may repeat a part of the expression, which is bounded by now.
        NotProved::Unreadable(crate::shown::Shown(&text).to_string())
    })
}

/// One byte of each kind that both automata tell apart, the most readable of its kind first.
fn letters(a: &DFA, b: &DFA, alphabet: &[u8]) -> Vec<u8> {
    let mut readable: Vec<u8> = alphabet.to_vec();
    readable.sort_by_key(|byte| (!byte.is_ascii_lowercase(), !byte.is_ascii_digit(), *byte != b'-', *byte));
    let mut kinds = HashSet::new();
    readable.retain(|&byte| kinds.insert((a.byte_classes().get(byte), b.byte_classes().get(byte))));
    readable
}

/// A lazily built automaton with its states.
struct Automaton {
    dfa: DFA,
    cache: Cache,
    /// What making one transition may cost.
    step: u64,
    /// States from which every name is accepted.
    everything: HashSet<LazyStateID>,
}

impl Automaton {
    fn new(pattern: &str, nfa_limit: usize) -> Result<Self, NotProved> {
        let nfa = thompson::Compiler::new()
            .syntax(re2::syntax_config())
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(nfa_limit))
                    .which_captures(thompson::WhichCaptures::None),
            )
            .build(pattern)
            .map_err(|_| NotProved::TooLarge)?;
        let states = nfa.states().len() as u64;
        let dfa = DFA::builder()
            .configure(
                dfa::Config::new()
                    .match_kind(MatchKind::All)
                    .cache_capacity(STATES_LIMIT)
                    // States that were thrown away could not be told from new ones: it gives up before.
                    .minimum_cache_clear_count(Some(0)),
            )
            .build_from_nfa(nfa)
            .map_err(|_| NotProved::TooLarge)?;
        let cache = dfa.create_cache();
        Ok(Self { dfa, cache, step: 20 + states.saturating_mul(4), everything: HashSet::new() })
    }

    fn start(&mut self) -> Result<LazyStateID, NotProved> {
        let start = start::Config::new().anchored(Anchored::No);
        self.dfa.start_state(&mut self.cache, &start).map_err(|_| NotProved::TooLarge)
    }

    fn next(&mut self, state: LazyStateID, byte: u8, budget: &mut Budget) -> Result<LazyStateID, NotProved> {
        budget.take(self.step)?;
        self.dfa.next_state(&mut self.cache, state, byte).map_err(|_| NotProved::TooCostly)
    }

    /// As [`Self::next`], with `None` for "has matched".
    fn step(
        &mut self,
        state: Option<LazyStateID>,
        byte: u8,
        budget: &mut Budget,
    ) -> Result<Option<LazyStateID>, NotProved> {
        let Some(state) = state else { return Ok(None) };
        // A match shows one byte late: this state says so of what came before `byte`.
        let next = self.next(state, byte, budget)?;
        Ok(Some(next).filter(|next| !next.is_match()))
    }

    /// Whether what was read so far matches as a whole name.
    fn is_match_here(&mut self, state: LazyStateID) -> Result<bool, NotProved> {
        let end = self.dfa.next_eoi_state(&mut self.cache, state).map_err(|_| NotProved::TooCostly)?;
        Ok(end.is_match())
    }

    fn accepts(&mut self, state: Option<LazyStateID>) -> Result<bool, NotProved> {
        state.map_or(Ok(true), |state| self.is_match_here(state))
    }

    /// Whether every name that begins as read so far is accepted, seen from one state alone.
    fn is_everything(&mut self, state: LazyStateID, letters: &[u8], budget: &mut Budget) -> Result<bool, NotProved> {
        if self.everything.contains(&state) {
            return Ok(true);
        }
        if !self.is_match_here(state)? {
            return Ok(false);
        }
        for &byte in letters {
            if self.next(state, byte, budget)? != state {
                return Ok(false);
            }
        }
        self.everything.insert(state);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;
    use regex_automata::meta;

    use super::*;
    use crate::binding::Binding;
    use crate::name::NamePattern;

    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+=.@-";

    fn granted(patterns: &[&str]) -> String {
        let patterns: Vec<NamePattern> = patterns.iter().map(|text| NamePattern::parse(text, '/').unwrap()).collect();
        granted_expression(patterns.iter(), &Binding::new("prod", "team-a"))
    }

    fn search<'q>(expression: Option<&'q str>, begins_with: &'q str, granted: &'q str) -> Search<'q> {
        Search { expression, begins_with, fetched_behind: "", alphabet: ALPHABET, granted }
    }

    #[test]
    fn an_expression_anchored_in_the_grant_is_proved() {
        let granted = granted(&["/{env}/{team}/**", "/{env}/shared/**"]);
        for expression in [
            "^/prod/team-a/",
            "^/prod/team-a/db$",
            "^/prod/(team-a|shared)/",
            "^/prod/team-a/(a|b)*x|^/prod/shared/ca$",
            "\\A/prod/team-a/.{0,40}-password\\z",
            "^/prod/team-a/db-\\d{4}",
            "(?m)^/prod/team-a/",
            "^/prod/team[-]a/\\Q.*\\E",
            "[^\\x00-\\x7F]",
            "a^",
            // Large, and yet nothing that can't be followed.
            "^/prod/team-a/(?:[ab]*c[ab]{9}|(?:[ab]*c[ab]{9}|(?:[ab]*c[ab]{9}|[ab]*c[ab]{9})))",
        ] {
            let search = search(Some(expression), "", &granted);
            assert_eq!(way_out(&search, &mut Budget::default()), Ok(None), "{expression}");
        }
    }

    #[test]
    fn an_expression_that_leaves_the_grant_shows_a_name() {
        let granted = granted(&["/{env}/{team}/**"]);
        for (expression, name) in [
            (".*", ""),
            ("", ""),
            ("team-a", "team-a"),
            ("/prod/team-a/", "a/prod/team-a/"),
            ("/prod/team-a/|.*", ""),
            ("^/prod/team-a", "/prod/team-a"),
            ("^/prod/team-a/|^/prod/team-b/", "/prod/team-b/"),
            ("(?i)^/PROD/team-a/", "/Prod/team-a/"),
            ("^/prod/team-.", "/prod/team-a"),
            ("^/prod/team-a/?db", "/prod/team-adb"),
            ("db$", "db"),
        ] {
            let search = search(Some(expression), "", &granted);
            let found = way_out(&search, &mut Budget::default()).unwrap();
            let WayOut(shown) = found.unwrap_or_else(|| panic!("{expression}: nothing found"));
            // Of several shortest names any will do; the length is fixed.
            assert_eq!(shown.len(), name.len(), "{expression}: {shown}");
        }
    }

    #[test]
    fn a_path_bounds_what_the_expression_leaves_open() {
        let granted = granted(&["/{env}/{team}/**"]);
        for (path, expression, way) in [
            ("/prod/team-a/", None, None),
            ("/prod/team-a/", Some(".*"), None),
            ("/prod/team-a/x", Some("[ab]"), None),
            ("/prod/team-a", Some(".*"), Some("/prod/team-a")),
            ("/prod/team-a", Some("^/prod/team-a/"), None),
            ("/prod/team-b/", Some("^/prod/team-a/"), None),
            ("/prod/", Some("team-a/"), Some("/prod/ateam-a/")),
        ] {
            let found = way_out(&search(expression, path, &granted), &mut Budget::default()).unwrap();
            assert_eq!(found.map(|way| way.0.len()), way.map(str::len), "{path} {expression:?}");
        }
    }

    #[test]
    fn what_is_fetched_behind_a_prefix_must_be_granted_too() {
        let granted = granted(&["/{env}/{team}/**"]);
        let search = |fetched_behind| Search { fetched_behind, ..search(Some("^/prod/team-a/"), "", &granted) };
        let way = |behind| way_out(&search(behind), &mut Budget::default()).unwrap().map(|way| way.0);
        assert_eq!(way("/prod/team-a/"), None);
        assert_eq!(way("/prod/team-b").as_deref(), Some("/prod/team-b/prod/team-a/"));
    }

    #[test]
    fn what_is_too_much_is_refused_soon() {
        let granted = granted(&["/{env}/{team}/**"]);
        let long = "a".repeat(MAX_EXPRESSION + 1);
        let alternatives = "(a|b|c)*a(a|b|c){20}".to_owned();
        for expression in [
            long,
            "(a{1000}){1000}".to_owned(),
            ".{1000}".to_owned(),
            "^/prod/team-a/(.{0,30}){30}x".to_owned(),
            alternatives,
            "(".repeat(500) + &")".repeat(500),
            "a**".to_owned(),
            "(?=a)".to_owned(),
            "\\".to_owned(),
        ] {
            let begun = Instant::now();
            let result = way_out(&search(Some(&expression), "/prod/team", &granted), &mut Budget::default());
            let took = begun.elapsed();
            assert!(result.is_err(), "{expression}: {result:?}");
            // Unoptimised and on a busy machine; in a release build it is some milliseconds.
            assert!(took.as_secs() < 5, "{expression} took {took:?}");
        }
    }

    #[test]
    fn a_policy_of_many_grants_is_followed() {
        let patterns: Vec<String> = (0..500).map(|nth| format!("/{{env}}/{{team}}/application-{nth}/**")).collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let granted = granted(&patterns);
        let way = |expression| way_out(&search(Some(expression), "", &granted), &mut Budget::default());
        assert_eq!(way("^/prod/team-a/application-499/"), Ok(None));
        assert!(matches!(way("^/prod/team-a/application-500/"), Ok(Some(_))));
    }

    #[test]
    fn expressions_that_are_refused_use_the_budget_up_too() {
        let granted = granted(&["/{env}/{team}/**"]);
        for expression in ["(.{0,30}){30}", "(", "(a{1000}){1000}"] {
            let mut budget = Budget::default();
            let refusals = (0..10_000)
                .take_while(|_| {
                    way_out(&search(Some(expression), "", &granted), &mut budget) != Err(NotProved::TooCostly)
                })
                .count();
            assert!((1..400).contains(&refusals), "{expression}: {refusals}");
        }
    }

    #[test]
    fn expressions_of_one_object_share_a_budget() {
        let granted = granted(&["/{env}/{team}/**"]);
        let mut budget = Budget::default();
        let search = search(Some("^/prod/team-a/[a-z]+-[0-9]{4}$"), "", &granted);
        assert_eq!(way_out(&search, &mut budget), Ok(None));
        let proofs = (0..10_000).take_while(|_| way_out(&search, &mut budget).is_ok()).count();
        assert!((10..2_000).contains(&proofs), "{proofs}");
    }

    /// Expressions over a small alphabet, in the shapes that tenants write and those that deceive.
    fn expressions() -> impl Strategy<Value = String> {
        let atom = prop_oneof![
            Just("a".to_owned()),
            Just("b".to_owned()),
            Just("/".to_owned()),
            Just("/a/".to_owned()),
            Just(".".to_owned()),
            Just("[ab]".to_owned()),
            Just("[^a]".to_owned()),
            Just("^".to_owned()),
            Just("$".to_owned()),
            Just("\\b".to_owned()),
            Just("\\B".to_owned()),
            Just("(?i)A".to_owned()),
            Just("(?m:^a$)".to_owned()),
            Just("\\Qa/\\E".to_owned()),
            Just("(?:)".to_owned()),
        ];
        atom.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                prop::collection::vec(inner.clone(), 2..3).prop_map(|parts| parts.join("|")),
                inner.clone().prop_map(|inner| format!("(?:{inner})*")),
                inner.clone().prop_map(|inner| format!("(?:{inner})?")),
                inner.clone().prop_map(|inner| format!("(?:{inner}){{1,2}}")),
                inner.prop_map(|inner| format!("^/a/{inner}")),
            ]
        })
    }

    /// Every name of up to `length` letters.
    fn names(length: usize) -> Vec<String> {
        let mut names = vec![String::new()];
        let mut from = 0;
        for _ in 0..length {
            let until = names.len();
            for at in from..until {
                for letter in ["a", "b", "/"] {
                    names.push(format!("{}{letter}", names[at]));
                }
            }
            from = until;
        }
        names
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn a_proof_holds_for_every_name_and_a_way_out_is_one(expression in expressions(), begins_with in "(/a/|/a|)") {
            let granted = granted(&["/a/**", "/b", "b/*/a"]);
            let is_granted = |name: &str| {
                let middle = name.strip_prefix("b/").and_then(|rest| rest.strip_suffix("/a"));
                name.starts_with("/a/") || name == "/b" || middle.is_some_and(|it| !it.is_empty() && !it.contains('/'))
            };
            let search = Search {
                expression: Some(&expression), begins_with: &begins_with, fetched_behind: "", alphabet: b"ab/",
                granted: &granted,
            };
            let translated = re2::translate(&expression).unwrap().regex;
            let regex = meta::Regex::builder().syntax(re2::syntax_config()).build(&translated).unwrap();
            let is_found = |name: &str| name.starts_with(&begins_with) && regex.is_match(name);
            match way_out(&search, &mut Budget::default()) {
                Ok(Some(WayOut(name))) => prop_assert!(is_found(&name) && !is_granted(&name), "{name} is no way out"),
                Ok(None) => {
                    for name in names(7) {
                        prop_assert!(!is_found(&name) || is_granted(&name), "{name} was overlooked");
                    }
                }
                Err(why) => prop_assert!(false, "not proved: {why}"),
            }
        }
    }
}
