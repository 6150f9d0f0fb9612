//! The ways in which tools write a secret down without an escape character that could be undone.

/// Forms shorter than this say too little about the secret, and mask too much of anything else.
const MIN_FORM: usize = 4;

/// Lines of a secret of several lines (a private key) shorter than this are not masked by themselves.
const MIN_LINE: usize = 16;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Calls `form` with each form of `secret` that differs from it.
pub(super) fn each(secret: &[u8], form: &mut dyn FnMut(&[u8])) {
    for shift in 0..3 {
        let standard = base64_core(secret, shift, STANDARD);
        let url_safe = base64_core(secret, shift, URL_SAFE);
        at_least(&standard, form);
        if url_safe != standard {
            at_least(&url_safe, form);
        }
    }
    at_least(&hex(secret, b"0123456789abcdef"), form);
    at_least(&hex(secret, b"0123456789ABCDEF"), form);
    if let Ok(text) = std::str::from_utf8(secret) {
        at_least(&text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(), form);
        at_least(&text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>(), form);
    }
    for (quote, quoted) in [("'", r"'\''"), ("'", r#"'"'"'"#), ("'", "''"), ("\"", "\"\"")] {
        if memchr(quote.as_bytes()[0], secret) {
            form(&replace(secret, quote.as_bytes(), quoted.as_bytes()));
        }
    }
    if memchr(b' ', secret) {
        // The form encoding of HTML (`application/x-www-form-urlencoded`).
        form(&replace(secret, b" ", b"+"));
    }
    lines(secret, form);
}

/// The lines of a secret that has several: another finding's line may be one of them.
fn lines(secret: &[u8], form: &mut dyn FnMut(&[u8])) {
    let secret = secret.trim_ascii();
    if !memchr(b'\n', secret) && !memchr(b'\r', secret) {
        return;
    }
    for line in secret.split(|&byte| byte == b'\n' || byte == b'\r') {
        let line = line.trim_ascii();
        // The armour of RFC 7468 is no secret.
        if line.len() >= MIN_LINE && !line.starts_with(b"-----") {
            form(line);
        }
    }
}

fn at_least(bytes: &[u8], form: &mut dyn FnMut(&[u8])) {
    if bytes.len() >= MIN_FORM {
        form(bytes);
    }
}

/// The characters of base64 (RFC 4648) that depend on `secret` alone when it begins at an offset
/// with remainder `shift` modulo 3 in what is encoded.
fn base64_core(secret: &[u8], shift: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let bit = |index: usize| -> u8 {
        let position = index - shift * 8;
        (secret[position / 8] >> (7 - position % 8)) & 1
    };
    let first = (shift * 8).div_ceil(6);
    let last = (shift + secret.len()) * 8 / 6;
    (first..last.max(first))
        .map(|character| {
            let value = (character * 6..character * 6 + 6).fold(0, |value, index| value << 1 | bit(index));
            alphabet[usize::from(value)]
        })
        .collect()
}

fn hex(secret: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    secret.iter().flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]).collect()
}

fn memchr(byte: u8, text: &[u8]) -> bool {
    text.contains(&byte)
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    use bstr::ByteSlice as _;
    text.replace(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_each_alignment() {
        // "xSECRET1y" and so on, by `printf … | base64`.
        for (shift, encoded) in [(0, "U0VDUkVUMQ"), (1, "eFNFQ1JFVDE"), (2, "eHhTRUNSRVQx")] {
            let core = base64_core(b"SECRET1", shift, STANDARD);
            let core = String::from_utf8(core).expect("ASCII");
            assert!(encoded.contains(&core), "{shift}: {core} in {encoded}");
            assert!(core.len() >= 8, "{shift}: {core}");
        }
    }

    #[test]
    fn lines_of_a_key_without_its_armour() {
        let mut found = Vec::new();
        let key = format!("{0}BEGIN X{0}\r\n{1}\r\nshort\r\n{0}END X{0}", "-----", "A".repeat(40));
        lines(key.as_bytes(), &mut |line| found.push(line.to_vec()));
        assert_eq!(found, [vec![b'A'; 40]]);
    }
}
