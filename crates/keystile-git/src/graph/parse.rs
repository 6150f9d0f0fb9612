//! Reading commits and tags: formats as in git's `commit.c`, `tag.c` and `ident.c`.

use bstr::{BStr, ByteSlice as _};
use keystile_scan::CommitInfo;

use crate::object::{Kind, ObjectId};

/// What the graph wants of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParsedCommit {
    pub(super) tree: ObjectId,
    pub(super) parents: Vec<ObjectId>,
    pub(super) seconds: i64,
}

/// Reads a commit; `None` if it is none.
pub(super) fn commit(data: &[u8]) -> Option<ParsedCommit> {
    let (line, mut rest) = split_line(data);
    let tree = id(line.strip_prefix(b"tree ")?)?;
    let mut parents = Vec::new();
    loop {
        let (line, after) = split_line(rest);
        let Some(hex) = line.strip_prefix(b"parent ") else { break };
        parents.push(id(hex)?);
        rest = after;
    }
    // git itself reads a commit with a broken date as one of 1970 (`parse_commit_date`).
    let seconds = header(data, b"committer").and_then(identity).map_or(0, |identity| identity.seconds);
    Some(ParsedCommit { tree, parents, seconds })
}

/// What an annotated tag leads to and the kind that it says that is of; `None` if it is no tag.
pub(super) fn tag_target(data: &[u8]) -> Option<(ObjectId, Option<Kind>)> {
    let target = id(split_line(data).0.strip_prefix(b"object ")?)?;
    Some((target, header(data, b"type").and_then(|kind| Kind::from_bytes(kind).ok())))
}

/// The name that an annotated tag gives itself.
#[must_use]
pub fn tag_name(data: &[u8]) -> Option<&BStr> {
    header(data, b"tag").map(|name| name.as_bstr())
}

/// The message of a commit or tag, signatures at its end included: all after the first empty line.
#[must_use]
pub fn message(data: &[u8]) -> &[u8] {
    data.find(b"\n\n").map_or(b"", |end| &data[end + 2..])
}

/// All that reports say of the commit `id` with the content `data`. What can't be read of it is empty or 0.
#[must_use]
pub fn commit_info(id: &ObjectId, data: &[u8]) -> CommitInfo {
    let author = header(data, b"author").and_then(identity).unwrap_or_default();
    let text = match header(data, b"encoding") {
        Some(name) if is_latin1(name) => |bytes: &[u8]| bytes.iter().map(|&byte| char::from(byte)).collect(),
        _ => |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned(),
    };
    CommitInfo {
        id: id.to_string(),
        author_name: text(author.name),
        author_email: text(author.email),
        author_seconds: author.seconds,
        author_offset_minutes: author.offset_minutes,
        message: text(message(data)),
    }
}

/// The one encoding beside UTF-8 that old histories commonly declare and that needs no table.
fn is_latin1(name: &[u8]) -> bool {
    ["iso-8859-1", "iso8859-1", "latin1", "latin-1"].iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Identity<'a> {
    name: &'a [u8],
    email: &'a [u8],
    seconds: i64,
    offset_minutes: i32,
}

/// `NAME <EMAIL> SECONDS +HHMM`. The date is looked for from the end, as in git's `split_ident_line`, since
/// names and addresses with stray brackets exist.
fn identity(line: &[u8]) -> Option<Identity<'_>> {
    let open = line.find_byte(b'<')?;
    let close = open + line[open..].find_byte(b'>')?;
    let last_close = line.rfind_byte(b'>')?;
    let mut date = line[last_close + 1..].split(|&byte| byte == b' ').filter(|part| !part.is_empty());
    let seconds = date.next().and_then(|part| part.to_str().ok()?.parse().ok()).unwrap_or(0);
    let offset_minutes = date.next().and_then(offset).unwrap_or(0);
    Some(Identity { name: line[..open].trim(), email: line[open + 1..close].trim(), seconds, offset_minutes })
}

/// `+HHMM` in minutes.
fn offset(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text.split_first()? {
        (b'+', digits) => (1, digits),
        (b'-', digits) => (-1, digits),
        _ => return None,
    };
    let number: i32 = digits.to_str().ok()?.parse().ok()?;
    Some(sign * (number / 100 * 60 + number % 100))
}

/// The value of a header line; lines that continue another one begin with a space and so are never taken for a header.
fn header<'a>(data: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = data;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        if line.is_empty() {
            return None;
        }
        if let Some(value) = line.strip_prefix(name).and_then(|value| value.strip_prefix(b" ")) {
            return Some(value);
        }
        rest = after;
    }
    None
}

fn split_line(data: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', data) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, b""),
    }
}

fn id(hex: &[u8]) -> Option<ObjectId> {
    ObjectId::from_hex(hex).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1111111111111111111111111111111111111111";

    #[test]
    fn identities() {
        let cases = [
            ("A U Thor <a@example.com> 1700000000 +0130", Some(("A U Thor", "a@example.com", 1_700_000_000, 90))),
            ("A <a> -5 -0800", Some(("A", "a", -5, -480))),
            (" <> 7 +0000", Some(("", "", 7, 0))),
            ("A <a>", Some(("A", "a", 0, 0))),
            ("A <a> soon +0000", Some(("A", "a", 0, 0))),
            ("A <a@b> c> 9 +0000", Some(("A", "a@b", 9, 0))),
            ("A a@b 9 +0000", None),
            ("A <a 9 +0000", None),
        ];
        for (line, expected) in cases {
            let found = identity(line.as_bytes()).map(|found| {
                (found.name.to_str().unwrap(), found.email.to_str().unwrap(), found.seconds, found.offset_minutes)
            });
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn commits() {
        let text = format!(
            "tree {ID}\nparent {ID}\nparent {ID}\nauthor A <a> 5 +0000\ncommitter C <c> 6 +0000\nmergetag object {ID}\n tree x\n\n\nHello\n"
        );
        let parsed = commit(text.as_bytes()).unwrap();
        assert_eq!((parsed.parents.len(), parsed.seconds), (2, 6));
        assert_eq!(message(text.as_bytes()), b"\nHello\n");
        for broken in ["", "tree", "tree 12\n", "parent 1\n", &format!("tree {ID}\nparent x\n")] {
            assert_eq!(commit(broken.as_bytes()), None, "{broken:?}");
        }
    }

    #[test]
    fn a_declared_latin1_message_is_decoded() {
        let id = ObjectId::from_hex(ID.as_bytes()).unwrap();
        let mut data = format!("tree {ID}\nauthor X <x> 5 +0200\nencoding ISO-8859-1\n\ncaf").into_bytes();
        data.push(0xe9);
        assert_eq!(commit_info(&id, &data).message, "caf\u{e9}");
        assert_eq!(commit_info(&id, &data).author_offset_minutes, 120);
        let utf8 = commit_info(&id, b"no header\n\ncaf\xe9");
        assert_eq!((utf8.message.as_str(), utf8.author_seconds), ("caf\u{fffd}", 0));
    }
}
