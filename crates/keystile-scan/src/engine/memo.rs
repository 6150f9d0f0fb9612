//! What was found in windows that were searched before.
//!
//! The versions of a file, its copies, and files made from one template hold the same bytes at many of the
//! places where rules look. What an expression finds in a window, and whether that is a secret in any
//! surroundings, depends on the window's bytes and the few around it which look-around sees. So the
//! answer is kept by these bytes; they are compared, not only their hash, so a kept answer is the right one.
//!
//! Memory is bounded: two generations of [`MOST_BYTES`]. When the newer one is full, the older one is
//! forgotten; what is asked for again moves to the newer one.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::RandomState;
use zeroize::Zeroizing;

use super::confirm::Candidate;
use super::windows::Window;
use crate::position::Span;

/// Bytes on each side of a window that its answer depends on: look-around looks at one character.
const LOOK_AROUND: usize = 4;
/// Larger windows are rarely met twice, and are not kept.
const LONGEST_WINDOW: usize = 16 << 10;
/// How many bytes a generation keeps.
const MOST_BYTES: usize = 4 << 20;
/// What an answer takes beside its text, roughly.
const ENTRY_SIZE: usize = 96;

/// Answers for one thread.
#[derive(Debug)]
pub(super) struct Memo {
    newer: Generation,
    older: Generation,
    hasher: RandomState,
    nothing: Arc<[Candidate]>,
}

#[derive(Debug, Default)]
struct Generation {
    answers: HashMap<u64, Answer, RandomState>,
    bytes: usize,
}

#[derive(Debug)]
struct Answer {
    rule: usize,
    before: usize,
    after: usize,
    text: Zeroizing<Box<[u8]>>,
    candidates: Arc<[Candidate]>,
}

/// A window with what is around it.
#[derive(Clone, Copy)]
pub(super) struct Question<'t> {
    hash: u64,
    rule: usize,
    /// How many bytes stand before the window; fewer than [`LOOK_AROUND`]: the text begins there.
    before: usize,
    /// How many bytes stand behind the window.
    after: usize,
    /// All of these bytes.
    text: &'t [u8],
}

impl Default for Memo {
    fn default() -> Self {
        Self {
            newer: Generation::default(),
            older: Generation::default(),
            hasher: RandomState::default(),
            nothing: Arc::new([]),
        }
    }
}

impl Memo {
    /// What to ask for a window of `text`; `None`: nothing is kept of such windows.
    pub(super) fn question<'t>(&self, text: &'t [u8], window: Window) -> Option<Question<'t>> {
        let Window { rule, span } = window;
        if span.len() > LONGEST_WINDOW {
            return None;
        }
        let before = span.start.min(LOOK_AROUND);
        let after = (text.len() - span.end).min(LOOK_AROUND);
        let text = &text[Span::new(span.start - before, span.end + after).range()];
        let hash = self.hasher.hash_one((rule, before, after, text));
        Some(Question { hash, rule, before, after, text })
    }

    /// What was found in such a window: places count from the window's start.
    pub(super) fn answer(&mut self, question: Question<'_>) -> Option<Arc<[Candidate]>> {
        let hash = question.hash;
        if let Some(answer) = self.newer.answers.get(&hash).filter(|answer| answer.is_for(question)) {
            return Some(answer.candidates.clone());
        }
        let answer = self.older.answers.remove(&hash).filter(|answer| answer.is_for(question))?;
        let candidates = answer.candidates.clone();
        self.insert(hash, answer);
        Some(candidates)
    }

    /// Keeps what was found in a window.
    pub(super) fn keep(&mut self, question: Question<'_>, candidates: Vec<Candidate>) -> Arc<[Candidate]> {
        let Question { hash, rule, before, after, text } = question;
        let candidates = if candidates.is_empty() { self.nothing.clone() } else { candidates.into() };
        let text = Zeroizing::new(text.into());
        self.insert(hash, Answer { rule, before, after, text, candidates: candidates.clone() });
        candidates
    }

    fn insert(&mut self, hash: u64, answer: Answer) {
        let bytes = answer.text.len() + ENTRY_SIZE * (1 + answer.candidates.len());
        if self.newer.bytes + bytes > MOST_BYTES {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.bytes += bytes;
        self.newer.answers.insert(hash, answer);
    }
}

impl Answer {
    fn is_for(&self, question: Question<'_>) -> bool {
        (self.rule, self.before, self.after) == (question.rule, question.before, question.after)
            && **self.text == *question.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(rule: usize, start: usize, end: usize) -> Window {
        Window { rule, span: Span::new(start, end) }
    }

    #[test]
    fn an_answer_belongs_to_a_rule_a_window_and_what_is_around_it() {
        let mut memo = Memo::default();
        let question = memo.question(b"-----key-----", window(1, 5, 8)).unwrap();
        memo.keep(question, Vec::new());
        let cases: [(&str, &[u8], Window, bool); 7] = [
            ("the same elsewhere", b"abc-----key-----abc", window(1, 8, 11), true),
            ("only what is looked at counts", b"abc----key----abc", window(1, 7, 10), true),
            ("another rule", b"-----key-----", window(2, 5, 8), false),
            ("another window with the same bytes around", b"-----key-----", window(1, 4, 7), false),
            ("the text begins nearer", b"---key-----", window(1, 3, 6), false),
            ("the text ends nearer", b"-----key---", window(1, 5, 8), false),
            ("another neighbour", b"-----key---_-", window(1, 5, 8), false),
        ];
        for (name, text, window, is_known) in cases {
            let question = memo.question(text, window).unwrap();
            assert_eq!(memo.answer(question).is_some(), is_known, "{name}");
        }
    }

    #[test]
    fn what_is_asked_for_stays_and_memory_is_bounded() {
        let mut memo = Memo::default();
        let often = memo.question(b"often", window(0, 0, 5)).unwrap();
        memo.keep(often, Vec::new());
        for number in 0..3 * (MOST_BYTES / 1024) {
            let text = format!("{number:01024}");
            let question = memo.question(text.as_bytes(), window(0, 0, 1024)).unwrap();
            assert!(memo.answer(question).is_none());
            memo.keep(question, Vec::new());
            assert!(memo.answer(often).is_some(), "asked for before {number} others");
            assert!(memo.newer.bytes.max(memo.older.bytes) <= MOST_BYTES);
        }
        let first = format!("{:01024}", 0);
        let first = memo.question(first.as_bytes(), window(0, 0, 1024)).unwrap();
        assert!(memo.answer(first).is_none(), "forgotten");
        assert!(memo.question(&vec![0; LONGEST_WINDOW + 1], window(0, 0, LONGEST_WINDOW + 1)).is_none());
    }
}
