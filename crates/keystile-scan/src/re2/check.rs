//! Whether a translation can be compiled, found out without compiling it unless it is in doubt.

use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_syntax::ast::ErrorKind;
use regex_syntax::hir::Hir;

use super::error::{SyntaxError, SyntaxErrorKind};

/// The largest compiled form (Thompson NFA, in bytes) of a pattern; what compiles translations has to
/// allow as much. It is what `regex_automata::meta` allows when told nothing.
pub const NFA_SIZE_LIMIT: usize = 10 << 20;

/// How deep groups and repetitions of a translation may nest. It is what `regex-syntax` allows when
/// told nothing; its compiler is recursive, and the stack of a thread has to bear it.
pub const NEST_LIMIT: u32 = 250;

/// How many ranges of a byte class take as much memory as a state does (8 bytes each, and 60).
pub(super) const RANGES_PER_STATE: u64 = 7;

/// The largest memory that a state takes, forward or reverse, with what belongs to it and but for
/// the ranges of byte classes. Measured with regex-automata 0.4.19 on patterns of every kind: 7 to 56.
const BYTES_PER_STATE: u64 = 60;

/// How translations are to be parsed.
#[must_use]
pub fn syntax_config() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false).nest_limit(NEST_LIMIT)
}

/// How large a pattern is, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// States of the automaton.
    pub(super) states: u64,
    /// How deep it nests, in levels of [`NEST_LIMIT`].
    pub(super) depth: u32,
}

impl Size {
    /// Whether one can tell from the numbers that the limits are kept.
    pub(super) fn is_safe(self) -> bool {
        const SLACK: u64 = 4096;
        self.depth < NEST_LIMIT
            && self.states.saturating_mul(BYTES_PER_STATE).saturating_add(SLACK) < NFA_SIZE_LIMIT as u64
    }
}

/// Parses and compiles `regex`, the translation of `source`, to see whether the limits are kept.
pub(super) fn check(source: &str, regex: &str) -> Result<(), SyntaxError> {
    let error = |kind| SyntaxError { span: 0..source.len(), kind };
    let hir = syntax::parse_with(regex, &syntax_config()).map_err(|fault| {
        error(match &fault {
            regex_syntax::Error::Parse(fault) => match fault.kind() {
                ErrorKind::NestLimitExceeded(_) => SyntaxErrorKind::TooDeep,
                kind => SyntaxErrorKind::Untranslatable(kind.to_string()),
            },
            regex_syntax::Error::Translate(fault) => SyntaxErrorKind::Untranslatable(fault.kind().to_string()),
            _ => SyntaxErrorKind::Untranslatable("unknown error".to_owned()),
        })
    })?;
    if compiles(&hir, false) && compiles(&hir, true) { Ok(()) } else { Err(error(SyntaxErrorKind::TooLarge)) }
}

/// Whether the automaton, forward or reverse, keeps to the limit.
fn compiles(hir: &Hir, is_reverse: bool) -> bool {
    let captures = if is_reverse { thompson::WhichCaptures::None } else { thompson::WhichCaptures::All };
    let config = thompson::Config::new()
        .utf8(false)
        .reverse(is_reverse)
        .which_captures(captures)
        .nfa_size_limit(Some(NFA_SIZE_LIMIT));
    thompson::Compiler::new().configure(config).build_from_hir(hir).is_ok()
}
