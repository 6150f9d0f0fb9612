//! From the Secrets and SecretProviderClasses that hold the value to the workloads that use them.
//!
//! Source: Kubernetes documentation, "Secrets", "Using Secrets as files from a Pod" and "… environment variables";
//! the Secrets Store CSI driver's documentation, "Auto rotation" and "Sync as Kubernetes Secret".

use std::collections::{BTreeMap, BTreeSet};

use super::commands;
use super::found::{Because, How, ObjectName, PickUp, Unaffected, Use};
use super::gathering::{Gathering, Keys, Target, later, pick_up, secret};
use super::named::Named;
use super::reason::Reason;
use super::wanted::Wanted;
use super::workload::Workload;
use super::world::ConsumerWorld;

/// Seconds until a kubelet has a Secret that has changed in the volumes of its pods: its synchronisation period
/// and as much for its cache. Source: Kubernetes documentation, "Mounted Secrets are updated automatically".
const KUBELET: u64 = 120;

/// What a workload has of the value, before it is known whether it stands for others.
#[derive(Debug, Default)]
struct Had {
    uses: Vec<Use>,
    reasons: Vec<Because>,
    pick_up: Option<PickUp>,
}

impl Had {
    fn add(&mut self, used: Use, when: PickUp, reasons: impl IntoIterator<Item = Because>) {
        self.uses.push(used);
        self.reasons.extend(reasons);
        self.pick_up = Some(self.pick_up.map_or(when, |before| later(before, when)));
    }
}

/// Workloads, by their place in the world, that have the value.
type Holders = BTreeMap<usize, Had>;

/// Looks at what SecretProviderClasses mount; the Secrets that they make are added to the targets.
pub(super) fn classes(world: &ConsumerWorld, wanted: &Wanted<'_>, gathering: &mut Gathering) {
    let polling: Vec<Because> = match world.driver.polls {
        Some(true) => Vec::new(),
        Some(false) => vec![Reason::RotationPollOff.into()],
        None => vec![Reason::RotationPollUnknown.into()],
    };
    for class in &world.classes {
        // The account is that of the pods that mount it: if all are of other accounts, it is another secret.
        let accounts: BTreeSet<Option<&str>> = world
            .workloads
            .iter()
            .filter(|workload| mounts(workload, &class.name))
            .map(|workload| world.account_of_service_account(&workload.name.namespace, &workload.service_account))
            .collect();
        let own = Some(wanted.held.account.as_str());
        let account = match accounts.contains(&own) {
            true => own,
            false if accounts.contains(&None) => None,
            false => accounts.first().copied().flatten(),
        };
        let mounted = class.mounts(wanted, account);
        let file = class.file.as_deref();
        for (place, why) in &mounted.undecided {
            gathering.undecided(&class.name, file, place.clone(), why.clone());
        }
        for why in &mounted.unaffected {
            gathering.unaffected(*why);
        }
        if mounted.uses.is_empty() {
            continue;
        }
        let makes: Vec<(ObjectName, BTreeSet<String>)> =
            class.makes(&mounted).into_iter().map(|(name, keys)| (secret(&class.name.namespace, name), keys)).collect();
        let mut reasons = mounted.reasons.clone();
        reasons.extend(polling.iter().cloned());
        // Where nothing is polled, a new pod has the new value at once.
        let within = if polling.is_empty() { world.driver.interval().as_secs() } else { 0 };
        let when = pick_up(Some(within), &reasons);
        let consumer = gathering.consumer(&class.name, file, mounted.uses.clone(), when, reasons.clone());
        consumer.makes = makes.iter().map(|(target, _)| target.clone()).collect();
        for (target, keys) in makes {
            // A Secret that the driver made is written again by its polling alone: new pods don't change it.
            let when = if polling.is_empty() { when } else { PickUp::NotByItself };
            if !polling.is_empty() {
                commands::remake(world, &target, gathering);
            }
            gathering.targets.push(Target { secret: target, keys: Keys::These(keys), pick_up: when, is_remade: true });
        }
    }
}

fn mounts(workload: &Workload, class: &ObjectName) -> bool {
    workload.name.namespace == class.namespace && workload.classes.iter().any(|used| used.class == class.name)
}

/// Looks at who uses what was found, and takes them in.
pub(super) fn workloads(world: &ConsumerWorld, wanted: &Wanted<'_>, gathering: &mut Gathering) {
    let mut holders = Holders::new();
    mounted(world, wanted, gathering, &mut holders);
    agents(world, wanted, gathering, &mut holders);
    secrets(world, gathering, &mut holders);
    take(world, holders, gathering);
    named(world, gathering);
}

/// Volumes of the CSI driver.
fn mounted(world: &ConsumerWorld, wanted: &Wanted<'_>, gathering: &Gathering, holders: &mut Holders) {
    for class in &world.classes {
        let Some(consumer) = gathering.consumers.get(&class.name) else { continue };
        let mounted = class.mounts(wanted, None);
        for (nth, workload) in world.workloads.iter().enumerate() {
            if !mounts(workload, &class.name) || workload.is_over {
                continue;
            }
            let account = world.account_of_service_account(&workload.name.namespace, &workload.service_account);
            if mounted.is_account_of_pod && account.is_some_and(|account| account != wanted.held.account) {
                continue;
            }
            for used in workload.classes.iter().filter(|used| used.class == class.name.name) {
                let mut reasons: Vec<Because> = Vec::new();
                let mut when = consumer.pick_up;
                if used.has_sub_path {
                    reasons.push(Reason::SubPath.into());
                    let from_seconds = match when {
                        PickUp::ByItself { within_seconds } => within_seconds,
                        PickUp::AtStart { from_seconds } => from_seconds,
                        PickUp::NotByItself => None,
                    };
                    when = later(when, PickUp::AtStart { from_seconds });
                } else if world.driver.polls == Some(true) {
                    reasons.push(Reason::MayCache.into());
                }
                // What the class can't do, its pods can't; why the driver does not poll is theirs too.
                reasons.extend(
                    consumer.reasons.iter().filter(|because| because.effect() >= super::Effect::AtStart).cloned(),
                );
                let through = Some(class.name.clone());
                let used = Use { place: used.place.clone(), how: How::CsiVolume, through };
                holders.entry(nth).or_default().add(used, when, reasons);
            }
        }
    }
}

/// Annotations of the Vault Agent Injector.
fn agents(world: &ConsumerWorld, wanted: &Wanted<'_>, gathering: &mut Gathering, holders: &mut Holders) {
    if !wanted.is_vault() {
        return;
    }
    for (nth, workload) in world.workloads.iter().enumerate().filter(|(_, workload)| !workload.is_over) {
        let Some(agent) = &workload.agent else { continue };
        // Where no namespace is said, it is the injector's own, which is not known here.
        if agent.namespace.as_deref().is_some_and(|namespace| !wanted.is_namespace(namespace)) {
            continue;
        }
        for (place, why) in &agent.undecidable {
            gathering.undecided(&workload.name, workload.file.as_deref(), place.clone(), why.clone());
        }
        for (place, _) in agent.paths.iter().filter(|(_, path)| wanted.is_vault_path(path)) {
            let reason = if agent.is_init_only { Reason::AgentInitOnly } else { Reason::AgentFile };
            let reasons = vec![Because::from(reason)];
            let within = if agent.is_init_only { 0 } else { agent.interval.as_secs() };
            let when = pick_up(Some(within), &reasons);
            let used = Use { place: place.clone(), how: How::Agent, through: None };
            holders.entry(nth).or_default().add(used, when, reasons);
        }
    }
}

/// Secrets that hold the value.
fn secrets(world: &ConsumerWorld, gathering: &mut Gathering, holders: &mut Holders) {
    let mut by_secret: BTreeMap<(&str, &str), Vec<(usize, usize)>> = BTreeMap::new();
    for (nth, workload) in world.workloads.iter().enumerate().filter(|(_, workload)| !workload.is_over) {
        for (used_nth, used) in workload.secrets.iter().enumerate() {
            by_secret.entry((&workload.name.namespace, &used.secret)).or_default().push((nth, used_nth));
        }
    }
    // Where several write one Secret, a use is unaffected only if it is by all of them.
    let mut affected = BTreeSet::new();
    let mut passed = BTreeSet::new();
    for target in &gathering.targets {
        let found = by_secret.get(&(target.secret.namespace.as_str(), target.secret.name.as_str()));
        for (nth, used_nth) in found.into_iter().flatten() {
            let used = &world.workloads[*nth].secrets[*used_nth];
            if !target.keys.meet(used.keys.as_ref()) {
                passed.insert((*nth, *used_nth));
                continue;
            }
            affected.insert((*nth, *used_nth));
            let (when, reasons) = through(used.how, target);
            let shown = Use { place: used.place.clone(), how: used.how, through: Some(target.secret.clone()) };
            let holder = holders.entry(*nth).or_default();
            holder.add(shown, when, reasons);
            if world.workloads[*nth].reloader.watches(&target.secret.name) {
                holder.reasons.push(Reason::Reloader.into());
            }
        }
    }
    for _ in passed.difference(&affected) {
        gathering.unaffected(Unaffected::OtherKey);
    }
}

/// When something that uses a Secret in some way has its new value, and why.
fn through(how: How, target: &Target) -> (PickUp, Vec<Because>) {
    let mut reasons: Vec<Because> = match how {
        How::Environment => vec![Reason::Environment.into()],
        How::SubPath => vec![Reason::SubPath.into()],
        How::Volume => vec![Reason::MayCache.into()],
        How::ImagePull => vec![Reason::ImagePull.into()],
        How::ServiceAccount => vec![Reason::NewPods.into()],
        How::Tls => vec![Reason::Watched.into()],
        _ => vec![Reason::OtherUse.into()],
    };
    let within = match target.pick_up {
        PickUp::ByItself { within_seconds } => within_seconds,
        PickUp::AtStart { from_seconds } => from_seconds,
        PickUp::NotByItself => {
            reasons.push(Because::new(Reason::SourceStale, target.secret.to_string()));
            None
        }
    };
    let within = match how {
        How::Volume => within.map(|within| within.saturating_add(KUBELET)),
        // How long another controller takes is its own.
        How::Other => None,
        _ => within,
    };
    (pick_up(within, &reasons), reasons)
}

/// Takes in those that stand for themselves: a pod whose Deployment is named is not named too.
fn take(world: &ConsumerWorld, mut holders: Holders, gathering: &mut Gathering) {
    let by_name: BTreeMap<&ObjectName, usize> =
        world.workloads.iter().enumerate().map(|(nth, workload)| (&workload.name, nth)).collect();
    let held: BTreeSet<usize> = holders.keys().copied().collect();
    // An old ReplicaSet of a Deployment runs nothing, and its pods are gone.
    holders.retain(|nth, _| {
        let workload = &world.workloads[*nth];
        let owner = workload.owner.as_ref().and_then(|owner| by_name.get(owner));
        let is_stood_for = owner.is_some_and(|owner| held.contains(owner));
        let is_old = workload.name.kind == "ReplicaSet" && workload.owner.is_some() && workload.is_idle;
        !is_stood_for && !is_old
    });
    for (nth, had) in holders {
        let workload = &world.workloads[nth];
        let mut reasons = had.reasons;
        let mut when = had.pick_up.unwrap_or(PickUp::NotByItself);
        let is_restartable = matches!(when, PickUp::AtStart { .. })
            || reasons.iter().any(|because| {
                matches!(
                    because.reason,
                    Reason::Environment
                        | Reason::SubPath
                        | Reason::MayCache
                        | Reason::AgentFile
                        | Reason::AgentInitOnly
                )
            });
        match workload.name.kind.as_str() {
            _ if workload.is_idle => {
                reasons.push(Reason::NothingRuns.into());
                if !matches!(when, PickUp::NotByItself) {
                    when = PickUp::ByItself { within_seconds: None };
                }
            }
            "CronJob" => {
                reasons.push(Reason::NextRun.into());
                if let PickUp::AtStart { .. } = when {
                    when = PickUp::ByItself { within_seconds: None };
                }
            }
            "Job" if is_restartable => {
                reasons.push(Reason::RunsOnce.into());
                when = PickUp::NotByItself;
            }
            "Pod" if workload.owner.is_none() && is_restartable => reasons.push(Reason::BarePod.into()),
            "ReplicaSet" | "ReplicationController" if is_restartable => reasons.push(Reason::OnDelete.into()),
            _ if workload.is_replaced_by_hand && is_restartable => reasons.push(Reason::OnDelete.into()),
            _ if workload.is_paused && is_restartable => reasons.push(Reason::RolloutPaused.into()),
            _ => {}
        }
        if is_restartable && !workload.is_idle {
            commands::restart(world, workload, gathering);
        }
        let consumer = gathering.consumer(&workload.name, workload.file.as_deref(), had.uses, when, reasons);
        if let Some(owner) = &workload.owner {
            consumer.made_by = Some(owner.clone());
        }
    }
}

/// Other objects that name one of the Secrets.
fn named(world: &ConsumerWorld, gathering: &mut Gathering) {
    let mut by_secret: BTreeMap<(&str, &str), Vec<&Named>> = BTreeMap::new();
    for named in &world.named {
        by_secret.entry((&named.namespace, &named.secret)).or_default().push(named);
    }
    for target in gathering.targets.clone() {
        let found = by_secret.get(&(target.secret.namespace.as_str(), target.secret.name.as_str()));
        for named in found.into_iter().flatten() {
            let keys: Option<&[&str]> = match named.how {
                How::Tls => Some(&["tls.crt", "tls.key"]),
                How::ImagePull => Some(&[".dockerconfigjson", ".dockercfg"]),
                _ => None,
            };
            if keys.is_some_and(|keys| !keys.iter().any(|key| target.keys.has(key))) {
                gathering.unaffected(Unaffected::OtherKey);
                continue;
            }
            let (when, reasons) = through(named.how, &target);
            let used = Use { place: named.place.clone(), how: named.how, through: Some(target.secret.clone()) };
            gathering.consumer(&named.object, named.file.as_deref(), [used], when, reasons);
        }
    }
}
