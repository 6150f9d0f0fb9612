//! What a configuration means: every key, the forms gitleaks accepts, and merging.

use std::collections::HashMap;

use keystile_scan::config::{Config, ConfigErrors, Loader};
use keystile_scan::rule::{Allowlist, Condition, RegexTarget, Rule, Severity};

/// What stands for keystile's own rules.
const BUILTIN: &str = r#"
[[rules]]
id = "alpha"
description = "Alpha key"
regex = '''alpha-([a-z]+)-([0-9]+)'''
secretGroup = 1
entropy = 2.5
keywords = ["alpha-"]
tags = ["base"]
severity = "critical"
remedy = "Revoke it."
references = ["https://example.com/alpha"]
[[rules.allowlists]]
stopwords = ["example"]

[[rules]]
id = "beta"
regex = '''beta-\d+'''

[[allowlists]]
description = "base"
paths = ['''vendor/''']

[[allowlists]]
targetRules = ["beta"]
regexes = ['''beta-0+''']
"#;

/// A loader for one test: files that can be extended, and the two switches.
#[derive(Default)]
struct Case<'a> {
    files: &'a [(&'a str, &'a str)],
    skip_bad_rules: bool,
    strict: bool,
}

impl Case<'_> {
    fn load(&self, text: &str) -> Result<Config, ConfigErrors> {
        let files: HashMap<_, _> = self.files.iter().copied().collect();
        let read = |path: &str| files.get(path).map(|text| (*text).to_owned()).ok_or("no such file".to_owned());
        let loader = Loader { builtin: BUILTIN, read: &read, skip_bad_rules: self.skip_bad_rules, strict: self.strict };
        loader.load("scan.toml", text)
    }
}

fn load(text: &str) -> Config {
    let config = Case::default().load(text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(warnings(&config), [""; 0], "no warning was expected");
    config
}

fn load_with_warnings(text: &str) -> (Config, Vec<String>) {
    let config = Case::default().load(text).unwrap_or_else(|errors| panic!("{errors}"));
    let warnings = warnings(&config);
    (config, warnings)
}

fn warnings(config: &Config) -> Vec<String> {
    assert!(config.warnings.iter().all(|warning| !warning.is_error));
    config.warnings.iter().map(|w| format!("{}:{}:{}: {}", w.file, w.line, w.column, w.message)).collect()
}

fn ids(config: &Config) -> Vec<&str> {
    config.rules.rules.iter().map(|rule| rule.id.as_str()).collect()
}

fn rule<'c>(config: &'c Config, id: &str) -> &'c Rule {
    config.rules.get(id).unwrap_or_else(|| panic!("no rule {id} among {:?}", ids(config)))
}

fn sources(patterns: &[keystile_scan::rule::Pattern]) -> Vec<&str> {
    patterns.iter().map(|pattern| &*pattern.source).collect()
}

#[test]
fn every_key_of_a_rule() {
    let config = load(
        r#"
title = "mine"
description = "what it is for"
minVersion = "v8.25.0"

[[rules]]
id = "one"
description = "The one"
path = '''\.env$'''
regex = '''key=(\w+)(x)?'''
secretGroup = 2
entropy = 3
keywords = ["KEY=", "Key=", "other"]
tags = ["a", "b"]
skipReport = true
severity = "Low"
remedy = "Change it."
references = ["https://example.com/1", "https://example.com/2"]
[rules.examples]
match = ["anything"]
whatever = 1

[[rules.required]]
id = "two"
withinLines = 5
withinColumns = 0

[[rules]]
id = "two"
regex = "two"
"#,
    );
    let one = rule(&config, "one");
    assert_eq!(one.description, "The one");
    assert_eq!(&*one.path.as_ref().expect("path").source, r"\.env$");
    let regex = one.regex.as_ref().expect("regex");
    assert_eq!((&*regex.source, regex.groups), (r"key=(\w+)(x)?", 2));
    assert_eq!((one.secret_group, one.entropy, one.skip_report), (2, 3.0, true));
    assert_eq!(one.keywords, ["key=", "other"], "lower case, each once");
    assert_eq!(one.tags, ["a", "b"]);
    assert_eq!((one.severity, one.remedy.as_deref()), (Severity::Low, Some("Change it.")));
    assert_eq!(one.references, ["https://example.com/1", "https://example.com/2"]);
    let required: Vec<_> = one.required.iter().map(|r| (r.id.as_str(), r.within_lines, r.within_columns)).collect();
    assert_eq!(required, [("two", Some(5), Some(0))]);
    let two = rule(&config, "two");
    assert_eq!((two.secret_group, two.entropy, two.skip_report, two.severity), (0, 0.0, false, Severity::High));
    assert!(two.path.is_none() && two.remedy.is_none() && two.keywords.is_empty());
    assert_eq!(ids(&config), ["one", "two"], "in the order of the file");
}

#[test]
fn keys_are_read_in_any_case() {
    let config = load(
        "[[Rules]]\nID = 'a'\nREGEX = '(b)'\nsecretgroup = 1\nKeyWords = ['C']\n[[Rules.AllowLists]]\nStopWords = ['d']\nregextarget = 'line'\n",
    );
    let rule = rule(&config, "a");
    assert_eq!((rule.secret_group, rule.keywords.as_slice()), (1, &["c".to_owned()][..]));
    assert_eq!(rule.allowlists[0].regex_target, RegexTarget::Line);
    assert_eq!(rule.allowlists[0].stopwords, ["d"]);
}

#[test]
fn empty_values_are_none() {
    let config = load(
        "[extend]\npath = ''\n[[rules]]\nid = 'a'\nregex = 'b'\npath = ''\ndescription = ''\nentropy = 0.0\nsecretGroup = 0\n",
    );
    assert!(rule(&config, "a").path.is_none());
}

#[test]
fn an_empty_file_has_no_rules() {
    for text in ["", "\n# nothing\n", "\u{FEFF}title = 'with a byte order mark'\n", "title = 'a'\r\n[extend]\r\n"] {
        assert_eq!(ids(&load(text)), [""; 0]);
    }
}

#[test]
fn every_key_of_an_allowlist() {
    let config = load(
        r#"
[[rules]]
id = "a"
regex = "a"
[[rules.allowlists]]
description = "why"
condition = "and"
regexTarget = "match"
commits = [" 0123456789ABCDEF0123456789abcdef01234567 ", "0123456789abcdef0123456789abcdef01234567"]
paths = ['''^a/''', '''b$''']
regexes = ['''(?i)c''']
stopwords = ["Word", "word", "ÄÖ"]
[[rules.allowlists]]
condition = "||"
regexTarget = "secret"
stopwords = ["x"]
"#,
    );
    let [first, second] = rule(&config, "a").allowlists.as_slice() else { panic!("two allowlists") };
    assert_eq!((first.description.as_str(), first.condition), ("why", Condition::And));
    assert_eq!(first.regex_target, RegexTarget::Match);
    assert_eq!(first.commits, ["0123456789abcdef0123456789abcdef01234567"], "trimmed, lower case, each once");
    assert_eq!(sources(&first.paths), ["^a/", "b$"]);
    assert_eq!(sources(&first.regexes), ["(?i)c"]);
    assert_eq!(first.stopwords, ["word", "äö"]);
    assert_eq!((second.condition, second.regex_target), (Condition::Or, RegexTarget::Secret));
}

#[test]
fn conditions_in_every_spelling() {
    for (text, expected) in [
        ("AND", Condition::And),
        ("and", Condition::And),
        ("&&", Condition::And),
        ("OR", Condition::Or),
        ("Or", Condition::Or),
        ("||", Condition::Or),
        ("", Condition::Or),
    ] {
        let config = load(&format!("[[allowlists]]\ncondition = '{text}'\nstopwords = ['a']\n"));
        assert_eq!(config.rules.allowlists[0].condition, expected, "{text}");
    }
}

#[test]
fn deprecated_forms_work_with_a_warning() {
    let (config, warnings) = load_with_warnings(
        "[[rules]]\nid = 'a'\nregex = 'a'\n[rules.allowlist]\npaths = ['p']\n[allowlist]\nstopwords = ['s']\ntargetRules = ['a']\n",
    );
    assert_eq!(
        warnings,
        [
            "scan.toml:4:8: `[rules.allowlist]` is deprecated, write `[[rules.allowlists]]`",
            "scan.toml:6:2: `[allowlist]` is deprecated, write `[[allowlists]]`",
        ]
    );
    let lists = &rule(&config, "a").allowlists;
    assert_eq!(sources(&lists[0].paths), ["p"]);
    assert_eq!(lists[1].stopwords, ["s"], "`targetRules` of the deprecated form count");
    assert!(config.rules.allowlists.is_empty());
}

#[test]
fn weak_types_are_read_with_a_warning() {
    let (config, warnings) = load_with_warnings(
        "[rules]\nid = 7\nregex = '(a)(b)'\nentropy = '3.5'\nsecretGroup = '2'\nskipReport = 'true'\nkeywords = 'A,b'\ntags = [1]\n",
    );
    let rule = rule(&config, "7");
    assert_eq!((rule.entropy, rule.secret_group, rule.skip_report), (3.5, 2, true));
    assert_eq!(
        (rule.keywords.as_slice(), rule.tags.as_slice()),
        (&["a".to_owned(), "b".to_owned()][..], &["1".to_owned()][..])
    );
    assert_eq!(
        warnings,
        [
            "scan.toml:1:1: `rules` should be a list of tables, with two brackets: `[[..rules]]`",
            "scan.toml:2:6: `id` should be a string, in quotes",
            "scan.toml:4:11: `entropy` should be a number, without quotes",
            "scan.toml:5:15: `secretGroup` should be a number, without quotes",
            "scan.toml:6:14: `skipReport` should be true or false, without quotes",
            "scan.toml:7:12: `keywords` should be a list; it is read as one, split at commas",
            "scan.toml:8:9: `tags` should be a string, in quotes",
        ]
    );
}

#[test]
fn unknown_keys_are_ignored_with_a_warning() {
    let (config, warnings) = load_with_warnings(
        "titel = 'x'\nfoo = 1\n[[rules]]\nid = 'a'\nregex = 'a'\nkeyword = ['k']\nreportGroup = 1\n[[rules.allowlists]]\npath = ['x']\nstopwords = ['s']\n[extend]\nuseDefaults = true\n",
    );
    assert_eq!(
        warnings,
        [
            "scan.toml:1:1: the configuration has no key `titel`, it is ignored",
            "scan.toml:2:1: the configuration has no key `foo`, it is ignored",
            "scan.toml:6:1: a rule has no key `keyword`, it is ignored; did you mean `keywords`?",
            "scan.toml:7:1: a rule has no key `reportgroup`, it is ignored",
            "scan.toml:9:1: a rule's allowlist has no key `path`, it is ignored; did you mean `paths`?",
            "scan.toml:12:1: [extend] has no key `usedefaults`, it is ignored; did you mean `useDefault`?",
        ]
    );
    assert_eq!(ids(&config), ["a"]);
}

#[test]
fn settings_without_effect_are_named() {
    for (text, warning) in [
        ("[[rules]]\nid = 'a'\nregex = 'a'\nkeywords = ['']\n", "4:13: an empty keyword is ignored"),
        ("[extend]\ndisabledRules = ['a']\n", "2:18: `disabledRules` has no effect without `useDefault` or `path`"),
        (
            "[extend]\nuseDefault = true\ndisabledRules = ['alpha', 'gamma']\n",
            "3:27: there is no rule `gamma` to disable in what is extended",
        ),
        (
            "[[allowlists]]\ncommits = ['abc123']\n",
            "2:12: this is no whole commit id (40 or 64 hexadecimal digits), it matches no commit",
        ),
        (
            "[[allowlists]]\nregexes = ['a', '']\n",
            "2:17: an empty pattern matches everything: this allows all findings",
        ),
        (
            "[[allowlists]]\nstopwords = ['']\n",
            "2:14: an empty stop word stands in every secret: this allows all of them",
        ),
        (
            "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules]]\nid = 'a'\nregex = 'b'\n",
            "5:6: rule `a` was defined before in this file, only this definition counts",
        ),
    ] {
        let (_, warnings) = load_with_warnings(text);
        assert_eq!(warnings, [format!("scan.toml:{warning}")], "{text}");
    }
}

#[test]
fn the_last_of_two_definitions_counts() {
    let (config, _) =
        load_with_warnings("[[rules]]\nid = 'a'\nregex = 'x'\ntags = ['t']\n[[rules]]\nid = 'a'\npath = 'y'\n");
    let rule = rule(&config, "a");
    assert!(rule.regex.is_none() && rule.tags.is_empty(), "nothing of the first is left");
}

#[test]
fn extending_adds_the_rules_of_the_other() {
    let config = load(
        "[extend]\nuseDefault = true\n[[rules]]\nid = 'mine'\nregex = 'm'\n[[allowlists]]\ndescription = 'own'\nstopwords = ['s']\n",
    );
    assert_eq!(ids(&config), ["alpha", "beta", "mine"]);
    let lists: Vec<_> = config.rules.allowlists.iter().map(|list| list.description.as_str()).collect();
    assert_eq!(lists, ["own", "base"]);
    assert_eq!(rule(&config, "beta").allowlists.len(), 1, "the default's own `targetRules`");
}

#[test]
fn what_a_rule_overrides() {
    // The rule that overrides `alpha`, and what of `alpha` it changes.
    type Check = fn(&Rule);
    let cases: &[(&str, Check)] = &[
        ("", |rule| {
            assert_eq!((rule.description.as_str(), rule.secret_group, rule.entropy), ("Alpha key", 1, 2.5));
            assert_eq!((rule.keywords.len(), rule.tags.len(), rule.allowlists.len()), (1, 1, 1));
            assert_eq!((rule.severity, rule.skip_report), (Severity::Critical, false));
        }),
        ("description = 'Other'", |rule| assert_eq!(rule.description, "Other")),
        ("entropy = 4", |rule| assert_eq!(rule.entropy, 4.0)),
        // gitleaks can't tell 0 from nothing.
        ("entropy = 0\nsecretGroup = 0\ndescription = ''", |rule| {
            assert_eq!((rule.description.as_str(), rule.secret_group, rule.entropy), ("Alpha key", 1, 2.5));
        }),
        ("secretGroup = 2", |rule| assert_eq!(rule.secret_group, 2)),
        ("regex = '(new)'", |rule| assert_eq!(&*rule.regex.as_ref().expect("regex").source, "(new)")),
        ("path = 'p'", |rule| {
            assert_eq!(&*rule.path.as_ref().expect("path").source, "p");
            assert!(rule.regex.is_some(), "the regex stays");
        }),
        ("keywords = ['beta', 'ALPHA-']", |rule| assert_eq!(rule.keywords, ["alpha-", "beta"])),
        ("tags = ['base', 'own']", |rule| assert_eq!(rule.tags, ["base", "base", "own"])),
        ("severity = 'low'\nremedy = 'Other.'", |rule| {
            assert_eq!((rule.severity, rule.remedy.as_deref()), (Severity::Low, Some("Other.")));
        }),
        ("references = ['u']", |rule| assert_eq!(rule.references, ["u"])),
        ("skipReport = true", |rule| assert!(rule.skip_report)),
        ("[[rules.required]]\nid = 'beta'", |rule| assert_eq!(rule.required[0].id.as_str(), "beta")),
        ("[[rules.allowlists]]\nstopwords = ['own']", |rule| {
            let words: Vec<_> = rule.allowlists.iter().flat_map(|list: &Allowlist| &list.stopwords).collect();
            assert_eq!(words, ["example", "own"]);
        }),
    ];
    for (keys, check) in cases {
        let config = load(&format!("[extend]\nuseDefault = true\n[[rules]]\nid = 'alpha'\n{keys}\n"));
        assert_eq!(ids(&config), ["alpha", "beta"], "{keys}");
        check(rule(&config, "alpha"));
    }
}

#[test]
fn strict_merging_loses_what_gitleaks_loses() {
    let files =
        [("other.toml", "[[rules]]\nid = 'x'\nregex = 'x'\n[[allowlists]]\ntargetRules = ['x']\nstopwords = ['s']\n")];
    let case = Case { strict: true, files: &files, ..Case::default() };
    let text = "[extend]\npath = 'other.toml'\n[[rules]]\nid = 'y'\nregex = 'y'\n[[rules]]\nid = 'x'\nskipReport = true\n[[rules.required]]\nid = 'y'\n";
    let config = case.load(text).expect("valid");
    let x = rule(&config, "x");
    assert!(!x.skip_report && x.required.is_empty() && x.allowlists.is_empty());
    let ignored = "gitleaks ignores this in a rule that overrides an extended one, and so does --compat=strict";
    assert_eq!(
        warnings(&config),
        [
            format!("scan.toml:8:14: {ignored}"),
            format!("scan.toml:10:6: {ignored}"),
            "other.toml:4:1: gitleaks ignores `targetRules` allowlists of an extended file, and so does --compat=strict".to_owned(),
        ]
    );
    let config = Case { strict: false, ..case }.load(text).expect("valid");
    let x = rule(&config, "x");
    assert!(x.skip_report && x.required.len() == 1 && x.allowlists.len() == 1);
    // keystile's own rules need their allowlists in strict mode too.
    let config = Case { strict: true, ..Case::default() }.load("[extend]\nuseDefault = true\n").expect("valid");
    assert_eq!(rule(&config, "beta").allowlists.len(), 1);
}

#[test]
fn disabled_rules_are_those_of_the_extended_file_only() {
    let config = load(
        "[extend]\nuseDefault = true\ndisabledRules = ['alpha', 'beta']\n[[rules]]\nid = 'alpha'\nregex = 'mine'\n",
    );
    assert_eq!(ids(&config), ["alpha"]);
    let alpha = rule(&config, "alpha");
    assert_eq!((alpha.description.as_str(), alpha.keywords.len()), ("", 0), "nothing of the disabled rule is left");
}

#[test]
fn files_extend_each_other_twice_at_most() {
    let files = [
        ("1.toml", "[extend]\npath = 'dir/2.toml'\n[[rules]]\nid = 'one'\nregex = '1'\n"),
        (
            "dir/2.toml",
            "[extend]\npath = '3.toml'\n[[rules]]\nid = 'two'\nregex = '2'\n[[rules]]\nid = 'one'\ntags = ['2']\n",
        ),
        ("3.toml", "[[rules]]\nid = 'three'\nregex = '3'\n"),
        ("self.toml", "[extend]\npath = 'self.toml'\n[[rules]]\nid = 's'\nregex = 's'\n"),
    ];
    let case = Case { files: &files, ..Case::default() };
    let config = case.load("[extend]\npath = '1.toml'\n[[rules]]\nid = 'one'\ntags = ['0']\n").expect("valid");
    assert_eq!(ids(&config), ["two", "one"]);
    assert_eq!(rule(&config, "one").tags, ["2", "0"], "through both levels");
    assert_eq!(warnings(&config), ["dir/2.toml:2:8: this is not followed: files extend each other twice at most"]);
    let config = case.load("[extend]\npath = 'self.toml'\n").expect("a cycle ends");
    assert_eq!(ids(&config), ["s"]);
}

#[test]
fn an_extended_file_can_extend_the_default() {
    let files = [("team.toml", "[extend]\nuseDefault = true\ndisabledRules = ['beta']\n[keystile]\nsalt = 'team'\n")];
    let config = Case { files: &files, ..Case::default() }.load("[extend]\npath = 'team.toml'\n").expect("valid");
    assert_eq!(ids(&config), ["alpha"]);
    assert_eq!(config.salt.as_deref(), Some("team"));
    let own = "[extend]\npath = 'team.toml'\n[keystile]\nsalt = 'own'\n";
    let config = Case { files: &files, ..Case::default() }.load(own).expect("valid");
    assert_eq!(config.salt.as_deref(), Some("own"));
}

#[test]
fn target_rules_are_found_after_merging() {
    let config =
        load("[extend]\nuseDefault = true\n[[allowlists]]\ntargetRules = ['alpha', 'beta']\nstopwords = ['w']\n");
    for id in ["alpha", "beta"] {
        assert!(rule(&config, id).allowlists.iter().any(|list| list.stopwords == ["w"]), "{id}");
    }
    assert_eq!(config.rules.allowlists.len(), 1, "it is not global");
}

#[test]
fn required_rules_are_found_after_merging() {
    let config =
        load("[extend]\nuseDefault = true\n[[rules]]\nid = 'mine'\nregex = 'm'\n[[rules.required]]\nid = 'alpha'\n");
    assert_eq!(rule(&config, "mine").required[0].id.as_str(), "alpha");
}

#[test]
fn disabling_a_required_rule_disables_the_rules_that_require_it() {
    let files = [(
        "x.toml",
        "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules]]\nid = 'b'\nregex = 'b'\n[[rules.required]]\nid = 'a'\n[[rules]]\nid = 'c'\nregex = 'c'\n[[rules.required]]\nid = 'b'\n",
    )];
    let text = "[extend]\npath = 'x.toml'\ndisabledRules = ['a']\n";
    let config = Case { files: &files, ..Case::default() }.load(text).expect("valid");
    assert_eq!(ids(&config), [""; 0]);
    assert_eq!(
        warnings(&config),
        [
            "x.toml:8:6: rule `b` finds nothing any more: it requires `a`, which is disabled",
            "x.toml:13:6: rule `c` finds nothing any more: it requires `b`, which is disabled",
        ]
    );
}

#[test]
fn bad_rules_can_be_left_out() {
    let text = "[[rules]]\nid = 'good'\nregex = 'g'\n[[rules]]\nid = 'bad'\nregex = '(b'\nentropy = []\n[[rules]]\nid = 'alone'\n[[rules]]\nid = 'needs'\nregex = 'n'\n[[rules.required]]\nid = 'bad'\n[[rules]]\nid = 'needs-too'\nregex = 'n'\n[[rules.required]]\nid = 'needs'\n[[rules]]\nregex = 'nameless'\n[[allowlists]]\ntargetRules = ['bad', 'good']\nstopwords = ['s']\n";
    let config = Case { skip_bad_rules: true, ..Case::default() }.load(text).expect("bad rules only");
    assert_eq!(ids(&config), ["good"]);
    assert_eq!(rule(&config, "good").allowlists.len(), 1);
    assert_eq!(
        warnings(&config),
        [
            "scan.toml:6:10: rule `bad` is left out: this group is never closed; a literal parenthesis is `\\(`",
            "scan.toml:7:11: rule `bad` is left out: `entropy` must be a number, not a list",
            "scan.toml:9:6: rule `alone` is left out: it has neither `regex` nor `path`, and extends no rule that has: it would find nothing",
            "scan.toml:14:6: rule `needs` is left out: it requires rule `bad`, which is left out",
            "scan.toml:19:6: rule `needs-too` is left out: it requires rule `needs`, which is left out",
            "scan.toml:20:1: a rule is left out: it has no `id`",
        ]
    );
    let errors = Case::default().load(text).expect_err("they are errors otherwise").0;
    assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [6, 7, 9, 20]);
}

#[test]
fn a_bad_override_leaves_the_default_rule() {
    let text = "[extend]\nuseDefault = true\n[[rules]]\nid = 'alpha'\nregex = '(b'\n";
    let config = Case { skip_bad_rules: true, ..Case::default() }.load(text).expect("a bad rule only");
    assert_eq!(ids(&config), ["alpha", "beta"]);
    assert_eq!(rule(&config, "alpha").description, "Alpha key");
}

/// The configuration of a guide to pre-commit scanning: a default extended, two rules, the deprecated
/// global allowlist.
#[test]
fn a_configuration_from_a_guide() {
    let (config, warnings) = load_with_warnings(
        r#"[extend]
useDefault = true
[[rules]]
id = "aws-account-id"
description = "AWS Account ID"
regex = '''(?i)(?:account.?id|aws.?account)\s*[:=]\s*['\"]?(\d{12})['\"]?'''
tags = ["aws", "account"]
[[rules]]
id = "database-connection-string"
description = "Database connection string"
regex = '''(?i)(?:postgres|mysql|mongodb|redis):\/\/[^\s'"]+:[^\s'"]+@[^\s'"]+'''
tags = ["database", "connection"]
[allowlist]
paths = [
'''\.md$''',
'''\.txt$''',
'''testdata/''',
'''test_fixtures/'''
]
"#,
    );
    assert_eq!(warnings, ["scan.toml:13:2: `[allowlist]` is deprecated, write `[[allowlists]]`"]);
    assert_eq!(ids(&config), ["alpha", "beta", "aws-account-id", "database-connection-string"]);
    assert_eq!(sources(&config.rules.allowlists[0].paths), [r"\.md$", r"\.txt$", "testdata/", "test_fixtures/"]);
    let find = |id: &str, text: &str| {
        let pattern = rule(&config, id).regex.as_ref().expect("regex");
        let regex = regex_automata::meta::Regex::builder()
            .syntax(keystile_scan::re2::syntax_config())
            .build(&pattern.translated)
            .expect("compiles");
        let mut captures = regex.create_captures();
        regex.captures(text, &mut captures);
        (0..=pattern.groups)
            .map(|group| captures.get_group(group).map(|span| text[span].to_owned()))
            .collect::<Vec<_>>()
    };
    let text = r#"AWS_Account_ID = "123456789012""#;
    assert_eq!(find("aws-account-id", text), [Some(text[4..].to_owned()), Some("123456789012".to_owned())]);
    assert_eq!(find("aws-account-id", r#"accountid\"#), [None, None]);
    let url = format!("Postgres://{}:{}@db/prod", "user", "s3cr3t");
    assert_eq!(find("database-connection-string", &format!("url='{url}'")), [Some(url)]);
}

#[test]
fn the_salt_is_read_and_not_shown() {
    let config = load("[keystile]\nsalt = 'very private'\n");
    assert_eq!(config.salt.as_deref(), Some("very private"));
    assert!(!format!("{config:?}").contains("private"));
}
