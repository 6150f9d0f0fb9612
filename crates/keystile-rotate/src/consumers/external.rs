//! ExternalSecrets and ClusterExternalSecrets: which read the secret, into which keys of which Secret, and when
//! they read again.
//!
//! Source: External Secrets 2.9.0, pkg/controllers/externalsecret (`shouldRefresh`, `isSecretValid`,
//! `GetProviderSecretData`, `ApplyTemplate`) and pkg/controllers/clusterexternalsecret.

use std::collections::BTreeSet;
use std::time::Duration;

use keystile_policy::subject::cron;
use keystile_policy::subject::reference::GeneratorRef;
use keystile_policy::subject::refresh::{Refresh, go_duration};
use keystile_policy::subject::store::{StoreFacts, StoreProvider};
use keystile_policy::subject::{Names, Reference, Subject};
use keystile_policy::{FieldPath, Kind, Step};
use serde_json::Value;

use super::found::{Because, How, ObjectName, PickUp, Unaffected, Use};
use super::gathering::{Gathering, Keys, Target, pick_up, secret};
use super::leaf::{Part, converted};
use super::reason::Reason;
use super::wanted::{Means, Version, Wanted};
use super::world::{ConsumerWorld, Entry};
use super::{commands, workload};

/// What one ExternalSecret has of the secret.
#[derive(Debug, Default)]
struct Found {
    uses: Vec<Use>,
    reasons: Vec<Because>,
    keys: BTreeSet<String>,
    /// Which keys can't be told.
    are_keys_unknown: bool,
    undecided: Vec<(String, String)>,
    unaffected: Vec<Unaffected>,
    /// When what it reads has the new value, where that is not the manager itself.
    source: Option<PickUp>,
}

/// Looks through all of them.
pub(super) fn look(world: &ConsumerWorld, wanted: &Wanted<'_>, gathering: &mut Gathering) {
    for entry in &world.entries {
        match entry.kind {
            Kind::ExternalSecret => {
                let subject = Subject::read(entry.kind, &entry.object);
                let found = read(world, wanted, &entry.object, &subject, &entry.name.namespace);
                let maker = workload::owner(&entry.object, &entry.name.namespace);
                let maker = maker.filter(|maker| maker.kind == "ClusterExternalSecret");
                let spec = entry.object.get("spec").unwrap_or(&Value::Null);
                take(world, entry, &entry.name, spec, &subject, found, maker, gathering);
            }
            Kind::ClusterExternalSecret => cluster(world, wanted, entry, gathering),
            _ => {}
        }
    }
}

/// Looks for those that read Secrets which were found to hold the value, through a store of this cluster, until
/// there are no more.
pub(super) fn look_again(world: &ConsumerWorld, gathering: &mut Gathering) {
    // Few read Secrets of the cluster: only they are looked at for each Secret.
    let copying: Vec<(&Entry, Subject<'_>)> = world
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::ExternalSecret)
        .map(|entry| (entry, Subject::read(entry.kind, &entry.object)))
        .filter(|(entry, subject)| {
            subject.references.iter().any(|reference| {
                let stores = world.stores(&reference.store, &entry.name.namespace).unwrap_or_default();
                stores.iter().any(|store| matches!(store.provider, StoreProvider::Kubernetes(_)))
            })
        })
        .collect();
    let mut next = 0;
    while next < gathering.targets.len() {
        let target = gathering.targets[next].clone();
        next += 1;
        for (entry, subject) in &copying {
            // An object that reads the Secret that it writes itself is not its own source.
            let spec = entry.object.get("spec").unwrap_or(&Value::Null);
            if secret(&entry.name.namespace, target_name(spec, &entry.name)) == target.secret {
                continue;
            }
            let found = read_copy(world, &entry.object, subject, &entry.name.namespace, &target);
            if found.uses.is_empty() {
                for why in found.unaffected {
                    gathering.unaffected(why);
                }
                continue;
            }
            let is_known = gathering
                .consumers
                .get(&entry.name)
                .is_some_and(|known| found.uses.iter().all(|used| known.uses.contains(used)));
            if !is_known {
                take(world, entry, &entry.name, spec, subject, found, None, gathering);
            }
        }
    }
}

/// A ClusterExternalSecret, and the ExternalSecrets that it makes.
fn cluster(world: &ConsumerWorld, wanted: &Wanted<'_>, entry: &Entry, gathering: &mut Gathering) {
    let subject = Subject::read(entry.kind, &entry.object);
    let Some(spec) = entry.object.pointer("/spec/externalSecretSpec") else { return };
    let name = entry.object.pointer("/spec/externalSecretName").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.unwrap_or(&entry.name.name);
    let namespaces = subject.fan_out.as_ref().map(|fan_out| world.chosen(fan_out)).unwrap_or_default();
    let has_selectors = subject.fan_out.as_ref().is_some_and(|fan_out| !fan_out.selectors.is_empty());
    let mut is_consumer = false;
    let mut made = BTreeSet::new();
    let mut unaffected = Vec::new();
    let mut undecided = BTreeSet::new();
    for namespace in &namespaces {
        let child =
            ObjectName { namespace: namespace.clone(), kind: "ExternalSecret".to_owned(), name: name.to_owned() };
        let found = read(world, wanted, &entry.object, &subject, namespace);
        undecided.extend(found.undecided.iter().cloned());
        if found.uses.is_empty() {
            unaffected.clone_from(&found.unaffected);
            continue;
        }
        is_consumer = true;
        made.insert(child.clone());
        // One that is there was looked at itself.
        if !world.has_entry(&child) {
            let found = Found { undecided: Vec::new(), unaffected: Vec::new(), ..found };
            take(world, entry, &child, spec, &subject, found, Some(entry.name.clone()), gathering);
        }
    }
    // Where nothing is known of namespaces, its store still tells what it reads.
    let own = read(world, wanted, &entry.object, &subject, "");
    if is_consumer || (namespaces.is_empty() && !own.uses.is_empty()) {
        let any = match namespaces.is_empty() {
            true => own,
            false => {
                let namespace = made.first().map(|child| child.namespace.clone()).unwrap_or_default();
                read(world, wanted, &entry.object, &subject, &namespace)
            }
        };
        let file = entry.file.as_deref();
        if has_selectors && !world.is_complete {
            let why =
                "which namespaces its selectors choose can't be told: not all are in what was looked at".to_owned();
            gathering.undecided(&entry.name, file, "spec.namespaceSelectors".to_owned(), why);
        }
        for why in any.unaffected.clone() {
            gathering.unaffected(why);
        }
        let (within, reasons) = refreshes(spec, &subject, any.reasons);
        let when = pick_up(Some(within.as_secs()), &reasons);
        let consumer = gathering.consumer(&entry.name, file, any.uses, when, reasons);
        consumer.makes = made.into_iter().collect();
    } else {
        if namespaces.is_empty() {
            undecided.extend(own.undecided);
            unaffected = own.unaffected;
        }
        for why in unaffected {
            gathering.unaffected(why);
        }
    }
    for (place, why) in undecided {
        gathering.undecided(&entry.name, entry.file.as_deref(), place, why);
    }
}

/// Takes in what was found: the consumer, its Secret, what helps.
#[expect(clippy::too_many_arguments, reason = "one consumer, from one place")]
fn take(
    world: &ConsumerWorld,
    entry: &Entry,
    name: &ObjectName,
    spec: &Value,
    subject: &Subject<'_>,
    found: Found,
    maker: Option<ObjectName>,
    gathering: &mut Gathering,
) {
    let file = entry.file.as_deref();
    for (place, why) in found.undecided {
        gathering.undecided(name, file, place, why);
    }
    for why in found.unaffected {
        gathering.unaffected(why);
    }
    if found.uses.is_empty() {
        return;
    }
    let mut reasons = found.reasons;
    if name == &entry.name {
        reasons.extend(state(&entry.object));
    }
    if found.source == Some(PickUp::NotByItself) {
        reasons.push(Reason::SourceStale.into());
    }
    let (within, mut reasons) = refreshes(spec, subject, reasons);
    let before = match found.source {
        Some(PickUp::ByItself { within_seconds } | PickUp::AtStart { from_seconds: within_seconds }) => within_seconds,
        Some(PickUp::NotByItself) | None => Some(0),
    };
    let within = before.map(|before| before.saturating_add(within.as_secs()));
    let policy = spec.pointer("/target/creationPolicy").and_then(Value::as_str).unwrap_or("Owner");
    match policy {
        "None" => reasons.push(Reason::TargetNotWritten.into()),
        "Merge" | "CreateOrMerge" => {
            reasons.push(Because::new(Reason::TargetMerged, format!("creationPolicy {policy}")));
        }
        _ => {}
    }
    let is_written = policy != "None" && subject.refresh.as_ref().is_none_or(|refresh| refresh.manifest.is_none());
    let (keys, is_told) = keys_of(spec, &found.keys, found.are_keys_unknown);
    if is_written && !is_told {
        reasons.push(Reason::KeysUnknown.into());
    }
    let when = pick_up(within, &reasons);
    commands::external(world, name, maker.as_ref(), when, &reasons, gathering);
    let is_remade = matches!(policy, "Owner" | "CreateOrMerge" | "")
        && reasons.iter().all(|because| {
            because.effect() != super::Effect::Never
                || matches!(
                    because.reason,
                    Reason::IntervalZero
                        | Reason::CreatedOnce
                        | Reason::TargetImmutable
                        | Reason::OnChange
                        | Reason::WindowsClosed
                )
        });
    let is_stuck = reasons
        .iter()
        .any(|because| matches!(because.reason, Reason::IntervalZero | Reason::CreatedOnce | Reason::TargetImmutable));
    let consumer = gathering.consumer(name, file, found.uses, when, reasons);
    if maker.is_some() {
        consumer.made_by = maker;
    }
    if is_written {
        let target = secret(&name.namespace, target_name(spec, name));
        if !consumer.makes.contains(&target) {
            consumer.makes.push(target.clone());
        }
        if is_remade && is_stuck {
            commands::remake(world, &target, gathering);
        }
        let target = Target { secret: target, keys, pick_up: when, is_remade };
        if !gathering.targets.contains(&target) {
            gathering.targets.push(target);
        }
    }
}

/// The name of the Secret that an ExternalSecret writes.
fn target_name<'s>(spec: &'s Value, name: &'s ObjectName) -> &'s str {
    let own = spec.pointer("/target/name").and_then(Value::as_str).filter(|name| !name.is_empty());
    own.unwrap_or(&name.name)
}

/// What the object's own state says.
fn state(object: &Value) -> Vec<Because> {
    let mut reasons = Vec::new();
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        reasons.push(Reason::BeingDeleted.into());
    }
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    for condition in conditions {
        let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default();
        if text("type") == "Ready" && text("status") == "False" {
            // The message may hold anything; the reason is a word.
            reasons.push(Because::new(Reason::SyncFailing, text("reason")));
        }
    }
    reasons
}

/// Within what time it reads again, and what speaks against it.
fn refreshes(spec: &Value, subject: &Subject<'_>, mut reasons: Vec<Because>) -> (Duration, Vec<Because>) {
    let Some(refresh) = &subject.refresh else { return (Duration::ZERO, reasons) };
    let mut within = refresh.every();
    match refresh.policy {
        Some("CreatedOnce") => reasons.push(Reason::CreatedOnce.into()),
        Some("OnChange") => reasons.push(Reason::OnChange.into()),
        _ if within.is_zero() => {
            let written = refresh.interval.unwrap_or("0");
            reasons.push(Because::new(Reason::IntervalZero, format!("refreshInterval {written}")));
        }
        _ => {
            if let Some(shut) = shut(refresh) {
                match shut {
                    None => reasons.push(Reason::WindowsClosed.into()),
                    Some(shut) => {
                        let detail = format!("shut for up to {}", commands::said(shut.as_secs()));
                        reasons.push(Because::new(Reason::WindowsDelay, detail));
                        within = within.saturating_add(shut);
                    }
                }
            }
        }
    }
    if refresh.is_target_immutable {
        reasons.push(Reason::TargetImmutable.into());
    }
    if let Some(manifest) = &refresh.manifest {
        let name = spec.pointer("/target/name").and_then(Value::as_str).unwrap_or("of its own name");
        reasons.push(Because::new(Reason::TargetGeneric, format!("{} {name}", manifest.kind)));
    }
    (within, reasons)
}

/// For how long its windows let no reading through: `None` = they do at any time; `Some(None)` = never.
#[expect(clippy::option_option, reason = "no windows, never open, shut for a time: three answers")]
fn shut(refresh: &Refresh<'_>) -> Option<Option<Duration>> {
    let windows = refresh.windows.as_ref().filter(|windows| !windows.windows.is_empty())?;
    // The operator leaves a window out whose schedule it can't read.
    let read: Vec<_> = windows
        .windows
        .iter()
        .filter_map(|(schedule, duration)| Some((cron::parse(schedule)?, go_duration(duration)?)))
        .collect();
    let shut = cron::longest_shut(&read, windows.is_allow);
    (shut != Some(Duration::ZERO)).then_some(shut)
}

/// What one of them has of the secret, in a namespace.
fn read(world: &ConsumerWorld, wanted: &Wanted<'_>, object: &Value, subject: &Subject<'_>, namespace: &str) -> Found {
    let mut found = Found::default();
    for fault in &subject.faults {
        found.undecided.push((fault.path.to_string(), fault.message.clone()));
    }
    for reference in &subject.references {
        if let Some(entry) = entry_of(object, reference)
            && matches!(reference.names, Names::Key(_))
            && entry.get("find").is_some_and(|find| !find.is_null())
        {
            // The operator takes the first of `find` and `extract`.
            continue;
        }
        let place = reference.path.to_string();
        let Some(stores) = world.stores(&reference.store, namespace) else {
            if could_mean(wanted, reference) {
                let why =
                    if world.is_complete { "its store is not there" } else { "its store is not in what was looked at" };
                found.undecided.push((place, why.to_owned()));
            }
            continue;
        };
        for store in stores {
            let account = world.account_of(&store, namespace);
            let account = account.as_deref();
            let means = match &reference.names {
                Names::Key(key) => wanted.in_store(&store, account, key, reference.reads_metadata),
                Names::Find { path, regexp, tags } => wanted.by_find(&store, account, *path, *regexp, *tags),
                Names::MadeAtRunTime => Means::No,
            };
            match means {
                Means::No => {}
                Means::Unknown(why) => found.undecided.push((place.clone(), why)),
                Means::Yes(known) => {
                    let refused = !namespace.is_empty() && !world.admits(&store, namespace);
                    asks(wanted, object, reference, &store, known, refused, &mut found);
                }
            }
        }
    }
    for generator in &subject.generators {
        generated(world, wanted, generator, namespace, &mut found);
    }
    found
}

/// A reference that means the secret: which version and part it gets, and under which keys.
fn asks(
    wanted: &Wanted<'_>,
    object: &Value,
    reference: &Reference<'_>,
    store: &StoreFacts,
    known: Vec<Because>,
    is_refused: bool,
    found: &mut Found,
) {
    if reference.reads_metadata {
        return found.unaffected.push(Unaffected::TagsOnly);
    }
    let part = match wanted.leaf.under(reference.property) {
        Part::Has(part) => part,
        Part::HasNot => return found.unaffected.push(Unaffected::OtherPart),
        Part::Unknown(why) => return found.undecided.push((reference.path.to_string(), why)),
    };
    match wanted.version(reference.version) {
        Version::Other => return found.unaffected.push(Unaffected::OtherVersion),
        Version::Fixed(because) => found.reasons.push(because),
        Version::Current => {}
    }
    found.reasons.extend(known);
    if is_refused {
        found.reasons.push(Because::new(Reason::StoreRefuses, store.shown()));
    }
    if !store.controller.is_empty() {
        found.reasons.push(Because::new(Reason::StoreOtherController, store.shown()));
    }
    // The name of the key that a search makes out of the secret's.
    let name = match &store.provider {
        StoreProvider::Aws(_) | StoreProvider::Gcp(_) => Some(wanted.held.name.as_str()),
        _ => None,
    };
    lands(object, reference, &part, name, found);
    found.uses.push(Use { place: reference.path.to_string(), how: how(reference), through: None });
}

fn how(reference: &Reference<'_>) -> How {
    let is_extract = reference.path.steps().iter().any(|step| matches!(step, Step::Field("dataFrom")));
    match reference.names {
        Names::Find { .. } => How::Find,
        _ if is_extract => How::Extract,
        _ => How::Reference,
    }
}

/// The entry of `data` or `dataFrom` that a reference is in.
fn entry_of<'o>(object: &'o Value, reference: &Reference<'_>) -> Option<&'o Value> {
    let mut value = object;
    for step in reference.path.steps() {
        match step {
            Step::Field(name) => value = value.get(*name)?,
            Step::Item(index) => return value.get(usize::try_from(*index).ok()?),
        }
    }
    None
}

/// Notes the keys that a reference's value lands under. `part`: where in the value the leaf is.
fn lands(object: &Value, reference: &Reference<'_>, part: &[String], name: Option<&str>, found: &mut Found) {
    let Some(entry) = entry_of(object, reference) else {
        found.are_keys_unknown = true;
        return;
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
    let is_rewritten = entry.get("rewrite").and_then(Value::as_array).is_some_and(|rewrite| !rewrite.is_empty());
    let (base, key) = match how(reference) {
        How::Reference => {
            match text(entry.get("secretKey")) {
                Some(key) => drop(found.keys.insert(key)),
                None => found.are_keys_unknown = true,
            }
            return;
        }
        // v1alpha1 writes the fields of `extract` without it.
        How::Extract => (entry.get("extract").unwrap_or(entry), part.first().map(String::as_str)),
        _ => (entry.get("find").unwrap_or(entry), name),
    };
    let strategy = text(base.get("conversionStrategy"));
    match key.filter(|_| !is_rewritten) {
        Some(key) => drop(found.keys.insert(converted(key, strategy.as_deref()))),
        None => found.are_keys_unknown = true,
    }
}

/// The keys of the Secret that hold the leaked part, and whether that can be told.
fn keys_of(spec: &Value, read: &BTreeSet<String>, are_unknown: bool) -> (Keys, bool) {
    let fields = |path: &str| spec.pointer(path).and_then(Value::as_object).filter(|fields| !fields.is_empty());
    let data = fields("/target/template/data");
    let from = spec.pointer("/target/template/templateFrom").and_then(Value::as_array);
    let has_from = from.is_some_and(|from| !from.is_empty());
    if are_unknown || has_from {
        return (Keys::Any, false);
    }
    let is_merged = spec.pointer("/target/template/mergePolicy").and_then(Value::as_str) == Some("Merge");
    let Some(data) = data else { return (Keys::These(read.clone()), true) };
    let mut keys = if is_merged { Keys::These(read.clone()) } else { Keys::none() };
    for (key, template) in data {
        let template = template.as_str().unwrap_or_default();
        // A snapshot masks what stands in a field `value`.
        if template == "REDACTED" || renders(template, read) {
            keys.add(key.as_str());
        }
    }
    (keys, true)
}

/// Whether a template may put one of these keys into its text.
fn renders(template: &str, keys: &BTreeSet<String>) -> bool {
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let action = &rest[start + 2..];
        let (action, after) = action.split_once("}}").unwrap_or((action, ""));
        let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
        let names_it = action.split(|character: char| !is_word(character)).any(|word| {
            // `.password`, `.password.x`, `"tls.crt"` in `index . "tls.crt"`.
            let bare = word.trim_start_matches('.');
            keys.contains(word)
                || keys.contains(bare)
                || bare.split('.').next().is_some_and(|first| keys.contains(first))
        });
        // The whole of the data, or what is not simple enough.
        let takes_all = action
            .split(|character: char| !is_word(character) && character != '$')
            .any(|word| matches!(word, "." | "$" | "range" | "with" | "template" | "include" | "tpl"));
        if names_it || (takes_all && !is_plain_index(action)) {
            return true;
        }
        rest = after;
    }
    false
}

/// Whether an action is `index . "name"`, which names what it takes.
fn is_plain_index(action: &str) -> bool {
    let words: Vec<&str> = action.trim().trim_matches('-').split_whitespace().collect();
    matches!(words[..], ["index", ".", name] if name.starts_with('"') && name.ends_with('"'))
}

/// Whether a reference whose store is not known could mean the secret.
fn could_mean(wanted: &Wanted<'_>, reference: &Reference<'_>) -> bool {
    match &reference.names {
        Names::Key(key) => !reference.reads_metadata && wanted.could_be(key),
        Names::Find { path, regexp, .. } => {
            let name = &wanted.held.name;
            let is_below =
                path.is_none_or(|path| path.starts_with('!') || name.starts_with(path.trim_end_matches('/')));
            let is_matched =
                regexp.is_none_or(|text| regex::Regex::new(text).map_or(true, |regex| regex.is_match(name)));
            is_below && is_matched
        }
        Names::MadeAtRunTime => false,
    }
}

/// A generator that reads Vault.
fn generated(
    world: &ConsumerWorld,
    wanted: &Wanted<'_>,
    generator: &GeneratorRef<'_>,
    namespace: &str,
    found: &mut Found,
) {
    if !wanted.is_vault() || !matches!(generator.kind, "VaultDynamicSecret" | "ClusterGenerator") {
        return;
    }
    let place = FieldPath::from(&generator.path).to_string();
    let Some(made) = world.generator(generator.kind, namespace, generator.name) else {
        let why = format!("its generator {} is not in what was looked at", generator.name);
        return found.undecided.push((place, why));
    };
    let spec = match generator.kind {
        "ClusterGenerator" => made.pointer("/spec/generator/vaultDynamicSecretSpec"),
        _ => made.get("spec"),
    };
    let text = |path: &str| spec.and_then(|spec| spec.pointer(path)).and_then(Value::as_str).unwrap_or_default();
    if wanted.is_vault_path(text("/path")) && wanted.is_namespace(text("/provider/namespace")) {
        match wanted.leaf.last() {
            Some(key) => drop(found.keys.insert(key.to_owned())),
            None => found.are_keys_unknown = true,
        }
        found.uses.push(Use { place, how: How::Extract, through: None });
    }
}

/// What one of them has of a Secret that holds the value.
fn read_copy(world: &ConsumerWorld, object: &Value, subject: &Subject<'_>, namespace: &str, target: &Target) -> Found {
    let mut found = Found { source: Some(target.pick_up), ..Found::default() };
    for reference in &subject.references {
        let Some(stores) = world.stores(&reference.store, namespace) else { continue };
        for store in stores {
            let StoreProvider::Kubernetes(kubernetes) = &store.provider else { continue };
            if !is_this_cluster(&kubernetes.server) || *kubernetes.remote_namespace != *target.secret.namespace {
                continue;
            }
            let is_it = match &reference.names {
                Names::Key(key) => *key == target.secret.name,
                // Labels of Secrets are not looked at.
                Names::Find { regexp: Some(regexp), tags: None, .. } => {
                    regex::Regex::new(regexp).is_ok_and(|regex| regex.is_match(&target.secret.name))
                }
                Names::Find { .. } | Names::MadeAtRunTime => false,
            };
            if !is_it || reference.reads_metadata {
                continue;
            }
            let key = reference.property.filter(|property| !property.is_empty());
            if key.is_some_and(|key| !target.keys.has(key)) {
                found.unaffected.push(Unaffected::OtherKey);
                continue;
            }
            match (how(reference), key, &target.keys) {
                // Every key becomes one of its own name.
                (How::Extract, None, Keys::These(keys)) => {
                    for key in keys {
                        lands(object, reference, std::slice::from_ref(key), None, &mut found);
                    }
                }
                (How::Reference, ..) => lands(object, reference, &[], None, &mut found),
                _ => found.are_keys_unknown = true,
            }
            found.uses.push(Use {
                place: reference.path.to_string(),
                how: how(reference),
                through: Some(target.secret.clone()),
            });
        }
    }
    found
}

/// Whether the server of a store is the API server of the cluster that it is in.
fn is_this_cluster(server: &str) -> bool {
    let host = server.split_once("://").map_or(server, |(_, host)| host);
    let host = host.split([':', '/']).next().unwrap_or(host);
    matches!(host, "" | "kubernetes" | "kubernetes.default" | "kubernetes.default.svc")
        || host.starts_with("kubernetes.default.svc.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_says_which_keys_hold_the_value() {
        let read: BTreeSet<String> = ["password".to_owned()].into();
        for (template, is_in) in [
            ("constant", false),
            ("{{ .password }}", true),
            ("postgres://{{ .username }}:{{ .password | urlquery }}@db", true),
            ("{{ .username }}", false),
            ("{{ .password_old }}", false),
            (r#"{{ index . "password" }}"#, true),
            (r#"{{ index . "username" }}"#, false),
            ("{{ . | toJson }}", true),
            ("{{ range $k, $v := . }}{{ $k }}={{ $v }}{{ end }}", true),
            ("{{ .password", true),
        ] {
            assert_eq!(renders(template, &read), is_in, "{template}");
        }
    }

    #[test]
    fn keys_are_those_of_the_template_where_there_is_one() {
        let read: BTreeSet<String> = ["password".to_owned()].into();
        let these = |keys: &[&str]| Keys::These(keys.iter().map(ToString::to_string).collect());
        for (target, expected) in [
            (json!({}), (these(&["password"]), true)),
            (json!({"template": {"metadata": {}}}), (these(&["password"]), true)),
            (json!({"template": {"data": {"url": "x:{{ .password }}", "host": "db"}}}), (these(&["url"]), true)),
            (
                json!({"template": {"mergePolicy": "Merge", "data": {"url": "x:{{ .password }}"}}}),
                (these(&["password", "url"]), true),
            ),
            (json!({"template": {"templateFrom": [{"configMap": {"name": "x"}}]}}), (Keys::Any, false)),
        ] {
            assert_eq!(keys_of(&json!({"target": target}), &read, false), expected, "{target}");
        }
    }
}
