//! What is wrong with a pattern, and where.

use std::ops::Range;

use super::{NEST_LIMIT, NFA_SIZE_LIMIT};

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct SyntaxError {
    /// The bytes of the pattern it is about; empty at the pattern's end if something is missing there.
    pub span: Range<usize>,
    /// What is wrong.
    pub kind: SyntaxErrorKind,
}

/// What is wrong with a pattern; displayed as one sentence without a full stop, with the cure if
/// there is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxErrorKind {
    /// A backslash before something that it gives no meaning.
    #[error("`{text}` is no escape sequence{hint}")]
    InvalidEscape {
        /// The escape as far as it was read.
        text: String,
        /// What to write instead, or nothing.
        hint: &'static str,
    },
    /// The pattern ends with a backslash.
    #[error("the pattern ends with a backslash; a literal one is `\\\\`")]
    TrailingBackslash,
    /// `[` without `]`.
    #[error("this character class is never closed; a literal bracket is `\\[`")]
    UnclosedClass,
    /// `(` without `)`.
    #[error("this group is never closed; a literal parenthesis is `\\(`")]
    UnclosedGroup,
    /// `)` without `(`.
    #[error("this `)` closes no group; a literal one is `\\)`")]
    UnopenedGroup,
    /// `[z-a]`.
    #[error("the range `{0}` is empty: its end comes before its start")]
    EmptyRange(String),
    /// `[[:foo:]]`.
    #[error("there is no class `{0}`")]
    UnknownClass(String),
    /// `\p{Foo}`.
    #[error("`{0}` names no Unicode category or script")]
    UnknownProperty(String),
    /// `(?` and something that Go doesn't know.
    #[error("`{text}` starts no group{hint}")]
    InvalidGroup {
        /// The group's start as far as it was read.
        text: String,
        /// Which feature it is, and what to do without it, or nothing.
        hint: &'static str,
    },
    /// `(?P<a b>x)`.
    #[error("`{0}` is no group name: it is letters, digits and `_`, and a `>` ends it")]
    InvalidGroupName(String),
    /// `*` with nothing before it.
    #[error("`{0}` has nothing to repeat; as a literal it is `\\{0}`")]
    NothingToRepeat(String),
    /// `a**`.
    #[error("`{0}`: a repetition can't be repeated; put the inner one into `(?:..)`")]
    DoubleRepetition(String),
    /// `a{1001}`, `a{2,1}`.
    #[error(
        "`{0}` is no valid repetition: counts end at 1000, those of nested repetitions are multiplied, and the second is not below the first"
    )]
    RepeatCount(String),
    /// Deeper than `regex-syntax` goes.
    #[error("the pattern nests more than {NEST_LIMIT} levels deep")]
    TooDeep,
    /// Larger than the compiler allows.
    #[error("compiled, the pattern would be larger than {} MiB; use smaller repetition counts", NFA_SIZE_LIMIT >> 20)]
    TooLarge,
    /// The translation is not accepted, though Go accepts the pattern: a fault of ours.
    #[error("keystile can't translate this pattern ({0}); please report it")]
    Untranslatable(String),
}
