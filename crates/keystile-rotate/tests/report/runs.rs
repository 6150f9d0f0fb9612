//! Reports of runs of the engine against the manager in memory: no value shows, whatever happens.

use std::sync::atomic::AtomicBool;

use keystile_rotate::clock::Clock as _;
use keystile_rotate::journal::{Entry, History, Journal};
use keystile_rotate::plan::Action;
use keystile_rotate::report::{Incident, Input, TableOptions, json, markdown, summary, table};
use keystile_rotate::run::{Connected, Limits, Run};
use keystile_rotate::token::Purpose;

#[path = "../fake/mod.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod fake;

use fake::{Fake, Fault, Function, Lines, MARK, Still};

#[test]
fn no_value_is_in_any_format() {
    for (name, function, action, faults) in [
        ("works", Function::Works, Action::Rotate(Purpose::First), vec![]),
        ("sticks", Function::Sticks, Action::Rotate(Purpose::First), vec![]),
        ("dies", Function::Dies, Action::Rotate(Purpose::First), vec![]),
        ("same value", Function::SameValue, Action::Rotate(Purpose::First), vec![]),
        ("alternates", Function::Alternates, Action::Rotate(Purpose::First), vec![]),
        ("generates", Function::Works, Action::Generate, vec![]),
        (
            "denied",
            Function::Works,
            Action::Rotate(Purpose::First),
            vec![Fault::None, Fault::None, Fault::None, Fault::Denied],
        ),
    ] {
        let fake = Fake::new(function, &faults);
        let plan = fake::plan(&fake, action);
        let (clock, stop, history) = (Still::new(), AtomicBool::new(false), History::default());
        let mut lines = Lines::default();
        let managers = [Connected { identity: fake::identity(), backend: &fake, access_keys: None }];
        let run = Run::new(&managers, &clock, Limits::default(), &history, &stop, &mut lines)
            .apply(&plan, &[1])
            .expect("the journal is in memory");
        let entries =
            lines.entries.iter().map(|(at, event)| Entry { at: *at, run: "r".to_owned(), event: event.clone() });
        let journal = Journal { entries: entries.collect(), torn: false };
        let of = |run, journal| Incident::new(Input { run, journal, ..Input::new(&plan, clock.now()) });
        let report = of(Some(&run), Some(&journal));
        let text = [
            markdown(&report),
            json(&report),
            table(&report, TableOptions { verbose: true, ..TableOptions::default() }),
            summary(&report).join("\n"),
        ]
        .concat();
        assert!(!text.contains(MARK), "{name}: a value in {text}");
        assert!(text.contains("app/db"), "{name}: says of which secret");
        // The journal alone tells the same as the run: a later `status` says what `apply` said.
        assert_eq!(json(&of(None, Some(&journal))), json(&report), "{name}");
    }
}
