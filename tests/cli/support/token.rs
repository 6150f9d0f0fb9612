//! Credentials that look right and open nothing.

/// A GitHub personal access token in form: prefix, 30 random characters, and the CRC-32 of these as six
/// base-62 digits (GitHub's blog, "Behind GitHub's new authentication token formats", 2021).
/// The same `seed` gives the same token.
pub(crate) fn github_token(seed: u64) -> String {
    let body = random(seed, 30);
    let mut checksum = crc32(body.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(checksum % 62) as usize];
        checksum /= 62;
    }
    format!("gh{}_{body}{}", 'p', String::from_utf8_lossy(&digits))
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `length` characters of base 62 that look random, by SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) fn random(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
    (0..length)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            char::from(BASE62[((mixed ^ (mixed >> 31)) % 62) as usize])
        })
        .collect()
}

/// CRC-32 as in zlib (RFC 1952, section 8).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
