//! The translation itself: one pass over the pattern.

use std::fmt::Write as _;

use super::check::Size;
use super::class::{self, Cheap, Written, push_char};
use super::error::{SyntaxError, SyntaxErrorKind};
use super::escape;

/// The largest count of a repetition, and the largest product of nested ones.
const MAX_REPEAT: u32 = 1000;

/// From so many copies of one class on the cheaper form is used. A copy of the exact form takes about
/// 1.1 KiB of automaton, one of the cheaper 0.4.
const MANY_COPIES: u32 = 50;

/// A translated pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// In the syntax of the `regex` crate, for [`super::syntax_config`].
    pub regex: String,
    /// The number of capture groups, named ones included. The translation has as many, without names:
    /// Go lets a name occur twice, the `regex` crate doesn't.
    pub groups: usize,
    /// To tell whether it can be compiled.
    pub(super) size: Size,
}

/// Translates `source` from Go's syntax. Never panics; linear in the length but for property names.
///
/// # Errors
/// What Go's parser refuses, with the first fault's place.
pub fn translate(source: &str) -> Result<Translation, SyntaxError> {
    let mut translator = Translator {
        source,
        at: 0,
        out: String::with_capacity(source.len() * 2),
        groups: 0,
        flags: Flags::default(),
        open: Vec::new(),
        done: Measure::default(),
        last: None,
        after_repetition: None,
        folded_end: None,
    };
    translator.run()?;
    translator.forget_last();
    let size = Size { states: translator.done.states, depth: translator.done.depth };
    Ok(Translation { regex: translator.out, groups: translator.groups, size })
}

/// The flags in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// `i`
    pub(super) fold_case: bool,
    /// `m`
    pub(super) multi_line: bool,
    /// `s`
    pub(super) dot_newline: bool,
    /// `U`
    pub(super) swap_greed: bool,
}

/// A group that is not closed yet.
struct OpenGroup {
    /// Where it starts in the pattern, and in the output.
    source: usize,
    out: usize,
    /// What is in force again after it.
    flags: Flags,
    /// [`Translator::done`] before it.
    done: Measure,
}

/// How large a part of the pattern is, at most.
#[derive(Debug, Clone, Copy)]
struct Measure {
    /// The largest product of the counts of nested repetitions.
    copies: u32,
    /// States of the automaton.
    states: u64,
    /// Levels of nesting.
    depth: u32,
}

impl Default for Measure {
    fn default() -> Self {
        Self { copies: 1, states: 1, depth: 1 }
    }
}

impl Measure {
    /// An atom.
    fn atom(states: u64) -> Self {
        // A class takes up to eight levels: `(?:(?u:[^[^a]b])|..)`.
        Self { copies: 1, states, depth: 8 }
    }

    /// Adds what stands beside it.
    fn add(&mut self, other: Self) {
        self.copies = self.copies.max(other.copies);
        self.states = self.states.saturating_add(other.states);
        self.depth = self.depth.max(other.depth);
    }
}

/// What a repetition operator that came next would repeat.
struct Atom {
    /// Where it starts in the output; it ends at the end.
    out: usize,
    /// It needs a group around it before it can be repeated.
    needs_group: bool,
    /// Its cheaper forms.
    cheap: Option<Cheap>,
    measure: Measure,
    /// It is a literal inside of an `(?i:..)` with others before it.
    is_in_folded_run: bool,
}

/// A repetition operator as written.
struct Repetition {
    min: u32,
    /// `None`: no limit.
    max: Option<u32>,
    /// `x{..}` rather than `x*`.
    is_counted: bool,
    /// The offset behind it, a `?` not included.
    end: usize,
}

struct Translator<'p> {
    source: &'p str,
    at: usize,
    out: String,
    groups: usize,
    flags: Flags,
    open: Vec<OpenGroup>,
    /// The open group so far, [`Self::last`] left out.
    done: Measure,
    /// Flag groups such as `(?i)` and an empty `\Q\E` leave it: Go lets `a(?i)*` repeat the `a`.
    last: Option<Atom>,
    /// Where the repetition starts that was read last, if nothing came after it.
    after_repetition: Option<usize>,
    /// The length of the output if it ends with an `(?i:..)` that more literals can go into.
    folded_end: Option<usize>,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), SyntaxError> {
        while let Some(c) = self.source[self.at..].chars().next() {
            let after_repetition = self.after_repetition.take();
            match c {
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '|' => {
                    self.forget_last();
                    self.done.states = self.done.states.saturating_add(2);
                    self.out.push('|');
                    self.at += 1;
                }
                '^' => self.assertion(if self.flags.multi_line { "(?m:^)" } else { "\\A" }, 1),
                '$' => self.assertion(if self.flags.multi_line { "(?m:$)" } else { "\\z" }, 1),
                '.' => self.class(class::dot(self.flags), self.at + 1),
                '[' => {
                    let (written, end) = class::bracketed(self.source, self.at, self.flags)?;
                    self.class(written, end);
                }
                '*' | '+' | '?' => {
                    let (min, max) = match c {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(&Repetition { min, max, is_counted: false, end: self.at + 1 }, after_repetition)?;
                }
                '{' => match self.counted_repetition()? {
                    Some(repetition) => self.repeat(&repetition, after_repetition)?,
                    None => self.literal(u32::from('{'), self.at + 1),
                },
                '\\' => self.backslash()?,
                _ => self.literal(u32::from(c), self.at + c.len_utf8()),
            }
        }
        match self.open.pop() {
            Some(group) => Err(self.error(group.source..group.source + 1, SyntaxErrorKind::UnclosedGroup)),
            None => Ok(()),
        }
    }

    /// Whatever begins with a backslash outside of brackets.
    fn backslash(&mut self) -> Result<(), SyntaxError> {
        match self.source.as_bytes().get(self.at + 1) {
            Some(b'A') => self.assertion("\\A", 2),
            Some(b'b') => self.assertion("\\b", 2),
            Some(b'B') => self.assertion("\\B", 2),
            Some(b'z') => self.assertion("\\z", 2),
            Some(b'Q') => {
                let start = self.at + 2;
                let length = self.source[start..].find("\\E");
                let text = &self.source[start..length.map_or(self.source.len(), |length| start + length)];
                for c in text.chars() {
                    self.literal(u32::from(c), self.at);
                }
                self.at = start + text.len() + length.map_or(0, |_| 2);
            }
            Some(b'p' | b'P') => {
                let (written, end) = class::unicode(self.source, self.at, self.flags)?;
                self.class(written, end);
            }
            Some(&letter) => match class::perl(letter) {
                Some(written) => self.class(written, self.at + 2),
                None => {
                    let (code, end) = escape::character(self.source, self.at)?;
                    self.literal(code, end);
                }
            },
            None => {
                escape::character(self.source, self.at)?;
            }
        }
        Ok(())
    }

    /// A literal code point, which ends at `end` in the pattern.
    fn literal(&mut self, code: u32, end: usize) {
        let folded_end = self.folded_end;
        // Folded, a literal is up to four characters of up to four bytes.
        self.begin_atom(20);
        self.at = end;
        let Some(c) = char::from_u32(code) else {
            // A surrogate: no text holds it.
            self.out.push_str("[^\\x00-\\xFF]");
            return;
        };
        if !c.is_ascii() {
            self.wide_literal(c);
        } else if self.flags.fold_case && folded_end == Some(self.out.len()) {
            self.out.pop();
            if let Some(last) = &mut self.last {
                last.out = self.out.len();
                last.is_in_folded_run = true;
            }
            push_char(&mut self.out, c);
            self.out.push(')');
            self.folded_end = Some(self.out.len());
        } else if self.flags.fold_case && c.is_ascii_alphabetic() {
            self.out.push_str("(?i:");
            self.out.push(c);
            self.out.push(')');
            self.folded_end = Some(self.out.len());
        } else {
            push_char(&mut self.out, c);
        }
    }

    /// A literal beyond ASCII.
    fn wide_literal(&mut self, c: char) {
        let start = self.out.len();
        self.out.push_str(if self.flags.fold_case { "(?iu:" } else { "(?u:" });
        if c.is_alphanumeric() {
            self.out.push(c);
        } else {
            push_char(&mut self.out, c);
        }
        self.out.push(')');
        // Go reads an invalid byte as this character; `class::Set::or_invalid_byte` says why not all.
        if c == '\u{FFFD}' {
            self.out.insert_str(start, "(?:");
            self.out.push_str("|[\\xC0\\xC1\\xF5-\\xFF])");
        }
    }

    fn class(&mut self, written: Written, end: usize) {
        self.begin_atom(written.states);
        self.out.push_str(&written.text);
        if let Some(last) = &mut self.last {
            last.cheap = written.cheap;
        }
        self.at = end;
    }

    fn assertion(&mut self, text: &str, length: usize) {
        self.begin_atom(1);
        self.out.push_str(text);
        if let Some(last) = &mut self.last {
            // `\b{` means something else to the `regex` crate.
            last.needs_group = true;
        }
        self.at += length;
    }

    /// Makes what is pushed to the output next the last atom.
    fn begin_atom(&mut self, states: u64) {
        self.forget_last();
        self.last = Some(Atom {
            out: self.out.len(),
            needs_group: false,
            cheap: None,
            measure: Measure::atom(states),
            is_in_folded_run: false,
        });
    }

    /// Nothing can repeat any more what came so far.
    fn forget_last(&mut self) {
        if let Some(last) = self.last.take() {
            self.done.add(last.measure);
        }
        self.folded_end = None;
    }

    fn open_group(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        let rest = &self.source[start..];
        if !rest.starts_with("(?") {
            self.begin_group(start, true, self.flags);
            self.at += 1;
            return Ok(());
        }
        for prefix in ["(?P<", "(?<"] {
            // Go wants something behind the `<` before it takes it for a name.
            let Some(named) = rest.strip_prefix(prefix).filter(|named| !named.is_empty()) else { continue };
            let length = named.find('>').unwrap_or(named.len());
            let is_name = length > 0 && named[..length].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if length == named.len() || !is_name {
                return Err(self.invalid_name(start, prefix, &named[..length]));
            }
            self.begin_group(start, true, self.flags);
            self.at = start + prefix.len() + length + 1;
            return Ok(());
        }
        self.flag_group(start)
    }

    /// `(?flags)` and `(?flags:`; `start` is the parenthesis.
    fn flag_group(&mut self, start: usize) -> Result<(), SyntaxError> {
        let mut flags = self.flags;
        let mut is_on = true;
        let mut is_flag_missing = false;
        for (i, c) in self.source[start + 2..].char_indices() {
            let end = start + 2 + i + c.len_utf8();
            let flag = match c {
                'i' => &mut flags.fold_case,
                'm' => &mut flags.multi_line,
                's' => &mut flags.dot_newline,
                'U' => &mut flags.swap_greed,
                '-' if is_on => {
                    is_on = false;
                    is_flag_missing = true;
                    continue;
                }
                ':' | ')' if !is_flag_missing => {
                    if c == ':' {
                        self.begin_group(start, false, flags);
                    }
                    self.flags = flags;
                    self.at = end;
                    return Ok(());
                }
                _ => return Err(self.invalid_group(start, end)),
            };
            *flag = is_on;
            is_flag_missing = false;
        }
        Err(self.invalid_group(start, self.source.len()))
    }

    fn begin_group(&mut self, start: usize, is_capture: bool, inner: Flags) {
        self.forget_last();
        self.open.push(OpenGroup { source: start, out: self.out.len(), flags: self.flags, done: self.done });
        self.done = Measure::default();
        self.flags = inner;
        self.groups += usize::from(is_capture);
        self.out.push_str(if is_capture { "(" } else { "(?:" });
    }

    fn close_group(&mut self) -> Result<(), SyntaxError> {
        let Some(group) = self.open.pop() else {
            return Err(self.error(self.at..self.at + 1, SyntaxErrorKind::UnopenedGroup));
        };
        self.forget_last();
        self.out.push(')');
        self.at += 1;
        self.flags = group.flags;
        self.last = Some(Atom {
            out: group.out,
            needs_group: false,
            cheap: None,
            measure: Measure { states: self.done.states.saturating_add(2), depth: self.done.depth + 3, ..self.done },
            is_in_folded_run: false,
        });
        self.done = group.done;
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}` at the current place; `None` if the brace is a literal.
    fn counted_repetition(&self) -> Result<Option<Repetition>, SyntaxError> {
        let rest = &self.source[self.at + 1..];
        let Some((min, rest)) = count(rest) else { return Ok(None) };
        let (max, rest) = match rest.strip_prefix(',') {
            None => (Some(min), rest),
            Some(rest) if rest.starts_with('}') => (None, rest),
            Some(rest) => match count(rest) {
                Some((max, rest)) => (Some(max), rest),
                None => return Ok(None),
            },
        };
        let Some(rest) = rest.strip_prefix('}') else { return Ok(None) };
        let end = self.source.len() - rest.len();
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || max < min) {
            let kind = SyntaxErrorKind::RepeatCount(self.source[self.at..end].to_owned());
            return Err(self.error(self.at..end, kind));
        }
        Ok(Some(Repetition { min, max, is_counted: true, end }))
    }

    /// Repeats the last atom. `after` is the start of a repetition directly before.
    fn repeat(&mut self, repetition: &Repetition, after: Option<usize>) -> Result<(), SyntaxError> {
        let start = self.at;
        let is_question = self.source[repetition.end..].starts_with('?');
        let end = repetition.end + usize::from(is_question);
        let text = || self.source[start..end].to_owned();
        if let Some(before) = after {
            let kind = SyntaxErrorKind::DoubleRepetition(self.source[before..end].to_owned());
            return Err(self.error(before..end, kind));
        }
        let Some(mut atom) = self.last.take() else {
            return Err(self.error(start..end, SyntaxErrorKind::NothingToRepeat(text())));
        };
        let &Repetition { min, max, is_counted, .. } = repetition;
        if is_counted {
            let copies = match max {
                Some(0) => 1,
                Some(max) => max.saturating_mul(atom.measure.copies),
                None => min.max(1).saturating_mul(atom.measure.copies),
            };
            // Go looks at the product only where it repeats at least twice.
            if (min >= 2 || max.is_some_and(|max| max >= 2)) && copies > MAX_REPEAT {
                return Err(self.error(start..end, SyntaxErrorKind::RepeatCount(text())));
            }
            atom.measure.copies = copies;
        }

        let is_greedy = is_question == self.flags.swap_greed;
        match atom.cheap.take() {
            Some(Cheap { bytes, .. }) if is_greedy && max.is_none() && min <= 1 => {
                self.out.truncate(atom.out);
                self.out.push_str(&bytes);
            }
            Some(Cheap { many, many_states, .. }) if max.unwrap_or(min) >= MANY_COPIES => {
                self.out.truncate(atom.out);
                self.out.push_str(&many);
                atom.measure.states = many_states;
            }
            _ if atom.is_in_folded_run => {
                let literal = self.out.split_off(atom.out);
                self.out.push(')');
                atom.out = self.out.len();
                self.out.push_str("(?i:");
                self.out.push_str(&literal);
            }
            _ if atom.needs_group => {
                self.out.insert_str(atom.out, "(?:");
                self.out.push(')');
            }
            _ => {}
        }
        let Measure { states, depth, .. } = &mut atom.measure;
        *states = states.saturating_add(1).saturating_mul(u64::from(max.unwrap_or(min).max(1))).saturating_add(1);
        *depth += 2;
        match (min, max) {
            (0, None) => self.out.push('*'),
            (1, None) => self.out.push('+'),
            (0, Some(1)) => self.out.push('?'),
            (min, Some(max)) if min == max => self.count(format_args!("{{{min}}}")),
            (min, Some(max)) => self.count(format_args!("{{{min},{max}}}")),
            (min, None) => self.count(format_args!("{{{min},}}")),
        }
        if !is_greedy {
            self.out.push('?');
        }
        self.last = Some(Atom { needs_group: true, is_in_folded_run: false, ..atom });
        self.folded_end = None;
        self.after_repetition = Some(start);
        self.at = end;
        Ok(())
    }

    fn count(&mut self, count: std::fmt::Arguments<'_>) {
        self.out.write_fmt(count).expect("writing to a string can't fail");
    }

    fn invalid_name(&self, start: usize, prefix: &str, name: &str) -> SyntaxError {
        let end = start + prefix.len() + name.len();
        if prefix == "(?<" && name.starts_with(['=', '!']) {
            return self.invalid_group(start, start + 4);
        }
        self.error(start + prefix.len()..end, SyntaxErrorKind::InvalidGroupName(name.to_owned()))
    }

    fn invalid_group(&self, start: usize, end: usize) -> SyntaxError {
        let text = &self.source[start..end];
        let hint = match text {
            "(?=" | "(?!" | "(?<=" | "(?<!" => {
                "; Go's syntax has no look-around: match more, name the secret with a group and `secretGroup`, or use an allowlist"
            }
            "(?>" => "; Go's syntax has no atomic groups, `(?:..)` will do",
            "(?x" => "; Go's syntax has no flag `x`: write the pattern without blanks and comments",
            "(?#" => "; Go's syntax has no comments",
            "(?P=" | "(?P>" | "(?&" | "(?R" => "; Go's syntax has no back-references and no recursion",
            "(?P" => "; a named group is `(?P<name>..)`",
            "(?'" => "; a named group is `(?P<name>..)`",
            "(?|" => "; Go's syntax has no branch reset, `(?:..)` will do",
            "(?a" | "(?u" | "(?L" => "; Go's syntax has the flags i, m, s and U",
            _ => "; the flags are i, m, s and U",
        };
        self.error(start..end, SyntaxErrorKind::InvalidGroup { text: text.to_owned(), hint })
    }

    fn error(&self, span: std::ops::Range<usize>, kind: SyntaxErrorKind) -> SyntaxError {
        SyntaxError { span, kind }
    }
}

/// The decimal number at the start of `text`, without leading zeros, and what follows it. Numbers too
/// large for a count are all the same.
fn count(text: &str) -> Option<(u32, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 || (length > 1 && text.starts_with('0')) {
        return None;
    }
    let (digits, rest) = text.split_at(length);
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}
