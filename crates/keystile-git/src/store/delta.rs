//! git's delta instructions, as in `Documentation/gitformat-pack.adoc`: two sizes, then copies from
//! the base and inserts.

use keystile_scan::DeltaOp;

/// How many instructions a delta may have: they take 32 bytes of memory each, and a bomb of some kilobytes can
/// inflate to half a billion. (git copies and inserts dozens of bytes at a time, so that this is more than a
/// gigabyte of changes in one object.)
const MAX_OPS: usize = 1 << 25;

/// For how many instructions memory is kept from one delta to the next.
const KEPT_OPS: usize = 1 << 18;

/// Why a delta can't be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// The bytes end within an instruction or a size.
    #[error("its delta is cut off")]
    Truncated,
    /// A size does not fit in 64 bits, or the result not in memory's addresses.
    #[error("its delta states a size that does not fit in 64 bits")]
    Overflow,
    /// It was made for a base of another size.
    #[error("its delta was made for a base of {expected} bytes, but the base has {actual}")]
    BaseSize {
        /// What the delta says.
        expected: u64,
        /// What the base has.
        actual: usize,
    },
    /// A copy that reaches past the base's end.
    #[error("its delta copies from outside of its base")]
    OutOfBase,
    /// Instruction 0, which is reserved.
    #[error("its delta has an instruction that does not exist")]
    Reserved,
    /// More instructions than any real delta has.
    #[error("its delta has more than {MAX_OPS} instructions")]
    TooMany,
    /// The instructions make more or less than the delta says.
    #[error("its delta makes {actual} bytes, but says {expected}")]
    ResultSize {
        /// What the delta says.
        expected: u64,
        /// What the instructions make.
        actual: u64,
    },
}

/// A delta that was taken apart and checked; its buffers are used again.
#[derive(Debug, Default)]
pub struct Delta {
    ops: Vec<DeltaOp>,
    /// Where in the delta the bytes of each insert are.
    inserts: Vec<usize>,
    size: usize,
}

impl Delta {
    /// Takes `delta` apart. Nothing is allocated that is larger than a few times the delta itself.
    ///
    /// # Errors
    /// The delta does not fit a base of `base_len` bytes, or is broken in itself.
    pub fn parse(&mut self, delta: &[u8], base_len: usize) -> Result<(), DeltaError> {
        self.ops.clear();
        self.inserts.clear();
        self.ops.shrink_to(KEPT_OPS);
        self.inserts.shrink_to(KEPT_OPS);
        let mut at = 0;
        let expected = size(delta, &mut at)?;
        if expected != base_len as u64 {
            return Err(DeltaError::BaseSize { expected, actual: base_len });
        }
        let result = size(delta, &mut at)?;
        let mut made = 0u64;
        while let Some(&instruction) = delta.get(at) {
            at += 1;
            if made > result {
                return Err(DeltaError::ResultSize { expected: result, actual: made });
            }
            if self.ops.len() == MAX_OPS {
                return Err(DeltaError::TooMany);
            }
            if instruction & 0x80 != 0 {
                let (from, len) = copy(instruction, delta, &mut at)?;
                if from.checked_add(len).is_none_or(|end| end > base_len) {
                    return Err(DeltaError::OutOfBase);
                }
                self.ops.push(DeltaOp::Copy { from, len });
                made += len as u64;
            } else if instruction == 0 {
                return Err(DeltaError::Reserved);
            } else {
                let len = usize::from(instruction);
                if delta.len() - at < len {
                    return Err(DeltaError::Truncated);
                }
                self.ops.push(DeltaOp::Insert { len });
                self.inserts.push(at);
                at += len;
                made += len as u64;
            }
        }
        if made != result {
            return Err(DeltaError::ResultSize { expected: result, actual: made });
        }
        self.size = usize::try_from(result).map_err(|_| DeltaError::Overflow)?;
        Ok(())
    }

    /// The instructions, in the order of the result's bytes.
    #[must_use]
    pub fn ops(&self) -> &[DeltaOp] {
        &self.ops
    }

    /// How many bytes applying makes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Applies the instructions. `delta` and `base` are those that [`Self::parse`] saw, `out` has
    /// [`Self::size`] bytes.
    ///
    /// # Panics
    /// If they are not.
    pub fn apply(&self, delta: &[u8], base: &[u8], out: &mut [u8]) {
        let mut inserts = self.inserts.iter();
        let mut rest = out;
        for op in &self.ops {
            let from = match *op {
                DeltaOp::Copy { from, len } => &base[from..from + len],
                DeltaOp::Insert { len } => {
                    let at = *inserts.next().expect("parse notes a place for each insert");
                    &delta[at..at + len]
                }
            };
            let (here, after) = rest.split_at_mut(from.len());
            here.copy_from_slice(from);
            rest = after;
        }
        assert!(rest.is_empty(), "the instructions make as many bytes as parse counted");
    }
}

/// Where a copy starts and how long it is: the instruction's bits say which of the four and three bytes follow.
///
/// Without branches, since the bits follow no pattern that a processor could foresee: a deltified history has one
/// copy for every 200 bytes or so.
fn copy(instruction: u8, delta: &[u8], at: &mut usize) -> Result<(usize, usize), DeltaError> {
    let rest = &delta[*at..];
    let operands = (instruction & 0x7f).count_ones() as usize;
    if rest.len() < operands {
        return Err(DeltaError::Truncated);
    }
    *at += operands;
    let mut bytes = match rest.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => rest.iter().rev().fold(0, |bytes, &byte| bytes << 8 | u64::from(byte)),
    };
    let mut operands = 0u64;
    for bit in 0..7 {
        let present = u64::from(instruction >> bit & 1);
        operands |= (bytes & 0xff & present.wrapping_neg()) << (8 * bit);
        bytes >>= 8 * present;
    }
    let len = match operands >> 32 {
        0 => 0x10000,
        len => len,
    };
    Ok(((operands & 0xffff_ffff) as usize, len as usize))
}

/// A size: seven bits a byte, the lowest first.
fn size(delta: &[u8], at: &mut usize) -> Result<u64, DeltaError> {
    let mut value = 0u64;
    let mut shift = 0u32;
    loop {
        let byte = *delta.get(*at).ok_or(DeltaError::Truncated)?;
        *at += 1;
        let bits = u64::from(byte & 0x7f);
        if shift > 63 || (bits << shift) >> shift != bits {
            return Err(DeltaError::Overflow);
        }
        value |= bits << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes a delta as git does.
    fn encode(base_len: usize, steps: &[Step], result_len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for mut size in [base_len, result_len] {
            while size > 0x7f {
                out.push(size as u8 | 0x80);
                size >>= 7;
            }
            out.push(size as u8);
        }
        for step in steps {
            match step {
                Step::Insert(bytes) => {
                    out.push(bytes.len() as u8);
                    out.extend_from_slice(bytes);
                }
                Step::Copy(from, len) => {
                    let at = out.len();
                    out.push(0x80);
                    for i in 0..4 {
                        let byte = (from >> (8 * i)) as u8;
                        if byte != 0 {
                            out[at] |= 1 << i;
                            out.push(byte);
                        }
                    }
                    for i in 0..3 {
                        let byte = (len >> (8 * i)) as u8;
                        if byte != 0 && *len != 0x10000 {
                            out[at] |= 0x10 << i;
                            out.push(byte);
                        }
                    }
                }
            }
        }
        out
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(Vec<u8>),
        Copy(usize, usize),
    }

    fn steps(base_len: usize) -> impl Strategy<Value = Vec<Step>> {
        let insert = proptest::collection::vec(any::<u8>(), 1..128).prop_map(Step::Insert);
        let copy = (0..base_len, 1..=base_len).prop_map(move |(from, len)| Step::Copy(from, len.min(base_len - from)));
        proptest::collection::vec(prop_oneof![insert, copy], 0..20)
    }

    proptest! {
        #[test]
        fn applying_gives_what_was_encoded(
            (base, steps) in (1usize..200_000).prop_flat_map(|len| {
                let base = any::<u8>().prop_map(move |seed| {
                    (0..len).map(|i| (i * 31 / 7) as u8 ^ seed).collect::<Vec<u8>>()
                });
                (base, steps(len))
            })
        ) {
            let mut expected = Vec::new();
            for step in &steps {
                match step {
                    Step::Insert(bytes) => expected.extend_from_slice(bytes),
                    Step::Copy(from, len) => expected.extend_from_slice(&base[*from..*from + *len]),
                }
            }
            let encoded = encode(base.len(), &steps, expected.len());
            let mut delta = Delta::default();
            delta.parse(&encoded, base.len()).expect("well-formed");
            prop_assert_eq!(delta.size(), expected.len());
            let mut out = vec![0; delta.size()];
            delta.apply(&encoded, &base, &mut out);
            prop_assert!(out == expected);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, base_len in 0usize..200) {
            let mut delta = Delta::default();
            let mut prefixed = vec![base_len as u8 & 0x7f];
            prefixed.extend_from_slice(&bytes);
            if delta.parse(&prefixed, base_len & 0x7f).is_ok() {
                let mut out = vec![0; delta.size()];
                delta.apply(&prefixed, &vec![1; base_len & 0x7f], &mut out);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (bytes, error) in [
            (&[][..], DeltaError::Truncated),
            (&[10], DeltaError::Truncated),
            (&[0x8a], DeltaError::Truncated),
            (&[9, 0], DeltaError::BaseSize { expected: 9, actual: 10 }),
            (&[10, 1], DeltaError::ResultSize { expected: 1, actual: 0 }),
            (&[10, 1, 2, b'a', b'b'], DeltaError::ResultSize { expected: 1, actual: 2 }),
            (&[10, 3, 3, b'a', b'b'], DeltaError::Truncated),
            (&[10, 1, 0], DeltaError::Reserved),
            (&[10, 1, 1, b'a', 1, b'b', 1, b'c'], DeltaError::ResultSize { expected: 1, actual: 2 }),
            (&[10, 1, 0x91], DeltaError::Truncated),
            (&[10, 1, 0x91, 10, 1], DeltaError::OutOfBase),
            (&[10, 1, 0x90, 11], DeltaError::OutOfBase),
            (&[10, 1, 0x80], DeltaError::OutOfBase),
            (&[10, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], DeltaError::OutOfBase),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], DeltaError::Overflow),
        ] {
            assert_eq!(Delta::default().parse(bytes, 10), Err(error), "{bytes:x?}");
        }
    }
}
