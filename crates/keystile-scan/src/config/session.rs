//! What a load collects: the files it saw, and what it has to say about them.

use std::ops::Range;

use super::source::{SourceFile, printable};
use super::{Diagnostic, Loader, toml_string};

/// A range of bytes in one of the session's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) span: Range<usize>,
}

/// A message that has not been rendered yet.
struct Remark {
    place: Place,
    message: String,
    is_error: bool,
}

/// One call of [`Loader::load`].
pub(super) struct Session<'l> {
    pub(super) loader: &'l Loader<'l>,
    pub(super) files: Vec<SourceFile>,
    remarks: Vec<Remark>,
}

impl<'l> Session<'l> {
    pub(super) fn new(loader: &'l Loader<'l>) -> Self {
        Self { loader, files: Vec::new(), remarks: Vec::new() }
    }

    pub(super) fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.remarks.push(Remark { place: place.clone(), message: message.into(), is_error: true });
    }

    pub(super) fn warning(&mut self, place: &Place, message: impl Into<String>) {
        self.remarks.push(Remark { place: place.clone(), message: message.into(), is_error: false });
    }

    /// Where the bytes `inner` of the value of the string at `place` are written.
    pub(super) fn inside_string(&self, place: &Place, inner: &Range<usize>) -> Place {
        let span = toml_string::locate(&self.files[place.file].text, &place.span, inner);
        Place { file: place.file, span }
    }

    /// How much was said so far; for [`Self::judge_rule`].
    pub(super) fn mark(&self) -> usize {
        self.remarks.len()
    }

    /// Whether a rule can be used: nothing said about it since `mark` was an error. The messages get its
    /// id; with `skip_bad_rules` the errors become warnings.
    pub(super) fn judge_rule(&mut self, mark: usize, id: Option<&str>) -> bool {
        let name = id.map_or("a rule".to_owned(), |id| format!("rule `{id}`"));
        let mut is_fine = true;
        for remark in self.remarks[mark..].iter_mut().filter(|remark| remark.is_error) {
            is_fine = false;
            if self.loader.skip_bad_rules {
                remark.is_error = false;
                remark.message = format!("{name} is left out: {}", remark.message);
            } else {
                remark.message = format!("{name}: {}", remark.message);
            }
        }
        is_fine
    }

    /// Everything said, by file and place, errors and warnings apart.
    pub(super) fn into_diagnostics(mut self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        self.remarks.sort_by_key(|remark| (remark.place.file, remark.place.span.start));
        let files = &self.files;
        let diagnostics = self.remarks.into_iter().map(|Remark { place, message, is_error }| {
            let file = &files[place.file];
            let (line, column) = file.position(place.span.start);
            let message = printable(&message);
            let rendered = file.render(&place.span, &message, is_error);
            Diagnostic { file: file.name.clone(), line, column, message, is_error, rendered }
        });
        diagnostics.partition(|diagnostic| diagnostic.is_error)
    }
}
