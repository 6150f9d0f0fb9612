//! Random texts from the operating system.

use std::io::Read as _;

use anyhow::Context as _;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// The largest multiple of the alphabet's size that a byte can be below: the rest would make some characters likelier.
const LIMIT: u8 = 248;

/// `length` letters and digits, each as likely as the others.
///
/// # Errors
/// The operating system has no random bytes.
pub(super) fn text(length: usize) -> anyhow::Result<String> {
    let mut source = std::fs::File::open("/dev/urandom").context("while opening /dev/urandom")?;
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        source.read_exact(&mut bytes).context("while reading /dev/urandom")?;
        let characters = bytes.iter().filter(|byte| **byte < LIMIT).map(|byte| ALPHABET[usize::from(*byte) % 62]);
        text.extend(characters.take(length - text.len()).map(char::from));
    }
    Ok(text)
}

/// The id of a version of a secret, in the form of a UUID (RFC 9562, version 4).
///
/// # Errors
/// As [`text`].
pub(super) fn version_id() -> anyhow::Result<String> {
    let mut source = std::fs::File::open("/dev/urandom").context("while opening /dev/urandom")?;
    let mut bytes = [0_u8; 16];
    source.read_exact(&mut bytes).context("while reading /dev/urandom")?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_length_and_differ() {
        assert_eq!(text(100).unwrap().len(), 100);
        assert_ne!(text(24).unwrap(), text(24).unwrap());
        let id = version_id().unwrap();
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
        assert_eq!((&id[14..15], "89ab".contains(&id[19..20])), ("4", true), "{id}");
    }
}
