//! The search for all literals of all rules at once.

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind, StartKind};

/// An occurrence of a literal. Ordered by where it ends.
///
/// Packed, since it is kept for every content that others may derive from: 36 bits of end, 20 bits
/// of the literal's number, 8 bits of [`Sight`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit(u64);

/// What is known of the neighbourhood of an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    /// A rule may match here.
    pub(super) accepted: bool,
    /// The answer depends on at most 2 to this power bytes on either side.
    pub(super) log_distance: u8,
}

impl Sight {
    /// Not looked at yet.
    pub(super) const UNKNOWN: Self = Self { accepted: false, log_distance: 127 };

    /// Whether the answer stays the same, with `before` and `after` bytes around the literal as they were.
    pub(super) fn is_settled(self, before: usize, after: usize) -> bool {
        self.log_distance < 63 && before.min(after) >= 1 << self.log_distance
    }

    /// Whether somebody looked.
    pub(super) fn is_known(self) -> bool {
        self.log_distance != Self::UNKNOWN.log_distance
    }

    /// The answer depends on at most `seen` bytes on either side.
    pub(super) fn new(accepted: bool, seen: usize) -> Self {
        let log_distance = seen.checked_next_power_of_two().map_or(63, |power| power.trailing_zeros() as u8);
        Self { accepted, log_distance }
    }
}

/// Longer content is not scanned: its offsets do not fit.
pub(super) const LONGEST_CONTENT: usize = (1 << 36) - 1;
/// The most literals.
pub(super) const MOST_LITERALS: usize = (1 << 20) - 1;

impl Hit {
    pub(super) fn new(end: usize, literal: usize) -> Self {
        Self((end as u64) << 28 | (literal as u64) << 8).with_sight(Sight::UNKNOWN)
    }

    pub(super) fn end(self) -> usize {
        (self.0 >> 28) as usize
    }

    pub(super) fn literal(self) -> usize {
        (self.0 >> 8 & 0xF_FFFF) as usize
    }

    pub(super) fn sight(self) -> Sight {
        Sight { accepted: self.0 & 0x80 != 0, log_distance: (self.0 & 0x7F) as u8 }
    }

    pub(super) fn with_sight(self, sight: Sight) -> Self {
        Self(self.0 & !0xFF | u64::from(sight.accepted) << 7 | u64::from(sight.log_distance))
    }

    /// The same occurrence in other content.
    pub(super) fn moved(self, from: usize, to: usize) -> Self {
        Self(self.0.wrapping_sub((from as u64) << 28).wrapping_add((to as u64) << 28))
    }
}

/// How many parts of a text are searched side by side.
const LANES: usize = 4;
/// Shorter parts are not worth it.
const SHORTEST_PART: usize = 64;

/// The automaton for all literals.
#[derive(Debug)]
pub(super) struct Literals {
    automaton: Option<DFA>,
    lengths: Vec<usize>,
    longest: usize,
}

impl Literals {
    /// The automaton for `literals`, none of which is empty.
    pub(super) fn new(literals: &[Vec<u8>]) -> Self {
        let lengths: Vec<usize> = literals.iter().map(Vec::len).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let automaton = (!literals.is_empty()).then(|| {
            DFA::builder()
                .match_kind(MatchKind::Standard)
                .start_kind(StartKind::Unanchored)
                .ascii_case_insensitive(true)
                .prefilter(false)
                .build(literals)
                .expect("the loader bounds the size of a configuration, and with it of the automaton")
        });
        Self { automaton, lengths, longest }
    }

    /// Length of the longest literal.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Length of a literal.
    pub(super) fn len(&self, literal: usize) -> usize {
        self.lengths[literal]
    }

    /// Appends every occurrence that lies in `from..to` of `text`, in order.
    pub(super) fn find(&self, text: &[u8], from: usize, to: usize, hits: &mut Vec<Hit>) {
        let Some(automaton) = &self.automaton else { return };
        let start = automaton.start_state(Anchored::No).expect("the automaton was built for unanchored searches");
        let part_len = (to - from) / LANES;
        if part_len < SHORTEST_PART.max(self.longest) {
            walk(automaton, start, text, from, to, hits);
            return;
        }
        // A step of the automaton waits for the one before, so the parts are walked side by side. All but
        // the first begin in the part before, to be in the right state where they begin to count.
        let overlap = self.longest - 1;
        let begins: [usize; LANES] = std::array::from_fn(|lane| from + lane * part_len);
        let mut states: [StateID; LANES] = std::array::from_fn(|lane| {
            let lead = if lane == 0 { 0 } else { overlap };
            text[begins[lane] - lead..begins[lane]]
                .iter()
                .fold(start, |state, &byte| automaton.next_state(Anchored::No, state, byte))
        });
        let mut others: [Vec<Hit>; LANES - 1] = Default::default();
        let [one, two, three, four] = begins.map(|begin| &text[begin..begin + part_len]);
        for (offset, (((&a, &b), &c), &d)) in one.iter().zip(two).zip(three).zip(four).enumerate() {
            let bytes = [a, b, c, d];
            let mut is_special = false;
            for lane in 0..LANES {
                states[lane] = automaton.next_state(Anchored::No, states[lane], bytes[lane]);
                is_special |= automaton.is_special(states[lane]);
            }
            if is_special {
                for lane in 0..LANES {
                    let into = if lane == 0 { &mut *hits } else { &mut others[lane - 1] };
                    push(automaton, states[lane], begins[lane] + offset + 1, into);
                }
            }
        }
        others.iter().for_each(|other| hits.extend_from_slice(other));
        walk(automaton, states[LANES - 1], text, begins[LANES - 1] + part_len, to, hits);
    }
}

/// Walks `text[from..to]` beginning in `state`.
fn walk(automaton: &DFA, mut state: StateID, text: &[u8], from: usize, to: usize, hits: &mut Vec<Hit>) {
    for (offset, &byte) in text[from..to].iter().enumerate() {
        state = automaton.next_state(Anchored::No, state, byte);
        if automaton.is_special(state) {
            push(automaton, state, from + offset + 1, hits);
        }
    }
}

/// Appends the occurrences that end in `state`.
fn push(automaton: &DFA, state: StateID, end: usize, hits: &mut Vec<Hit>) {
    if automaton.is_match(state) {
        for index in 0..automaton.match_len(state) {
            hits.push(Hit::new(end, automaton.match_pattern(state, index).as_usize()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_keeps_its_parts() {
        let sight = Sight { accepted: true, log_distance: 36 };
        let hit = Hit::new(LONGEST_CONTENT, MOST_LITERALS).with_sight(sight);
        assert_eq!((hit.end(), hit.literal(), hit.sight()), (LONGEST_CONTENT, MOST_LITERALS, sight));
        let moved = hit.moved(LONGEST_CONTENT, 7);
        assert_eq!((moved.end(), moved.literal(), moved.sight()), (7, MOST_LITERALS, sight));
        assert!(Hit::new(3, 9) < Hit::new(4, 0));
    }

    #[test]
    fn finds_every_occurrence_in_any_case() {
        let literals = Literals::new(&[b"key".to_vec(), b"apikey".to_vec(), b"eya".to_vec()]);
        let mut hits = Vec::new();
        literals.find(b"-ApiKEYa-key", 0, 12, &mut hits);
        let mut found: Vec<(usize, usize)> = hits.iter().map(|hit| (hit.end(), hit.literal())).collect();
        found.sort_unstable();
        assert_eq!(found, [(7, 0), (7, 1), (8, 2), (12, 0)]);
        hits.clear();
        literals.find(b"-ApiKEYa-key", 2, 6, &mut hits);
        assert!(hits.is_empty(), "only what lies inside the range counts");
    }

    proptest::proptest! {
        #[test]
        fn lanes_find_what_one_walk_finds(text in "[akey-]{0,1200}", from in 0_usize..40, cut in 0_usize..40) {
            let words = [b"key".to_vec(), b"apikey".to_vec(), b"-a-".to_vec(), b"eyekeykeykeykeykey".to_vec()];
            let literals = Literals::new(&words);
            let text = text.as_bytes();
            let to = text.len().saturating_sub(cut);
            let from = from.min(to);
            let (mut hits, mut expected) = (Vec::new(), Vec::new());
            literals.find(text, from, to, &mut hits);
            let automaton = literals.automaton.as_ref().unwrap();
            walk(automaton, automaton.start_state(Anchored::No).unwrap(), text, from, to, &mut expected);
            proptest::prop_assert_eq!(hits, expected);
        }
    }
}
