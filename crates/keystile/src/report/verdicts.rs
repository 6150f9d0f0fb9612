//! Verdicts of issuers in every format.

use super::{Format, sample};

#[test]
fn every_format_of_ours_says_them() {
    let rules = sample::rules();
    let report = sample::verified(&rules);
    for format in Format::ALL {
        let mut text = sample::render(&report, format);
        if format == Format::Markdown {
            text = text.replace("&#46;", ".");
        }
        let shown: Vec<bool> = ["live", "dead", "unknown"]
            .into_iter()
            .map(|state| match format {
                Format::Human | Format::Gitlab | Format::Junit | Format::Markdown => {
                    text.contains(&format!("{state} at api.example."))
                }
                Format::Csv => text.contains(&format!(",{state},\r\n")),
                Format::Json => text.contains(&format!("\"state\": \"{state}\"")),
                Format::Jsonl | Format::Sarif => text.replace(": ", ":").contains(&format!("\"state\":\"{state}\"")),
                // Field for field as gitleaks writes them, which has no verdicts.
                Format::Gitleaks | Format::GitleaksCsv => text == sample::render(&sample::report(&rules), format),
            })
            .collect();
        assert_eq!(shown, [true; 3], "{}: {text}", format.as_str());
    }
    let human = sample::render(&report, Format::Human);
    for line in [
        "  verified     unknown at api.example.org: no answer in time\n",
        "  verified     3 findings: 1 live, 1 dead, 1 unknown\n",
        "  unknown      1: no answer in time\n",
        "  not shown    1 finding dead (--only-verified)\n",
    ] {
        assert!(human.contains(line), "{line}: {human}");
    }
}
