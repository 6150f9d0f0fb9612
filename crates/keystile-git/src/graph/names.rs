//! File names, each held once.

use std::collections::HashMap;

use bstr::{BStr, ByteSlice as _};

/// A name by its number. 30 bits: two more say what an entry is.
pub type NameId = u32;

/// Distinct names.
#[derive(Debug, Default)]
pub struct Names {
    ids: HashMap<Box<[u8]>, NameId>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Names {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The name `id`.
    #[must_use]
    pub fn get(&self, id: NameId) -> &BStr {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        self.bytes[start..self.ends[id]].as_bstr()
    }

    /// The number of `name`, a new one if need be; `None` when the numbers are used up.
    pub(super) fn intern(&mut self, name: &[u8]) -> Option<NameId> {
        if let Some(&id) = self.ids.get(name) {
            return Some(id);
        }
        let id = NameId::try_from(self.ends.len()).ok().filter(|&id| id < 1 << 30)?;
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
        self.ids.insert(name.into(), id);
        Some(id)
    }

    /// Gives back the memory that only [`Self::intern`] needs.
    pub(super) fn close(&mut self) {
        self.ids = HashMap::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number() {
        let mut names = Names::default();
        let numbers: Vec<_> = ["a", "", "bc", "a", ""].iter().map(|name| names.intern(name.as_bytes())).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2), Some(0), Some(1)]);
        assert_eq!((0..3).map(|id| names.get(id).to_string()).collect::<Vec<_>>(), ["a", "", "bc"]);
    }
}
