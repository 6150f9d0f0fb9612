//! Rules made ready to run: what is known of a rule before it is compiled, and the regular
//! expression that is compiled when it is first needed.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use regex_automata::meta::{Cache, Regex};
use regex_automata::util::syntax;

use super::allowlist::Exceptions;
use super::search::{Literals, MOST_LITERALS};
use super::steps::{Direction, Runs, Steps, Walk};
use super::{RuleFailure, anchors};
use crate::position::Span;
use crate::re2;
use crate::rule::{Pattern, RuleSet};

/// The most memory that one compiled expression may take. A pattern was checked against
/// [`re2::NFA_SIZE_LIMIT`] when it was loaded; the margin is for what the engine adds to it.
const COMPILED_SIZE_LIMIT: usize = 2 * re2::NFA_SIZE_LIMIT;
/// The most memory of one expression's lazily built automaton, per thread.
const LAZY_SIZE: usize = 2 << 20;

/// An expression that is compiled when it is first needed.
#[derive(Debug)]
pub(super) struct Lazy {
    translated: std::sync::Arc<str>,
    compiled: OnceLock<Result<Regex, String>>,
}

impl Lazy {
    pub(super) fn new(pattern: &Pattern) -> Self {
        Self::from_translated(pattern.translated.clone())
    }

    pub(super) fn from_translated(translated: std::sync::Arc<str>) -> Self {
        Self { translated, compiled: OnceLock::new() }
    }

    /// The compiled expression, or why it can't be compiled.
    pub(super) fn get(&self) -> Result<&Regex, &str> {
        self.compiled
            .get_or_init(|| {
                Regex::builder()
                    .syntax(re2::syntax_config())
                    .configure(
                        Regex::config()
                            .utf8_empty(false)
                            .nfa_size_limit(Some(COMPILED_SIZE_LIMIT))
                            .hybrid_cache_capacity(LAZY_SIZE),
                    )
                    .build(&self.translated)
                    .map_err(|error| match error.size_limit() {
                        Some(limit) => format!("needs more than {limit} bytes when compiled"),
                        None => error.to_string(),
                    })
            })
            .as_ref()
            .map_err(String::as_str)
    }
}

/// When a rule runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gate {
    /// Always (its anchors may imply a keyword).
    Open,
    /// When one of these keywords occurs, by their numbers in [`Programs::keywords`].
    Keywords(Vec<usize>),
}

impl Gate {
    /// Whether the rule runs where these keywords occur.
    pub(super) fn is_open(&self, keywords: &[bool]) -> bool {
        match self {
            Self::Open => true,
            Self::Keywords(numbers) => numbers.iter().any(|&number| keywords[number]),
        }
    }
}

/// One rule with an expression on the content.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) regex: Lazy,
    /// Whether matches lie at literals only.
    pub(super) anchored: bool,
    pub(super) gate: Gate,
    /// Reported on its own.
    pub(super) reports: bool,
    /// The rules it requires.
    pub(super) required: Vec<usize>,
    pub(super) exceptions: Exceptions,
    /// What the path must match.
    pub(super) path: Option<Lazy>,
}

/// A rule that looks at paths alone.
#[derive(Debug)]
pub(super) struct PathRule {
    pub(super) rule: usize,
    pub(super) path: Lazy,
    pub(super) exceptions: Exceptions,
}

/// An anchor of a rule at a literal.
#[derive(Debug)]
pub(super) struct Anchored {
    pub(super) rule: usize,
    before: Steps,
    after: Steps,
}

impl Anchored {
    /// Where a match of the rule around the literal at `literal` can lie, and how many bytes before
    /// and behind the literal the answer depends on.
    pub(super) fn window(&self, text: &[u8], literal: Span, runs: &mut Runs) -> (Option<Span>, usize, usize) {
        let Walk { reach: after, seen: seen_after } = self.after.walk(text, literal.end, Direction::On, runs);
        let Some(after) = after else { return (None, 0, seen_after) };
        let Walk { reach: before, seen: seen_before } = self.before.walk(text, literal.start, Direction::Back, runs);
        let window = before.map(|before| Span::new(literal.start - before, literal.end + after));
        (window, seen_before, seen_after)
    }
}

/// What a literal stands for.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    pub(super) anchors: Vec<Anchored>,
    pub(super) keyword: Option<usize>,
}

/// A rule whose matches lie at a byte that is too common to be looked for everywhere: only where one of the
/// rule's keywords occurs.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) byte: u8,
    pub(super) anchored: Anchored,
}

/// All rules of a set.
#[derive(Debug)]
pub(super) struct Programs {
    /// By the index of the rule; `None`: it has no expression on the content.
    pub(super) rules: Vec<Option<Program>>,
    pub(super) global: Exceptions,
    pub(super) literals: Literals,
    /// By the number of the literal.
    pub(super) meanings: Vec<Meaning>,
    /// Number of keywords that gates ask for.
    pub(super) keywords: usize,
    /// Rules with a keyword and a common byte.
    pub(super) common: Vec<Common>,
    /// Rules that matches of can lie anywhere, by index.
    pub(super) unanchored: Vec<usize>,
    /// A rule requires one whose matches can lie anywhere.
    pub(super) requires_unanchored: bool,
    /// Rules without an expression on the content.
    pub(super) path_rules: Vec<PathRule>,
    /// Steps without a bound, see [`Runs`].
    pub(super) runs: usize,
}

impl Programs {
    /// Makes `rules` ready; `strict` as in [`super::ScanOptions::strict`].
    pub(super) fn new(rules: &RuleSet, strict: bool) -> Self {
        let index_of: HashMap<&str, usize> =
            rules.rules.iter().enumerate().map(|(index, rule)| (rule.id.as_str(), index)).collect();
        let mut table = LiteralTable::default();
        let mut programs = Vec::with_capacity(rules.rules.len());
        let mut unanchored = Vec::new();
        let mut common = Vec::new();
        let required_ids: HashSet<&str> =
            rules.rules.iter().flat_map(|rule| &rule.required).map(|required| required.id.as_str()).collect();
        let mut path_rules = Vec::new();
        for (index, rule) in rules.rules.iter().enumerate() {
            let Some(pattern) = &rule.regex else {
                programs.push(None);
                if let Some(path) = rule.path.as_ref().filter(|_| !rule.skip_report) {
                    let exceptions = Exceptions::new(&rule.allowlists, strict);
                    path_rules.push(PathRule { rule: index, path: Lazy::new(path), exceptions });
                }
                continue;
            };
            let required: Vec<usize> =
                rule.required.iter().filter_map(|required| index_of.get(required.id.as_str()).copied()).collect();
            let hir = syntax::parse_with(&pattern.translated, &re2::syntax_config()).ok();
            let anchors = hir
                .as_ref()
                .and_then(anchors::anchors)
                .filter(|anchors| table.literals.len() + anchors.len() + rule.keywords.len() < MOST_LITERALS);
            let holds_keyword = |literal: &[u8]| {
                rule.keywords.iter().any(|keyword| contains(literal, keyword.to_ascii_lowercase().as_bytes()))
            };
            let implied =
                anchors.as_ref().is_some_and(|anchors| anchors.iter().all(|anchor| holds_keyword(&anchor.literal)));
            let gate = if implied || rule.keywords.is_empty() || rule.keywords.iter().any(String::is_empty) {
                Gate::Open
            } else {
                Gate::Keywords(rule.keywords.iter().map(|keyword| table.keyword(keyword)).collect())
            };
            // What other rules require is looked for whether its keywords occur or not.
            let is_gated = gate != Gate::Open && !rule.skip_report && !required_ids.contains(rule.id.as_str());
            let common_byte = hir.as_ref().filter(|_| anchors.is_none() && is_gated).and_then(anchors::common_byte);
            let anchored = anchors.is_some() || common_byte.is_some();
            if !anchored {
                unanchored.push(index);
            }
            if let Some((byte, anchor)) = common_byte {
                common.push(Common { byte, anchored: table.anchored(index, anchor) });
            }
            for anchor in anchors.unwrap_or_default() {
                table.anchor(index, anchor);
            }
            programs.push(Some(Program {
                regex: Lazy::new(pattern),
                anchored,
                gate,
                reports: !rule.skip_report,
                required,
                exceptions: Exceptions::new(&rule.allowlists, strict),
                path: rule.path.as_ref().map(Lazy::new),
            }));
        }
        let requires_unanchored =
            programs.iter().flatten().flat_map(|program| &program.required).any(|rule| unanchored.contains(rule));
        Self {
            requires_unanchored,
            rules: programs,
            global: Exceptions::new(&rules.allowlists, strict),
            literals: Literals::new(&table.literals),
            meanings: table.meanings,
            keywords: table.keywords,
            common,
            unanchored,
            path_rules,
            runs: table.runs,
        }
    }

    /// The rules in [`Self::common`] that run where these keywords occur.
    pub(super) fn open_common(&self, keywords: &[bool]) -> Vec<usize> {
        let rules = self.common.iter().map(|common| common.anchored.rule);
        rules.filter(|&rule| self.is_open(rule, keywords)).collect()
    }

    /// Whether a rule runs where these keywords occur.
    pub(super) fn is_open(&self, rule: usize, keywords: &[bool]) -> bool {
        self.rules[rule].as_ref().is_some_and(|program| program.gate.is_open(keywords))
    }

    /// Compiles everything; what can't be compiled.
    pub(super) fn check_all(&self, rules: &RuleSet) -> Vec<RuleFailure> {
        let mut failures = Vec::new();
        let mut note = |rule: &str, outcome: Result<(), &str>| {
            if let Err(message) = outcome {
                failures.push(RuleFailure { rule: rule.to_owned(), message: message.to_owned() });
            }
        };
        note("(global allowlists)", self.global.check());
        for (rule, program) in rules.rules.iter().zip(&self.rules) {
            let Some(program) = program else { continue };
            note(rule.id.as_str(), program.regex.get().map(drop));
            note(rule.id.as_str(), program.path.as_ref().map_or(Ok(()), |path| path.get().map(drop)));
            note(rule.id.as_str(), program.exceptions.check());
        }
        for path_rule in &self.path_rules {
            let id = rules.rules[path_rule.rule].id.as_str();
            note(id, path_rule.path.get().map(drop));
            note(id, path_rule.exceptions.check());
        }
        failures
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

#[derive(Default)]
struct LiteralTable {
    literals: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, usize>,
    meanings: Vec<Meaning>,
    keywords: usize,
    runs: usize,
}

impl LiteralTable {
    fn number(&mut self, literal: Vec<u8>) -> usize {
        if let Some(&number) = self.numbers.get(&literal) {
            return number;
        }
        let number = self.literals.len();
        self.literals.push(literal.clone());
        self.meanings.push(Meaning::default());
        self.numbers.insert(literal, number);
        number
    }

    fn keyword(&mut self, keyword: &str) -> usize {
        let number = self.number(keyword.to_ascii_lowercase().into_bytes());
        *self.meanings[number].keyword.get_or_insert_with(|| {
            self.keywords += 1;
            self.keywords - 1
        })
    }

    fn anchor(&mut self, rule: usize, mut anchor: anchors::Anchor) {
        let number = self.number(std::mem::take(&mut anchor.literal));
        let anchored = self.anchored(rule, anchor);
        self.meanings[number].anchors.push(anchored);
    }

    fn anchored(&mut self, rule: usize, anchor: anchors::Anchor) -> Anchored {
        let before = Steps::new(anchor.before, &mut self.runs);
        let after = Steps::new(anchor.after, &mut self.runs);
        Anchored { rule, before, after }
    }
}

/// The caches of all rules' expressions for one thread.
#[derive(Debug, Default)]
pub(super) struct Caches(Vec<Option<Box<Cache>>>);

impl Caches {
    /// The cache of a rule's expression.
    pub(super) fn get(&mut self, rule: usize, regex: &Regex) -> &mut Cache {
        if self.0.len() <= rule {
            self.0.resize_with(rule + 1, || None);
        }
        self.0[rule].get_or_insert_with(|| Box::new(regex.create_cache()))
    }
}
