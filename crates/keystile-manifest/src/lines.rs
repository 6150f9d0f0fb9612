//! Where the lines of a text begin, and how many characters stand before its parts.
//!
//! Found in one pass; a place is then a matter of a search among the lines and of counting the characters of one
//! part, however long the text is and however long its line: minified JSON is one line.

/// Bytes between two counts of characters.
const PART: usize = 1024;

/// The lines of one text. Every method takes that text.
#[derive(Debug)]
pub(crate) struct Lines {
    /// The byte after each line's break, ascending: where the lines after the first begin.
    starts: Vec<u32>,
    /// Characters before every [`PART`]th byte.
    characters: Vec<u32>,
}

impl Lines {
    /// The lines of a text of at most 4 GiB.
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut lines = Self { starts: Vec::new(), characters: Vec::with_capacity(bytes.len() / PART + 1) };
        let mut before = 0;
        for (nth, part) in bytes.chunks(PART).enumerate() {
            lines.characters.push(before);
            let from = nth * PART;
            before += characters(bytes, from, from + part.len());
            for (at, byte) in (from..).zip(part) {
                // A carriage return alone ends a line too (YAML 1.2.2, 5.4).
                if *byte == b'\n' || *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n') {
                    lines.starts.push(number(at + 1));
                }
            }
        }
        lines
    }

    /// The line and the column of a byte, both from 1; the column in characters, of which a byte-order mark is none.
    /// `offset` is at most the text's length, and not inside of a character.
    pub(crate) fn place(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start as usize <= offset);
        let start = self.start(line);
        (line + 1, self.before(text, offset) - self.before(text, start) + 1)
    }

    /// Where the line of a byte begins and ends, without its break. `offset` is at most the text's length.
    pub(crate) fn line(&self, text: &str, offset: usize) -> (usize, usize) {
        let bytes = text.as_bytes();
        // Between the two signs of one break there is nothing.
        if offset > 0 && bytes[offset - 1] == b'\r' && bytes.get(offset) == Some(&b'\n') {
            return (offset, offset);
        }
        let line = self.starts.partition_point(|start| *start as usize <= offset);
        let end = match self.starts.get(line) {
            Some(next) => {
                let next = *next as usize;
                let is_two = bytes[next - 1] == b'\n' && next >= 2 && bytes[next - 2] == b'\r';
                if is_two { next - 2 } else { next - 1 }
            }
            None => bytes.len(),
        };
        (self.start(line), end)
    }

    /// Where the line begins that has `nth` lines before it.
    fn start(&self, nth: usize) -> usize {
        nth.checked_sub(1).map_or(0, |nth| self.starts[nth] as usize)
    }

    /// The characters before a byte.
    fn before(&self, text: &str, offset: usize) -> usize {
        let Some(part) = self.characters.len().checked_sub(1).map(|last| last.min(offset / PART)) else { return 0 };
        (self.characters[part] + characters(text.as_bytes(), part * PART, offset)) as usize
    }
}

/// The characters that begin in a part of a text, without byte-order marks.
fn characters(text: &[u8], from: usize, to: usize) -> u32 {
    let part = &text[from..to];
    // What goes on with a character begins with the bits 10.
    let begun = part.iter().map(|byte| u32::from(byte & 0xc0 != 0x80)).sum::<u32>();
    let begins_mark = |at: &usize| part[*at] == 0xef && text[from + *at..].starts_with("\u{feff}".as_bytes());
    begun - number((0..part.len()).filter(begins_mark).count())
}

/// Texts over 4 GiB are refused before they have places.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As it reads: every character before the place is looked at.
    fn place(text: &str, offset: usize) -> (usize, usize) {
        let (mut line, mut column) = (1, 1);
        let mut signs = text[..offset].chars().peekable();
        while let Some(sign) = signs.next() {
            let next = signs.peek().copied().or_else(|| text[offset..].chars().next());
            match sign {
                '\n' => (line, column) = (line + 1, 1),
                '\r' if next != Some('\n') => (line, column) = (line + 1, 1),
                '\u{feff}' => {}
                _ => column += 1,
            }
        }
        (line, column)
    }

    /// From the break before to the break behind.
    fn line(text: &str, offset: usize) -> (usize, usize) {
        let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let bytes = text.as_bytes();
        let start = bytes[..offset].iter().rposition(is_break).map_or(0, |at| at + 1);
        let end = bytes[offset..].iter().position(is_break).map_or(bytes.len(), |at| offset + at);
        (start, end)
    }

    fn text() -> impl Strategy<Value = String> {
        let pieces = prop_oneof![
            Just("\n".to_owned()),
            Just("\r".to_owned()),
            Just("\r\n".to_owned()),
            Just("\u{feff}".to_owned()),
            Just("\u{fefe}ä€😀".to_owned()),
            "[a-z: ]{0,8}",
            // Longer than a part, and so that a character lies across its end.
            (0..3_usize).prop_map(|odd| "x".repeat(odd) + &"ä€😀".repeat(150)),
        ];
        prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn places_are_those_that_counting_from_the_beginning_finds(
            text in text(),
            offsets in prop::collection::vec(any::<prop::sample::Index>(), 24),
        ) {
            let lines = Lines::of(&text);
            let ends = [0, text.len()].into_iter();
            for offset in ends.chain(offsets.iter().map(|index| index.index(text.len() + 1))) {
                prop_assert_eq!(lines.line(&text, offset), line(&text, offset), "at {}", offset);
                let offset = text.floor_char_boundary(offset);
                prop_assert_eq!(lines.place(&text, offset), place(&text, offset), "at {}", offset);
            }
        }
    }

    #[test]
    fn an_end_of_a_part_in_a_character_or_a_break_is_no_other() {
        for (before, what) in
            [(PART - 1, "ä"), (PART - 2, "😀"), (PART - 1, "\r\n"), (PART - 1, "\u{feff}"), (PART, "\n")]
        {
            let text = "x".repeat(before) + what + "y";
            let lines = Lines::of(&text);
            for offset in [before, before + what.len(), text.len()] {
                assert_eq!(lines.place(&text, offset), place(&text, offset), "{what:?} at {offset}");
                assert_eq!(lines.line(&text, offset), line(&text, offset), "{what:?} at {offset}");
            }
        }
        assert_eq!(Lines::of("").place("", 0), (1, 1));
        assert_eq!(Lines::of("").line("", 0), (0, 0));
    }
}
