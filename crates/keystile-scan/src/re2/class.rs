//! Character classes: `[..]`, `.`, `\d` and its like, `\p{..}`.
//!
//! A class is resolved to the set of its characters, folded and negated as Go does it, and written
//! out again. Only classes with Unicode properties keep their text, since their sets are long.

use std::fmt::Write as _;

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::error::{SyntaxError, SyntaxErrorKind};
use super::property::{self, Property};
use super::{check, escape, translate::Flags};

/// The first character beyond ASCII.
const WIDE: char = '\u{80}';

/// An ASCII set: bit n stands for the character n.
type Ascii = u128;

const DIGIT: Ascii = ascii(b'0', b'9');
const UPPER: Ascii = ascii(b'A', b'Z');
const LOWER: Ascii = ascii(b'a', b'z');
const ALPHA: Ascii = UPPER | LOWER;
const WORD: Ascii = ALPHA | DIGIT | ascii(b'_', b'_');
/// Without the vertical tab, unlike `[:space:]` and unlike the `regex` crate's `\s`.
const PERL_SPACE: Ascii = ascii(b'\t', b'\n') | ascii(0x0c, b'\r') | ascii(b' ', b' ');

/// The set of the characters from `first` to `last`.
const fn ascii(first: u8, last: u8) -> Ascii {
    (u128::MAX << first) & (u128::MAX >> (127 - last))
}

/// How a class is written in the `regex` crate's syntax: as one atom that can be repeated.
#[derive(Debug)]
pub(super) struct Written {
    /// Counts characters.
    pub(super) text: String,
    /// Cheaper forms. None if there is no gain.
    pub(super) cheap: Option<Cheap>,
    /// How many states of an automaton `text` takes at most ([`super::check`]).
    pub(super) states: u64,
}

/// Forms of a class that holds everything beyond ASCII.
#[derive(Debug)]
pub(super) struct Cheap {
    /// Counts bytes, which does under a greedy `*` or `+`.
    pub(super) bytes: String,
    /// For many copies. Counts characters too, but takes a lead byte with up to three continuation
    /// bytes for one, even if they are not as many as the lead byte says. A third of the automaton.
    pub(super) many: String,
    /// The states of `many`.
    pub(super) many_states: u64,
}

/// `.`, which leaves out `\n` unless the flag `s` is set.
pub(super) fn dot(flags: Flags) -> Written {
    let mut set = Set { ascii: u128::MAX, wide: full() };
    if !flags.dot_newline {
        set.ascii &= !ascii(b'\n', b'\n');
    }
    set.write()
}

/// `\d`, `\D`, `\s`, `\S`, `\w`, `\W` outside of brackets; None for another letter.
pub(super) fn perl(letter: u8) -> Option<Written> {
    let (ascii, negated) = perl_set(letter)?;
    let mut set = Set { ascii, wide: ClassUnicode::empty() };
    if negated {
        set.negate();
    }
    Some(set.write())
}

/// `\pL`, `\p{Greek}`, `\P{^Lu}` at the start of `source[at..]`, outside of brackets, and the offset
/// behind it.
pub(super) fn unicode(source: &str, at: usize, flags: Flags) -> Result<(Written, usize), SyntaxError> {
    let (item, end) = property_item(source, at)?;
    let written = Bracket { items: vec![item], negated: false }.write(flags);
    Ok((written, end))
}

/// The bracketed class at the start of `source[at..]`, and the offset behind it.
pub(super) fn bracketed(source: &str, at: usize, flags: Flags) -> Result<(Written, usize), SyntaxError> {
    let (bracket, end) = Bracket::parse(source, at)?;
    Ok((bracket.write(flags), end))
}

/// One element of a bracketed class.
#[derive(Debug)]
enum Item {
    /// Code points, surrogates among them.
    Range(u32, u32),
    /// `\w`, `[:alpha:]`.
    Named { ascii: Ascii, negated: bool },
    /// `\p{..}`.
    Property { property: Property, negated: bool },
}

/// A bracketed class as written.
#[derive(Debug)]
struct Bracket {
    items: Vec<Item>,
    negated: bool,
}

impl Bracket {
    fn parse(source: &str, start: usize) -> Result<(Self, usize), SyntaxError> {
        let mut at = start + 1;
        let negated = source[at..].starts_with('^');
        at += usize::from(negated);
        let mut items = Vec::new();
        // A `]` in first place is a literal.
        let mut is_first = true;
        while is_first || !source[at..].starts_with(']') {
            is_first = false;
            let rest = &source[at..];
            if let Some((item, end)) = posix_item(source, at)? {
                items.push(item);
                at = end;
            } else if rest.starts_with("\\p") || rest.starts_with("\\P") {
                let (item, end) = property_item(source, at)?;
                items.push(item);
                at = end;
            } else if let Some((ascii, negated)) =
                rest.strip_prefix('\\').and_then(|rest| perl_set(*rest.as_bytes().first()?))
            {
                items.push(Item::Named { ascii, negated });
                at += 2;
            } else {
                let (first, end) = Self::character(source, at, start)?;
                let (last, end) = match source[end..].strip_prefix('-') {
                    // A `-` in last place is a literal.
                    Some(after) if !after.is_empty() && !after.starts_with(']') => {
                        Self::character(source, end + 1, start)?
                    }
                    _ => (first, end),
                };
                if last < first {
                    let kind = SyntaxErrorKind::EmptyRange(source[at..end].to_owned());
                    return Err(SyntaxError { span: at..end, kind });
                }
                items.push(Item::Range(first, last));
                at = end;
            }
        }
        Ok((Self { items, negated }, at + 1))
    }

    /// One character or escape sequence of the class that starts at `start`.
    fn character(source: &str, at: usize, start: usize) -> Result<(u32, usize), SyntaxError> {
        match source[at..].chars().next() {
            None => Err(SyntaxError { span: start..source.len(), kind: SyntaxErrorKind::UnclosedClass }),
            Some('\\') => escape::character(source, at),
            Some(c) => Ok((u32::from(c), at + c.len_utf8())),
        }
    }

    fn write(self, flags: Flags) -> Written {
        if self.items.iter().any(|item| matches!(item, Item::Property { property: Property::Named(_), .. })) {
            return self.write_symbolic(flags);
        }
        let mut set = Set::empty();
        for item in &self.items {
            match *item {
                Item::Range(first, last) if flags.fold_case => set.add_folded(first, last),
                Item::Range(first, last) => set.add(first, last),
                Item::Named { ascii, negated } => {
                    let ascii = if flags.fold_case { fold_ascii(ascii) } else { ascii };
                    set.ascii |= if negated { !ascii } else { ascii };
                    if negated {
                        set.wide = full();
                    }
                }
                Item::Property { negated: false, .. } => {}
                Item::Property { negated: true, .. } => set = Set { ascii: u128::MAX, wide: full() },
            }
        }
        if self.negated {
            set.negate();
        }
        set.write()
    }

    /// As [`Self::write`], for a class that names Unicode properties.
    fn write_symbolic(&self, flags: Flags) -> Written {
        let mut text = String::from(if flags.fold_case { "(?iu:[" } else { "(?u:[" });
        if self.negated {
            text.push('^');
        }
        for item in &self.items {
            match item {
                Item::Range(first, last) => {
                    if let Some((first, last)) = without_surrogates(*first, *last) {
                        push_range(&mut text, first, last);
                    }
                }
                // Brackets of their own, so that folding comes before negation.
                Item::Named { ascii, negated: true } => {
                    text.push_str("[^");
                    push_ascii(&mut text, *ascii);
                    text.push(']');
                }
                Item::Named { ascii, negated: false } => push_ascii(&mut text, *ascii),
                Item::Property { property: Property::Named(name), negated } => {
                    let letter = if *negated { 'P' } else { 'p' };
                    write!(text, "\\{letter}{{{name}}}").expect("writing to a string can't fail");
                }
                Item::Property { property: Property::Nothing, negated: false } => {}
                Item::Property { property: Property::Nothing, negated: true } => text.push_str("\\x{0}-\\x{10FFFF}"),
            }
        }
        text.push_str("])");
        match regex_syntax::parse(&text).map(|hir| hir.into_kind()) {
            Ok(HirKind::Class(Class::Unicode(class))) => {
                let set = Set::from(&class);
                if set.is_wide_full() || set.wide.ranges().is_empty() {
                    set.write()
                } else {
                    Written { text: set.or_invalid_byte(text), cheap: None, states: set.wide_states() + 20 }
                }
            }
            // No character, or one.
            Ok(_) => Written { text, cheap: None, states: 5 },
            // Reported when the whole translation is checked, which so many states make sure of.
            Err(_) => Written { text, cheap: None, states: u64::MAX },
        }
    }
}

/// `[:alpha:]` or `[:^alpha:]` at the start of `source[at..]`, inside brackets.
fn posix_item(source: &str, at: usize) -> Result<Option<(Item, usize)>, SyntaxError> {
    let Some(inner) = source[at..].strip_prefix("[:") else { return Ok(None) };
    let Some(length) = inner.find(":]") else { return Ok(None) };
    let end = at + 2 + length + 2;
    let name = &inner[..length];
    let (name, negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    let ascii = match name {
        "alnum" => ALPHA | DIGIT,
        "alpha" => ALPHA,
        "ascii" => u128::MAX,
        "blank" => ascii(b'\t', b'\t') | ascii(b' ', b' '),
        "cntrl" => ascii(0, 0x1f) | ascii(0x7f, 0x7f),
        "digit" => DIGIT,
        "graph" => ascii(b'!', b'~'),
        "lower" => LOWER,
        "print" => ascii(b' ', b'~'),
        "punct" => ascii(b'!', b'/') | ascii(b':', b'@') | ascii(b'[', b'`') | ascii(b'{', b'~'),
        "space" => ascii(b'\t', b'\r') | ascii(b' ', b' '),
        "upper" => UPPER,
        "word" => WORD,
        "xdigit" => DIGIT | ascii(b'A', b'F') | ascii(b'a', b'f'),
        _ => {
            let kind = SyntaxErrorKind::UnknownClass(source[at..end].to_owned());
            return Err(SyntaxError { span: at..end, kind });
        }
    };
    Ok(Some((Item::Named { ascii, negated }, end)))
}

/// The set of `\d` and its like by the letter, and whether it is negated.
fn perl_set(letter: u8) -> Option<(Ascii, bool)> {
    Some(match letter {
        b'd' => (DIGIT, false),
        b'D' => (DIGIT, true),
        b's' => (PERL_SPACE, false),
        b'S' => (PERL_SPACE, true),
        b'w' => (WORD, false),
        b'W' => (WORD, true),
        _ => return None,
    })
}

/// `\pL`, `\p{Greek}`, `\P{^Lu}` at the start of `source[at..]`, and the offset behind it.
fn property_item(source: &str, at: usize) -> Result<(Item, usize), SyntaxError> {
    let is_upper = source[at..].starts_with("\\P");
    let rest = &source[at + 2..];
    let (name, end) = match rest.strip_prefix('{') {
        Some(inner) => match inner.find('}') {
            Some(length) => (&inner[..length], at + 3 + length + 1),
            None => ("", source.len()),
        },
        None => {
            let length = rest.chars().next().map_or(0, char::len_utf8);
            (&rest[..length], at + 2 + length)
        }
    };
    let (name, is_caret) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    match property::resolve(name) {
        Some(property) => Ok((Item::Property { property, negated: is_upper != is_caret }, end)),
        None => {
            let kind = SyntaxErrorKind::UnknownProperty(source[at..end].to_owned());
            Err(SyntaxError { span: at..end, kind })
        }
    }
}

/// A set of characters.
struct Set {
    ascii: Ascii,
    /// Characters from [`WIDE`] on.
    wide: ClassUnicode,
}

impl Set {
    fn empty() -> Self {
        Self { ascii: 0, wide: ClassUnicode::empty() }
    }

    /// Adds the code points from `first` to `last`, surrogates left out: no text holds one.
    fn add(&mut self, first: u32, last: u32) {
        if first < u32::from(WIDE) {
            let end = last.min(0x7f);
            // Both are below 0x80.
            self.ascii |= ascii(first as u8, end as u8);
        }
        if let Some((first, last)) = without_surrogates(first.max(u32::from(WIDE)), last) {
            self.wide.push(ClassUnicodeRange::new(first, last));
        }
    }

    /// As [`Self::add`], with the other case of each character. A range within ASCII stays there
    /// (module `re2`, known differences).
    fn add_folded(&mut self, first: u32, last: u32) {
        let mut range = Self::empty();
        range.add(first, last);
        if !range.wide.ranges().is_empty() {
            let mut class = range.wide;
            for (first, last) in runs(range.ascii) {
                class.push(ClassUnicodeRange::new(char::from(first), char::from(last)));
            }
            class.case_fold_simple();
            range = Self::from(&class);
        }
        self.ascii |= fold_ascii(range.ascii);
        self.wide.union(&range.wide);
    }

    fn negate(&mut self) {
        self.ascii = !self.ascii;
        self.wide.negate();
        self.wide.intersect(&full());
    }

    /// Whether it holds every character beyond ASCII.
    fn is_wide_full(&self) -> bool {
        self.wide.ranges() == full().ranges()
    }

    fn write(&self) -> Written {
        let mut inside = String::new();
        push_ascii(&mut inside, self.ascii);
        let ascii_states = 1 + (runs(self.ascii).count() as u64).div_ceil(check::RANGES_PER_STATE);
        if self.wide.ranges().is_empty() {
            let text = match self.ascii.count_ones() {
                0 => "[^\\x00-\\xFF]".to_owned(),
                1 => inside,
                _ => format!("[{inside}]"),
            };
            return Written { text, cheap: None, states: ascii_states };
        }
        if self.is_wide_full() {
            let bytes = format!("[{inside}\\x80-\\xFF]");
            let many = format!("(?:[\\xC2-\\xF4][\\x80-\\xBF]{{1,3}}|{bytes})");
            let text = format!("(?:(?u:[{inside}\\x{{80}}-\\x{{10FFFF}}])|[\\x80-\\xFF])");
            let cheap = Some(Cheap { bytes, many, many_states: ascii_states + 12 });
            // Every valid sequence beyond ASCII: 8 kinds with 26 bytes.
            return Written { text, cheap, states: ascii_states + 32 };
        }
        for range in self.wide.ranges() {
            push_range(&mut inside, range.start(), range.end());
        }
        let states = ascii_states + self.wide_states();
        Written { text: self.or_invalid_byte(format!("(?u:[{inside}])")), cheap: None, states }
    }

    /// How many states the part beyond ASCII takes at most.
    fn wide_states(&self) -> u64 {
        /// A range of characters takes as many sequences as `regex_syntax::utf8` makes of it: those of
        /// two, three and four bytes apart, and of each up to twice its length.
        const STATES_PER_RANGE: u64 = 4 + 15 + 28;
        5 + self.wide.ranges().len() as u64 * STATES_PER_RANGE
    }

    /// `text`, or an invalid byte if the set holds U+FFFD, as which Go reads one. Only bytes that occur
    /// in no valid text: others would match parts of the characters that the set leaves out.
    fn or_invalid_byte(&self, text: String) -> String {
        let holds = self.wide.ranges().iter().any(|range| (range.start()..=range.end()).contains(&'\u{FFFD}'));
        if holds { format!("(?:{text}|[\\xC0\\xC1\\xF5-\\xFF])") } else { text }
    }
}

/// The set with the other case of each letter.
fn fold_ascii(ascii: Ascii) -> Ascii {
    ascii | (ascii & UPPER) << 32 | (ascii & LOWER) >> 32
}

impl From<&ClassUnicode> for Set {
    fn from(class: &ClassUnicode) -> Self {
        let mut set = Self::empty();
        for range in class.ranges() {
            set.add(u32::from(range.start()), u32::from(range.end()));
        }
        set
    }
}

/// All characters beyond ASCII.
fn full() -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(WIDE, char::MAX)])
}

/// The range as characters, or None if it holds nothing but surrogates or is empty.
fn without_surrogates(first: u32, last: u32) -> Option<(char, char)> {
    let first = char::from_u32(first).unwrap_or('\u{E000}');
    let last = char::from_u32(last).unwrap_or('\u{D7FF}');
    (first <= last).then_some((first, last))
}

/// The set's characters as ranges.
fn runs(mut ascii: Ascii) -> impl Iterator<Item = (u8, u8)> {
    std::iter::from_fn(move || {
        if ascii == 0 {
            return None;
        }
        let first = ascii.trailing_zeros();
        let length = (ascii >> first).trailing_ones();
        let last = first + length - 1;
        ascii &= !self::ascii(first as u8, last as u8);
        Some((first as u8, last as u8))
    })
}

fn push_ascii(text: &mut String, ascii: Ascii) {
    for (first, last) in runs(ascii) {
        push_range(text, char::from(first), char::from(last));
    }
}

fn push_range(text: &mut String, first: char, last: char) {
    push_char(text, first);
    if first < last {
        if u32::from(first) + 1 < u32::from(last) {
            text.push('-');
        }
        push_char(text, last);
    }
}

/// `c` as a literal, inside and outside of brackets. Beyond ASCII it needs `(?u:..)` around it.
pub(super) fn push_char(text: &mut String, c: char) {
    match c {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        _ if c.is_ascii_graphic() || c == ' ' => {
            if regex_syntax::is_meta_character(c) {
                text.push('\\');
            }
            text.push(c);
        }
        _ if c.is_ascii() => write!(text, "\\x{:02X}", u32::from(c)).expect("writing to a string can't fail"),
        _ => write!(text, "\\x{{{:X}}}", u32::from(c)).expect("writing to a string can't fail"),
    }
}
