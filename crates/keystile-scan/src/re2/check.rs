//! Whether a translation can be compiled, found out without compiling it.

use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::error::{SyntaxError, SyntaxErrorKind};

/// The largest compiled form (Thompson NFA, in bytes) of a pattern; what compiles translations has to
/// allow as much. It is what `regex_automata::meta` allows when told nothing.
pub const NFA_SIZE_LIMIT: usize = 10 << 20;

/// How deep groups and repetitions of a translation may nest. It is what `regex-syntax` allows when
/// told nothing; its compiler is recursive, and the stack of a thread has to bear it.
pub const NEST_LIMIT: u32 = 250;

/// A pattern whose estimated size is below this part of the limit is not compiled to make sure.
const SAFE_PART: u64 = 4;

/// How translations are to be parsed.
#[must_use]
pub fn syntax_config() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false).nest_limit(NEST_LIMIT)
}

/// Parses `regex`, the translation of `source`, and makes sure that it is not too large.
pub(super) fn check(source: &str, regex: &str) -> Result<(), SyntaxError> {
    let whole = 0..source.len();
    let hir = syntax::parse_with(regex, &syntax_config()).map_err(|error| {
        let is_too_deep = matches!(
            &error,
            regex_syntax::Error::Parse(error)
                if matches!(error.kind(), regex_syntax::ast::ErrorKind::NestLimitExceeded(_))
        );
        let kind = match &error {
            _ if is_too_deep => SyntaxErrorKind::TooDeep,
            regex_syntax::Error::Parse(error) => SyntaxErrorKind::Untranslatable(error.kind().to_string()),
            regex_syntax::Error::Translate(error) => SyntaxErrorKind::Untranslatable(error.kind().to_string()),
            _ => SyntaxErrorKind::Untranslatable("unknown error".to_owned()),
        };
        SyntaxError { span: whole.clone(), kind }
    })?;
    if estimate(&hir) < NFA_SIZE_LIMIT as u64 / SAFE_PART || (compiles(&hir, false) && compiles(&hir, true)) {
        Ok(())
    } else {
        Err(SyntaxError { span: whole, kind: SyntaxErrorKind::TooLarge })
    }
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

/// About how many bytes the automaton takes, rather too many than too few.
fn estimate(hir: &Hir) -> u64 {
    /// A state without its transitions, and a transition of a sparse state, with some slack.
    const STATE: u64 = 48;
    const TRANSITION: u64 = 8;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => STATE,
        HirKind::Literal(literal) => literal.0.len() as u64 * STATE,
        HirKind::Class(Class::Bytes(class)) => STATE + class.ranges().len() as u64 * TRANSITION,
        HirKind::Class(Class::Unicode(class)) => {
            // A range becomes a few sequences of up to four byte ranges; most share their prefixes.
            class.ranges().iter().map(|range| if range.end().is_ascii() { TRANSITION } else { 6 * STATE }).sum::<u64>()
                + STATE
        }
        HirKind::Repetition(repetition) => {
            let sub = estimate(&repetition.sub);
            let copies = u64::from(repetition.max.unwrap_or(repetition.min).max(repetition.min).max(1));
            (sub + STATE).saturating_mul(copies)
        }
        HirKind::Capture(capture) => estimate(&capture.sub) + 2 * STATE,
        HirKind::Concat(subs) | HirKind::Alternation(subs) => {
            subs.iter().map(estimate).fold(STATE * subs.len() as u64, u64::saturating_add)
        }
    }
}
