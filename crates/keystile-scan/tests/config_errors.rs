//! What is wrong with a configuration is said at its place, all at once, and without secrets.

use keystile_scan::config::{Diagnostic, Loader};

const BUILTIN: &str = "[[rules]]\nid = 'alpha'\nregex = 'a(b)c'\n";

fn errors_with(files: &[(&str, &str)], text: &str) -> Vec<Diagnostic> {
    let read = |path: &str| {
        let file = files.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file".to_owned())
    };
    let loader = Loader { builtin: BUILTIN, read: &read, skip_bad_rules: false, strict: false };
    loader.load("scan.toml", text).expect_err("the configuration is wrong").0
}

fn places(errors: &[Diagnostic]) -> Vec<String> {
    assert!(errors.iter().all(|error| error.is_error));
    errors.iter().map(|error| format!("{}:{}:{}: {}", error.file, error.line, error.column, error.message)).collect()
}

/// The text and its errors as `line:column: message`; one `a` rule is put before texts that need one.
const ERRORS: &[(&str, &[&str])] = &[
    // Rules.
    ("[[rules]]\nregex = 'a'\n", &["1:1: a rule: it has no `id`"]),
    ("[[rules]]\nid = '  '\nregex = 'a'\n", &["1:1: a rule: it has no `id`"]),
    (
        "[[rules]]\nid = 'a'\n",
        &["2:6: rule `a`: it has neither `regex` nor `path`, and extends no rule that has: it would find nothing"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = ''\n",
        &["2:6: rule `a`: it has neither `regex` nor `path`, and extends no rule that has: it would find nothing"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = '(a)'\nsecretGroup = 2\n",
        &["4:15: rule `a`: `secretGroup` is 2, but the regex has one group"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\nsecretGroup = 1\n",
        &["4:15: rule `a`: `secretGroup` is 1, but the regex has no group"],
    ),
    (
        "[extend]\nuseDefault = true\n[[rules]]\nid = 'alpha'\nsecretGroup = 2\n",
        &["5:15: rule `alpha`: `secretGroup` is 2, but the regex has one group"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\nsecretGroup = -1\n",
        &["4:15: rule `a`: `secretGroup` is the number of a group of the regex, 0 or more"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\nseverity = 'bad'\n",
        &["4:12: rule `a`: `severity` is \"low\", \"medium\", \"high\" or \"critical\""],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules.required]]\nwithinLines = 1\n",
        &["4:1: rule `a`: `[[rules.required]]` has no `id`: name the rule that must match nearby"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules.required]]\nid = 'b'\n",
        &["5:6: rule `a`: it requires rule `b`, which does not exist"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules.required]]\nid = 'a'\nwithinLines = -1\n",
        &["6:15: rule `a`: `withinLines` is a distance, 0 or more"],
    ),
    // Types.
    ("[[rules]]\nid = 'a'\nregex = ['a']\n", &["3:9: rule `a`: `regex` must be a string, not a list"]),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\nentropy = 'high'\n",
        &["4:11: rule `a`: `entropy` must be a number, not a string"],
    ),
    ("[[rules]]\nid = 'a'\nregex = 'a'\nentropy = nan\n", &["4:11: rule `a`: `entropy` must be a finite number"]),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\nsecretGroup = 1.5\n",
        &["4:15: rule `a`: `secretGroup` must be a whole number"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\nkeywords = { a = 1 }\n",
        &["4:12: rule `a`: `keywords` must be a list of strings, not a table"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\nkeywords = ['b', true]\n",
        &["4:18: rule `a`: `keywords` must be a string, not true or false"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\nskipReport = 'perhaps'\n",
        &["4:14: rule `a`: `skipReport` must be true or false, not a string"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules.allowlist]]\nstopwords = ['s']\n",
        &["4:1: rule `a`: `allowlist` must be a table, not a list"],
    ),
    (
        "rules = 'all'\nextend = 1\n",
        &["1:9: `rules` must be a list of tables, not a string", "2:10: `extend` must be a table, not a whole number"],
    ),
    ("rules = [1]\n", &["1:10: `rules` must be tables, not a whole number"]),
    ("Title = 'a'\ntitle = 'b'\n", &["2:1: `title` is given twice, in different case"]),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\nsecretGroup = 99999999999999999999\n",
        &["4:15: rule `a`: `secretGroup` is far too large"],
    ),
    // Patterns, at the character.
    (
        "[[rules]]\nid = 'é'\nregex = '''é(?=b)'''\n",
        &[
            "3:13: rule `é`: `(?=` starts no group; Go's syntax has no look-around: match more, name the secret with a group and `secretGroup`, or use an allowlist",
        ],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = '''\nab\\d\nc**'''\n",
        &["5:2: rule `a`: `**`: a repetition can't be repeated; put the inner one into `(?:..)`"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = \"\\\\d\\u00e9\\t[b\"\n",
        &["3:21: rule `a`: this character class is never closed; a literal bracket is `\\[`"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = \"\"\"a\\\n   )\"\"\"\n",
        &["4:4: rule `a`: this `)` closes no group; a literal one is `\\)`"],
    ),
    ("[[rules]]\nid = 'a'\npath = '*.env'\n", &["3:9: rule `a`: `*` has nothing to repeat; as a literal it is `\\*`"]),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules.allowlists]]\nregexes = ['ok', '\\Z']\npaths = [\n  'b',\n  'c(',\n]\n",
        &[
            "5:19: rule `a`: `\\Z` is no escape sequence; the end of the text is `\\z`",
            "8:5: rule `a`: this group is never closed; a literal parenthesis is `\\(`",
        ],
    ),
    ("[allowlist]\nregexes = ['''(''']\n", &["2:15: this group is never closed; a literal parenthesis is `\\(`"]),
    // Allowlists.
    (
        "[[allowlists]]\ndescription = 'd'\n",
        &["1:1: an allowlist allows nothing: give it `commits`, `paths`, `regexes` or `stopwords`"],
    ),
    (
        "[[allowlists]]\npaths = []\n",
        &["1:1: an allowlist allows nothing: give it `commits`, `paths`, `regexes` or `stopwords`"],
    ),
    (
        "[[allowlists]]\ncondition = 'xor'\nstopwords = ['s']\n",
        &["2:13: `condition` is \"AND\" or \"OR\", not \"xor\""],
    ),
    (
        "[[allowlists]]\nregexTarget = 'Line'\nstopwords = ['s']\n",
        &["2:15: `regexTarget` is \"secret\", \"match\" or \"line\", not \"Line\""],
    ),
    ("[[allowlists]]\ntargetRules = ['nobody']\nstopwords = ['s']\n", &["2:16: there is no rule `nobody`"]),
    (
        "[extend]\nuseDefault = true\ndisabledRules = ['alpha']\n[[allowlists]]\ntargetRules = ['alpha']\nstopwords = ['s']\n",
        &["5:16: there is no rule `alpha`"],
    ),
    (
        "[allowlist]\nstopwords = ['s']\n[[allowlists]]\nstopwords = ['t']\n",
        &["1:2: `[allowlist]` is deprecated and can't stand beside `[[allowlists]]`: make it one of them"],
    ),
    (
        "[[rules]]\nid = 'a'\nregex = 'a'\n[rules.allowlist]\nstopwords = ['s']\n[[rules.allowlists]]\nstopwords = ['t']\n",
        &[
            "4:8: rule `a`: `[rules.allowlist]` is deprecated and can't stand beside `[[rules.allowlists]]`: make it one of them",
        ],
    ),
    // What is extended.
    (
        "[extend]\nuseDefault = true\npath = 'x.toml'\n",
        &["3:8: `extend.path` and `extend.useDefault` can't both be given"],
    ),
    ("[extend]\npath = 'x.toml'\n[[rules]]\nid = 'a'\n", &["2:8: can't read what is extended, x.toml: no such file"]),
    (
        "[extend]\nurl = 'https://example.com/x.toml'\n",
        &[
            "2:7: `extend.url` is refused: a scan must not depend on what a server answers today. Keep a copy of the file in the repository and name it with `extend.path`",
        ],
    ),
    // Our own table.
    ("[keystile]\nsalz = 'x'\n", &["2:1: [keystile] has no key `salz`; did you mean `salt`?"]),
    ("[keystile]\nsalt = ''\n", &["2:1: `salt` must be a string that is not empty"]),
    ("[keystile]\nsalt = 5\n", &["2:1: `salt` must be a string that is not empty"]),
    // Syntax.
    ("[[rules]]\nid = 'a\nregex = 'a'\n", &["2:8: invalid literal string, expected `'`"]),
    ("[[rules]]\nid = 'a'\nid = 'b'\n", &["3:1: duplicate key"]),
    (
        "a = \n\nb = 1 2\n",
        &[
            "1:5: string values must be quoted, expected literal string",
            "3:5: string values must be quoted, expected literal string",
        ],
    ),
];

#[test]
fn every_error_at_its_place() {
    let mut wrong = Vec::new();
    for (text, expected) in ERRORS {
        let found = places(&errors_with(&[], text));
        let expected: Vec<_> = expected.iter().map(|error| format!("scan.toml:{error}")).collect();
        if found != expected {
            wrong.push(format!("{text}\n  found    {found:#?}\n  expected {expected:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_errors_are_reported_at_once_in_the_order_of_the_file() {
    let text = "[[rules]]\nid = 'a'\nregex = '['\nentropy = 'x'\n[[rules]]\nid = 'b'\npath = ')'\n[[allowlists]]\nregexes = ['(']\n[[rules]]\nid = 'c'\n";
    let lines: Vec<_> = errors_with(&[], text).iter().map(|error| error.line).collect();
    assert_eq!(lines, [3, 4, 7, 9, 11]);
}

#[test]
fn errors_in_an_extended_file_name_it() {
    let files = [
        ("conf/team.toml", "[extend]\npath = 'conf/more.toml'\n[[rules]]\nid = 'a'\nregex = '('\n"),
        ("conf/more.toml", "[[rules]]\nid = 'b'\nregex = ')'\n"),
    ];
    let errors = errors_with(&files, "[extend]\npath = 'conf/team.toml'\n[[rules]]\nid = 'c'\n[[rules.allowlists]]\n");
    let places: Vec<_> = errors.iter().map(|error| format!("{}:{}", error.file, error.line)).collect();
    assert_eq!(places, ["scan.toml:5", "conf/team.toml:5", "conf/more.toml:3"]);
}

#[test]
fn a_syntax_error_in_an_extended_file_is_the_only_one() {
    let errors =
        errors_with(&[("x.toml", "[[rules\n")], "[extend]\npath = 'x.toml'\n[[rules]]\nid = 'in-x'\ntags = ['t']\n");
    assert_eq!(errors.len(), 1, "{:?}", places(&errors));
    assert_eq!((errors[0].file.as_str(), errors[0].line), ("x.toml", 1));
}

#[test]
fn an_error_is_shown_with_its_line() {
    let errors = errors_with(&[], "[[rules]]\nid = 'a'\nregex = '''token=(?!x)'''\n");
    let expected = "\
error: rule `a`: `(?!` starts no group; Go's syntax has no look-around: match more, name the secret with a group and `secretGroup`, or use an allowlist
 --> scan.toml:3:18
  |
3 | regex = '''token=(?!x)'''
  |                  ^^^";
    assert_eq!(errors[0].rendered, expected);
}

#[test]
fn a_salt_is_never_shown() {
    let salt = "S0me-private-salt";
    for text in [
        format!("[keystile]\nsalt = '{salt}'\n[[rules]]\n"),
        format!("keystile = {{ salt = '{salt}', other = 1 }}\n"),
        format!("[keystile]\nsalt = '{salt}' x\n"),
        format!("[keystile]\nsalt = '{salt}\n"),
        format!("[keystile]\n\"salt\" = ['{salt}']\n"),
        format!("[keystile]\nSALT = {{ a = '{salt}' }}\n"),
        format!("[keystile]\nsalt = '''\n{salt}\n"),
        format!("[keystile]\nsalt = \"\"\"\n{salt}\n\"\"\"\"\"\"\nx\n"),
        format!("keystile.salt = '{salt}' = 1\n"),
        format!("keystile = {{ salt = '{salt}'\n"),
        format!("keystile = '{salt}'\n"),
        format!("[keystile]\nsalt = '{salt}'\nsalt = '{salt}'\n"),
        format!("[keystile]\nsalt\t=\t{salt}\n"),
    ] {
        for error in errors_with(&[], &text) {
            assert!(!error.message.contains(salt), "{text}: {}", error.message);
            assert!(!error.rendered.contains(salt), "{text}: {}", error.rendered);
            assert!(!error.rendered.contains("private"), "{text}: {}", error.rendered);
        }
    }
}

#[test]
fn nothing_in_a_message_acts_on_a_terminal() {
    let text = "[[rules]]\nid = \"a\\u001b[31m\\u202e\"\nregex = \"\\u001b(?\\u001b)\"\n# \u{202e}\n[[rules.allowlists]] \u{7}\n";
    for error in errors_with(&[("x", "")], text) {
        for shown in [&error.message, &error.rendered] {
            let active =
                shown.chars().find(|&c| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c));
            assert_eq!(active, None, "{shown:?}");
        }
    }
}
