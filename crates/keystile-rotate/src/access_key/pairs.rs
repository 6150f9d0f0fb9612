//! Which leaks are access keys, and which are the secret half of which.

use super::AccessKeyId;
use crate::leak::{Leak, Place};

/// keystile's rule for the secret half. Only what it finds is taken for one: forty characters that another rule
/// found nearby may be anything, and must not count as ended with the key.
pub const SECRET_KEY_RULE: &str = "aws-secret-access-key";

/// Lines between the halves of a pair, at most: as far as `scan --verify` looks.
const PAIR_LINES: u64 = 10;

/// An access key among the leaks. Numbers are places in the list of leaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) id: AccessKeyId,
    /// The leak that is the id.
    pub(super) key: usize,
    /// Those that are its secret half.
    pub(super) secrets: Vec<usize>,
}

impl Credential {
    /// Every leak that it is: the id's first.
    pub(super) fn halves(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.key).chain(self.secrets.iter().copied())
    }
}

/// The access keys among the leaks, in their order.
pub(super) fn credentials(leaks: &[Leak]) -> Vec<Credential> {
    let mut found: Vec<Credential> = Vec::new();
    for (key, leak) in leaks.iter().enumerate() {
        if let Ok(id) = AccessKeyId::parse(leak.value.reveal()) {
            found.push(Credential { id, key, secrets: Vec::new() });
        }
    }
    for (secret, leak) in leaks.iter().enumerate().filter(|(_, leak)| leak.rule == SECRET_KEY_RULE) {
        let near = found.iter_mut().filter_map(|credential| {
            let distance = distance(&leaks[credential.key].places, &leak.places)?;
            Some((distance, credential))
        });
        if let Some((_, nearest)) = near.min_by_key(|(distance, _)| *distance) {
            nearest.secrets.push(secret);
        }
    }
    found
}

/// How far the secret half is from the id: in another version of the file or not, lines, and whether it stands before
/// the id. The least of all places; `None` = nowhere near.
fn distance(ids: &[Place], secrets: &[Place]) -> Option<(bool, u64, bool)> {
    let pairs = ids.iter().flat_map(|id| secrets.iter().map(move |secret| (id, secret)));
    pairs
        .filter(|(id, secret)| id.path == secret.path && id.line.abs_diff(secret.line) <= PAIR_LINES)
        .map(|(id, secret)| (id.commit != secret.commit, id.line.abs_diff(secret.line), secret.line < id.line))
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystile_scan::SecretBytes;

    fn place(commit: &str, path: &str, line: u64) -> Place {
        let json = serde_json::json!({ "commit": commit, "path": path, "line": line, "column": 1 });
        serde_json::from_value(json).expect("a place")
    }

    fn leak(rule: &str, value: &str, places: &[Place]) -> Leak {
        Leak { rule: rule.to_owned(), value: SecretBytes::new(value.as_bytes()), places: places.to_vec() }
    }

    fn id(letter: &str) -> String {
        format!("{}A{}", "AKI", letter.repeat(16))
    }

    #[test]
    fn a_secret_half_belongs_to_the_nearest_id() {
        let secret = |places: &[Place]| leak(SECRET_KEY_RULE, "half", places);
        let leaks = [
            leak("aws-access-token", &id("Q"), &[place("a", "credentials", 2)]),
            secret(&[place("a", "credentials", 3)]),
            leak("aws-access-token", &id("R"), &[place("a", "credentials", 4)]),
            secret(&[place("a", "credentials", 5)]),
            secret(&[place("a", "credentials", 15)]),
            secret(&[place("a", "elsewhere", 3)]),
            leak("generic", "forty characters or so", &[place("a", "credentials", 3)]),
            // The same line in another version of the file comes after the next line in the same.
            secret(&[place("b", "credentials", 4), place("a", "credentials", 1)]),
        ];
        let found = credentials(&leaks);
        let halves: Vec<Vec<usize>> = found.iter().map(|credential| credential.halves().collect()).collect();
        assert_eq!(halves, [vec![0, 1, 7], vec![2, 3]]);
        assert_eq!(found[1].id.as_str(), id("R"));
    }
}
