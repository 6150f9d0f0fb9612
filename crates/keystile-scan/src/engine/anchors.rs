//! Anchors: literals of which every match of a regular expression contains at least one.
//!
//! They are read off the syntax tree. A literal counts in any ASCII case (that is how the literal
//! search looks for them), so an expression without regard to case has anchors as well. Of all
//! places in an expression where anchors can be had the rarest ones are taken; what the expression
//! says about their neighbourhood becomes [`Step`]s.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::steps::{ByteSet, Step};

/// The most literals that one stretch of an expression is multiplied out to.
const MOST_PRODUCTS: usize = 24;
/// The most members of a class that are written out as literals.
const MOST_MEMBERS: usize = 8;
/// The most anchors of one rule.
const MOST_ANCHORS: usize = 512;
/// A stretch that is as long as this is not made longer: it gets no rarer.
const LONGEST: usize = 32;
/// Expected occurrences per byte above which a whole-content search with the regular expression is
/// thought to be no worse.
const TOO_COMMON: f64 = 0.02;

/// One literal and what stands beside it.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    /// In lower case.
    pub(super) literal: Vec<u8>,
    /// What stands before it, the nearest first.
    pub(super) before: Vec<Step>,
    /// What stands behind it, the nearest first.
    pub(super) after: Vec<Step>,
}

/// Literals for one place in an expression, and how often they are expected.
#[derive(Debug, Clone)]
struct Choice {
    anchors: Vec<Anchor>,
    cost: f64,
}

/// The anchors of `hir`; `None`: a match need not contain any literal that is rare enough.
pub(super) fn anchors(hir: &Hir) -> Option<Vec<Anchor>> {
    let choice = best(hir)?;
    (choice.cost <= TOO_COMMON && choice.anchors.iter().all(|anchor| anchor.literal.len() > 1))
        .then_some(choice.anchors)
}

/// A byte that every match of `hir` contains, too common to be looked for everywhere.
pub(super) fn common_byte(hir: &Hir) -> Option<(u8, Anchor)> {
    let [anchor] = <[Anchor; 1]>::try_from(best(hir)?.anchors).ok()?;
    match *anchor.literal {
        [byte] if !byte.is_ascii_alphabetic() => Some((byte, anchor)),
        _ => None,
    }
}

fn best(hir: &Hir) -> Option<Choice> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(_) | HirKind::Class(_) | HirKind::Concat(_) => best_of_sequence(&flatten(hir)),
        HirKind::Capture(capture) => best(&capture.sub),
        HirKind::Repetition(repetition) => best_of_repetition(repetition),
        HirKind::Alternation(branches) => {
            let mut all = Choice { anchors: Vec::new(), cost: 0.0 };
            for branch in branches {
                let choice = best(branch)?;
                all.cost += choice.cost;
                all.anchors.extend(choice.anchors);
            }
            (all.anchors.len() <= MOST_ANCHORS).then_some(all)
        }
    }
}

/// The first round is always there; the others stand behind it.
fn best_of_repetition(repetition: &Repetition) -> Option<Choice> {
    if repetition.min == 0 {
        return None;
    }
    let mut choice = best(&repetition.sub)?;
    let others = Repetition {
        min: repetition.min - 1,
        max: repetition.max.map(|max| max - 1),
        greedy: repetition.greedy,
        sub: repetition.sub.clone(),
    };
    let mut steps = Vec::new();
    push_repetition(&others, &mut steps);
    for anchor in &mut choice.anchors {
        anchor.after.extend_from_slice(&steps);
    }
    Some(choice)
}

/// The parts of a sequence in order, groups opened.
fn flatten(hir: &Hir) -> Vec<&Hir> {
    fn walk<'h>(hir: &'h Hir, into: &mut Vec<&'h Hir>) {
        match hir.kind() {
            HirKind::Concat(parts) => parts.iter().for_each(|part| walk(part, into)),
            HirKind::Capture(capture) => walk(&capture.sub, into),
            _ => into.push(hir),
        }
    }
    let mut parts = Vec::new();
    walk(hir, &mut parts);
    parts
}

fn best_of_sequence(parts: &[&Hir]) -> Option<Choice> {
    let steps: Vec<Vec<Step>> = parts
        .iter()
        .map(|part| {
            let mut steps = Vec::new();
            push_steps(part, &mut steps);
            steps
        })
        .collect();
    let spelled: Vec<Option<Vec<Vec<u8>>>> = parts.iter().map(|part| spell(part)).collect();

    let mut winner: Option<Choice> = None;
    let mut consider = |from: usize, to: usize, mut choice: Choice| {
        let before = steps[..from].iter().rev().flat_map(|part| part.iter().rev());
        let after = steps[to..].iter().flatten();
        if winner.as_ref().is_some_and(|winner| winner.cost <= choice.cost) {
            return;
        }
        for anchor in &mut choice.anchors {
            anchor.before.extend(before.clone().cloned());
            anchor.after.extend(after.clone().cloned());
        }
        winner = Some(choice);
    };

    let mut single_before = false;
    for (from, part) in parts.iter().enumerate() {
        let Some(first) = &spelled[from] else {
            single_before = false;
            let compound = matches!(part.kind(), HirKind::Repetition(_) | HirKind::Alternation(_));
            if let Some(choice) = compound.then(|| best(part)).flatten() {
                consider(from, from + 1, choice);
            }
            continue;
        };
        // A stretch that goes on from a single literal is rarer when it begins with that.
        let skip = single_before;
        single_before = first.len() == 1 && !first[0].is_empty();
        if skip {
            continue;
        }
        let mut words = first.clone();
        let mut to = from + 1;
        loop {
            let next = spelled.get(to).and_then(Option::as_ref);
            let longest = words.iter().map(Vec::len).max().unwrap_or(0);
            let fits = next.filter(|next| words.len() * next.len() <= MOST_PRODUCTS && longest < LONGEST);
            // Judge a stretch at its end and before it is multiplied.
            if fits.is_none_or(|next| next.len() > 1) && words.iter().all(|word| !word.is_empty()) {
                let cost = words.iter().map(|word| frequency(word)).sum();
                let anchors = words
                    .iter()
                    .map(|word| Anchor { literal: word.clone(), before: Vec::new(), after: Vec::new() })
                    .collect();
                consider(from, to, Choice { anchors, cost });
            }
            let Some(next) = fits else { break };
            words = product(&words, next);
            to += 1;
        }
    }
    winner
}

fn product(left: &[Vec<u8>], right: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = left
        .iter()
        .flat_map(|head| right.iter().map(move |tail| [head.as_slice(), tail.as_slice()].concat()))
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// All strings that `hir` can match, in lower case, if they are few.
fn spell(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut words = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![Vec::new()],
        HirKind::Literal(literal) => vec![literal.0.to_ascii_lowercase()],
        HirKind::Class(class) => spell_class(class)?,
        HirKind::Capture(capture) => spell(&capture.sub)?,
        HirKind::Repetition(repetition) => {
            let max = repetition.max.filter(|&max| max <= 8)?;
            let once = spell(&repetition.sub)?;
            let mut words = Vec::new();
            let mut power = vec![Vec::new()];
            for count in 0..=max {
                if count >= repetition.min {
                    words.extend(power.iter().cloned());
                }
                if power.len() * once.len() > MOST_PRODUCTS {
                    return None;
                }
                power = product(&power, &once);
            }
            words
        }
        HirKind::Concat(parts) => {
            let mut words = vec![Vec::new()];
            for part in parts {
                let next = spell(part)?;
                if words.len() * next.len() > MOST_PRODUCTS {
                    return None;
                }
                words = product(&words, &next);
            }
            words
        }
        HirKind::Alternation(branches) => {
            let mut words = Vec::new();
            for branch in branches {
                words.extend(spell(branch)?);
                if words.len() > MOST_PRODUCTS {
                    return None;
                }
            }
            words
        }
    };
    words.sort_unstable();
    words.dedup();
    (words.len() <= MOST_PRODUCTS).then_some(words)
}

fn spell_class(class: &Class) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    match class {
        Class::Bytes(class) => {
            for range in class.ranges() {
                for byte in range.start()..=range.end() {
                    words.push(vec![byte.to_ascii_lowercase()]);
                    if words.len() > 2 * MOST_MEMBERS {
                        return None;
                    }
                }
            }
        }
        Class::Unicode(class) => {
            for range in class.ranges() {
                for character in range.start()..=range.end() {
                    words.push(character.to_ascii_lowercase().to_string().into_bytes());
                    if words.len() > 2 * MOST_MEMBERS {
                        return None;
                    }
                }
            }
        }
    }
    words.sort_unstable();
    words.dedup();
    (!words.is_empty() && words.len() <= MOST_MEMBERS).then_some(words)
}

/// Writes `hir` as steps, each of which allows at least what it stands for.
fn push_steps(hir: &Hir, into: &mut Vec<Step>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => {
            for &byte in &literal.0 {
                let mut set = ByteSet::default();
                set.insert(byte);
                into.push(Step { set, min: 1, max: 1 });
            }
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut set = ByteSet::default();
            class.ranges().iter().for_each(|range| set.insert_range(range.start(), range.end()));
            into.push(Step { set, min: 1, max: 1 });
        }
        HirKind::Class(Class::Unicode(_)) | HirKind::Alternation(_) => into.push(join(hir)),
        HirKind::Capture(capture) => push_steps(&capture.sub, into),
        HirKind::Concat(parts) => parts.iter().for_each(|part| push_steps(part, into)),
        HirKind::Repetition(repetition) => push_repetition(repetition, into),
    }
}

fn push_repetition(repetition: &Repetition, into: &mut Vec<Step>) {
    let once = join(&repetition.sub);
    let max = match repetition.max {
        Some(max) => once.max.saturating_mul(max as usize),
        None if once.max == 0 => 0,
        None => usize::MAX,
    };
    if max > 0 {
        into.push(Step { set: once.set, min: once.min.saturating_mul(repetition.min as usize), max });
    }
}

/// `hir` as one step.
fn join(hir: &Hir) -> Step {
    let mut set = ByteSet::default();
    collect(hir, &mut set);
    let properties = hir.properties();
    Step { set, min: properties.minimum_len().unwrap_or(0), max: properties.maximum_len().unwrap_or(usize::MAX) }
}

fn collect(hir: &Hir, set: &mut ByteSet) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|&byte| set.insert(byte)),
        HirKind::Class(Class::Bytes(class)) => {
            class.ranges().iter().for_each(|range| set.insert_range(range.start(), range.end()));
        }
        HirKind::Class(Class::Unicode(class)) => {
            for range in class.ranges() {
                if range.start().is_ascii() {
                    set.insert_range(range.start() as u8, u32::from(range.end()).min(0x7F) as u8);
                }
                if !range.end().is_ascii() {
                    set.insert_range(0x80, 0xFF);
                }
            }
        }
        HirKind::Capture(capture) => collect(&capture.sub, set),
        HirKind::Repetition(repetition) => collect(&repetition.sub, set),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().for_each(|part| collect(part, set)),
    }
}

/// How often a literal is expected per byte of source code; only the order of the answers matters.
///
/// Letters follow their share in English text; neighbours depend on each other, so each further byte
/// makes a word less rare than independent bytes would.
fn frequency(word: &[u8]) -> f64 {
    word.iter()
        .enumerate()
        .map(|(index, &byte)| {
            let share = share(byte);
            if index == 0 { share } else { share.powf(0.7) }
        })
        .product()
}

fn share(byte: u8) -> f64 {
    match byte {
        b' ' => 0.15,
        b'e' | b't' => 0.07,
        b'a' | b'i' | b'n' | b'o' | b'r' | b's' => 0.05,
        b'c' | b'd' | b'l' | b'u' => 0.03,
        b'\n' | b'f' | b'h' | b'm' | b'p' => 0.022,
        b'_' | b'-' | b'.' | b',' | b'(' | b')' | b'"' | b'/' | b'b' | b'g' | b'=' | b':' | b'0' | b'1' => 0.014,
        b'k' | b'v' | b'w' | b'y' | b'2'..=b'9' | b'*' | b'\'' | b';' | b'\t' => 0.008,
        b'x' => 0.004,
        b'j' | b'q' | b'z' => 0.0015,
        0x80..=0xFF => 0.001,
        _ => 0.004,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pattern: &str) -> Hir {
        regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap()
    }

    fn literals(pattern: &str) -> Option<Vec<String>> {
        let anchors = anchors(&parse(pattern))?;
        let mut words: Vec<String> =
            anchors.into_iter().map(|anchor| String::from_utf8(anchor.literal).unwrap()).collect();
        words.sort();
        words.dedup();
        Some(words)
    }

    #[test]
    fn the_rarest_literals_are_taken() {
        let cases: &[(&str, &[&str])] = &[
            (r"gh[pousr]_[0-9A-Za-z]{36}", &["gho_", "ghp_", "ghr_", "ghs_", "ghu_"]),
            (r"(?i)\b(adafruit)[\w.-]{0,20}=([a-z0-9]{32})", &["adafruit"]),
            (r"[0-9]{5,16}:AA[a-z]{33}", &[":aa"]),
            (r"\b((?:A3T[A-Z0-9]|AKIA|ASIA)[A-Z2-7]{16})\b", &["a3t", "akia", "asia"]),
            (r"x(?:passw(?:or)?d)=", &["xpasswd=", "xpassword="]),
            (r"(?:kgs_){2,}[a-z]+", &["kgs_"]),
        ];
        for (pattern, expected) in cases {
            assert_eq!(literals(pattern).as_deref(), Some(expected.map_to_strings().as_slice()), "{pattern}");
        }
    }

    trait MapToStrings {
        fn map_to_strings(&self) -> Vec<String>;
    }

    impl MapToStrings for &[&str] {
        fn map_to_strings(&self) -> Vec<String> {
            self.iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn no_anchor_where_nothing_must_occur() {
        for pattern in [r"\b[a-f0-9]{32}\b", r"(?:abc)?[0-9]+", r"foobar|[0-9]{8}", r"e[a-z]+", r""] {
            assert_eq!(literals(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn the_neighbourhood_is_kept_in_order() {
        let anchors = anchors(&parse(r"[a-z]{2,3}=token[0-9]+;")).unwrap();
        let [anchor] = anchors.as_slice() else { panic!("one anchor") };
        assert_eq!(anchor.literal, b"=token");
        let sizes = |steps: &[Step]| steps.iter().map(|step| (step.min, step.max)).collect::<Vec<_>>();
        assert_eq!(sizes(&anchor.before), [(2, 3)]);
        assert_eq!(sizes(&anchor.after), [(1, usize::MAX), (1, 1)]);
    }
}
