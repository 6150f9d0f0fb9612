//! Unicode categories and scripts as Go names them.

/// Categories, as Go's `unicode.Categories` and `unicode.CategoryAliases` name them, in lower case
/// without separators. `Cs` (surrogates) is not among them: it occurs in no text, see [`resolve`].
/// Source: Unicode Standard Annex 44, table 12 (General_Category values).
const CATEGORIES: &[&str] = &[
    "c",
    "cc",
    "cf",
    "cn",
    "co",
    "l",
    "lc",
    "ll",
    "lm",
    "lo",
    "lt",
    "lu",
    "m",
    "mc",
    "me",
    "mn",
    "n",
    "nd",
    "nl",
    "no",
    "p",
    "pc",
    "pd",
    "pe",
    "pf",
    "pi",
    "po",
    "ps",
    "s",
    "sc",
    "sk",
    "sm",
    "so",
    "z",
    "zl",
    "zp",
    "zs",
    "other",
    "control",
    "cntrl",
    "format",
    "unassigned",
    "privateuse",
    "letter",
    "casedletter",
    "lowercaseletter",
    "modifierletter",
    "otherletter",
    "titlecaseletter",
    "uppercaseletter",
    "mark",
    "combiningmark",
    "spacingmark",
    "enclosingmark",
    "nonspacingmark",
    "number",
    "decimalnumber",
    "digit",
    "letternumber",
    "othernumber",
    "punctuation",
    "punct",
    "connectorpunctuation",
    "dashpunctuation",
    "closepunctuation",
    "finalpunctuation",
    "initialpunctuation",
    "otherpunctuation",
    "openpunctuation",
    "symbol",
    "currencysymbol",
    "modifiersymbol",
    "mathsymbol",
    "othersymbol",
    "separator",
    "lineseparator",
    "paragraphseparator",
    "spaceseparator",
];

/// Scripts whose full name has four letters. Go knows full names only, `regex-syntax` abbreviations
/// (always of four letters) too.
const FOUR_LETTER_SCRIPTS: &[&str] = &["ahom", "cham", "kawi", "lisu", "miao", "modi", "newa", "thai", "toto"];

/// What a name in `\p{..}` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Property {
    /// What goes into `\p{..}` in the syntax of the `regex` crate.
    Named(String),
    /// No character that occurs in text.
    Nothing,
}

/// The property that Go calls `name`, in any case, with `_`, `-` and blanks anywhere; `None` if Go
/// knows none.
pub(super) fn resolve(name: &str) -> Option<Property> {
    let name: String = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
    match name.as_str() {
        "any" | "assigned" | "ascii" => return Some(Property::Named(name)),
        "cs" | "surrogate" => return Some(Property::Nothing),
        _ => {}
    }
    if CATEGORIES.contains(&name.as_str()) {
        return Some(Property::Named(format!("gc={name}")));
    }
    let is_abbreviation = name.len() == 4 && !FOUR_LETTER_SCRIPTS.contains(&name.as_str());
    let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_word || is_abbreviation || name.starts_with("is") || matches!(&*name, "unknown" | "katakanaorhiragana") {
        return None;
    }
    let script = format!("sc={name}");
    regex_syntax::parse(&format!("\\p{{{script}}}")).is_ok().then_some(Property::Named(script))
}
