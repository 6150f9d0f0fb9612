//! Patterns in Go's syntax and what Go 1.26's `regexp` answers, held against the translation.

use std::ops::Range;

use keystile_scan::re2::{self, SyntaxError, SyntaxErrorKind};
use regex_automata::{Input, meta::Regex};

/// Name, pattern, text, and what `FindAllSubmatchIndex` returns: matches with a blank between them,
/// groups with a comma, `-` for a group that took no part.
const MATCHES: &[(&str, &str, &[u8], &str)] = &[
    ("quoted literal", r"\Qa.b*\E+", b"a.b**", "0..5"),
    ("quoted literal", r"\Qa.b*\E+", b"axb", ""),
    ("quoted literal, never closed", r"\Qa(b", b"a(b", "0..3"),
    ("quote repeats its last character only", r"\Qab\E*", b"abbb ab", "0..4 5..7"),
    ("empty quote is transparent to a repetition", r"a\Q\E*", b"aaa", "0..3"),
    ("backslash in a quote", r"\Q\n\E", b"\\n", "0..2"),
    ("flag group is transparent to a repetition", r"ba(?i)*A", b"baaaa", "0..5"),
    ("repetition of a repetition through a flag group", r"a*(?i)*B", b"aab", "0..3"),
    ("literal brace", r"a{b}", b"a{b}", "0..4"),
    ("brace without minimum", r"a{,5}", b"a{,5} aaaaa", "0..5"),
    ("brace without number", r"x{}", b"x{}", "0..3"),
    ("open brace at the end", r"a{1", b"a{1", "0..3"),
    ("open count at the end", r"a{1,", b"a{1,", "0..4"),
    ("count with a leading zero", r"a{01}", b"a{01} a", "0..5"),
    ("closing brace", r"}]", b"}]", "0..2"),
    ("repeat exactly", r"a{2}", b"aaaaa", "0..2 2..4"),
    ("repeat not at all", r"(a){0}b", b"ab", "1..2,-"),
    ("repeat lazily", r"a{1,3}?", b"aaaa", "0..1 1..2 2..3 3..4"),
    ("ungreedy flag", r"(?U)a+", b"aaa", "0..1 1..2 2..3"),
    ("ungreedy flag and question mark", r"(?U)a+?", b"aaa", "0..3"),
    ("ungreedy flag set after the atom", r"a(?U)+", b"aaa", "0..1 1..2 2..3"),
    ("end of text", r"a\z", b"a\na", "2..3"),
    ("dollar is the end of text", r"a$", b"a\na", "2..3"),
    ("dollar is the end of text", r"a$", b"a\n", ""),
    ("multi-line anchors", r"(?m)^a$", b"a\na\nb a", "0..1 2..3"),
    ("anchors of the text", r"\Aa", b"aa", "0..1"),
    ("octal escape", r"\101\60\0", b"A0\x00", "0..3"),
    ("octal escape takes three digits", r"\1011", b"A1", "0..2"),
    ("hexadecimal escapes", r"\x41\x{42}\x{00043}", b"ABC", "0..3"),
    ("control escapes", r"\a\f\t\n\r\v", b"\x07\x0c\t\n\r\x0b", "0..6"),
    ("escaped punctuation", r#"\-\_\/\"\'\#\ \<\>\&\~\@\%\!"#, b"-_/\"'# <>&~@%!", "0..14"),
    ("white space lacks the vertical tab", r"\s+", b" \t\n\x0b\x0c\r", "0..3 4..6"),
    ("space class has the vertical tab", r"[[:space:]]+", b" \t\n\x0b\x0c\r", "0..6"),
    ("word characters are ASCII", r"\w+", "né_9".as_bytes(), "0..1 3..5"),
    ("digits are ASCII", r"\d+", "1٣2".as_bytes(), "0..1 3..4"),
    ("word boundary is ASCII", r"\bb", "éb b ab".as_bytes(), "2..3 4..5"),
    ("posix classes", r"[[:alpha:][:digit:]]+", b"ab1-c", "0..3 4..5"),
    ("negated posix class", r"[[:^alpha:]]+", b"ab1-c", "2..4"),
    ("posix class left open is literal", r"[[:alpha]+", b"[:alph", "0..6"),
    ("intersection is literal", r"[a&&b]+", b"a&b", "0..3"),
    ("difference is a range", r"[+--z]+", b"+,-z.", "0..4"),
    ("symmetric difference is literal", r"[a~~b]+", b"a~b", "0..3"),
    ("bracket in a class", r"[[a]+", b"[a[", "0..3"),
    ("first bracket is literal", r"[]a]+", b"]a]", "0..3"),
    ("first bracket of a negated class is literal", r"[^]a]+", b"]ab", "2..3"),
    ("dash after a class", r"[\w-.]+", b"a-.b/", "0..4"),
    ("dash at the end", r"[a-]+", b"a-b", "0..2"),
    ("dash at the start", r"[-a]+", b"a-b", "0..2"),
    ("caret inside", r"[a^]+", b"a^b", "0..2"),
    ("class with a Perl class negated", r"[^\W_]+", b"a_b", "0..1 2..3"),
    ("class of two opposites", r"[\s\S]+", b"a\n b", "0..4"),
    ("hash and blank", r"a #b", b"a #b", "0..4"),
    ("named groups", r"(?P<x>a)(?<y>b)", b"ab", "0..2,0..1,1..2"),
    ("named groups of the same name", r"(?P<n>a)|(?P<n>b)", b"ab", "0..1,0..1,- 1..2,-,1..2"),
    ("group name that starts with a digit", r"(?P<1a>b)", b"b", "0..1,0..1"),
    ("empty alternatives", r"a(|b|)c", b"acabc", "0..2,1..1 2..5,3..4"),
    ("empty groups", r"()(?:)a", b"a", "0..1,0..0"),
    ("empty pattern", r"", b"", "0..0"),
    ("first alternative wins", r"a|ab", b"ab", "0..1"),
    ("case-insensitive run", r"(?i)key_1*", b"KEY_11 Key_", "0..6 7..11"),
    ("case-insensitive run, last character repeated", r"(?i)abc+d", b"ABCCCD", "0..6"),
    ("flags of a group end with it", r"((?i)a)a", b"AA Aa", "3..5,3..4"),
    ("flags reach over alternatives", r"x(?i)a|b", b"xA B", "0..2 3..4"),
    ("flags switched off", r"(?i)a(?-i)b", b"AB Ab", "3..5"),
    ("flags of a flag group", r"(?i:a)b", b"AB Ab", "3..5"),
    ("repeated flags", r"(?iis-m:a.)", b"A\n", "0..2"),
    ("empty flags", r"(?)a", b"a", "0..1"),
    ("case-insensitive class", r"(?i)[a-f]+", b"aFg", "0..2"),
    ("case-insensitive negated class", r"(?i)[^a-f]+", b"aFgG", "2..4"),
    ("case-insensitive character beyond ASCII", r"(?i)é", "É é".as_bytes(), "0..2 3..5"),
    ("case-insensitive class beyond ASCII", r"(?i)[à-é]+", "ÀÉ".as_bytes(), "0..4"),
    ("long s folds to s", r"(?i)ſ", "s S ſ".as_bytes(), "0..1 2..3 4..6"),
    ("dot leaves out the newline", r".+", b"ab\ncd", "0..2 3..5"),
    ("dot with flag s", r"(?s).+", b"ab\ncd", "0..5"),
    ("dot is one character", r"^.$", "日".as_bytes(), "0..3"),
    ("dot is one character", r"^.$", b"\xff", "0..1"),
    ("dot is one character", r"^.$", b"\xe6", "0..1"),
    ("dot is one character", r"^.$", "日本".as_bytes(), ""),
    ("counted dots are characters", r"^.{2,3}$", "日本".as_bytes(), "0..6"),
    ("counted dots are characters", r"^.{2,3}$", "日本語!".as_bytes(), ""),
    ("counted dots are characters", r"^.{2,3}$", b"\xff\xfe", "0..2"),
    ("negated class is one character", r"^[^a]$", "é".as_bytes(), "0..2"),
    ("negated class is one character", r"^[^a]$", b"\xe9", "0..1"),
    ("negated class is one character", r"^[^a]$", b"a", ""),
    ("negated class under a star", r"<[^>]*>", "<é日>".as_bytes(), "0..7"),
    ("negated class under a star", r"<[^>]*>", b"<\xe9\xff>", "0..4"),
    ("negated class under a lazy plus", r"(.+?)[^a]", "日本".as_bytes(), "0..6,0..3"),
    ("class beyond ASCII", r"[é日]+", "日é".as_bytes(), "0..5"),
    ("negated class beyond ASCII", r"[^é]", "éa".as_bytes(), "2..3"),
    ("literal beyond ASCII, repeated", r"é+", "ééa".as_bytes(), "0..4"),
    ("hexadecimal escape is a character, no byte", r"\xe9", "é".as_bytes(), "0..2"),
    ("hexadecimal escape is a character, no byte", r"\xe9", b"\xe9", ""),
    ("unicode category", r"\pL+", "aé日1".as_bytes(), "0..6"),
    ("negated unicode category", r"\PL+", "aé1日".as_bytes(), "3..4"),
    ("unicode script", r"\p{Greek}+", "aαβ".as_bytes(), "1..5"),
    ("unicode name in another spelling", r"\p{GREEK}|\p{l u}", "aBα".as_bytes(), "1..2 2..4"),
    ("unicode long category name", r"\p{Uppercase_Letter}", b"aB", "1..2"),
    ("negated twice", r"\P{^Lu}", b"aB", "1..2"),
    ("unicode category in a class", r"[^\pL_]+", "a_1é".as_bytes(), "2..3"),
    ("unicode category, case-insensitive", r"(?i)\p{Lu}+", b"aB1", "0..2"),
    ("any, assigned and ASCII", r"\p{Any}\p{ASCII}", "éa".as_bytes(), "0..3"),
    ("groups repeated no times keep their numbers", r"(a){0}(b)(c){0}", b"b", "0..1,-,0..1,-"),
    ("class of nothing", r"a|[^\p{Any}]+|[^\W\w]", b"ba", "1..2"),
    ("surrogates match nothing", r"a|\x{D800}|[\x{D800}-\x{DFFF}]|\p{Cs}", b"a\xed\xa0\x80", "0..1"),
    ("assertions repeated", r"^*\b?a", b"ba", "1..2"),
];

fn compile(pattern: &str) -> (Regex, usize) {
    let pattern = re2::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let regex = Regex::builder()
        .syntax(re2::syntax_config())
        .configure(Regex::config().utf8_empty(false))
        .build(&pattern.translated)
        .expect("what was checked compiles");
    (regex, pattern.groups)
}

/// What Go's `FindAllSubmatchIndex` would return, in the form of [`MATCHES`].
fn matches(regex: &Regex, groups: usize, text: &[u8]) -> String {
    let mut found = Vec::new();
    let mut captures = regex.create_captures();
    let mut at = 0;
    let mut end = None;
    while at <= text.len() {
        regex.search_captures(&Input::new(text).span(at..text.len()), &mut captures);
        let Some(whole) = captures.get_match() else { break };
        // Go drops an empty match that touches the one before it.
        if !(whole.is_empty() && Some(whole.start()) == end) {
            let spans: Vec<_> = (0..=groups)
                .map(|group| captures.get_group(group).map_or("-".to_owned(), |s| format!("{}..{}", s.start, s.end)))
                .collect();
            found.push(spans.join(","));
        }
        end = Some(whole.end());
        at = if whole.end() == at { at + 1 } else { whole.end() };
    }
    found.join(" ")
}

#[test]
fn translations_match_what_go_matches() {
    let mut wrong = Vec::new();
    for &(name, pattern, text, expected) in MATCHES {
        let (regex, groups) = compile(pattern);
        let found = matches(&regex, groups, text);
        if found != expected {
            wrong.push(format!("{name}: {pattern} on {:?}: {found}, Go says {expected}", bstr::BStr::new(text)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Patterns that Go refuses, the bytes that are at fault, and a part of the message.
const REFUSALS: &[(&str, Range<usize>, &str)] = &[
    (r"a\1", 1..3, r"is no escape sequence; Go's syntax has no back-references"),
    (r"(a)\8", 3..5, r"is no escape sequence; Go's syntax has no back-references"),
    (r"\Z", 0..2, r"is no escape sequence; the end of the text is `\z`"),
    (r"\C", 0..2, r"is no escape sequence; a single byte can't be matched"),
    (r"\u0041", 0..2, r"is no escape sequence; a code point is written `\x{..}`"),
    (r"\é", 0..3, r"is no escape sequence; this character stands for itself"),
    (r"\x{110000}", 0..9, r"is no escape sequence; it is `\x7F` or `\x{10FFFF}`, with hexadecimal digits"),
    (r"\x{}", 0..4, r"is no escape sequence; it is `\x7F` or `\x{10FFFF}`, with hexadecimal digits"),
    (r"\x4", 0..3, r"is no escape sequence; it is `\x7F` or `\x{10FFFF}`, with hexadecimal digits"),
    (r"\xg1", 0..3, r"is no escape sequence; it is `\x7F` or `\x{10FFFF}`, with hexadecimal digits"),
    (r"a\", 1..2, r"the pattern ends with a backslash"),
    (r"ab[c", 2..4, r"this character class is never closed"),
    (r"[a", 0..2, r"this character class is never closed"),
    (r"[]", 0..2, r"this character class is never closed"),
    (r"[^]", 0..3, r"this character class is never closed"),
    (r"[z-a]", 1..4, r"the range `z-a` is empty"),
    (r"[a-\d]", 3..5, r"is no escape sequence"),
    (r"[[:foo:]]", 1..8, r"there is no class `[:foo:]`"),
    (r"\p{Foo}", 0..7, r"names no Unicode category"),
    (r"\p{Grek}", 0..8, r"names no Unicode category"),
    (r"\p{IsGreek}", 0..11, r"names no Unicode category"),
    (r"\p{Alphabetic}", 0..14, r"names no Unicode category"),
    (r"\pX", 0..3, r"names no Unicode category"),
    (r"\p{Lu", 0..5, r"names no Unicode category"),
    (r"(ab", 0..1, r"this group is never closed"),
    (r"a(b(c)", 1..2, r"this group is never closed"),
    (r"ab)c", 2..3, r"this `)` closes no group"),
    (
        r"(?=a)",
        0..3,
        r"starts no group; Go's syntax has no look-around: match more, name the secret with a group and `secretGroup`, or use an allowlist",
    ),
    (
        r"(?!a)",
        0..3,
        r"starts no group; Go's syntax has no look-around: match more, name the secret with a group and `secretGroup`, or use an allowlist",
    ),
    (
        r"x(?<=a)",
        1..5,
        r"starts no group; Go's syntax has no look-around: match more, name the secret with a group and `secretGroup`, or use an allowlist",
    ),
    (
        r"(?<!a)",
        0..4,
        r"starts no group; Go's syntax has no look-around: match more, name the secret with a group and `secretGroup`, or use an allowlist",
    ),
    (r"(?>a)", 0..3, r"starts no group; Go's syntax has no atomic groups, `(?:..)` will do"),
    (r"(?x)a", 0..3, r"starts no group; Go's syntax has no flag `x`: write the pattern without blanks and comments"),
    (r"(?#c)", 0..3, r"starts no group; Go's syntax has no comments"),
    (r"(?i", 0..3, r"starts no group; the flags are i, m, s and U"),
    (r"(?i-)a", 0..5, r"starts no group; the flags are i, m, s and U"),
    (r"(?--i)", 0..4, r"starts no group; the flags are i, m, s and U"),
    (r"(?P=n)", 0..3, r"starts no group; a named group is `(?P<name>..)`"),
    (r"(?P<a-b>x)", 4..7, r"is no group name"),
    (r"(?<>x)", 3..3, r"is no group name"),
    (r"(?<n", 3..4, r"is no group name"),
    (r"*a", 0..1, r"has nothing to repeat"),
    (r"a|*", 2..3, r"has nothing to repeat"),
    (r"(+a)", 1..2, r"has nothing to repeat"),
    (r"^|?", 2..3, r"has nothing to repeat"),
    (r"{2}", 0..3, r"has nothing to repeat"),
    (r"a**", 1..3, r"can't be repeated"),
    (r"a*+", 1..3, r"can't be repeated"),
    (r"a{2}{3}", 1..7, r"can't be repeated"),
    (r"a+??", 1..4, r"can't be repeated"),
    (r"a{1001}", 1..7, r"is no valid repetition"),
    (r"a{1,1001}", 1..9, r"is no valid repetition"),
    (r"a{2,1}", 1..6, r"is no valid repetition"),
    (r"a{99999999999}", 1..14, r"is no valid repetition"),
    (r"(?:a{100}){11}", 10..14, r"is no valid repetition"),
    (r"(?:(?:a{10}){10}){11}", 17..21, r"is no valid repetition"),
    (r"\E", 0..2, r"is no escape sequence without `\Q` before it"),
];

#[test]
fn what_go_refuses_is_refused_with_its_place() {
    for (pattern, span, message) in REFUSALS {
        match re2::parse(pattern) {
            Ok(translated) => panic!("{pattern} became {}", translated.translated),
            Err(error) => {
                assert_eq!(error.span, *span, "{pattern}: {error}");
                assert!(error.to_string().contains(message), "{pattern}: {error}, expected: {message}");
            }
        }
    }
}

#[test]
fn a_pattern_too_large_or_too_deep_is_refused() {
    let deep = format!("{}a{}", "(".repeat(300), ")".repeat(300));
    assert_eq!(re2::parse(&deep).expect_err("nests 300 deep").kind, SyntaxErrorKind::TooDeep);
    let large = re2::parse(r"\PL{1000}").expect_err("a thousand copies of a large class");
    assert_eq!(large, SyntaxError { span: 0..9, kind: SyntaxErrorKind::TooLarge });
    // The largest count of the most usual class is far from the limit.
    re2::parse(r"(?s)(?:[^a].){500}").expect("a thousand small classes are fine");
}

/// Nesting is told from an estimate first; what passes it must parse.
#[test]
fn the_nesting_limit_is_not_missed_by_a_level() {
    let nested = [r"[^\pL\W_]", "[^a]", "a"].into_iter().flat_map(|atom| {
        (20..130).flat_map(move |n| {
            let groups = format!("{}{atom}{}", "(?:x|".repeat(n), ")+".repeat(n));
            // Each `(?i)*` repeats what came before once more.
            [format!("{atom}{}", "*(?i)".repeat(n)), groups, format!("{}{atom}{}", "(b".repeat(n), "c)".repeat(n))]
        })
    });
    for pattern in nested {
        match re2::parse(&pattern) {
            Ok(translated) => {
                compile(&translated.source);
            }
            Err(error) => assert_eq!(error.kind, SyntaxErrorKind::TooDeep, "{pattern}"),
        }
    }
}

/// What is accepted at the limit compiles, and needs no more than the limit says.
#[test]
fn what_is_accepted_compiles_within_the_limit() {
    for pattern in [r"\pL{1,20}", r".{1000}", r"[^é]{1000}", r"(?i)[a-zé]{900}", r"(?:\w{30}\.){33}", r"\p{Greek}{200}"]
    {
        let Ok(translated) = re2::parse(pattern) else { panic!("{pattern} is refused") };
        Regex::builder()
            .syntax(re2::syntax_config())
            .configure(Regex::config().utf8_empty(false).nfa_size_limit(Some(re2::NFA_SIZE_LIMIT)))
            .build(&translated.translated)
            .unwrap_or_else(|error| panic!("{pattern}: {error}"));
    }
}

#[test]
fn a_flag_stays_in_its_pattern_unless_joined_as_gitleaks_does() {
    let patterns = ["(?i)abc", "def"].map(|pattern| re2::parse(pattern).expect("valid"));
    let (second, _) = compile(&patterns[1].source);
    assert!(!second.is_match("DEF"));
    let joined = re2::join_for_strict(&patterns).expect("valid");
    assert_eq!(&*joined.source, "(?:(?i)abc|def)");
    let (joined, groups) = compile(&joined.source);
    assert_eq!(groups, 0);
    assert!(joined.is_match("DEF"), "(?i) of the first pattern reaches the second");
}

#[test]
fn ascii_patterns_fold_within_ascii_unlike_go() {
    for (pattern, text) in [("(?i)k", "\u{212a}"), ("(?i)s", "\u{17f}")] {
        let (regex, _) = compile(pattern);
        assert!(!regex.is_match(text), "{pattern}");
    }
}

#[test]
fn joining_can_break_a_pattern() {
    let patterns = [r"\Qa", "b"].map(|pattern| re2::parse(pattern).expect("valid alone"));
    let error = re2::join_for_strict(&patterns).expect_err("the quote swallows the parenthesis");
    assert_eq!(error.kind, SyntaxErrorKind::UnclosedGroup);
}

#[test]
fn a_greedy_star_takes_the_cheap_class() {
    let translated = |pattern| re2::translate(pattern).expect("valid").regex;
    assert_eq!(translated("[^a]*"), r"[\x00-`b-\x7F\x80-\xFF]*");
    assert_eq!(translated("[^a]{1,}"), r"[\x00-`b-\x7F\x80-\xFF]+");
    assert_eq!(translated("(?U)[^a]*?"), r"[\x00-`b-\x7F\x80-\xFF]*");
    let counting = r"(?:(?u:[\x00-`b-\x7F\x{80}-\x{10FFFF}])|[\x80-\xFF])";
    assert_eq!(translated("[^a]*?"), format!("{counting}*?"));
    assert_eq!(translated("[^a]{2,}"), format!("{counting}{{2,}}"));
    assert_eq!(translated("[^a]?"), format!("{counting}?"));
}
