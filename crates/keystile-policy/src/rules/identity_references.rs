//! Service accounts, Secrets and authorities that a store or a generator may name: shared by the rules
//! about them.

use super::Rule;
use super::acting::{Acting, For, listed};
use crate::context::Context;
use crate::shown::Shown;
use crate::subject::identity::ObjectRefKind;
use crate::violation::Violation;

/// Service accounts whose tokens are asked for. The operator may ask for anybody's.
pub(super) fn service_accounts(
    rule: &'static Rule,
    context: &Context<'_>,
    acting: Acting<'_>,
    out: &mut Vec<Violation>,
) {
    let whom = For::new(context, acting);
    let settings = &context.policy.stores;
    for account in acting.identity().of_kind(ObjectRefKind::ServiceAccount) {
        // Without a namespace, what is of the cluster takes the account of the namespace that uses it:
        // then it is judged as that namespace's own would be, whichever that is.
        let (is_granted, section, granted) = match (whom.cluster, &account.namespace) {
            (Some(cluster), Some(namespace)) => {
                let name = format!("{namespace}/{}", account.name);
                let granted = cluster.map(|cluster| &cluster.service_accounts);
                let is_granted = granted.is_some_and(|granted| granted.contains(&name));
                (is_granted, "stores.cluster.serviceAccounts", listed(granted.into_iter().flatten()))
            }
            _ => {
                let granted = whom.env().and_then(|env| settings.service_accounts.get(env));
                let is_granted = settings
                    .service_accounts
                    .allows(whom.env(), |granted| granted.matches(&account.name, &whom.binding));
                (is_granted, "stores.serviceAccounts", listed(granted.into_iter().flatten()))
            }
        };
        if is_granted {
            continue;
        }
        let name = match &account.namespace {
            Some(namespace) if whom.cluster.is_some() => format!("{namespace}/{}", account.name),
            _ => account.name.to_string(),
        };
        let message =
            format!("{} of {} may not use the service account {}", acting.kinds(), whom.binding, Shown(&name));
        out.push(
            Violation::new(rule, acting.path(account.field), name, message)
                .cure(format!("use one that the policy lists in {section}: {granted}")),
        );
    }
}

/// Objects of another namespace. A namespaced store or generator has none to name; what is of the cluster
/// reaches only where its service accounts are.
pub(super) fn namespaces(rule: &'static Rule, context: &Context<'_>, acting: Acting<'_>, out: &mut Vec<Violation>) {
    let whom = For::new(context, acting);
    for reference in &acting.identity().references {
        let Some(namespace) = reference.namespace.as_deref() else { continue };
        if whom.may_reach(context.namespace, namespace) {
            continue;
        }
        let what = match reference.kind {
            ObjectRefKind::Secret => "credentials",
            // Judged by its whole name: generator- and store-service-account-not-granted.
            ObjectRefKind::ServiceAccount if whom.cluster.is_some() => continue,
            ObjectRefKind::ServiceAccount => "a service account",
            ObjectRefKind::Authority => "a certificate authority",
        };
        let message = format!("it takes {what} from namespace {}", Shown(namespace));
        let cure = match whom.cluster {
            None => "leave the namespace out: what it names lies in its own".to_owned(),
            Some(cluster) => {
                let accounts = cluster.into_iter().flat_map(|cluster| &cluster.service_accounts);
                let mut namespaces: Vec<&str> = accounts.filter_map(|name| Some(name.split_once('/')?.0)).collect();
                namespaces.dedup();
                format!("use one of the namespaces of stores.cluster.serviceAccounts: {}", listed(namespaces))
            }
        };
        let about = format!("{namespace}/{} {}", reference.name, reference.field);
        out.push(Violation::new(rule, acting.path(reference.field).field("namespace"), about, message).cure(cure));
    }
}
