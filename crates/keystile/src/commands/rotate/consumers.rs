//! Who consumes the secrets of a plan: where the objects are taken from.

use keystile_rotate::consumers::{ConsumerWorld, Kubectl};

use crate::cli::rotate::ConsumerArgs;
use crate::exit::{IncompleteError, UsageError};

/// The objects to look at; `None` where that was not asked for. `namespace`: that of manifests which name none.
///
/// # Errors
/// A path is not there; the cluster does not answer.
pub(super) fn world(args: &ConsumerArgs, namespace: Option<&str>) -> anyhow::Result<Option<ConsumerWorld>> {
    if let Some(missing) = args.manifests.iter().chain(&args.world).find(|path| !path.exists()) {
        return Err(UsageError(format!("{}: there is no such file or folder", missing.display())).into());
    }
    Ok(if !args.manifests.is_empty() {
        Some(ConsumerWorld::of_manifests(&args.manifests, namespace))
    } else if !args.world.is_empty() {
        Some(ConsumerWorld::of_snapshot(&args.world))
    } else if let Some(context) = &args.cluster {
        let kubectl = Kubectl { context: context.clone(), ..Kubectl::default() };
        Some(ConsumerWorld::of_cluster(&kubectl).map_err(|error| IncompleteError(error.to_string()))?)
    } else {
        None
    })
}
