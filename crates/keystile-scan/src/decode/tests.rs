//! Named cases: what each mode makes of a text.

use super::*;

fn decoded(content: &[u8], strict: bool) -> Vec<u8> {
    let whole = Span::new(0, content.len());
    let mut segments = Segments::default();
    find(content, &[whole], Options { strict }, &mut segments);
    Layer::new(content, whole, &segments).text().to_vec()
}

#[track_caller]
fn check(name: &str, content: &str, strict: &str, default: &str) {
    let text = |strict| String::from_utf8_lossy(&decoded(content.as_bytes(), strict)).into_owned();
    assert_eq!(text(true), strict, "{name}, strict");
    assert_eq!(text(false), default, "{name}, default");
}

#[test]
fn base64_is_decoded() {
    let plain = "stiles for keys: 12";
    check("standard", "a c3RpbGVzIGZvciBrZXlzOiAxMg== b", &format!("a {plain} b"), &format!("a {plain} b"));
    check("without padding", "c3RpbGVzIGZvciBrZXlzOiAxMg", plain, plain);
    check("assigned", "name=c3RpbGVzIGZvciBrZXlzOiAxMg==;", &format!("name={plain};"), &format!("name={plain};"));
    check("fifteen characters", "c3RpbGVzIGZvciB", "c3RpbGVzIGZvciB", "c3RpbGVzIGZvciB");
    check("a word", "internationalizations", "internationalizations", "internationalizations");
}

#[test]
fn more_base64_is_decoded_by_default() {
    // `stiles??>>for keys` has characters of both kinds in each alphabet.
    let text = "stiles??>>for keys";
    check("standard, padded", "c3RpbGVzPz8+PmZvciBrZXlz", text, text);
    check("URL-safe", "c3RpbGVzPz8-PmZvciBrZXlz", text, text);
    let padded = "x stiles??>>for key";
    check("URL-safe, padded", "eCBzdGlsZXM_Pz4-Zm9yIGtleQ==", "eCBzdGlsZXM_Pz4-Zm9yIGtleQ==", padded);
    check("standard, not padded", "eCBzdGlsZXM/Pz4+Zm9yIGtleQ", "eCBzdGlsZXM/Pz4+Zm9yIGtleQ", padded);
    check("no digit", "TheWordsWithLetters", "TheWordsWithLetters", "TheWordsWithLetters");
    check("behind a path", "/v1/c3RpbGVzIGZvciBrZXlz", "/v1/c3RpbGVzIGZvciBrZXlz", "/v1/stiles for keys");
    check("behind a prefix", "basic_c3RpbGVzIGZvciBrZXlz", "basic_c3RpbGVzIGZvciBrZXlz", "basic_stiles for keys");
    check("behind an escape", r#""\nc3RpbGVzIGZvciBrZXlz""#, r#""\nc3RpbGVzIGZvciBrZXlz""#, r#""\nstiles for keys""#);
    check("umlauts", "U3TDpGJlIGb8ciBLZXlz", "U3TDpGJlIGb8ciBLZXlz", "U3TDpGJlIGb8ciBLZXlz");
    check("UTF-8", "U3TDtmNrZSBmw7xyIFNjaGzDvHNzZWw=", "U3TDtmNrZSBmw7xyIFNjaGzDvHNzZWw=", "Stöcke für Schlüssel");
}

#[test]
fn wrapped_base64_is_decoded_as_one() {
    let text = "a text of two lines, the first of which\nis split by the wrapping, as is this line";
    let lines = [
        "YSB0ZXh0IG9mIHR3byBsaW5lcywgdGhlIGZpcnN0IG9m",
        "IHdoaWNoCmlzIHNwbGl0IGJ5IHRoZSB3cmFwcGluZywg",
        "YXMgaXMgdGhpcyBsaW5l",
    ];
    for gap in ["\n", "\r\n", "\n    ", "\r\n\t"] {
        let content = format!("key: |{gap}{}\nnext: 1", lines.join(gap));
        let expected = format!("key: |{gap}{text}\nnext: 1");
        assert_eq!(String::from_utf8_lossy(&decoded(content.as_bytes(), false)), expected, "{gap:?}");
    }
    let content = lines.join("\n");
    let split = "a text of two lines, the first of\n which\nis split by the wrapping, \nas is this line";
    assert_eq!(String::from_utf8_lossy(&decoded(content.as_bytes(), true)), split);
}

#[test]
fn hex_is_decoded() {
    let hex = "7374696c657320666f72206b65797320";
    check("alone", hex, "stiles for keys ", "stiles for keys ");
    check("upper case", &hex.to_uppercase(), "stiles for keys ", "stiles for keys ");
    check("too short", &hex[..30], &hex[..30], &hex[..30]);
    check(
        "a digest",
        "d41d8cd98f00b204e9800998ecf8427e",
        "d41d8cd98f00b204e9800998ecf8427e",
        "d41d8cd98f00b204e9800998ecf8427e",
    );
    check("a number", &format!("0x{hex}"), &format!("0x{hex}"), "0xstiles for keys ");
    check("with a suffix", &format!("{hex}-1"), "stiles for keys -1", "stiles for keys -1");
    check("with a prefix", &format!("id-{hex}"), &format!("id-{hex}"), "id-stiles for keys ");
}

#[test]
fn percent_is_decoded() {
    check("one", "a%3Db", "a=b", "a=b");
    check("several", "a%3Db%26c%3Dd %", "a=b&c=d %", "a=b&c=d %");
    check("an escape that is no text", "a%3Db%00c", "a%3Db%00c", "a=b%00c");
    check("UTF-8", "gr%C3%BCn%21", "gr%C3%BCn%21", "grün!");
    check("broken UTF-8", "gr%C3n%21", "gr%C3n%21", "gr%C3n!");
    check("formats", "%d %5s %x %zu", "%d %5s %x %zu", "%d %5s %x %zu");
}

#[test]
fn base64_that_ends_in_escapes_waits_for_them() {
    let content = "c3RpbGVzIGZvciBrZXlzOiAxMg%3D%3D";
    for strict in [true, false] {
        let once = decoded(content.as_bytes(), strict);
        assert_eq!(once, b"c3RpbGVzIGZvciBrZXlzOiAxMg==", "strict {strict}");
        assert_eq!(decoded(&once, strict), b"stiles for keys: 12", "strict {strict}");
    }
    check("beside", "c3RpbGVzIGZvciBrZXlz%22", "c3RpbGVzIGZvciBrZXlz\"", "stiles for keys\"");
}

#[test]
fn unicode_is_decoded() {
    check("units", r"\u0061\u003d\u0062", "a=b", "a=b");
    check("in a string in a string", r"\\u0061\\u003d", "a=", "a=");
    check("code points", "U+0061 U+003D U+0062\nc", "a=bc", "a=b\nc");
    check("five digits", "U+1F511 ", "U+1F511 ", "\u{1f511} ");
    check("surrogates", r"\ud83d\udd11", "\u{fffd}\u{fffd}", "\u{1f511}");
    check("eight digits", r"\U0001f511", "\u{1}f511", "\u{1f511}");
    check("a path", r"C:\users\unknown", r"C:\users\unknown", r"C:\users\unknown");
}

#[test]
fn utf16_is_decoded_by_default() {
    let text = "key = \"schlüssel🔑 with €\"\r\n";
    for big_endian in [false, true] {
        let order = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
        let encoded: Vec<u8> = text.encode_utf16().flat_map(order).collect();
        let mark = order(0xfeff);
        for before in [&b""[..], &mark, b"\x01", b"\x01\x02", b"\x03\0\0\x07"] {
            let content = [before, &encoded, b"\xfd\x02"].concat();
            let expected = [before, text.as_bytes(), b"\xfd\x02"].concat();
            let found = decoded(&content, false);
            assert_eq!(
                found,
                expected,
                "big endian: {big_endian}, behind {before:02x?}: {}",
                String::from_utf8_lossy(&found)
            );
            assert_eq!(decoded(&content, true), content);
        }
    }
    let short: Vec<u8> = "7 units".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(decoded(&short, false), short);
    assert_eq!(decoded(&[0; 500], false), [0; 500]);
}

#[test]
fn utf16_is_found_from_its_end_behind_a_gap() {
    // Found by fuzzing: the last NUL is farther from the one before than the search looked back, and NULs follow.
    let text = format!("eight or more{}x", "\u{141}".repeat(6));
    let content: Vec<u8> = text.encode_utf16().chain([0, 0]).flat_map(u16::to_le_bytes).collect();
    let end = content.len() - 4;
    let mut segments = Segments::default();
    find(&content, &[Span::new(end, end)], Options::default(), &mut segments);
    let found: Vec<_> = segments.iter().map(|(place, encoding, _)| (place, encoding)).collect();
    assert_eq!(found, [(Span::new(0, end), Encoding::Utf16)]);
}

#[test]
fn positions_in_long_text_lead_back_to_its_characters() {
    // Characters of one to four bytes, pairs of units, over many marks.
    let text: String = "key = \"schlüssel🔑 with €\"\r\n".repeat(40);
    let utf16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let units = |character: char| character.encode_utf16(&mut [0; 2]).len();
    let escapes: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let forms =
        [("little", utf16(u16::to_le_bytes), 2), ("big", utf16(u16::to_be_bytes), 2), ("u", escapes.into_bytes(), 6)];
    for (name, encoded, width) in forms {
        let content = [b"<\x01\x02", &encoded[..], b"\x02\x01>"].concat();
        let whole = Span::new(0, content.len());
        let mut segments = Segments::default();
        find(&content, &[whole], Options::default(), &mut segments);
        assert_eq!(segments.len(), 1, "{name}");
        let layer = Layer::new(&content, whole, &segments);
        let mut parent = 3;
        for (at, character) in text.char_indices() {
            let span = Span::new(3 + at, 3 + at + character.len_utf8());
            let expected = Span::new(parent, parent + units(character) * width);
            assert_eq!(layer.parent_span(&content, span), expected, "{name}, {character:?} at {at}");
            parent = expected.end;
        }
    }
}

#[test]
fn powershell_commands_are_decoded_in_two_layers() {
    let content = b"powershell -EncodedCommand cwB0AGkAbABlAHMAIABmAG8AcgAgAGsAZQB5AHMA";
    let once = decoded(content, false);
    assert_eq!(decoded(&once, false), b"powershell -EncodedCommand stiles for keys");
}

#[test]
fn debug_output_shows_places_only() {
    let content = b"c3RpbGVzIGZvciBrZXlzOiAxMg==";
    let whole = Span::new(0, content.len());
    let mut segments = Segments::default();
    find(content, &[whole], Options::default(), &mut segments);
    let layer = Layer::new(content, whole, &segments);
    for shown in [format!("{segments:?}"), format!("{layer:?}")] {
        assert!(!shown.contains("stiles") && !shown.contains("115"), "{shown}");
    }
}
