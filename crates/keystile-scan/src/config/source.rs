//! A configuration file's text: places in it, and how they are shown.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One file of a configuration, for messages about it.
pub(super) struct SourceFile {
    /// As the user named it.
    pub(super) name: String,
    pub(super) text: String,
    /// Where values lie that must not be shown.
    pub(super) secrets: Vec<Range<usize>>,
}

impl SourceFile {
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: printable(name), text: text.to_owned(), secrets: salt_lines(text) }
    }

    /// Line and column (in characters) of the byte `offset`, both from 1.
    pub(super) fn position(&self, offset: usize) -> (u32, u32) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// `message` with the line of the file under it; secret values are masked.
    ///
    /// What spans several lines (a table, a long string) is shown by its first.
    pub(super) fn render(&self, span: &Range<usize>, message: &str, is_error: bool) -> String {
        let start = self.text.floor_char_boundary(span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
        let end = self.text.ceil_char_boundary(span.end).clamp(start, line_end);
        let (line, _) = self.position(start);
        let level = if is_error { Level::ERROR } else { Level::WARNING };
        let snippet = Snippet::source(self.masked(line_start..line_end))
            .path(self.name.as_str())
            .line_start(line as usize)
            .annotation(AnnotationKind::Primary.span(start - line_start..end - line_start));
        Renderer::plain().render(&[level.primary_title(message).element(snippet)])
    }

    /// A part of the text with secret values replaced, byte for byte.
    fn masked(&self, part: Range<usize>) -> String {
        let mut masked = String::with_capacity(part.len());
        for (at, c) in self.text[part.clone()].char_indices() {
            if self.secrets.iter().any(|secret| secret.contains(&(part.start + at))) {
                masked.extend(std::iter::repeat_n('*', c.len_utf8()));
            } else {
                masked.push(c);
            }
        }
        masked
    }
}

/// `text` without anything that could act on a terminal: control and direction characters are
/// escaped.
pub(super) fn printable(text: &str) -> String {
    let is_active = |c: char| {
        c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_active) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) { escaped.extend(c.escape_unicode()) } else { escaped.push(c) }
    }
    escaped
}

/// Where a salt seems to stand, by the look of the lines: the text need not be valid TOML.
fn salt_lines(text: &str) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some((key, value)) = line.split_once('=') {
            let key: String = key.chars().filter(|c| !matches!(c, '"' | '\'' | ' ' | '\t')).collect();
            let key = key.to_ascii_lowercase();
            // `keystile = { salt = ".." }` too.
            if matches!(key.as_str(), "salt" | "keystile.salt" | "keystile") {
                let from = start + line.len() - value.len();
                let is_open = |quotes| value.trim_start().starts_with(quotes) && value.matches(quotes).count() == 1;
                let to = match ["\"\"\"", "'''"].into_iter().find(|quotes| is_open(*quotes)) {
                    Some(quotes) => {
                        let after = start + line.len();
                        text[after..].find(quotes).map_or(text.len(), |length| after + length)
                    }
                    None => start + line.len(),
                };
                secrets.push(from..to);
            }
        }
        start += line.len();
    }
    secrets
}
