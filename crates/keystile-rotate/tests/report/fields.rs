//! The published fields of a JSON report: every one that occurs is described, every description is of one that
//! occurs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use keystile_inventory::RotationMeans;
use keystile_rotate::consumers::{ObjectName, Unaffected, Undecided};
use keystile_rotate::journal::Event;
use keystile_rotate::plan::Action;
use keystile_rotate::report::json;
use keystile_rotate::{Outcome, RotationPlan};
use serde_json::Value;

use crate::fixture::{Lines, evening, held, incident, item};

/// A field and its meaning.
type Field = (&'static str, &'static str);

/// Objects, what they are, and their fields. `NAME[]` is one of a list.
#[rustfmt::skip]
const OBJECTS: &[(&str, &str, &[Field])] = &[
    ("", "The whole document.", &[
        ("format", "`keystile.dev/rotation-report/v1`. A field that changes its meaning or goes away makes it `v2`; new fields do not."),
        ("keystile", "Version of the keystile that made the report."),
        ("made_at", "When."),
        ("carried_out", "Whether anything was carried out; if not, this is the report of a plan."),
        ("verdict", "Everything in one sentence."),
        ("exit_status", "0 to 3, as in [rotation.md](rotation.md#exit-status): of a run that of the items it was for, else that of all; 130 or 143 of one that a signal ended."),
        ("exposure", "What is still open, the worst first, then what stays although the leak is over."),
        ("items", "One for each item of the plan: a leaked value in one secret."),
        ("timeline", "What happened, in the order of time."),
        ("next_steps", "What to do next, and what was done of it."),
        ("next_command", "The command to go on with, or null."),
        ("plan", "The plan that it is about."),
        ("identities", "Who asked which managers."),
        ("searched", "What was looked through for the leaked values."),
        ("runs", "Runs of the plan (`apply`, `resume`, `abort`), in the order of time."),
        ("limits", "What the report can't tell, each as a sentence."),
        ("masked", "Whether names of accounts, callers, users, ARNs and ids of access keys were replaced (`--mask-names`)."),
    ]),
    ("exposure[]", "Something that is open, or stays.", &[
        ("items", "The items that it is about."),
        ("weight", "`open`: whoever has the leaked value can use it; `unknown`: they may; `remains`: the leak is over, this stays."),
        ("kind", "`leak-current`, `login-valid`, `key-active`, `unmanaged`, `not-known`, `replica`, `issuer`, `written-back`, `in-head`, `old-version`, `login-ended`, `copies`, `late-consumers`, `sessions`, `history`."),
        ("text", "A sentence."),
        ("since", "Since when it is so, or null: of what is over, at the latest."),
    ]),
    ("items[]", "One leaked value in one secret.", &[
        ("number", "Its number in the plan, from 1."),
        ("rule", "The rule that found the leak."),
        ("places", "Where it was found."),
        ("in_head", "Whether HEAD still has it at one of them, or null."),
        ("secret", "The secret that holds it, or null."),
        ("access_key", "The IAM access key that it is, or is the secret half of, or null."),
        ("action", "What is, or was, to be done: `rotate`, `rotate-again`, `generate`, `wait`, `deactivate`, `nothing`."),
        ("status", "How it stands."),
        ("current", "The version that is current now, or null."),
        ("comparison", "The leaked version beside the current one, or null where their values were not compared."),
        ("proof", "What proves the outcome, or explains it, as sentences."),
        ("times", "When what happened."),
        ("calls", "Calls that change something, in the order of time."),
        ("blocked", "What forbids it."),
        ("warnings", "What whoever confirms should know."),
        ("guidance", "What to do by hand."),
        ("consumers", "Who consumes the secret, or null where nobody looked."),
    ]),
    ("items[].places[]", "Where a value was found.", &[
        ("kind", "As in the report of a scan: `commit`, `commit_message`, `tag_message`, `index`, `work_tree`, `unreachable`, `file`, `standard_input`."),
        ("commit", "The commit that introduced it; left out for files as they lie."),
        ("path", "Its path; of a tag's message the tag, of an unreachable object its id."),
        ("line", "From 1."),
        ("column", "In characters, from 1."),
        ("date", "When the commit was authored; left out where it is not known."),
        ("in_head", "Whether HEAD still has it there; left out where it is not known."),
    ]),
    ("items[].secret", "The secret, as it was when the plan was made.", &[
        ("backend", "`aws-secrets-manager`, `vault-kv`, `vault-database`, `gcp-secret-manager`."),
        ("account", "The account, project or namespace it is in."),
        ("region", "Its region, or null."),
        ("arn", "Its full name."),
        ("name", "The name people use."),
        ("version", "The version that holds the leaked value."),
        ("stages", "The labels that version had."),
        ("pointer", "Where in the value: a JSON pointer (RFC 6901), empty for the whole value."),
        ("normalisation", "How the stored text was changed to find the leak in it, in order."),
        ("rotation", "Who rotates it."),
        ("strategy", "`single-user` or `alternating-users`, as far as could be told."),
        ("replicas", "Regions with copies."),
        ("last_rotated", "When its rotation last completed, or null."),
        ("state", "Digest of labels and rotation settings; no digest of a value."),
    ]),
    ("items[].secret.rotation", "Who rotates a secret.", &[
        ("kind", "`function`, `service`, `notification`, `external`, `nobody`."),
        ("arn", "Of a function."),
        ("name", "Of a service."),
        ("topics", "Of a notification."),
    ]),
    ("items[].status", "How an item stands.", &[
        ("outcome", "One of [rotation-outcomes.md](rotation-outcomes.md); null: planned, nothing was done."),
        ("stand", "`active`, `unable` (active, and nothing could be done), `unclear`, `over`."),
        ("meaning", "What it means, as a sentence."),
        ("what_to_do", "What to do about it, as a sentence."),
    ]),
    ("items[].comparison", "Two versions whose values were compared.", &[
        ("leaked", "The version that holds the leaked value."),
        ("current", "The one that is current."),
        ("differ", "Whether what leaked is absent from the current one."),
    ]),
    ("items[].times", "When what happened; null: it did not, or nobody wrote it down.", &[
        ("committed", "The earliest commit with it, by its author's clock."),
        ("asked", "When a change was asked for first."),
        ("accepted", "When the manager first said yes."),
        ("since", "Since when another version is current, at the latest, where a rotation since the plan is the cause."),
        ("ended", "When the present outcome was written down."),
        ("proved", "When it was first proved that the leak is over."),
    ]),
    ("items[].calls[]", "A call that changes something.", &[
        ("at", "When it was announced in the journal."),
        ("run", "The run."),
        ("call", "`rotate`, `stage`, `promote`, `unstage`, `deactivate`, `deny-sessions`."),
        ("version", "The version to be made."),
        ("generation", "Which attempt, from 0."),
        ("answered", "When the answer came, or null."),
        ("request_id", "The manager's id of the request, or null."),
        ("error", "The error, or null."),
    ]),
    ("items[].blocked[]", "What forbids an item.", &[
        ("outcome", "The outcome that it gives."),
        ("why", "A sentence with the cure."),
    ]),
    ("items[].access_key", "An IAM access key.", &[
        ("id", "Its id."),
        ("account", "The account it belongs to, or null."),
        ("user", "The user it belongs to, or null."),
        ("status", "Its status when the plan was made, as IAM calls it, or null."),
        ("created", "When it was made, or null."),
        ("last_used", "Its last use before the plan, or null: `at`, and where AWS says so `service` and `region`."),
        ("other_active", "The user's other keys that work."),
        ("quarantine", "Policies with which AWS has put the user into quarantine."),
        ("revoke_sessions", "Whether temporary credentials made with it are refused as well."),
        ("after", "Items that have to end well before it is switched off."),
    ]),
    ("items[].access_key.last_used", "A use of an access key.", &[
        ("at", "When."),
        ("service", "The service that was asked."),
        ("region", "The region."),
    ]),
    ("items[].consumers", "Who consumes a secret. Empty fields are left out.", &[
        ("looked_at", "What was looked through."),
        ("consumers", "Objects that get the leaked part of the secret."),
        ("writers", "Objects that write the secret, or copy its value elsewhere."),
        ("undecided", "What may consume it: that could not be told."),
        ("unaffected", "References that do not get the leaked part, by reason: how many."),
        ("wait_seconds", "Seconds after the rotation until the last of those that pick it up by themselves has done so."),
        ("commands", "What can be done about those that do not: `force_sync`, `remake`, `restart`. Shown, never run."),
    ]),
    ("items[].consumers.looked_at", "What was looked through.", &[
        ("source", "Where the objects come from."),
        ("objects", "How many of each kind."),
        ("gaps", "What could not be read: there may be more consumers."),
    ]),
    ("items[].consumers.consumers[]", "An object that gets the leaked part. Objects are named by `namespace`, `kind` and `name`.", &[
        ("object", "Which."),
        ("file", "The file and line that it stands in, where it comes from one."),
        ("made_by", "Who makes it."),
        ("uses", "Each place where it asks for the value."),
        ("makes", "The Secrets that it makes out of it."),
        ("pick_up", "When it has the new value."),
        ("reasons", "Why, the gravest first."),
    ]),
    ("items[].consumers.consumers[].uses[]", "A place where a value is asked for.", &[
        ("place", "Where in the object."),
        ("how", "`reference`, `extract`, `find`, `provider-class`, `agent`, `environment`, `volume`, `sub-path`, `csi-volume`, `image-pull`, `service-account`, `tls`, `other`."),
        ("through", "The Secret or SecretProviderClass that it comes through."),
    ]),
    ("items[].consumers.consumers[].pick_up", "When a consumer has the new value.", &[
        ("when", "`by-itself`, `at-start`, `not-by-itself`."),
        ("within_seconds", "By itself: after the rotation, at most."),
        ("from_seconds", "At a start: from when on a start gets it, at most."),
    ]),
    ("items[].consumers.consumers[].reasons[]", "Why.", &[
        ("reason", "Its id."),
        ("detail", "What is particular here."),
    ]),
    ("items[].consumers.writers[]", "An object that writes.", &[
        ("object", "Which."),
        ("file", "The file and line that it stands in, where it comes from one."),
        ("place", "Where in it."),
        ("effect", "`back`: it may bring the leaked value back; `elsewhere`: it copies the value to another place."),
        ("why", "A sentence."),
    ]),
    ("items[].consumers.undecided[]", "What may be a consumer.", &[
        ("object", "Which."),
        ("file", "The file and line that it stands in, where it comes from one."),
        ("place", "Where in it."),
        ("why", "Why it can't be told."),
    ]),
    ("timeline[]", "Something that happened.", &[
        ("at", "When."),
        ("items", "To which items; empty: to the plan as a whole."),
        ("what", "What."),
        ("request_id", "The manager's id of the request, or null."),
    ]),
    ("next_steps[]", "Something to do.", &[
        ("phase", "`end` (at once), `investigate` (within hours), `mend` (within days), `learn` (afterwards)."),
        ("done", "Whether it is done, as far as keystile can tell."),
        ("items", "The items that it is about; empty: all."),
        ("text", "A sentence."),
    ]),
    ("plan", "The plan.", &[
        ("digest", "By which the journal names it: SHA-256 of the plan."),
        ("made_at", "When it was made."),
        ("file", "Its file, or null."),
        ("source", "What was scanned for leaks."),
    ]),
    ("plan.source", "What was scanned.", &[
        ("what", "As the user named it."),
        ("gaps", "What of it could not be read."),
        ("is_empty", "Whether there was nothing to scan, so that no leak can have been found."),
    ]),
    ("identities[]", "Who asked whom.", &[
        ("backend", "The manager."),
        ("account", "The account, project or namespace that was asked."),
        ("region", "The region, or null."),
        ("caller", "The caller, as the manager names it."),
        ("endpoint", "Host that the requests went to."),
    ]),
    ("searched", "What was looked through.", &[
        ("prefixes", "Prefixes of names."),
        ("all_versions", "Whether versions without a label were read too."),
        ("secrets", "Secrets whose values were read."),
        ("versions", "Versions that were read."),
        ("values", "Values and parts of values that were compared."),
        ("too_weak", "Parts that are too weak to be told from others, by reason: how many."),
        ("unread", "Secrets that could not be read."),
    ]),
    ("searched.unread[]", "A secret that could not be read.", &[
        ("arn", "Which."),
        ("why", "Why."),
    ]),
    ("runs[]", "A run.", &[
        ("run", "Its id."),
        ("began", "When."),
        ("ended", "When; null: it was killed, or is still going on."),
        ("items", "Items that it might act on."),
        ("stopped", "Why it was stopped, or null."),
    ]),
];

/// Objects whose fields are names of other things, or are told with the field that holds them.
const NOT_FIELDS: [&str; 8] = [
    "items[].consumers.looked_at.objects",
    "items[].consumers.unaffected",
    "items[].consumers.commands",
    "searched.too_weak",
    ".object",
    ".through",
    ".made_by",
    ".makes[]",
];

fn paths(value: &Value, at: &str, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(_) if NOT_FIELDS.iter().any(|end| at.ends_with(end)) => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert((at.to_owned(), name.clone()));
                let below = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                paths(value, &below, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{at}[]"), found)),
        _ => {}
    }
}

/// A plan in which every field has something.
fn everything() -> RotationPlan {
    let mut plan = evening();
    let number = plan.items.len() as u32 + 1;
    plan.items.push(crate::keys::key(Action::Deactivate, true));
    for (offset, rotation) in [
        RotationMeans::Service { name: "rds".to_owned() },
        RotationMeans::Notification { topics: vec!["t".to_owned()] },
    ]
    .into_iter()
    .enumerate()
    {
        let mut held = held(&format!("/prod/team-a/{offset}"));
        held.rotation = rotation;
        plan.items.push(item(0, Some(held), Action::Wait));
    }
    for (item, number) in plan.items.iter_mut().skip(number as usize - 1).zip(number..) {
        item.number = number;
    }
    let consumers = plan.items[0].consumers.as_mut().expect("it has some");
    let object = ObjectName { namespace: "shop".to_owned(), kind: "Thing".to_owned(), name: "x".to_owned() };
    consumers.consumers[0].made_by = Some(object.clone());
    let file = Some("deploy/app.yaml:3".to_owned());
    consumers.consumers[0].file.clone_from(&file);
    consumers.writers[0].file.clone_from(&file);
    consumers.undecided.push(Undecided { object, file, place: "spec".to_owned(), why: "a template".to_owned() });
    consumers.unaffected.insert(Unaffected::OtherPart, 2);
    plan
}

#[test]
fn fields_are_published() {
    let plan = everything();
    let mut lines = Lines::begin(&plan);
    lines.call(1, plan.items[0].secret.as_ref().expect("held"), None);
    lines.end(1, Outcome::Rotated, Some("v2"), &["it differs"]);
    lines.add(Event::End { stopped: None });
    let report: Value = serde_json::from_str(&json(&incident(&plan, Some(&lines.journal)))).expect("JSON");
    let mut found = BTreeSet::new();
    paths(&report, "", &mut found);
    let described: BTreeSet<(String, String)> = OBJECTS
        .iter()
        .flat_map(|(object, _, fields)| fields.iter().map(|(name, _)| ((*object).to_owned(), (*name).to_owned())))
        .collect();
    assert_eq!(found.difference(&described).collect::<Vec<_>>(), [] as [&(String, String); 0], "not described");
    assert_eq!(described.difference(&found).collect::<Vec<_>>(), [] as [&(String, String); 0], "do not occur");

    let mut page = String::from(
        "# Fields of a rotation's report

<!-- Made from crates/keystile-rotate/tests/report/fields.rs; to write it anew: KEYSTILE_UPDATE=1 cargo test -p keystile-rotate --test report fields -->

What `keystile rotate … --format json` writes. Times are RFC 3339, in UTC. No field holds a value, or a digest of one. `NAME[]` is one of a list.
",
    );
    for (object, meaning, fields) in OBJECTS {
        let title = if object.is_empty() { "The report".to_owned() } else { format!("`{object}`") };
        let _ = write!(page, "\n## {title}\n\n{meaning}\n\n| field | meaning |\n|---|---|\n");
        for (name, meaning) in *fields {
            let _ = writeln!(page, "| `{name}` | {meaning} |");
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rotation-report.md");
    if env::var_os("KEYSTILE_UPDATE").is_some() {
        fs::write(&file, &page).expect("docs can be written");
    }
    assert!(
        fs::read_to_string(&file).unwrap_or_default() == page,
        "docs/rotation-report.md is out of date: KEYSTILE_UPDATE=1 cargo test -p keystile-rotate --test report fields"
    );
}
