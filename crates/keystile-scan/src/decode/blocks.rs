//! Bytes of one class, 64 at a time: 64 bytes become the 64 bits of a word.

/// How many bytes one mask stands for.
pub(super) const LEN: usize = 64;

/// One bit for each of the [`LEN`] bytes from `at` on, the first one the lowest: whether it is in the class.
/// Behind the end of `text`, none is. `in_class` should be without branches, to be vectorized.
#[inline]
pub(super) fn mask(text: &[u8], at: usize, in_class: impl Fn(u8) -> bool) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    let mut classes = [0_u8; LEN];
    if let Some(block) = rest.first_chunk::<LEN>() {
        for (class, byte) in classes.iter_mut().zip(block) {
            *class = u8::from(in_class(*byte));
        }
    } else {
        for (class, byte) in classes.iter_mut().zip(rest) {
            *class = u8::from(in_class(*byte));
        }
    }
    // One byte (0 or 1) for each so far, which compiles to vector instructions; then eight of them at a time
    // into the bits of a byte: the product has byte i's bit in its top byte at place i.
    classes.as_chunks::<8>().0.iter().enumerate().fold(0, |mask, (index, word)| {
        let bits = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask | bits << (8 * index)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_stands_for_each_byte() {
        let text: Vec<u8> = (0..200_u8).map(|index| index.wrapping_mul(37)).collect();
        let in_class = |byte: u8| byte < 100;
        for at in 0..text.len() + 70 {
            let expected = (0..LEN).filter(|bit| text.get(at + bit).is_some_and(|byte| in_class(*byte)));
            assert_eq!(mask(&text, at, in_class), expected.fold(0, |mask, bit| mask | 1 << bit), "at {at}");
        }
    }
}
