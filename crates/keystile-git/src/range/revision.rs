//! From what a user writes to a commit: the part of `gitrevisions(7)` that ranges are written in.
//!
//! Ids (whole and shortened), names of references in git's order of search, `@`, and behind any of them
//! `~N`, `^N`, `^{}` and `^{commit}`. What asks reflogs, upstreams or messages is refused with a word on how to get the id.

use super::commits;
use crate::error::Error;
use crate::object::{Kind, ObjectId};
use crate::reader::{ObjectReader, Unread};

/// Which side of a range is looked for; they go wrong in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Base,
    Head,
    /// Not of a range: where configuration is taken from.
    Configuration,
}

/// The commit that `text` names.
pub(crate) fn resolve(reader: &ObjectReader<'_>, text: &str, side: Side) -> Result<ObjectId, Error> {
    let (name, steps) = split(text)?;
    if name.len() >= 40 && name.bytes().all(|byte| byte == b'0') {
        return Err(Error::Usage(format!(
            "the {} is the all-zero id, which CI systems give where there is nothing to compare with (a new branch); give the branch it grew from: --range $(git merge-base origin/main HEAD)..HEAD",
            word(side)
        )));
    }
    let not_found = || Error::Usage(absent(reader, text, side));
    let mut id = find(reader, name)?.ok_or_else(not_found)?;
    id = commit(reader, id, text, side)?;
    for step in steps {
        id = match step {
            Step::Parent(0) => id,
            Step::Parent(number) => parent(reader, id, number).ok_or_else(not_found)?,
            Step::Ancestor(count) => {
                for _ in 0..count {
                    id = parent(reader, id, 1).ok_or_else(not_found)?;
                }
                id
            }
        };
    }
    // A step can lead to a parent that is not there.
    commit(reader, id, text, side)
}

enum Step {
    /// `^N`; `^0`, `^{}` and `^{commit}` are the commit itself.
    Parent(usize),
    /// `~N`
    Ancestor(usize),
}

/// Splits `name~2^{commit}` into the name and what comes behind it.
fn split(text: &str) -> Result<(&str, Vec<Step>), Error> {
    let unknown = || {
        Error::Usage(format!(
            "\"{text}\" is not understood: give an id, or the name of a branch or tag; `git rev-parse \"{text}\"` gives the id"
        ))
    };
    let end = text.find(['~', '^']).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    // Whatever git reads in these is no name of a reference (git-check-ref-format(1)).
    if name.is_empty() || name.contains("@{") || name.contains([':', '?', '*', '[', '\\', ' ']) || name.starts_with('-')
    {
        return Err(unknown());
    }
    let mut steps = Vec::new();
    while let Some(kind) = rest.chars().next() {
        rest = &rest[1..];
        if kind == '^' && (rest.starts_with("{}") || rest.starts_with("{commit}")) {
            rest = &rest[rest.find('}').map_or(0, |end| end + 1)..];
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = if digits == 0 { 1 } else { rest[..digits].parse().map_err(|_| unknown())? };
        rest = &rest[digits..];
        match kind {
            '^' => steps.push(Step::Parent(number)),
            '~' => steps.push(Step::Ancestor(number)),
            _ => return Err(unknown()),
        }
    }
    Ok((name, steps))
}

/// The object that a name stands for, in git's order of search (`gitrevisions(7)`, "refname").
fn find(reader: &ObjectReader<'_>, name: &str) -> Result<Option<ObjectId>, Error> {
    let repository = reader.repository();
    let is_hex = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && name.len() == repository.object_hash().len_in_hex() {
        return Ok(ObjectId::from_hex(name.as_bytes()).ok());
    }
    let name = if name == "@" { "HEAD" } else { name };
    for candidate in [
        name.to_owned(),
        format!("refs/{name}"),
        format!("refs/tags/{name}"),
        format!("refs/heads/{name}"),
        format!("refs/remotes/{name}"),
        format!("refs/remotes/{name}/HEAD"),
    ] {
        // Other files of the git directory are no references, whatever they are called.
        let is_reference = candidate.starts_with("refs/")
            || candidate.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte == b'-');
        if is_reference && let Some(id) = repository.find_reference(candidate.as_bytes()) {
            return Ok(Some(id));
        }
    }
    if is_hex && name.len() >= 4 { reader.find_prefix(name) } else { Ok(None) }
}

/// The commit that `id` is, or that the tag `id` leads to.
fn commit(reader: &ObjectReader<'_>, id: ObjectId, text: &str, side: Side) -> Result<ObjectId, Error> {
    let mut at = id;
    // Tags of tags are rare, circles of them impossible; the limit is against forged ones.
    for _ in 0..32 {
        match reader.read_any(&at) {
            Ok((Kind::Commit, _)) => return Ok(at),
            Ok((Kind::Tag, data)) => {
                let target = data.strip_prefix(b"object ").and_then(|rest| rest.split(|&byte| byte == b'\n').next());
                match target.and_then(|hex| ObjectId::from_hex(hex).ok()) {
                    Some(target) => at = target,
                    None => break,
                }
            }
            Ok(_) => break,
            Err(Unread::Missing) => return Err(Error::Usage(absent(reader, text, side))),
            Err(Unread::Corrupt(detail)) => {
                return Err(Error::Usage(format!("the {}, {text}: object {at} {detail}; see `git fsck`", word(side))));
            }
        }
    }
    Err(Error::Usage(format!("the {}, {text}, is not a commit", word(side))))
}

fn parent(reader: &ObjectReader<'_>, id: ObjectId, number: usize) -> Option<ObjectId> {
    reader.commit(&id).ok()?.parents.get(number - 1).copied()
}

/// The branch of the remote that `text` may mean, for a command to fetch it: `main` of `main`, `origin/main` and `main~3`.
fn branch_of(text: &str) -> &str {
    let branch = text.split(['~', '^']).next().unwrap_or(text);
    branch.strip_prefix("origin/").unwrap_or(branch)
}

/// Why there is no such commit, as far as that can be told, and what helps.
fn absent(reader: &ObjectReader<'_>, text: &str, side: Side) -> String {
    let repository = reader.repository();
    let word = word(side);
    if !repository.shallow().is_empty() {
        let depth = repository.head().target().and_then(|head| commits::depth(reader, head));
        let depth = depth.map_or_else(String::new, |depth| format!(" of depth {depth}"));
        return format!(
            "the {word}, {text}, is not in this shallow clone{depth}: fetch the whole history (`fetch-depth: 0` for actions/checkout, `GIT_DEPTH: 0` in GitLab CI, `git fetch --unshallow`), or at least `git fetch origin {}`",
            branch_of(text)
        );
    }
    let branch = branch_of(text);
    format!(
        "the {word}, {text}, is no commit of this repository; if it is a branch of the remote, `git fetch origin {branch}` and give origin/{branch}"
    )
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Base => "base of the range",
        Side::Head => "head of the range",
        Side::Configuration => "commit to take configuration from",
    }
}
