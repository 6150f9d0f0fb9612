//! What `dataFrom[].find` can find, for each provider that can search.
//!
//! Source: External Secrets 2.9.0, providers/v1/aws/secretsmanager/secretsmanager.go (`findByName`,
//! `findByTags`, `fetchWithBatch`) and parameterstore/parameterstore.go (`findByName`, `findByTags`);
//! AWS API reference, Secrets Manager `Filter` (a name filter is a prefix, `!` negates it) and
//! `GetParametersByPath` (a hierarchy: `/prod/team-a` has nothing of `/prod/team-ab`).

use super::{Budget, Search, WayOut, granted_expression, way_out};
use crate::context::{Context, Resolved};
use crate::policy::Access;
use crate::subject::Names;
use crate::subject::store::{AwsStore, StoreProvider};
use crate::world::Lookup;

/// The characters of Secrets Manager's names.
const SECRETS_MANAGER: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+=.@-";

/// The characters of Parameter Store's names.
const PARAMETER_STORE: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.-";

/// What is known of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindVerdict {
    /// All that it finds is granted; or another rule has refused its store already.
    Inside,
    /// The provider's search can't be judged.
    NotJudged(&'static str),
    /// A filter that begins with `!`: below `find`, and what is written.
    Negated(&'static str, String),
    /// It finds this name, which is not granted. `by_tags`: nothing but tags bounds it.
    WayOut {
        /// The name.
        name: String,
        /// Whether it has tags, and neither path nor expression.
        by_tags: bool,
    },
    /// Nothing could be proved; why.
    NotProved(super::NotProved),
}

/// Judges a search.
pub(crate) fn verdict(context: &Context<'_>, resolved: &Resolved<'_>, budget: &mut Budget) -> FindVerdict {
    let Names::Find { path, regexp, tags } = resolved.reference.names else { return FindVerdict::Inside };
    let (Some(binding), Lookup::Found(store)) = (context.binding, &resolved.store) else {
        return FindVerdict::Inside;
    };
    if context.fitting(store).is_empty() {
        return FindVerdict::Inside;
    }
    let aws = match &store.provider {
        StoreProvider::Aws(aws) => aws,
        StoreProvider::Vault(_) => return FindVerdict::NotJudged("Vault"),
        StoreProvider::Gcp(_) => return FindVerdict::NotJudged("GCP Secret Manager"),
        StoreProvider::Kubernetes(_) => return FindVerdict::NotJudged("Kubernetes"),
        StoreProvider::Other(_) | StoreProvider::Unreadable(_) => return FindVerdict::NotJudged("this provider"),
    };
    let is_negated = |text: &&str| text.starts_with('!');
    if let Some(path) = path.filter(is_negated) {
        return FindVerdict::Negated("path", path.to_owned());
    }
    for (tag, value) in tags.into_iter().flatten() {
        if let Some(negated) = [tag.as_str(), value.as_str().unwrap_or_default()].iter().copied().find(is_negated) {
            return FindVerdict::Negated("tags", negated.to_owned());
        }
    }
    let patterns = context.grants(store, Access::Read).map(|(_, grant)| &grant.names);
    let granted = granted_expression(patterns, binding);
    let found = found(aws, path, regexp);
    let mut behinds = vec![""];
    if !aws.prefix.is_empty() && path.is_none() && regexp.is_some() && &*aws.service == "SecretsManager" {
        // A search by name alone fetches each name with the store's prefix before it, as if it were a key.
        behinds.push(&aws.prefix);
    }
    for fetched_behind in behinds {
        let search = Search { fetched_behind, granted: &granted, ..found.search() };
        // A path inside of the grants is enough, whatever the expression.
        if path.is_some() && way_out(&Search { expression: None, ..search }, budget) == Ok(None) {
            continue;
        }
        match way_out(&search, budget) {
            Ok(None) => {}
            Ok(Some(WayOut(name))) => {
                return FindVerdict::WayOut { name, by_tags: tags.is_some() && path.is_none() && regexp.is_none() };
            }
            Err(why) => return FindVerdict::NotProved(why),
        }
    }
    FindVerdict::Inside
}

/// What a violation by a search is about: all of it, its store included. An update may keep a search that
/// is refused, and not widen it.
pub(crate) fn about(resolved: &Resolved<'_>) -> String {
    let Names::Find { path, regexp, tags } = resolved.reference.names else { return String::new() };
    let store = match &resolved.store {
        Lookup::Found(store) => format!("{} {}", store.id.kind.as_str(), store.id.name),
        Lookup::Absent | Lookup::Unknown => String::new(),
    };
    // As written, without escapes: what the engine takes out of answers it looks for as written.
    let mut about = store;
    for (field, value) in [("path", path), ("regexp", regexp)] {
        if let Some(value) = value {
            about.push_str(&format!(" {field}={value}"));
        }
    }
    for (tag, value) in tags.into_iter().flatten() {
        about.push_str(&format!(" tags.{tag}={}", value.as_str().unwrap_or_default()));
    }
    about
}

/// What bounds a search.
struct Found<'f> {
    begins_with: String,
    expression: Option<&'f str>,
    alphabet: &'static [u8],
}

impl Found<'_> {
    fn search(&self) -> Search<'_> {
        Search {
            expression: self.expression,
            begins_with: &self.begins_with,
            fetched_behind: "",
            alphabet: self.alphabet,
            granted: "",
        }
    }
}

fn found<'f>(store: &AwsStore, path: Option<&str>, expression: Option<&'f str>) -> Found<'f> {
    match &*store.service {
        "ParameterStore" => Found {
            // A hierarchy; its root has names without a leading slash too.
            begins_with: match path.map(|path| path.trim_end_matches('/')) {
                None | Some("") => String::new(),
                Some(path) => format!("{path}/"),
            },
            expression,
            alphabet: PARAMETER_STORE,
        },
        _ => Found { begins_with: path.unwrap_or_default().to_owned(), expression, alphabet: SECRETS_MANAGER },
    }
}
