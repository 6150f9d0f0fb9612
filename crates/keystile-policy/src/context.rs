//! What a rule sees: the object as read, its binding, the policy, the world, and each reference with
//! its store and effective key.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use crate::binding::Binding;
use crate::contain::Budget;
use crate::contain::find::{self, FindVerdict};
use crate::fan_out::Reach;
use crate::field_path::Step;
use crate::kind::Kind;
use crate::live::{self, LiveSecret};
use crate::policy::{Access, Grant, Policy, Provider, ProviderEntry};
use crate::provider::kms::KmsKey;
use crate::provider::{self, EffectiveKey, KeyFault};
use crate::request::Request;
use crate::selector::Selector;
use crate::subject::managed::ManagedSecret;
use crate::subject::refresh::Refresh;
use crate::subject::store::{StoreFacts, StoreKind, StoreProvider};
use crate::subject::{Names, Reference, StoreTarget, Subject};
use crate::world::{Lookup, Query, StoreId, World};

/// References, each in every store that it goes to, that are judged.
const MOST_RESOLVED: usize = 20_000;

/// Everything that a rule may look at.
pub struct Context<'c> {
    /// The policy in force.
    pub policy: &'c Policy,
    /// The request; its object may be another than [`Context::object`], which is the old one when the
    /// old object's violations are sought.
    pub request: &'c Request<'c>,
    /// The kind of the object.
    pub kind: Kind,
    /// The object that is judged.
    pub object: &'c Value,
    /// The object on the other side of the change, on UPDATE.
    pub other: Option<&'c Value>,
    /// What the object says.
    pub subject: &'c Subject<'c>,
    /// The namespace that it is judged in; empty for a cluster-scoped one.
    pub namespace: &'c str,
    /// Who that namespace is; `None` where it is not bound.
    pub binding: Option<&'c Binding>,
    /// Each reference of the subject, in order, resolved.
    pub resolved: Vec<Resolved<'c>>,
    /// Whose namespaces a cluster-scoped object reaches; [`Context::binding`] is one of them.
    pub reach: Option<&'c Reach>,
    /// What lies around.
    pub world: &'c dyn World,
    /// What the world could not answer.
    unanswered: RefCell<BTreeSet<Query>>,
    /// What proofs may still cost.
    budget: RefCell<Budget>,
    /// [`Context::fitting`], by the address of a store that [`Context::resolved`] holds.
    fitting: RefCell<Fitting<'c>>,
    /// What the inventory says of the secrets; looked up once, by the first rule that asks.
    live: OnceCell<Vec<LiveSecret<'c>>>,
}

/// What the policy says of a KMS key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It lists none, so any customer-managed key may be used.
    Any,
    /// It lists this one.
    Listed,
    /// It lists others.
    NotListed,
}

/// Entries of the policy by the address of a store that fits them.
type Fitting<'c> = Vec<(*const StoreFacts, Rc<[&'c ProviderEntry]>)>;

/// A reference with its store and what the provider will be asked for.
pub struct Resolved<'c> {
    /// The reference.
    pub reference: &'c Reference<'c>,
    /// Its store.
    pub store: Lookup<Arc<StoreFacts>>,
    /// The key; `None` where the store is not found, or the names are not one key.
    pub key: Option<Result<EffectiveKey<'c>, KeyFault>>,
    /// What a search can find; looked at once, by the first rule that asks.
    find: OnceCell<FindVerdict>,
}

impl<'c> Context<'c> {
    /// A context whose references are resolved in `world`.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "it is the whole of what rules see, made in one place")]
    pub fn new(
        policy: &'c Policy,
        request: &'c Request<'c>,
        kind: Kind,
        object: &'c Value,
        other: Option<&'c Value>,
        subject: &'c Subject<'c>,
        namespace: &'c str,
        binding: Option<&'c Binding>,
        world: &'c dyn World,
    ) -> Self {
        let mut context = Self {
            policy,
            request,
            kind,
            object,
            other,
            subject,
            namespace,
            binding,
            resolved: Vec::with_capacity(subject.references.len()),
            reach: None,
            world,
            unanswered: RefCell::default(),
            budget: RefCell::default(),
            fitting: RefCell::default(),
            live: OnceCell::new(),
        };
        let mut by_label = ByLabel::default();
        for reference in &subject.references {
            if let StoreTarget::ByLabel { kind, selector, .. } = &reference.store {
                let stores = by_label.stores(&context, *kind, selector);
                context.resolve_each(reference, stores);
                continue;
            }
            // Most references of an object go through the same store: it is looked up once.
            let store = match context.resolved.last() {
                Some(last) if last.reference.store == reference.store => last.store.clone(),
                _ => context.store(&reference.store),
            };
            context.resolve(reference, store);
        }
        context
    }

    fn resolve(&mut self, reference: &'c Reference<'c>, store: Lookup<Arc<StoreFacts>>) {
        let key = match (&store, &reference.names) {
            (Lookup::Found(store), Names::Key(key)) => {
                Some(provider::effective_key(store, key, reference.reads_metadata))
            }
            _ => None,
        };
        self.resolved.push(Resolved { reference, store, key, find: OnceCell::new() });
    }

    /// Resolves a reference in every store that its labels choose.
    fn resolve_each(&mut self, reference: &'c Reference<'c>, stores: &Lookup<Vec<Arc<StoreFacts>>>) {
        match stores {
            Lookup::Found(stores) if self.resolved.len() + stores.len() <= MOST_RESOLVED => {
                for store in stores {
                    self.resolve(reference, Lookup::Found(Arc::clone(store)));
                }
            }
            Lookup::Absent => self.resolve(reference, Lookup::Absent),
            Lookup::Found(_) | Lookup::Unknown => self.resolve(reference, Lookup::Unknown),
        }
    }

    /// Looks a store up; what is not known is noted as unanswered.
    pub fn store(&self, target: &StoreTarget<'_>) -> Lookup<Arc<StoreFacts>> {
        if let StoreTarget::AwsProvider { namespace, name, .. } = target {
            return self.aws_provider(namespace.unwrap_or(self.namespace), name);
        }
        let StoreTarget::Named { kind, name, .. } = target else { return Lookup::Absent };
        let found = self.world.store(*kind, self.namespace, name);
        if found == Lookup::Unknown {
            let namespace = match kind {
                StoreKind::SecretStore => self.namespace,
                StoreKind::ClusterSecretStore => "",
                StoreKind::AwsProvider => return Lookup::Absent,
            };
            self.note(Query::Store(StoreId { kind: *kind, namespace: namespace.into(), name: (*name).into() }));
        }
        found
    }

    /// Looks an AWSProvider of the operator up, as the store that it is.
    fn aws_provider(&self, namespace: &str, name: &str) -> Lookup<Arc<StoreFacts>> {
        match self.world.aws_provider(namespace, name) {
            Lookup::Found(object) => Lookup::Found(Arc::new(StoreFacts::of_aws_provider(&object, namespace, name))),
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => {
                self.note(Query::AwsProvider(namespace.to_owned(), name.to_owned()));
                Lookup::Unknown
            }
        }
    }

    /// Whether KMS keys of an account may be used: one of `kms.accounts`, or of the providers' accounts
    /// where the policy names none for keys.
    #[must_use]
    pub fn is_kms_account(&self, account: &str) -> bool {
        let own = &self.policy.kms.accounts;
        if !own.is_unsaid() {
            return own.allows(self.env(), |allowed| allowed == account);
        }
        self.policy.providers.iter().any(|entry| has_account(&entry.provider, account, self.env()))
    }

    /// Whether a region is one of the AWS providers'.
    #[must_use]
    pub fn is_aws_region(&self, region: &str) -> bool {
        self.policy.providers.iter().any(|entry| {
            matches!(&entry.provider, Provider::Aws { regions, .. } if regions.allows(self.env(), |allowed| allowed == region))
        })
    }

    /// The stores that a label selector chooses. In a namespace that is not known yet (a fan-out) there
    /// is no telling.
    #[must_use]
    pub fn stores_by_label(&self, kind: StoreKind, selector: &Value) -> Lookup<Vec<Arc<StoreFacts>>> {
        let Ok(selector) = Selector::parse(selector) else { return Lookup::Unknown };
        if kind == StoreKind::SecretStore && self.namespace.is_empty() {
            return Lookup::Unknown;
        }
        match self.world.stores(kind, self.namespace) {
            Lookup::Found(mut stores) => {
                stores.retain(|store| {
                    selector.matches(|name| {
                        store.labels.iter().find(|(label, _)| **label == *name).map(|(_, value)| &**value)
                    })
                });
                if stores.is_empty() { Lookup::Absent } else { Lookup::Found(stores) }
            }
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown => Lookup::Unknown,
        }
    }

    /// The region that a managed secret is in: its own setting, else that of the store or provider through
    /// which it is written.
    #[must_use]
    pub fn region_of(&self, secret: &ManagedSecret<'_>) -> Option<String> {
        if let Some(region) = secret.region.known() {
            return Some(region.to_string());
        }
        let written = self.resolved.iter().find(|resolved| resolved.reference.path == secret.name.path)?;
        match &written.store {
            Lookup::Found(store) => match &store.provider {
                StoreProvider::Aws(aws) if !aws.region.is_empty() => Some(aws.region.to_string()),
                _ => None,
            },
            Lookup::Absent | Lookup::Unknown => None,
        }
    }

    /// Whether the policy lists a KMS key, where it lists any.
    #[must_use]
    pub fn kms_listing(&self, text: &str) -> Listing {
        let kms = &self.policy.kms;
        if kms.aliases.is_unsaid() && kms.keys.is_unsaid() {
            return Listing::Any;
        }
        let key = KmsKey::read(text);
        let is_alias =
            self.binding.is_some_and(|binding| kms.aliases.allows(self.env(), |alias| alias.matches(key.id, binding)));
        if is_alias || kms.keys.allows(self.env(), |listed| listed == text || listed == key.id) {
            Listing::Listed
        } else {
            Listing::NotListed
        }
    }

    /// The keys of the tags that a managed secret must have: those of the environment, or of any where it is
    /// not known which.
    #[must_use]
    pub fn required_tags(&self) -> Vec<&'c str> {
        let tags = &self.policy.required_tags;
        let lists: Vec<&Vec<String>> = match self.env() {
            Some(env) => tags.get(env).into_iter().collect(),
            None => tags.values().collect(),
        };
        let mut required: Vec<&str> = lists.into_iter().flatten().map(String::as_str).collect();
        required.sort_unstable();
        required.dedup();
        required
    }

    /// What the inventory says of the secrets that the object names.
    pub fn live(&self) -> &[LiveSecret<'c>] {
        self.live.get_or_init(|| live::secrets(self))
    }

    /// Notes a question that the world could not answer.
    pub fn note(&self, query: Query) {
        self.unanswered.borrow_mut().insert(query);
    }

    /// What was noted.
    pub fn into_unanswered(self) -> BTreeSet<Query> {
        self.unanswered.into_inner()
    }

    /// Whether the judged object is the one that the request brings, not the old one that it replaces.
    /// A rule about who asks speaks of that one alone: the old object was not made by this user.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        self.request.object.is_some_and(|object| std::ptr::eq(object, self.object))
    }

    /// What stands at a place of the object.
    #[must_use]
    pub fn value_at(&self, steps: &[Step<'_>]) -> Option<&'c Value> {
        steps.iter().try_fold(self.object, |value, step| match step {
            Step::Field(name) => value.get(*name),
            Step::Item(index) => value.get(usize::try_from(*index).ok()?),
        })
    }

    /// Whether the object is being deleted: then only what that destroys is judged.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.request.operation == crate::request::Operation::Delete
    }

    /// Whether someone asks who is known not to be an administrator. Offline nobody is known.
    #[must_use]
    pub fn is_asked_by_others(&self) -> bool {
        let is_admin =
            |user: &crate::request::User| user.groups.iter().any(|group| self.policy.admins.groups.contains(group));
        self.request.door == crate::request::Door::Admission && !self.request.user.is_some_and(is_admin)
    }

    /// The environment whose values and actions count; `None` = any, so the strictest.
    #[must_use]
    pub fn env(&self) -> Option<&'c str> {
        self.binding?.env.value()
    }

    /// The grants with `access` that count for this binding through `store`.
    pub fn grants<'s>(
        &'s self,
        store: &'s StoreFacts,
        access: Access,
    ) -> impl Iterator<Item = (&'c ProviderEntry, &'c Grant)> + 's
    where
        'c: 's,
    {
        let entries = self.fitting(store);
        (0..entries.len()).flat_map(move |nth| {
            let entry = entries[nth];
            entry
                .grants
                .iter()
                .filter(move |grant| self.has_grant(grant, Some(store), access))
                .map(move |grant| (entry, grant))
        })
    }

    /// The entries of the policy that a store fits in the environment of the binding. Every rule about
    /// every reference asks this of the one or two stores of an object: it is found out once for each.
    #[must_use]
    pub fn fitting(&self, store: &StoreFacts) -> Rc<[&'c ProviderEntry]> {
        let mut known = self.fitting.borrow_mut();
        if let Some((_, entries)) = known.iter().find(|(known, _)| std::ptr::eq(*known, store)) {
            return Rc::clone(entries);
        }
        let entries: Rc<[_]> = provider::fitting(store, &self.policy.providers, self.env()).collect();
        // A store that is not of this object's references may be gone when the next one is asked about.
        if self.resolved.iter().any(|of| matches!(&of.store, Lookup::Found(own) if std::ptr::eq(&**own, store))) {
            known.push((store, Rc::clone(&entries)));
        }
        entries
    }

    /// Where a store looks its names up; see [`provider::place`]. A store without a role is in the account of the
    /// entries that it fits, where they name just one.
    #[must_use]
    pub fn place(&self, store: &StoreFacts) -> String {
        let fitting = self.fitting(store);
        let mut accounts = fitting.iter().flat_map(|entry| match &entry.provider {
            Provider::Aws { accounts, .. } => match self.env() {
                Some(env) => accounts.get(env).into_iter().flatten().collect(),
                None => accounts.values().flatten().collect(),
            },
            _ => Vec::new(),
        });
        let home = accounts.next().map_or("", String::as_str);
        provider::place(store, if accounts.all(|account| account == home) { home } else { "" })
    }

    /// Whether a grant counts for this binding; `None` = not through a store.
    pub(crate) fn has_grant(&self, grant: &Grant, store: Option<&StoreFacts>, access: Access) -> bool {
        let Some(binding) = self.binding else { return false };
        let is_of_team = grant
            .teams
            .as_ref()
            .is_none_or(|teams| binding.team.value().is_some_and(|team| teams.iter().any(|granted| granted == team)));
        let is_through_store = grant.stores.as_ref().is_none_or(|stores| {
            store.is_some_and(|store| {
                stores.iter().any(|granted| granted.kind == store.id.kind && granted.name == store.id.name)
            })
        });
        // In any environment: only what every environment has.
        let has_access = match binding.env.value() {
            Some(env) => grant.access.get(env).is_some_and(|set| set.has(access)),
            None => !grant.access.is_unsaid() && grant.access.values().all(|set| set.has(access)),
        };
        is_of_team && is_through_store && has_access
    }

    /// Whether a grant with `access` covers `name` through `store`.
    #[must_use]
    pub fn is_granted(&self, store: &StoreFacts, access: Access, name: &str) -> bool {
        self.binding
            .is_some_and(|binding| self.grants(store, access).any(|(_, grant)| grant.names.matches(name, binding)))
    }

    /// Whether grants with `access` cover every name that `key` can mean through `store`, and the account
    /// of its ARN is the entry's that grants it.
    #[must_use]
    pub fn is_key_granted(&self, store: &StoreFacts, access: Access, key: &EffectiveKey<'_>) -> bool {
        let Some(binding) = self.binding else { return false };
        key.names().all(|name| {
            self.grants(store, access).any(|(entry, grant)| {
                grant.names.matches(name, binding)
                    && key.arn_account.is_none_or(|account| has_account(&entry.provider, account, self.env()))
            })
        })
    }

    /// When the object reads again, where it reads remote secrets at all: what only generates values may
    /// do so once.
    #[must_use]
    pub fn refresh(&self) -> Option<&'c Refresh<'c>> {
        self.subject.refresh.as_ref().filter(|_| !self.subject.references.is_empty())
    }

    /// What is known of a reference that is a search ([`Names::Find`]).
    pub fn find<'r>(&self, resolved: &'r Resolved<'_>) -> &'r FindVerdict {
        resolved.find.get_or_init(|| find::verdict(self, resolved, &mut self.budget.borrow_mut()))
    }

    /// The grants that were looked at, as a message shows them.
    #[must_use]
    pub fn grants_shown(&self, store: &StoreFacts, access: Access) -> Vec<String> {
        let Some(binding) = self.binding else { return Vec::new() };
        self.grants(store, access).map(|(_, grant)| grant.names.filled(binding)).collect()
    }
}

/// The stores that label selectors choose, each selector asked once.
#[derive(Default)]
struct ByLabel<'c>(Vec<(StoreKind, &'c Value, Chosen)>);

type Chosen = Lookup<Vec<Arc<StoreFacts>>>;

impl<'c> ByLabel<'c> {
    fn stores(&mut self, context: &Context<'c>, kind: StoreKind, selector: &'c Value) -> &Lookup<Vec<Arc<StoreFacts>>> {
        let known = self.0.iter().position(|(asked, other, _)| *asked == kind && std::ptr::eq(*other, selector));
        let index = known.unwrap_or_else(|| {
            self.0.push((kind, selector, context.stores_by_label(kind, selector)));
            self.0.len() - 1
        });
        &self.0[index].2
    }
}

/// Whether an entry of the policy is about an AWS account.
pub(crate) fn has_account(provider: &Provider, account: &str, env: Option<&str>) -> bool {
    matches!(provider, Provider::Aws { accounts, .. } if accounts.allows(env, |allowed| allowed == account))
}
