//! What the rules about a PushSecret's metadata share: each entry with each store that reads it.

use std::sync::Arc;

use crate::context::Context;
use crate::subject::StoreTarget;
use crate::subject::push::Entry;
use crate::subject::push_metadata::{Reader, Settings};
use crate::subject::store::{StoreFacts, StoreProvider};

/// An entry, and a store that it goes to and that reads its metadata.
pub(super) struct Pushed<'e, 'c> {
    pub(super) entry: &'e Entry<'c>,
    pub(super) store: Arc<StoreFacts>,
    pub(super) reader: Reader,
}

/// Looks at each entry in each store; of the stores that read metadata alike an entry sees one, unless
/// `each` is asked for.
pub(super) fn for_each<'c>(context: &Context<'c>, each: bool, mut look: impl FnMut(&Pushed<'_, 'c>)) {
    let Some(push) = &context.subject.push else { return };
    let all = stores(context, &push.stores, each);
    for entry in &push.entries {
        let own = entry.store.as_ref().map(|store| stores(context, std::slice::from_ref(store), each));
        for (store, reader) in own.as_ref().unwrap_or(&all) {
            look(&Pushed { entry, store: Arc::clone(store), reader: *reader });
        }
    }
}

/// Looks at the settings that can be read; the others are push-metadata-unparsed.
pub(super) fn for_each_settings<'c>(
    context: &Context<'c>,
    each: bool,
    mut look: impl FnMut(&Pushed<'_, 'c>, &Settings<'c>),
) {
    for_each(context, each, |pushed| {
        if let Ok(settings) = &pushed.entry.metadata {
            look(pushed, settings);
        }
    });
}

fn stores(context: &Context<'_>, targets: &[StoreTarget<'_>], each: bool) -> Vec<(Arc<StoreFacts>, Reader)> {
    let mut found: Vec<(Arc<StoreFacts>, Reader)> = Vec::new();
    for target in targets {
        let stores = match target {
            StoreTarget::Named { .. } => context.store(target).found().into_iter().collect(),
            StoreTarget::ByLabel { kind, selector, .. } => {
                context.stores_by_label(*kind, selector).found().unwrap_or_default()
            }
            _ => Vec::new(),
        };
        for store in stores {
            let Some(reader) = reader_of(&store) else { continue };
            if each || !found.iter().any(|(_, other)| *other == reader) {
                found.push((store, reader));
            }
        }
    }
    found
}

fn reader_of(store: &StoreFacts) -> Option<Reader> {
    match &store.provider {
        StoreProvider::Aws(aws) => match &*aws.service {
            "SecretsManager" => Some(Reader::SecretsManager),
            "ParameterStore" => Some(Reader::ParameterStore),
            _ => None,
        },
        StoreProvider::Kubernetes(_) => Some(Reader::Kubernetes),
        StoreProvider::Gcp(_) => Some(Reader::Gcp),
        StoreProvider::Vault(_) | StoreProvider::Other(_) | StoreProvider::Unreadable(_) => None,
    }
}
