//! Every decoder: no bytes make them panic, segments lie apart and inside, positions lead back inside, and a
//! search of a part finds what a search of the whole finds there.
#![no_main]

use keystile_scan::Span;
use keystile_scan::decode::{self, Layer, Options, Segments};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, u16, u16, &[u8])| {
    let (strict, from, to, content) = input;
    let options = Options { strict };
    let whole = |text: &[u8]| Span::new(0, text.len());
    let mut segments = Segments::default();
    decode::find(content, &[whole(content)], options, &mut segments);
    let mut end = 0;
    for (place, encoding, decoded) in segments.iter() {
        assert!(end <= place.start && place.start < place.end && place.end <= content.len(), "{encoding} at {place:?}");
        assert!(!decoded.is_empty());
        end = place.end;
    }

    let (from, to) = (usize::from(from).min(content.len()), usize::from(to).min(content.len()));
    let range = Span::new(from.min(to), from.max(to));
    let mut of_range = Segments::default();
    decode::find(content, &[range], options, &mut of_range);
    let touching = segments.iter().filter(|(place, ..)| place.start <= range.end && range.start <= place.end);
    assert!(of_range.iter().eq(touching), "what touches {range:?}");

    let mut layers: Vec<Layer> = Vec::new();
    while layers.len() < 4 {
        let parent = layers.last().map_or(content, Layer::text);
        decode::find(parent, &[whole(parent)], options, &mut segments);
        if segments.is_empty() {
            break;
        }
        let layer = Layer::new(parent, whole(parent), &segments);
        layers.push(layer);
        let text = layers.last().map_or(content, Layer::text);
        for start in (0..text.len()).step_by(5) {
            let span = Span::new(start, text.len().min(start + 9));
            let original = decode::original_span(content, &layers, span);
            assert!(original.start <= original.end && original.end <= content.len());
        }
    }
});
