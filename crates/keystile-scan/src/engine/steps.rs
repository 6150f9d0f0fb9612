//! What stands beside an anchor: a rough form of a regular expression that is decided by looking at
//! a few bytes.
//!
//! An anchor such as `key` occurs everywhere; a match needs an operator and a value behind it. The
//! parts of the expression on one side of the anchor are written as [`Step`]s ("from `min` to `max`
//! bytes of this set"), each of which allows at least what its part allows. Walking them from an
//! occurrence answers two questions without a regular expression: can a match lie here at all, and
//! how far from the anchor can it reach at most?

/// A set of byte values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn insert_range(&mut self, from: u8, to: u8) {
        (from..=to).for_each(|byte| self.insert(byte));
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    pub(super) fn union(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }
}

/// From `min` to `max` bytes out of `set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) set: ByteSet,
    pub(super) min: usize,
    /// `usize::MAX`: any number.
    pub(super) max: usize,
}

/// The most steps on one side of an anchor; what is farther away is joined into the last one.
const MOST_STEPS: usize = 24;

/// The steps on one side of an anchor, the nearest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    steps: Vec<Step>,
    /// Index into [`Runs`] of the first step without a bound; the others follow it.
    first_run: usize,
}

/// Runs of bytes seen by steps without a bound, so that no run is walked again for each of the
/// anchors that stand in it.
#[derive(Debug, Default)]
pub(super) struct Runs {
    spans: Vec<(usize, usize)>,
    used: bool,
}

/// In a wider interval it is not looked for the places where a step can begin: with many anchors on
/// one long line that would cost the square of its length.
const WIDE: usize = 1024;

/// Shorter runs are not worth remembering.
const LONG_RUN: usize = 64;

impl Runs {
    /// Room for `count` steps without a bound.
    pub(super) fn new(count: usize) -> Self {
        Self { spans: vec![(1, 0); count], used: false }
    }

    /// Forgets everything: another text comes.
    pub(super) fn clear(&mut self) {
        if self.used {
            self.spans.fill((1, 0));
            self.used = false;
        }
    }
}

/// Which way to walk from an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Towards the text's start.
    Back,
    /// Towards the text's end.
    On,
}

/// What a walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walk {
    /// How many bytes a match can reach at most; `None`: there can be no match.
    pub(super) reach: Option<usize>,
    /// How many bytes the answer depends on.
    pub(super) seen: usize,
}

/// The text on one side of an anchor, counted away from it.
struct Side<'t> {
    text: &'t [u8],
    at: usize,
    direction: Direction,
    len: usize,
}

impl Side<'_> {
    fn place(&self, offset: usize) -> usize {
        match self.direction {
            Direction::On => self.at + offset,
            Direction::Back => self.at - offset,
        }
    }

    /// How many bytes from offset `from` to offset `limit` are of `set`, up to the first that is not.
    fn count(&self, set: &ByteSet, from: usize, limit: usize) -> usize {
        if from >= limit {
            return 0;
        }
        match self.direction {
            Direction::On => {
                self.text[self.at + from..self.at + limit].iter().take_while(|byte| set.contains(**byte)).count()
            }
            Direction::Back => {
                let bytes = &self.text[self.at - limit..self.at - from];
                bytes.iter().rev().take_while(|byte| set.contains(**byte)).count()
            }
        }
    }

    /// Where the run of `step`'s bytes ends that goes on at `from`; not behind `limit`.
    fn run(&self, step: &Step, from: usize, limit: usize, known: Option<&mut (usize, usize)>) -> usize {
        let limit = limit.min(self.len);
        let Some(known) = known else { return from + self.count(&step.set, from, limit) };
        // Without a bound: `limit` is the text's end, and any run that meets a known one has the same end.
        let place = self.place(from);
        let is_known = known.0 <= known.1;
        let (near, far) = match self.direction {
            Direction::On if is_known && place <= known.1 => {
                (known.0.saturating_sub(self.at).max(from), known.1 - self.at)
            }
            Direction::Back if is_known && place >= known.0 => {
                (self.at.saturating_sub(known.1).max(from), self.at - known.0)
            }
            _ => (usize::MAX, usize::MAX),
        };
        let mut end = from + self.count(&step.set, from, limit.min(near));
        let met = end == near && near < limit;
        if met {
            end = far;
        }
        if end - from >= LONG_RUN {
            let (low, high) = match self.direction {
                Direction::On => (place, self.place(end)),
                Direction::Back => (self.place(end), place),
            };
            *known = if met { (known.0.min(low), known.1.max(high)) } else { (low, high) };
        }
        end
    }
}

impl Steps {
    /// Makes steps; `runs` counts the ones without a bound of all steps so far.
    pub(super) fn new(mut steps: Vec<Step>, runs: &mut usize) -> Self {
        if steps.len() > MOST_STEPS {
            let rest = steps.split_off(MOST_STEPS);
            let mut joined = Step { set: ByteSet::default(), min: 0, max: 0 };
            for step in rest {
                joined.set.union(&step.set);
                joined.min = joined.min.saturating_add(step.min);
                joined.max = joined.max.saturating_add(step.max);
            }
            steps.push(joined);
        }
        let first_run = *runs;
        *runs += steps.iter().filter(|step| step.max == usize::MAX).count();
        Self { steps, first_run }
    }

    /// Walks from `at`, which lies behind the anchor ([`Direction::On`]) or before it.
    ///
    /// The places where a step can end are kept as one interval, so the answer may allow too much,
    /// never too little.
    pub(super) fn walk(&self, text: &[u8], at: usize, direction: Direction, runs: &mut Runs) -> Walk {
        let len = match direction {
            Direction::On => text.len() - at,
            Direction::Back => at,
        };
        let side = Side { text, at, direction, len };
        let (mut low, mut high, mut seen) = (0, 0, 0);
        let mut run_index = self.first_run;
        for step in &self.steps {
            let mut known = None;
            if step.max == usize::MAX {
                known = Some(&mut runs.spans[run_index]);
                runs.used = true;
                run_index += 1;
            }
            if step.min == 0 || high - low > WIDE {
                high = side.run(step, high, high.saturating_add(step.max), known);
                seen = seen.max(high + 1);
                continue;
            }
            let limit = high.saturating_add(step.max);
            let (mut first, mut last) = (None, 0);
            let mut start = low;
            while start <= high {
                let end = side.run(step, start, limit, known.as_deref_mut());
                seen = seen.max(end + 1);
                if end - start >= step.min {
                    first.get_or_insert(start + step.min);
                    last = last.max(end.min(high.min(end - step.min).saturating_add(step.max)));
                }
                start = end + 1;
            }
            let Some(first) = first else {
                return Walk { reach: None, seen };
            };
            (low, high) = (first, last);
        }
        Walk { reach: Some(high), seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(set: &str, min: usize, max: usize) -> Step {
        let mut bytes = ByteSet::default();
        set.bytes().for_each(|byte| bytes.insert(byte));
        Step { set: bytes, min, max }
    }

    fn walk(steps: &[Step], text: &str, at: usize, direction: Direction) -> Option<usize> {
        let mut count = 0;
        let steps = Steps::new(steps.to_vec(), &mut count);
        let mut runs = Runs::new(count);
        let once = steps.walk(text.as_bytes(), at, direction, &mut runs);
        assert_eq!(steps.walk(text.as_bytes(), at, direction, &mut runs), once, "a remembered run changes nothing");
        once.reach
    }

    #[test]
    fn reach_is_the_farthest_end() {
        let assignment = [step(" ", 0, 3), step("=:", 1, 2), step("abc", 2, usize::MAX)];
        let cases = [
            ("= ab", None),
            ("  =ab;", Some(5)),
            ("   =:cab", Some(8)),
            ("    =ab", None),
            ("=a", None),
            ("=ab", Some(3)),
            ("", None),
        ];
        for (text, reach) in cases {
            assert_eq!(walk(&assignment, text, 0, Direction::On), reach, "{text:?}");
            let reversed: String = text.chars().rev().collect();
            assert_eq!(walk(&assignment, &reversed, text.len(), Direction::Back), reach, "{text:?} backwards");
        }
    }

    #[test]
    fn a_long_run_is_remembered_for_later_anchors() {
        let text = format!("={};", "a".repeat(500));
        let mut count = 0;
        let steps = Steps::new(vec![step("a", 0, usize::MAX)], &mut count);
        let mut runs = Runs::new(count);
        for at in [1, 2, 250, 500, 501, 502] {
            let expected = 501_usize.saturating_sub(at);
            assert_eq!(steps.walk(text.as_bytes(), at, Direction::On, &mut runs).reach, Some(expected), "at {at}");
        }
        runs.clear();
        for at in [1, 2, 250, 500, 501, 502] {
            let expected = if at <= 501 { at - 1 } else { 0 };
            assert_eq!(steps.walk(text.as_bytes(), at, Direction::Back, &mut runs).reach, Some(expected), "at {at}");
        }
    }
}
