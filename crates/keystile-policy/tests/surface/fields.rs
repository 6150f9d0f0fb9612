//! `src/fields.txt` has every field of the definitions, and is made from them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::{env, fs};

use crate::schema::{self, Node};
use crate::{folders, repository};

const TABLE: &str = "crates/keystile-policy/src/fields.txt";

const HEADER: &str = "\
# Fields of the kinds that are judged, over all versions of each. Made by
#
#   KEYSTILE_UPDATE=1 KEYSTILE_CRDS=FOLDER:FOLDER cargo test -p keystile-policy --test surface fields
#
# from the definitions in these folders: config/crds/bases of External Secrets 1.3.2 and 2.9.0, and
# config/crd/bases of infra-operator-aws at bf53ff5 (AWSProvider and SecretsManagerSecret of it). Names only: a
# field is here when one of them has it. Not edited by hand.
#
# name(fields) has these fields, name<fields> is a map whose values have them, name* may hold anything. A list has
# the fields of its items. metadata, status, apiVersion and kind are left out.
";

/// What ExternalSecret had in v1alpha1 alone, which no release carries any more (removed in 0.16) and files do.
const V1ALPHA1: [&str; 4] = ["conversionStrategy", "key", "property", "version"];

/// The kinds of the definitions, with what only files still have.
pub(crate) fn of_definitions(folders: &[std::path::PathBuf]) -> BTreeMap<String, Node> {
    let mut kinds = schema::kinds(folders);
    let flat = |nodes: [(&str, Node); 1]| Node::Fields(nodes.map(|(name, node)| (name.to_owned(), node)).into());
    let old = Node::Fields(V1ALPHA1.map(|name| (name.to_owned(), Node::Value)).into());
    if let Some(kind) = kinds.get_mut("ExternalSecret") {
        kind.merge(flat([("spec", flat([("dataFrom", old)]))]));
    }
    kinds
}

#[test]
fn the_table_of_fields_has_every_field() {
    let folders = folders();
    if folders.is_empty() {
        return;
    }
    let kinds = of_definitions(&folders);
    if env::var_os("KEYSTILE_UPDATE").is_some() && env::var_os("KEYSTILE_CRDS").is_some() {
        fs::write(repository(TABLE), table(&kinds)).expect("the table can be written");
    }
    let kept = fs::read_to_string(repository(TABLE)).expect("the table is there");
    let known = parse(&kept);
    let mut missing = Vec::new();
    for (kind, node) in &kinds {
        let mut leaves = Vec::new();
        node.leaves("", &mut leaves);
        let of_table = known.get(kind).map(Vec::as_slice).unwrap_or_default();
        let is_known = |leaf: &str| {
            of_table
                .iter()
                .any(|place| place == leaf || leaf.strip_prefix(&**place).is_some_and(|rest| rest.starts_with('.')))
        };
        missing.extend(leaves.into_iter().filter(|leaf| !is_known(leaf)).map(|leaf| format!("{kind} {leaf}")));
    }
    assert!(
        missing.is_empty(),
        "{TABLE} lacks {} fields; its header says how it is made:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

/// The file.
fn table(kinds: &BTreeMap<String, Node>) -> String {
    let mut text = HEADER.to_owned();
    let mut written: Vec<(&str, &Node)> = Vec::new();
    for (kind, node) in kinds {
        text.push('\n');
        if let Some((other, _)) = written.iter().find(|(_, known)| *known == node) {
            let _ = writeln!(text, "{kind} = {other}");
            continue;
        }
        written.push((kind, node));
        let mut line = format!("{kind}:");
        for word in node.inside().split(' ') {
            if line.len() + 1 + word.len() > 118 {
                let _ = writeln!(text, "{line}");
                line = format!(" {word}");
            } else {
                let _ = write!(line, " {word}");
            }
        }
        let _ = writeln!(text, "{line}");
    }
    text
}

/// The places of each kind, read from the file as far as a test needs it: by a walk over its signs.
fn parse(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let body: String = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    for entry in body.split("\n\n").map(str::trim).filter(|entry| !entry.is_empty()) {
        if let Some((kind, other)) = entry.split_once(" = ") {
            let same = kinds.get(other).cloned().expect("a kind is written before those that equal it");
            kinds.insert(kind.to_owned(), same);
            continue;
        }
        let (kind, fields) = entry.split_once(':').expect("an entry is a kind and its fields");
        let (mut above, mut name, mut places) = (Vec::<String>::new(), String::new(), Vec::new());
        for character in fields.chars().chain([' ']) {
            match character {
                '(' | '<' => {
                    above.push(std::mem::take(&mut name));
                    if character == '<' {
                        above.push("*".to_owned());
                    }
                }
                ')' | '>' | '*' | ' ' | '\n' => {
                    if !name.is_empty() {
                        let mut place = above.clone();
                        place.push(std::mem::take(&mut name));
                        places.push(place.join("."));
                    }
                    if character == ')' || character == '>' {
                        above.pop();
                    }
                    if character == '>' {
                        above.pop();
                    }
                }
                other => name.push(other),
            }
        }
        kinds.insert(kind.to_owned(), places);
    }
    kinds
}
