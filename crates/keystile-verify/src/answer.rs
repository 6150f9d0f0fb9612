//! Judging an answer by what the rule describes.

use keystile_scan::Verification;
use keystile_scan::rule::Pattern;
use keystile_scan::verification::{Answer, Scalar};
use regex::bytes::RegexBuilder;
use serde_json::Value;

use crate::verdict::State;

/// What the answer says: `Unknown` if it is none that is described, or fits both kinds.
pub(crate) fn judge(verification: &Verification, status: u16, body: &[u8]) -> State {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let fits = |answers: &[Answer]| answers.iter().any(|answer| fits(answer, status, body, json.as_ref()));
    match (fits(&verification.live), fits(&verification.dead)) {
        (true, false) => State::Live,
        (false, true) => State::Dead,
        _ => State::Unknown,
    }
}

fn fits(answer: &Answer, status: u16, body: &[u8], json: Option<&Value>) -> bool {
    if !answer.status.contains(&status) {
        return false;
    }
    let Some(pointer) = &answer.field else {
        return answer.matches.as_ref().is_some_and(|pattern| is_match(pattern, body));
    };
    let Some(value) = json.and_then(|json| json.pointer(pointer)).filter(|value| !value.is_null()) else {
        return false;
    };
    let is_equal = answer.equals.is_empty() || answer.equals.iter().any(|scalar| equals(value, scalar));
    let is_match = answer
        .matches
        .as_ref()
        .is_none_or(|pattern| value.as_str().is_some_and(|text| is_match(pattern, text.as_bytes())));
    is_equal && is_match
}

fn equals(value: &Value, scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Text(text) => value.as_str() == Some(text),
        Scalar::Integer(number) => value.as_i64() == Some(*number),
        Scalar::Flag(flag) => value.as_bool() == Some(*flag),
    }
}

/// A pattern that can't be compiled fits nothing, so that nothing is concluded from it.
fn is_match(pattern: &Pattern, text: &[u8]) -> bool {
    RegexBuilder::new(&pattern.translated).unicode(false).build().is_ok_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use keystile_scan::config::Loader;

    use super::*;

    fn check(answers: &str) -> Verification {
        let refuse = |_: &str| Err("nothing to read".to_owned());
        let loader = Loader { builtin: "", read: &refuse, skip_bad_rules: false, strict: false };
        let text = format!(
            "[[rules]]\nid = \"r\"\nregex = \"x\"\n[rules.verify]\nurl = \"https://api.example.com/me\"\n\
             headers = {{ Authorization = \"Bearer {{secret}}\" }}\n{answers}"
        );
        let config = loader.load("c.toml", &text).expect("valid");
        config.rules.rules[0].verification.clone().expect("a check")
    }

    #[test]
    fn answers() {
        let check = check(
            "[[rules.verify.live]]\nstatus = 200\nfield = \"/ok\"\nequals = true\n\
             [[rules.verify.live]]\nstatus = [403]\nfield = \"/error/message\"\nmatches = '''permissions?$'''\n\
             [[rules.verify.dead]]\nstatus = [200, 401]\nfield = \"/error\"\nequals = [\"invalid\", \"expired\", 7]\n\
             [[rules.verify.dead]]\nstatus = [401]\nmatches = '''<Code>Gone</Code>'''\n",
        );
        let cases = [
            (200, r#"{"ok":true}"#, State::Live),
            (200, r#"{"ok":"true"}"#, State::Unknown),
            (200, r#"{"ok":false}"#, State::Unknown),
            (201, r#"{"ok":true}"#, State::Unknown),
            (403, r#"{"error":{"message":"lacks permissions"}}"#, State::Live),
            (403, r#"{"error":{"message":"permissions are odd"}}"#, State::Unknown),
            (403, r#"{"error":{"message":["permissions"]}}"#, State::Unknown),
            (401, r#"{"error":"invalid"}"#, State::Dead),
            (401, r#"{"error":7}"#, State::Dead),
            (401, r#"{"error":null}"#, State::Unknown),
            (401, "<Error><Code>Gone</Code></Error>", State::Dead),
            (401, "<html>sign in to the hotel's network</html>", State::Unknown),
            (401, "", State::Unknown),
            (200, "{", State::Unknown),
            (200, r#"{"ok":true,"error":"invalid"}"#, State::Unknown),
        ];
        for (status, body, expected) in cases {
            assert_eq!(judge(&check, status, body.as_bytes()), expected, "{status} {body}");
        }
    }
}
