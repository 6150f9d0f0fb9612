//! Text that is kept for long and read rarely, in few bytes: deflated, with what most objects say anyway
//! as the dictionary, since each is packed alone and is short.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compress, Compression, Decompress};

/// Names and usual values of fields, the most frequent last.
const DICTIONARY: &[u8] = br#"{"apiVersion":"external-secrets.io/v1","kind":"PushSecret","metadata":{"spec":{"selector":{"secret":{"name":"updatePolicy":"Replace","match":{"secretKey":"","remoteRef":{"remoteKey":"/{"apiVersion":"external-secrets.io/v1","kind":"ExternalSecret","metadata":{"name":"","labels":{"app.kubernetes.io/name":"app.kubernetes.io/instance":"app.kubernetes.io/managed-by":"Helm"},"namespace":"","uid":"00000000-0000-4000-8000-000000000000"},"spec":{"refreshPolicy":"Periodic","refreshInterval":"1h0m0s","secretStoreRef":{"kind":"ClusterSecretStore","name":""},"kind":"SecretStore","target":{"name":"","creationPolicy":"Owner","deletionPolicy":"Retain","template":{"type":"Opaque","engineVersion":"v2","mergePolicy":"Replace","data":{}},"dataFrom":[{"extract":{"key":"/prod/","find":{"name":{"regexp":"data":[{"secretKey":"","remoteRef":{"key":"/prod/","property":"password","version":"","conversionStrategy":"Default","decodingStrategy":"None","metadataPolicy":"None","nullBytePolicy":"Ignore"}},{"secretKey":""#;

/// A text, deflated. Shared, so that it is read after a lock is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    bytes: Arc<[u8]>,
    /// Bytes of the text.
    length: usize,
}

impl Packed {
    pub(super) fn new(text: &str) -> Self {
        let mut compress = Compress::new(Compression::default(), false);
        compress.set_dictionary(DICTIONARY).expect("nothing is written yet");
        let mut encoder = ZlibEncoder::new_with_compress(Vec::new(), compress);
        let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
        Self { bytes: packed.expect("writing into memory does not fail").into(), length: text.len() }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(self.length);
        let mut decompress = Decompress::new(false);
        decompress.set_dictionary(DICTIONARY).expect("without a header, at any time");
        let mut decoder = ZlibDecoder::new_with_decompress(&*self.bytes, decompress);
        decoder.read_to_string(&mut text).expect("it was made of a text");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_as_it_was() {
        let entry = r#"{"secretKey":"ä","remoteRef":{"key":"/prod/team-a/db"}},"#;
        for text in [String::new(), "x".to_owned(), entry.to_owned(), entry.repeat(1_000)] {
            let packed = Packed::new(&text);
            assert_eq!(packed.text(), text);
            assert_eq!(packed, Packed::new(&text));
        }
        let usual = r#""conversionStrategy":"Default","decodingStrategy":"None","metadataPolicy":"None""#;
        assert!(Packed::new(usual).bytes.len() < 20, "the dictionary has it");
    }
}
