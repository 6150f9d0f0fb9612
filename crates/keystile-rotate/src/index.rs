//! Which managed secret holds a value: an index in memory only.
//!
//! Each form of each stored value ([`forms`]) is kept as an HMAC-SHA256 under a key of this process, so that the
//! index holds no value, and what is written of it to a core file or to swap tells nothing. Values too weak to be
//! told from others ([`noise`]) are counted and left out.
//!
//! Memory: about 100 bytes for each form; a secret of a few fields has five to ten.

pub mod forms;
pub mod noise;
mod within;

use std::collections::{BTreeMap, HashMap};
pub(crate) use within::is_within;

use hmac::{Hmac, KeyInit as _, Mac as _};
use keystile_inventory::VersionId;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use forms::Form;
use noise::Weakness;

/// Key of an index: random bytes, new for each process.
pub struct IndexKey(Zeroizing<[u8; 32]>);

impl IndexKey {
    /// Takes the bytes, which must be random.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }
}

impl std::fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IndexKey(…)")
    }
}

/// Number of a secret, given by the caller.
pub type SecretNumber = u32;

/// An index of values.
#[derive(Debug)]
pub struct ValueIndex {
    key: IndexKey,
    /// By the first eight bytes of the digest; the whole one is compared in constant time.
    entries: HashMap<u64, Vec<Entry>>,
    versions: Vec<(SecretNumber, VersionId)>,
    forms: u64,
    too_weak: BTreeMap<Weakness, u64>,
}

#[derive(Debug)]
struct Entry {
    digest: [u8; 32],
    /// Index into `versions`.
    version: u32,
    pointer: Box<str>,
    normalisation: Box<[String]>,
}

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The secret.
    pub secret: SecretNumber,
    /// Its version.
    pub version: VersionId,
    /// Where in the value: a JSON pointer (RFC 6901), empty = the whole value.
    pub pointer: String,
    /// How the stored text, and then the leaked one, was changed to find one in the other.
    pub normalisation: Vec<String>,
}

impl ValueIndex {
    /// An empty index.
    #[must_use]
    pub fn new(key: IndexKey) -> Self {
        Self { key, entries: HashMap::new(), versions: Vec::new(), forms: 0, too_weak: BTreeMap::new() }
    }

    /// Adds a version's value.
    pub fn add(&mut self, secret: SecretNumber, version: &VersionId, value: &[u8]) {
        let number = u32::try_from(self.versions.len()).expect("fewer than four billion versions fit into memory");
        self.versions.push((secret, version.clone()));
        forms::of_stored(value, &mut |form: Form<'_>| {
            if let Some(weakness) = noise::weakness(form.name, form.text) {
                *self.too_weak.entry(weakness).or_default() += 1;
                return;
            }
            let digest = digest(&self.key, form.text);
            self.forms += 1;
            self.entries.entry(short(&digest)).or_default().push(Entry {
                digest,
                version: number,
                pointer: form.pointer.into(),
                normalisation: form.normalisation.iter().map(|name| (*name).to_owned()).collect(),
            });
        });
    }

    /// Every place of a leaked value, sorted: one for each version that holds it, the form with the fewest changes.
    #[must_use]
    pub fn find(&self, leaked: &[u8]) -> Vec<Hit> {
        let mut best: BTreeMap<u32, (usize, Hit)> = BTreeMap::new();
        forms::of_leaked(leaked, &mut |text, steps| {
            let digest = digest(&self.key, text);
            for entry in self.entries.get(&short(&digest)).into_iter().flatten() {
                if !bool::from(entry.digest.ct_eq(&digest)) {
                    continue;
                }
                let (secret, version) = &self.versions[entry.version as usize];
                let normalisation: Vec<String> = entry
                    .normalisation
                    .iter()
                    .cloned()
                    .chain(steps.iter().map(|step| format!("leak:{step}")))
                    .collect();
                // A leaf says more than the text around it.
                let rank = 2 * normalisation.len() + usize::from(entry.pointer.is_empty());
                let hit = Hit {
                    secret: *secret,
                    version: version.clone(),
                    pointer: entry.pointer.to_string(),
                    normalisation,
                };
                let known = best.entry(entry.version).or_insert_with(|| (rank, hit.clone()));
                if (rank, &hit) < (known.0, &known.1) {
                    *known = (rank, hit);
                }
            }
        });
        let mut hits: Vec<Hit> = best.into_values().map(|(_, hit)| hit).collect();
        hits.sort();
        hits
    }

    /// How many forms can be compared.
    #[must_use]
    pub const fn forms(&self) -> u64 {
        self.forms
    }

    /// How many versions were added.
    #[must_use]
    pub fn versions(&self) -> u64 {
        self.versions.len() as u64
    }

    /// How many forms were too weak, by reason.
    #[must_use]
    pub const fn too_weak(&self) -> &BTreeMap<Weakness, u64> {
        &self.too_weak
    }
}

fn digest(key: &IndexKey, text: &[u8]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(&*key.0).expect("HMAC takes keys of every length");
    hmac.update(text);
    hmac.finalize().into_bytes().into()
}

fn short(digest: &[u8; 32]) -> u64 {
    u64::from_le_bytes(*digest.first_chunk().expect("a digest has more than eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn index(values: &[&str]) -> ValueIndex {
        let mut index = ValueIndex::new(IndexKey::new(KEY));
        for (number, value) in values.iter().enumerate() {
            index.add(u32::try_from(number).expect("few"), &VersionId(format!("v{number}")), value.as_bytes());
        }
        index
    }

    fn found(index: &ValueIndex, leaked: &str) -> Vec<(u32, String, Vec<String>)> {
        index.find(leaked.as_bytes()).into_iter().map(|hit| (hit.secret, hit.pointer, hit.normalisation)).collect()
    }

    #[test]
    fn a_value_is_found_in_every_form_it_may_have_leaked_in() {
        let strong = "Zk3#mW8q-vT1xB6n";
        let encoded = "Zk3%23mW8q-vT1xB6n";
        for (stored, leaked, pointer, normalisation) in [
            (strong.to_owned(), strong.to_owned(), "", &[][..]),
            (format!("{strong}\n"), strong.to_owned(), "", &["trimmed"]),
            (strong.to_owned(), format!("\"{strong}\""), "", &["leak:unquoted"]),
            (format!(r#"{{"user":"app","password":"{strong}"}}"#), strong.to_owned(), "/password", &[]),
            (format!(r#"{{"a/b":[1,"{strong}"]}}"#), strong.to_owned(), "/a~1b/1", &[]),
            (format!("postgres://app:{encoded}@db/x"), strong.to_owned(), "", &["url-password", "percent-decoded"]),
            (format!("postgres://app:{encoded}@db/x"), encoded.to_owned(), "", &["url-password"]),
            (format!(r#"{{"url":"amqp://u:{encoded}@h"}}"#), encoded.to_owned(), "/url", &["url-password"]),
            (format!("# set\nexport TOKEN='{strong}'\nB=2\n"), strong.to_owned(), "", &["line TOKEN"]),
            ("WmszI21XOHEtdlQxeEI2bg==".to_owned(), strong.to_owned(), "", &["base64"]),
            (strong.to_owned(), "WmszI21XOHEtdlQxeEI2bg==".to_owned(), "", &["leak:base64"]),
        ] {
            let index = index(&["another value: q8#Lw0!zR4", &stored]);
            let expected = (1, pointer.to_owned(), normalisation.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(found(&index, &leaked), [expected], "{stored} from {leaked}");
        }
    }

    #[test]
    fn a_private_key_is_the_same_with_any_kind_of_line_ends() {
        let key = |end: &str| ["-----BEGIN X-----", "Zk3mW8qvT1xB6nZk3mW8qvT1xB6n", "-----END X-----"].join(end);
        let index = index(&[&format!(r#"{{"private_key":"{}\\n"}}"#, key("\\\\n")), &key("\r\n")]);
        for leaked in [key("\n"), key("\r\n"), key("\\n"), format!("{}\n", key("\n"))] {
            let hits = found(&index, &leaked);
            assert_eq!(hits.len(), 2, "{leaked:?}: {hits:?}");
        }
    }

    #[test]
    fn weak_values_are_counted_and_not_found() {
        let index = index(&[r#"{"username":"app_user_of_team_a","password":"short","port":5432,"x":"aaaaaaaaaaaa"}"#]);
        assert!(found(&index, "app_user_of_team_a").is_empty());
        assert!(found(&index, "short").is_empty());
        assert!(found(&index, "aaaaaaaaaaaa").is_empty());
        let weak: Vec<(String, u64)> =
            index.too_weak().iter().map(|(weakness, count)| (weakness.to_string(), *count)).collect();
        assert_eq!(
            weak,
            [
                ("shorter than 8 bytes".to_owned(), 1),
                ("a field that is no secret".to_owned(), 1),
                ("too little entropy".to_owned(), 1),
            ]
        );
    }

    #[test]
    fn debug_shows_no_value() {
        let index = index(&["Zk3#mW8q-vT1xB6n"]);
        let shown = format!("{index:?}");
        assert!(!shown.contains("Zk3#") && shown.contains("IndexKey(…)"), "{shown}");
    }
}
