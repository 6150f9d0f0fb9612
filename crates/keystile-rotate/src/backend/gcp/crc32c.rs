//! CRC-32C, by which Secret Manager proves that a value arrived as it was sent (`SecretPayload.data_crc32c`).

/// Castagnoli's polynomial, its bits reversed (RFC 3720, section 12.1).
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// The checksum. Values have 64 KiB at most: a table would be no gain.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        // Section B.4, which writes them with the last byte first.
        let ascending: Vec<u8> = (0..32).collect();
        for (bytes, expected) in [
            (&[0; 32][..], 0x8A91_36AA),
            (&[0xFF; 32], 0x62A8_AB43),
            (&ascending, 0x46DD_794E),
            (b"123456789", 0xE306_9283),
        ] {
            assert_eq!(crc32c(bytes), expected, "{bytes:?}");
        }
        assert_eq!(crc32c(b""), 0);
    }
}
