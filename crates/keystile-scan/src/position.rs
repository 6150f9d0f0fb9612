//! Places inside content: byte spans, and lines and columns for people.

/// A half-open range of byte offsets into the original content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// The span from `start` to `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether the span holds no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The span as a range, to slice with.
    #[must_use]
    pub const fn range(self) -> std::ops::Range<usize> {
        self.start..self.end
    }
}

/// A line and a column, both counted from 1; columns count characters (an invalid UTF-8 byte is one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Lines of one text, counted from where it was asked last: the questions come in nearly ascending order.
#[derive(Debug)]
pub(crate) struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    /// Line feeds before `at`.
    before: usize,
    /// What was asked last: where its line begins, itself, and the characters between. A file can be one line.
    column: (usize, usize, usize),
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, before: 0, column: (0, 0, 0) }
    }

    /// How many line feeds stand before `at`.
    pub(crate) fn count_before(&mut self, at: usize) -> usize {
        if at >= self.at {
            self.before += line_feeds(&self.text[self.at..at]);
        } else {
            self.before -= line_feeds(&self.text[at..self.at]);
        }
        self.at = at;
        self.before
    }

    /// The character at `at`; behind the text's end, the place where the next character would stand.
    pub(crate) fn position(&mut self, at: usize) -> Position {
        let line = self.count_before(at) + 1;
        Position { line: number(line), column: number(self.characters_before(at) + 1) }
    }

    /// The characters of the line before `at`.
    fn characters_before(&mut self, at: usize) -> usize {
        let text = self.text;
        let (start, from, count) = self.column;
        // What goes on with a character can't be counted alone; whatever else follows begins one.
        let is_begun = text.get(from).is_some_and(|byte| byte & 0xC0 == 0x80);
        let start_of = |from: usize| memchr::memrchr(b'\n', &text[from..at]).map(|feed| from + feed + 1);
        let (start, count) = match (from <= at).then(|| start_of(from)) {
            Some(None) if !is_begun => (start, count + characters(&text[from..at])),
            Some(None) => (start, characters(&text[start..at])),
            Some(Some(start)) => (start, characters(&text[start..at])),
            None => {
                let start = line_start(text, at);
                (start, characters(&text[start..at]))
            }
        };
        self.column = (start, at, count);
        count
    }

    /// The first and the last character of `span`.
    pub(crate) fn ends(&mut self, span: Span) -> (Position, Position) {
        let start = self.position(span.start);
        if span.len() <= 1 {
            return (start, start);
        }
        // The last byte may be inside of a character; it begins at most three bytes before.
        let mut last = span.end - 1;
        while last > span.start && span.end - last < 4 && self.text[last] & 0xC0 == 0x80 {
            last -= 1;
        }
        let tail = &self.text[last..span.end];
        if std::str::from_utf8(tail).map_or(true, |tail| tail.chars().count() != 1) {
            last = span.end - 1;
        }
        (start, self.position(last))
    }

    /// Where gitleaks 8.30 says that `span` lies (`detect/location.go`), for whole files: lines from 1,
    /// columns in bytes, one too many after the first line; an end behind the last line feed has
    /// column 0 when the start is before it. Also the part of the text that it takes for the line.
    pub(crate) fn gitleaks(&mut self, span: Span) -> (Position, Position, Span) {
        let text = self.text;
        let mut number_of = self.count_before(span.start);
        let mut previous = memchr::memrchr(b'\n', &text[..span.start]).unwrap_or(0);
        let (mut start, mut end) = (None, (number_of, 0));
        let mut line = Span::new(0, 0);
        let alone = number_of == 0 && memchr::memchr(b'\n', &text[span.start..]).is_none();
        let feeds = memchr::memchr_iter(b'\n', &text[span.start..]).map(|offset| span.start + offset);
        for feed in feeds.chain(alone.then_some(text.len())) {
            if previous <= span.start && span.start < feed {
                start = Some((number_of, span.start - previous + 1));
                end.0 = number_of;
                line = Span::new(previous, feed);
            }
            if previous < span.end && span.end <= feed {
                end = (number_of, span.end - previous);
                line.end = feed;
            }
            previous = feed;
            number_of += 1;
            if feed >= span.end && start.is_some() {
                break;
            }
        }
        let start = start.unwrap_or_else(|| {
            end = (number_of, span.end - previous);
            let rest = &text[span.end..];
            line = Span::new(0, span.end + memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()));
            (number_of, span.start - previous + 1)
        });
        let position = |(line, column): (usize, usize)| Position { line: number(line + 1), column: number(column) };
        (position(start), position(end), Span::new(line.start, line.end.max(span.end)))
    }
}

/// The lines that `span` of `text` stands in, without the last one's line feed (and carriage return).
pub(crate) fn lines_around(text: &[u8], span: Span) -> Span {
    let start = line_start(text, span.start);
    let mut end = memchr::memchr(b'\n', &text[span.end..]).map_or(text.len(), |offset| span.end + offset);
    if end > span.end && text[end - 1] == b'\r' {
        end -= 1;
    }
    Span::new(start, end)
}

fn line_start(text: &[u8], at: usize) -> usize {
    memchr::memrchr(b'\n', &text[..at]).map_or(0, |feed| feed + 1)
}

fn line_feeds(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

/// Characters of `text`; each byte that is no part of one counts as one.
fn characters(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

/// Reports show no line beyond four thousand millions; what is beyond is shown as that.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str, part: &str) -> [u32; 4] {
        let start = text.find(part).unwrap();
        let (first, last) = Lines::new(text.as_bytes()).ends(Span::new(start, start + part.len()));
        [first.line, first.column, last.line, last.column]
    }

    #[test]
    fn columns_count_characters_on_every_line() {
        assert_eq!(ends("secret\n", "secret"), [1, 1, 1, 6]);
        assert_eq!(ends("a\nb secret\n", "secret"), [2, 3, 2, 8]);
        assert_eq!(ends("a\n§ secret", "secret"), [2, 3, 2, 8]);
        assert_eq!(ends("a\n§ secr§", "secr§"), [2, 3, 2, 7]);
        assert_eq!(ends("x\ny one\ntwo z", "one\ntwo"), [2, 3, 3, 3]);
        let (first, last) = Lines::new(b"\xFF\xFEab").ends(Span::new(2, 4));
        assert_eq!((first.column, last.column), (3, 4), "an invalid byte is one column");
    }

    #[test]
    fn columns_are_counted_in_any_order() {
        let text = b"a\xC3\xA4\xE2\x82b\xFFc\n\xF0\x9F\x98\x80 d\xA4\n\ne";
        let places: Vec<usize> = (0..=text.len()).collect();
        for first in &places {
            for second in &places {
                let mut lines = Lines::new(text);
                lines.position(*first);
                assert_eq!(lines.position(*second), Lines::new(text).position(*second), "{second} after {first}");
            }
        }
    }

    #[test]
    fn lines_are_counted_in_any_order() {
        let mut lines = Lines::new(b"a\nb\nc\n");
        assert_eq!([5, 0, 2, 4, 6, 1].map(|at| lines.count_before(at)), [2, 0, 1, 2, 3, 0]);
    }

    /// gitleaks' loop as it stands, in our words, to hold [`Lines::gitleaks`] against.
    fn reference(text: &[u8], span: Span) -> (Position, Position, Span) {
        let mut feeds: Vec<usize> = memchr::memchr_iter(b'\n', text).collect();
        if feeds.is_empty() {
            feeds.push(text.len());
        }
        let (mut previous, mut set) = (0, false);
        let (mut start, mut end) = ((0, 0), (0, 0));
        let mut line = (0, 0);
        for (number, &feed) in feeds.iter().enumerate() {
            if previous <= span.start && span.start < feed {
                set = true;
                start = (number, span.start - previous + 1);
                end.0 = number;
                line = (previous, feed);
            }
            if previous < span.end && span.end <= feed {
                end = (number, span.end - previous);
                line.1 = feed;
            }
            previous = feed;
        }
        if !set {
            start = (feeds.len(), span.start - previous + 1);
            end = (feeds.len(), span.end - previous);
            let rest = &text[span.end..];
            line.1 = span.end + rest.iter().position(|&b| b == b'\n' || b == b'\r').unwrap_or(rest.len());
        }
        let position = |(line, column): (usize, usize)| Position { line: line as u32 + 1, column: column as u32 };
        (position(start), position(end), Span::new(line.0, line.1.max(span.end)))
    }

    proptest::proptest! {
        #[test]
        fn strict_positions_are_those_of_gitleaks(text in "[a\n\r]{1,12}", a in 0_usize..12, b in 0_usize..12) {
            let text = text.as_bytes();
            let (start, end) = (a.min(b), a.max(b) + 1);
            if end <= text.len() {
                let span = Span::new(start, end);
                proptest::prop_assert_eq!(Lines::new(text).gitleaks(span), reference(text, span));
            }
        }
    }
}
