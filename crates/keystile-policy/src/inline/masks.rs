//! Takes credentials out of texts, however many there are.
//!
//! An object may hold thousands of them, and every violation's texts are gone through: so all are looked for at
//! once, in time linear in the text.

use std::borrow::Cow;
use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use keystile_scan::SecretBytes;

use crate::shown;

/// The beginning of a credential that a cut text may show.
const SHORTEST_PREFIX: usize = 4;

/// The credentials of one object, and what is shown in the place of each.
#[derive(Default)]
pub(super) struct Masks {
    /// Sorted, each once.
    forms: Vec<(SecretBytes, String)>,
    /// Of every form; its pattern numbers are places in `forms`. `None` = there is none.
    search: Option<AhoCorasick>,
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masks").field("forms", &self.forms.len()).finish_non_exhaustive()
    }
}

impl Masks {
    /// Of the texts that are not to be shown, each with what is shown instead. Of one given twice the first counts.
    pub(super) fn new(mut forms: Vec<(SecretBytes, String)>) -> Self {
        forms.retain(|(form, _)| std::str::from_utf8(form.reveal()).is_ok_and(|form| !form.is_empty()));
        forms.sort_by(|(one, _), (other, _)| one.cmp(other));
        forms.dedup_by(|(one, _), (other, _)| one.reveal() == other.reveal());
        if forms.is_empty() {
            return Self::default();
        }
        let search = AhoCorasick::builder()
            // The other kinds take a multiple of the memory.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(forms.iter().map(|(form, _)| form.reveal()))
            .ok();
        Self { forms, search }
    }

    /// Whether nothing is masked.
    pub(super) const fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The text without the credentials; `None` = it holds none.
    pub(super) fn over(&self, text: &str) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let Some(search) = &self.search else {
            // They could not be put together (they are too large): nothing is shown then.
            return Some("[not shown: it may hold a credential]".to_owned());
        };
        let mut masked = Cow::Borrowed(text);
        // Overlapping ones too: of two credentials that share some letters none of either is shown.
        let mut found: Vec<(usize, usize, usize)> = search
            .find_overlapping_iter(text)
            .map(|found| (found.start(), found.end(), found.pattern().as_usize()))
            .collect();
        if !found.is_empty() {
            found.sort_unstable();
            found.dedup_by(|next, last| {
                let overlaps = next.0 < last.1;
                if overlaps {
                    last.1 = last.1.max(next.1);
                }
                overlaps
            });
            let mut now = String::with_capacity(text.len());
            let mut at = 0;
            for (start, end, form) in found {
                now.push_str(&text[at..start]);
                now.push_str(&self.forms[form].1);
                at = end;
            }
            masked = Cow::Owned(now + &text[at..]);
        }
        // A text that was cut may show the beginning alone. From the last one on: what is put in moves what follows.
        for cut in shown::cuts(&masked).into_iter().rev() {
            if let Some((start, shown)) = self.beginning(&masked, cut) {
                masked.to_mut().replace_range(start..cut, shown);
            }
        }
        match masked {
            Cow::Borrowed(_) => None,
            Cow::Owned(masked) => Some(masked),
        }
    }

    /// Where the longest beginning of a credential starts that ends at `cut`.
    fn beginning(&self, text: &str, cut: usize) -> Option<(usize, &str)> {
        let last = cut.checked_sub(SHORTEST_PREFIX)?;
        (0..=last).filter(|start| text.is_char_boundary(*start)).find_map(|start| {
            let begun = &text.as_bytes()[start..cut];
            let first = self.forms.partition_point(|(form, _)| form.reveal() < begun);
            let (form, shown) = self.forms.get(first)?;
            form.reveal().starts_with(begun).then_some((start, shown.as_str()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(forms: &[&str]) -> Masks {
        Masks::new(forms.iter().map(|form| (SecretBytes::new(form.as_bytes()), format!("[{}]", form.len()))).collect())
    }

    #[test]
    fn every_credential_is_taken_out() {
        let masks = masks(&["abcdefgh", "abcdefghij", "xyzxyz", "", "xyzxyz", "ghijkl!", "hijkl"]);
        for (text, expected) in [
            ("nothing", None),
            ("a abcdefgh b", Some("a [8] b")),
            ("abcdefghij", Some("[8]")),
            ("ghxyzxyz", Some("gh[6]")),
            ("abcdefghxyzxyz", Some("[8][6]")),
            ("g abcdefghijkl", Some("g [8]")),
            ("xyzxyzxyzxyz", Some("[6]")),
            ("\"abcd\"… 9 more characters", None),
        ] {
            assert_eq!(masks.over(text).as_deref(), expected, "{text}");
        }
        assert!(Masks::new(Vec::new()).is_empty());
        assert_eq!(format!("{masks:?}"), "Masks { forms: 5, .. }");
    }

    #[test]
    fn the_beginning_of_a_cut_credential_is_taken_out() {
        let masks = masks(&["abcdefgh", "zzzzzzzz"]);
        let cut = |text: &str| shown::Shown(text).to_string();
        assert!(masks.over(&cut(&"-é".repeat(400))).is_none());
        // Texts are cut at some length: whichever it is, no four letters of a credential may stand at the cut.
        for before in 0..400 {
            let text = format!("{}abcdefgh{}", "-".repeat(before), "+".repeat(400));
            let shown = cut(&text);
            let masked = masks.over(&shown).unwrap_or(shown);
            assert!(!masked.contains("abcd"), "{before}: {masked}");
        }
    }
}
