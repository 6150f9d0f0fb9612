//! Which fields the kinds have: those of the definitions of every release that is supported.
//!
//! The API server drops a field that a definition doesn't have, and says nothing to a client that doesn't ask
//! it to. What is in `fields.txt` and how it is made stands at its top.

use std::collections::BTreeMap;
use std::sync::LazyLock;

static TEXT: &str = include_str!("fields.txt");

static KINDS: LazyLock<BTreeMap<&'static str, Node>> =
    LazyLock::new(|| read(TEXT).expect("the table is ours, and a test reads it"));

/// What may stand at a place. A list has the node of its items.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A value without fields.
    Value,
    /// Anything.
    Free,
    /// A map with any keys, whose values are like this.
    Map(Box<Node>),
    /// These fields.
    Fields(BTreeMap<&'static str, Node>),
}

/// The fields of a kind below the object itself; `None` for one that the table does not have.
pub(crate) fn of_kind(kind: &str) -> Option<&'static Node> {
    KINDS.get(kind)
}

/// Reads the table: `Kind: fields`, or `Kind = Kind` for one that has the same.
fn read(text: &'static str) -> Option<BTreeMap<&'static str, Node>> {
    let mut kinds = BTreeMap::new();
    let mut same = Vec::new();
    let body: Vec<&'static str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut entry = Vec::new();
    for line in body.into_iter().chain([""]) {
        if !line.is_empty() {
            entry.extend(tokens(line));
            continue;
        }
        match entry[..] {
            [] => {}
            [kind, "=", other] => same.push((kind, other)),
            [kind, ":", ref fields @ ..] => {
                let mut fields = fields.iter().copied();
                kinds.insert(kind, node(&mut fields, None)?);
            }
            _ => return None,
        }
        entry.clear();
    }
    for (kind, other) in same {
        let text = kinds.get(other).map(copy)?;
        kinds.insert(kind, text);
    }
    Some(kinds)
}

fn copy(node: &Node) -> Node {
    match node {
        Node::Value => Node::Value,
        Node::Free => Node::Free,
        Node::Map(values) => Node::Map(Box::new(copy(values))),
        Node::Fields(fields) => Node::Fields(fields.iter().map(|(name, node)| (*name, copy(node))).collect()),
    }
}

/// Words and the signs `:`, `=`, `*`, `(`, `)`, `<`, `>`.
fn tokens(line: &'static str) -> Vec<&'static str> {
    let is_sign = |character: char| ":=*()<>".contains(character);
    let mut tokens = Vec::new();
    for mut word in line.split_ascii_whitespace() {
        while !word.is_empty() {
            let end = word.find(is_sign).map_or(word.len(), |at| at.max(1));
            let (token, rest) = word.split_at(end);
            tokens.push(token);
            word = rest;
        }
    }
    tokens
}

/// Fields up to `close`: `name`, `name*` (anything below), `name(fields)`, `name<…>` (a map of such).
fn node(tokens: &mut impl Iterator<Item = &'static str>, close: Option<&str>) -> Option<Node> {
    let mut fields = BTreeMap::new();
    let mut name = None;
    loop {
        match tokens.next() {
            Some("*") => {
                fields.insert(name.take()?, Node::Free);
            }
            Some("(") => {
                fields.insert(name.take()?, node(&mut *tokens, Some(")"))?);
            }
            Some("<") => {
                let values = node(&mut *tokens, Some(">"))?;
                fields.insert(name.take()?, Node::Map(Box::new(values)));
            }
            end => {
                if let Some(name) = name.take() {
                    fields.insert(name, Node::Value);
                }
                if end == close {
                    break;
                }
                name = Some(end.filter(|word| !matches!(*word, ")" | ">" | ":" | "="))?);
            }
        }
    }
    Some(Node::Fields(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_has_the_kinds() {
        for kind in
            ["ExternalSecret", "ClusterSecretStore", "PushSecret", "Password", "SecretsManagerSecret", "AWSProvider"]
        {
            assert!(matches!(of_kind(kind), Some(Node::Fields(fields)) if fields.contains_key("spec")), "{kind}");
        }
        assert_eq!(of_kind("Deployment"), None);
    }

    #[test]
    fn the_forms_of_the_table_are_read() {
        let kinds = read("# a comment\nA: spec(x y(z) free* map<w>)\n  more\n\nB = A\n").unwrap();
        let fields = |names: Vec<(&'static str, Node)>| Node::Fields(names.into_iter().collect());
        let spec = fields(vec![
            ("x", Node::Value),
            ("y", fields(vec![("z", Node::Value)])),
            ("free", Node::Free),
            ("map", Node::Map(Box::new(fields(vec![("w", Node::Value)])))),
        ]);
        assert_eq!(kinds["A"], fields(vec![("spec", spec), ("more", Node::Value)]));
        assert_eq!(kinds["A"], kinds["B"]);
        for wrong in ["A: x(y", "A: x)", "A: (x)", "A", "B = A"] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }
}
