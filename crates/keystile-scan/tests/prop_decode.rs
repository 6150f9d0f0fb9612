//! What holds for every decoder on any bytes.

use keystile_scan::decode::{self, Encoding, Layer, Options, Segments};
use keystile_scan::{DeltaOp, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Bytes that are likely to hold encoded text, well-formed or nearly so.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => secret().prop_flat_map(|secret| encoding().prop_map(move |encoding| encode(&secret, encoding, 0))),
        2 => (secret(), 40_usize..80, "\r?\n {0,2}").prop_map(|(secret, width, gap)| wrap(&secret.repeat(9), width / 4 * 4, &gap)),
        2 => vec(any::<u8>(), 0..24),
        2 => "[a-f0-9]{0,40}".prop_map(String::into_bytes),
        2 => "[A-Za-z0-9/+_-]{0,60}={0,2}".prop_map(String::into_bytes),
        2 => r"(%[0-9A-F]{2}|\\{0,3}[uU][0-9a-f]{3,5}|U\+[0-9a-f]{3,7}[ \n]?){1,4}".prop_map(String::into_bytes),
        2 => vec(select(vec![0_u8, 0, 0, b'a', b'b', 0xd8, 1]), 0..40),
        1 => select(vec!["\n", "\r\n", " ", "=", "\\n", "\"", "%", "\\", "\u{feff}", "U+", "\\u"])
            .prop_map(|text: &str| text.as_bytes().to_vec()),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn secret() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9!#$&*]{20,40}"
}

fn encoding() -> impl Strategy<Value = Encoding> {
    select(vec![Encoding::Percent, Encoding::Unicode, Encoding::Hex, Encoding::Base64, Encoding::Utf16])
}

/// An outer and an inner encoding. UTF-16 has NULs, which are no text to percent-encode or to write as UTF-16.
fn nested() -> impl Strategy<Value = (Encoding, Encoding)> {
    let binary = vec![Encoding::Unicode, Encoding::Hex, Encoding::Base64];
    let text = vec![Encoding::Percent, Encoding::Unicode, Encoding::Hex, Encoding::Base64];
    prop_oneof![(select(binary), Just(Encoding::Utf16)), (encoding(), select(text))]
}

/// `text` encoded; `variant` chooses the notation.
fn encode(text: &str, encoding: Encoding, variant: u8) -> Vec<u8> {
    match encoding {
        Encoding::Percent => text.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect(),
        Encoding::Unicode => {
            let unit = |unit: u16| match variant % 3 {
                0 => format!("\\u{unit:04x}"),
                1 => format!("\\\\u{unit:04X}"),
                _ => format!("\\U{unit:08x}"),
            };
            text.encode_utf16().flat_map(|value| unit(value).into_bytes()).collect()
        }
        Encoding::Hex => text.bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
        Encoding::Base64 => base64(text.as_bytes(), variant.is_multiple_of(2), variant & 2 == 0),
        Encoding::Utf16 if variant.is_multiple_of(2) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    }
}

fn base64(bytes: &[u8], url_safe: bool, padded: bool) -> Vec<u8> {
    let mut alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').collect();
    alphabet.extend(if url_safe { b"-_" } else { b"+/" });
    let mut encoded = Vec::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().chain([0, 0].iter()).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for index in 0..4 {
            if index <= group.len() {
                encoded.push(alphabet[bits >> (18 - 6 * index) & 63]);
            } else if padded {
                encoded.push(b'=');
            }
        }
    }
    encoded
}

/// As base64 in lines of `width`, `gap` between two of them.
fn wrap(text: &str, width: usize, gap: &str) -> Vec<u8> {
    let encoded = base64(text.as_bytes(), false, true);
    let (line_break, indent) = gap.split_at(gap.find('\n').map_or(0, |at| at + 1));
    let mut wrapped = [line_break, indent].concat().into_bytes();
    wrapped.extend(encoded.chunks(width).collect::<Vec<_>>().join(gap.as_bytes()));
    wrapped.extend(line_break.as_bytes());
    wrapped
}

fn find(text: &[u8], ranges: &[Span], strict: bool) -> Segments {
    let mut segments = Segments::default();
    decode::find(text, ranges, Options { strict }, &mut segments);
    segments
}

fn listed(segments: &Segments) -> Vec<(Span, Encoding, Vec<u8>)> {
    segments.iter().map(|(span, encoding, bytes)| (span, encoding, bytes.to_vec())).collect()
}

/// All layers of `content`.
fn layers(content: &[u8], depth: usize, strict: bool) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    while layers.len() < depth {
        let parent = layers.last().map_or(content, Layer::text);
        let whole = Span::new(0, parent.len());
        let segments = find(parent, &[whole], strict);
        if segments.is_empty() {
            break;
        }
        let layer = Layer::new(parent, whole, &segments);
        layers.push(layer);
    }
    layers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn segments_are_sorted_apart_and_inside(content in content(), strict in any::<bool>()) {
        let mut end = 0;
        for (span, encoding, decoded) in find(&content, &[Span::new(0, content.len())], strict).iter() {
            prop_assert!(span.start >= end && span.start < span.end && span.end <= content.len(), "{span:?} {encoding}");
            prop_assert!(!decoded.is_empty(), "{span:?} {encoding}");
            end = span.end;
        }
    }

    #[test]
    fn a_search_of_ranges_finds_what_touches_them(
        content in content(),
        strict in any::<bool>(),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(content.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let ranges: Vec<Span> = cuts.chunks_exact(2).map(|pair| Span::new(pair[0], pair[1])).collect();
        let mut expected = listed(&find(&content, &[Span::new(0, content.len())], strict));
        expected.retain(|(span, ..)| ranges.iter().any(|range| span.start <= range.end && range.start <= span.end));
        prop_assert_eq!(listed(&find(&content, &ranges, strict)), expected, "ranges {:?}", ranges);
    }

    #[test]
    fn far_away_bytes_change_nothing(content in content(), other in content(), strict in any::<bool>()) {
        // Spaces and lines end every segment there is.
        let wall = b"\n. .\n. .\n".repeat(4);
        let alone = [&wall[..], &content, &wall].concat();
        let beside = [&other[..], &alone, &other].concat();
        let middle = Span::new(other.len(), other.len() + alone.len());
        let shifted: Vec<_> = listed(&find(&alone, &[Span::new(0, alone.len())], strict))
            .into_iter()
            .map(|(span, encoding, bytes)| {
                (Span::new(span.start + other.len(), span.end + other.len()), encoding, bytes)
            })
            .collect();
        let mut found = listed(&find(&beside, &[middle], strict));
        found.retain(|(span, ..)| span.start >= middle.start && span.end <= middle.end);
        prop_assert_eq!(found, shifted);
    }

    #[test]
    fn positions_lead_back_inside_and_in_order(
        content in content(),
        strict in any::<bool>(),
        spans in vec((any::<prop::sample::Index>(), 0_usize..50), 1..8),
    ) {
        let layers = layers(&content, 4, strict);
        for depth in 1..=layers.len() {
            let layers = &layers[..depth];
            let text = layers[depth - 1].text();
            for (start, len) in &spans {
                let start = start.index(text.len() + 1);
                let span = Span::new(start, text.len().min(start + len));
                let original = decode::original_span(&content, layers, span);
                prop_assert!(original.start <= original.end && original.end <= content.len(), "{span:?}: {original:?}");
                if !span.is_empty() && !strict {
                    prop_assert!(!original.is_empty(), "{span:?}: {original:?}");
                }
                if !layers.iter().any(|layer| layer.touches_decoded(span)) && depth == 1 && !strict {
                    prop_assert_eq!(&content[original.range()], &text[span.range()]);
                }
                let line = layers[depth - 1].line_around(span);
                prop_assert!(line.len() <= text.len());
                prop_assert_eq!(
                    decode::encodings(&content, layers, span).is_empty(),
                    !touches_any(&content, layers, span),
                );
            }
        }
    }

    #[test]
    fn the_steps_make_the_text(content in content(), window in any::<(prop::sample::Index, prop::sample::Index)>()) {
        let (a, b) = (window.0.index(content.len() + 1), window.1.index(content.len() + 1));
        let window = Span::new(a.min(b), a.max(b));
        let layer = Layer::new(&content, window, &find(&content, &[window], false));
        let mut made = Vec::new();
        for op in layer.ops() {
            match op {
                DeltaOp::Copy { from, len } => {
                    prop_assert!(from >= window.start && from + len <= window.end);
                    made.extend_from_slice(&content[from..from + len]);
                }
                DeltaOp::Insert { len } => made.extend_from_slice(&layer.text()[made.len()..made.len() + len]),
            }
        }
        prop_assert_eq!(&made[..], layer.text());
        let inserted: usize = layer.decoded_spans().map(Span::len).sum();
        prop_assert!(layer.is_empty() || inserted > 0);
    }

    #[test]
    fn encoded_text_is_found_where_it_lies(
        secret in secret(),
        encoding in encoding(),
        variant in any::<u8>(),
        (before, after) in ("[ -~\n]{0,30}", "[ -~\n]{0,30}"),
    ) {
        let encoded = encode(&secret, encoding, variant);
        let (before, after) = ([before.as_bytes(), b" \""].concat(), [b"\" ", after.as_bytes()].concat());
        let content = [&before[..], &encoded, &after].concat();
        let layers = layers(&content, 1, false);
        let text = layers.first().map_or(&content[..], Layer::text);
        let Some(at) = text.windows(secret.len()).position(|window| window == secret.as_bytes()) else {
            return Err(TestCaseError::fail(format!("not found in {:?}", String::from_utf8_lossy(text))));
        };
        let span = Span::new(at, at + secret.len());
        let original = decode::original_span(&content, &layers, span);
        let lies_at = Span::new(before.len(), before.len() + encoded.trim_ascii_end_matches(b'=').len());
        if encoding == Encoding::Utf16 {
            // Between two other characters, both byte orders give the same text, one of them half a unit off.
            prop_assert!(original.start.abs_diff(lies_at.start) <= 1 && original.end.abs_diff(lies_at.end) <= 1);
        } else {
            prop_assert_eq!(original, lies_at);
        }
        prop_assert_eq!(decode::encodings(&content, &layers, span), vec![encoding]);
        // A part of it lies in a part of the encoded text.
        let part = decode::original_span(&content, &layers, Span::new(at + 4, at + 12));
        prop_assert!(part.start > lies_at.start && part.end < lies_at.end, "{part:?} in {lies_at:?}");
    }

    #[test]
    fn text_encoded_twice_is_found_where_it_lies(secret in secret(), (outer, inner) in nested()) {
        let once = String::from_utf8(encode(&secret, inner, 0)).expect("text");
        let twice = encode(&once, outer, 0);
        let content = [b"key: ", &twice[..], b" # end"].concat();
        let layers = layers(&content, 2, false);
        prop_assert_eq!(layers.len(), 2);
        let text = layers[1].text();
        let at = text.windows(secret.len()).position(|window| window == secret.as_bytes());
        let Some(at) = at else { return Err(TestCaseError::fail("not found")) };
        let span = Span::new(at, at + secret.len());
        let original = decode::original_span(&content, &layers, span);
        prop_assert!(original.start == 5 && original.end <= 5 + twice.len() && original.end + 12 >= 5 + twice.len(), "{original:?}");
        prop_assert_eq!(decode::encodings(&content, &layers, span), vec![outer, inner]);
    }

    #[test]
    fn wrapped_base64_is_one_text(secret in secret(), width in 10_usize..20, gap in "\r?\n {0,4}", more in 1_usize..9) {
        let text = format!("first line\n{}{secret}\nlast line", "x".repeat(more * 40));
        let content = wrap(&text, width * 4, &gap);
        let layers = layers(&content, 1, false);
        prop_assert_eq!(layers.len(), 1);
        let decoded = layers[0].text();
        let Some(at) = decoded.windows(secret.len()).position(|window| window == secret.as_bytes()) else {
            return Err(TestCaseError::fail("not found"));
        };
        let original = decode::original_span(&content, &layers, Span::new(at, at + secret.len()));
        let characters = content[original.range()].iter().filter(|byte| !byte.is_ascii_whitespace()).count();
        prop_assert!((secret.len() * 8).div_ceil(6) <= characters && characters <= (secret.len() * 8).div_ceil(6) + 1);
    }
}

fn touches_any(content: &[u8], layers: &[Layer], span: Span) -> bool {
    let Some((last, before)) = layers.split_last() else { return false };
    let parent = before.last().map_or(content, Layer::text);
    last.touches_decoded(span) || touches_any(content, before, last.parent_span(parent, span))
}

/// `trim_end_matches` for bytes.
trait TrimEnd {
    fn trim_ascii_end_matches(&self, byte: u8) -> &[u8];
}

impl TrimEnd for Vec<u8> {
    fn trim_ascii_end_matches(&self, byte: u8) -> &[u8] {
        &self[..self.len() - self.iter().rev().take_while(|last| **last == byte).count()]
    }
}
