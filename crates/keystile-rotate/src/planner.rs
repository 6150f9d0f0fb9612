//! What is to be done for each leak: from where a value was found to an item of the plan.

use std::collections::BTreeMap;

use jiff::Timestamp;
use keystile_inventory::{RotationMeans, SecretRecord, Stage, VersionId};

use crate::guard::Guards;
use crate::index::Hit;
use crate::leak::Leak;
use crate::outcome::Outcome;
use crate::plan::{Action, Block, FORMAT, Held, PlanItem, RotationPlan, Searched, Source, Strategy, state_digest};
use crate::search::{Known, Search};
use crate::strategy::{Login, strategy};
use crate::token::Purpose;

/// Tag that a secret must have for `--generate`, and its value: the secret manager is where its value is made, and
/// nobody else has to be told of a new one.
pub const GENERATE_TAG: (&str, &str) = ("keystile.io/rotation", "generate");

/// One value in more secrets than this is a dummy, not a credential.
pub const MOST_SECRETS_OF_A_VALUE: usize = 5;

/// Makes the plan. Pure: the same searches and leaks give the same plan.
#[must_use]
pub fn plan(leaks: &[Leak], source: &Source, searches: &[Search], guards: &Guards, now: Timestamp) -> RotationPlan {
    let mut items = Vec::new();
    for leak in leaks {
        let hits: Vec<(&Search, Hit)> = searches
            .iter()
            .flat_map(|search| {
                let hits = one_for_each_secret(search, search.index.find(leak.value.reveal()));
                hits.into_iter().map(move |hit| (search, hit))
            })
            .collect();
        if hits.is_empty() {
            items.push(unmanaged(leak));
        }
        let is_dummy = hits.len() > MOST_SECRETS_OF_A_VALUE;
        for (search, hit) in &hits {
            let mut item = managed(leak, hit, search, guards, now);
            if is_dummy {
                let why = format!("{} secrets hold this value: a dummy, most likely; look before rotating", hits.len());
                item.blocked.push(Block { outcome: Outcome::Blocked, why });
            }
            items.push(item);
        }
    }
    for (item, number) in items.iter_mut().zip(1..) {
        item.number = number;
    }
    let mut searched = Searched::default();
    for search in searches {
        searched.add(&search.searched);
    }
    RotationPlan {
        format: FORMAT.to_owned(),
        made_at: now,
        source: source.clone(),
        identities: searches.iter().map(|search| search.identity.clone()).collect(),
        items,
        searched,
    }
}

/// Of the versions of a secret that hold the value, the one that matters most.
fn one_for_each_secret(search: &Search, hits: Vec<Hit>) -> Vec<Hit> {
    let mut best: BTreeMap<u32, Hit> = BTreeMap::new();
    for hit in hits {
        let record = &search.secrets[hit.secret as usize].record;
        let weight = |hit: &Hit| standing(record, &hit.version);
        match best.get(&hit.secret) {
            Some(known) if weight(known) <= weight(&hit) => {}
            _ => drop(best.insert(hit.secret, hit)),
        }
    }
    best.into_values().collect()
}

/// What a version is, the worst for a leak first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Current,
    Pending,
    Previous,
    Old,
}

fn standing(record: &SecretRecord, version: &VersionId) -> Standing {
    if record.is_at(version, &Stage::Current) {
        Standing::Current
    } else if record.is_at(version, &Stage::Pending) {
        Standing::Pending
    } else if record.is_at(version, &Stage::Previous) {
        Standing::Previous
    } else {
        Standing::Old
    }
}

fn unmanaged(leak: &Leak) -> PlanItem {
    PlanItem {
        number: 0,
        rule: leak.rule.clone(),
        places: leak.places.clone(),
        secret: None,
        access_key: None,
        action: Action::Nothing(Outcome::Unmanaged),
        blocked: Vec::new(),
        warnings: Vec::new(),
        guidance: vec![
            "no secret that was read holds this value: revoke it at its issuer, then put the new one into a secret manager"
                .to_owned(),
        ],
        consumers: None,
    }
}

fn managed(leak: &Leak, hit: &Hit, search: &Search, guards: &Guards, now: Timestamp) -> PlanItem {
    let known = &search.secrets[hit.secret as usize];
    let record = &known.record;
    let strategy = strategy_of(known);
    let standing = standing(record, &hit.version);
    let mut action = action(standing, strategy);
    let mut blocked = Vec::new();
    let mut guidance = Vec::new();
    let is_made_here = record.tags.get(GENERATE_TAG.0).is_some_and(|value| value == GENERATE_TAG.1);
    if matches!(action, Action::Rotate(_)) && record.rotation == RotationMeans::Nobody && is_made_here {
        if guards.may_generate {
            action = Action::Generate;
        } else {
            guidance.push(format!(
                "its tag {}={} allows a random value: plan again with --generate",
                GENERATE_TAG.0, GENERATE_TAG.1
            ));
        }
    }
    if !matches!(action, Action::Nothing(_)) {
        blocked = guards.blocks(&search.identity, record, action, now);
        if matches!(action, Action::Rotate(_)) && record.rotation == RotationMeans::Nobody {
            let why = "nobody rotates this secret: it has no rotation function and no service owns it".to_owned();
            blocked.push(Block { outcome: Outcome::NoRotationFunction, why });
            // One of them is to set the tag.
            let is_met = |way: &&String| is_made_here && way.contains("--generate");
            guidance.extend(search.ways_out.iter().filter(|way| !is_met(way)).cloned());
        }
    }
    PlanItem {
        number: 0,
        rule: leak.rule.clone(),
        places: leak.places.clone(),
        secret: Some(Held {
            backend: search.identity.backend,
            account: search.identity.account.clone(),
            region: search.identity.region.clone(),
            arn: record.arn.clone(),
            name: record.name.clone(),
            version: hit.version.clone(),
            stages: record.versions.get(&hit.version).cloned().unwrap_or_default(),
            pointer: hit.pointer.clone(),
            normalisation: hit.normalisation.clone(),
            rotation: record.rotation.clone(),
            strategy,
            replicas: record.replicas.iter().map(|replica| replica.region.clone()).collect(),
            last_rotated: record.last_rotated,
            state: state_digest(record),
        }),
        access_key: None,
        action,
        blocked,
        warnings: warnings(standing, strategy),
        guidance,
        consumers: None,
    }
}

fn strategy_of(known: &Known) -> Strategy {
    let login = |stage: &Stage| known.record.version_at(stage).and_then(|version| known.logins.get(version));
    strategy(login(&Stage::Current).unwrap_or(&Login::default()), login(&Stage::Previous))
}

const fn action(standing: Standing, strategy: Strategy) -> Action {
    match (standing, strategy) {
        (Standing::Current, _) => Action::Rotate(Purpose::First),
        // A rotation is making it, or died making it.
        (Standing::Pending, _) => Action::Wait,
        // The user before stays valid until the next rotation.
        (Standing::Previous, Strategy::AlternatingUsers) => Action::Rotate(Purpose::Second),
        (Standing::Previous, Strategy::SingleUser) | (Standing::Old, _) => Action::Nothing(Outcome::AlreadyRotated),
    }
}

fn warnings(standing: Standing, strategy: Strategy) -> Vec<String> {
    let mut warnings = Vec::new();
    match (standing, strategy) {
        (Standing::Current, Strategy::AlternatingUsers) => warnings.push(
            "two users take turns: after one rotation the leaked login still works, a second one ends it".to_owned(),
        ),
        (Standing::Previous, Strategy::AlternatingUsers) => warnings.push(
            "the leaked login still works until this rotation; consumers that never refreshed since the last one lose it"
                .to_owned(),
        ),
        (Standing::Previous | Standing::Old, _) => warnings.push(
            "replaced in the secret manager; whether its issuer still takes it is not known from here".to_owned(),
        ),
        _ => {}
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{BackendKind, Identity};
    use crate::index::{IndexKey, ValueIndex};
    use keystile_inventory::SecretArn;
    use keystile_scan::SecretBytes;

    const LEAKED: &str = "Zk3#mW8q-vT1xB6n";
    const OTHER: &str = "q8#Lw0!zR4-Ht5kP";

    fn guards() -> Guards {
        Guards { accounts: vec!["111111111111".to_owned()], prefixes: vec!["/prod/".to_owned()], ..Guards::default() }
    }

    /// A secret with these versions: label (`-`: none), user, password.
    fn search(secrets: &[&[(&str, &str, &str)]], rotation: &RotationMeans) -> Search {
        let mut index = ValueIndex::new(IndexKey::new([7; 32]));
        let mut known = Vec::new();
        for (number, versions) in (0_u32..).zip(secrets) {
            let arn = format!("arn:aws:secretsmanager:eu-west-1:111111111111:secret:/prod/{number}-AbCdEf");
            let mut record = SecretRecord::new(SecretArn(arn), format!("/prod/{number}"));
            record.rotation = rotation.clone();
            let mut logins = BTreeMap::new();
            for (place, (label, user, password)) in versions.iter().enumerate() {
                let version = VersionId(format!("v{place}"));
                let value = serde_json::json!({ "username": user, "password": password }).to_string();
                index.add(number, &version, value.as_bytes());
                logins.insert(version.clone(), Login::of(value.as_bytes()));
                if *label != "-" {
                    record.versions.insert(version, [Stage::from(*label)].into());
                }
            }
            known.push(Known { record, logins });
        }
        let identity = Identity {
            backend: BackendKind::AwsSecretsManager,
            account: "111111111111".to_owned(),
            region: Some("eu-west-1".to_owned()),
            caller: "me".to_owned(),
            endpoint: "localhost".to_owned(),
        };
        let ways_out = vec!["by hand".to_owned()];
        Search { identity, index, secrets: known, searched: Searched::default(), ways_out }
    }

    fn plan_of(search: &Search) -> RotationPlan {
        let leak = Leak { rule: "rule".to_owned(), value: SecretBytes::new(LEAKED.as_bytes()), places: Vec::new() };
        plan(&[leak], &Source::default(), std::slice::from_ref(search), &guards(), Timestamp::UNIX_EPOCH)
    }

    fn function() -> RotationMeans {
        RotationMeans::Function { arn: "arn:aws:lambda:eu-west-1:111111111111:function:rotate".to_owned() }
    }

    #[test]
    fn what_is_done_depends_on_the_version_that_holds_the_value() {
        use Action::{Nothing, Rotate, Wait};
        let already = Nothing(Outcome::AlreadyRotated);
        type Versions<'a> = &'a [(&'a str, &'a str, &'a str)];
        let cases: [(&str, Versions<'_>, Action, &str); 6] = [
            ("current", &[("AWSCURRENT", "app", LEAKED)], Rotate(Purpose::First), "v0"),
            ("pending", &[("AWSCURRENT", "app", OTHER), ("AWSPENDING", "app", LEAKED)], Wait, "v1"),
            ("previous", &[("AWSPREVIOUS", "app", LEAKED), ("AWSCURRENT", "app", OTHER)], already, "v0"),
            (
                "previous of two users",
                &[("AWSPREVIOUS", "app", LEAKED), ("AWSCURRENT", "app_clone", OTHER)],
                Rotate(Purpose::Second),
                "v0",
            ),
            ("old", &[("-", "app", LEAKED), ("AWSCURRENT", "app", OTHER)], already, "v0"),
            (
                "came back",
                &[("AWSPREVIOUS", "app", LEAKED), ("AWSCURRENT", "app", LEAKED)],
                Rotate(Purpose::First),
                "v1",
            ),
        ];
        for (name, versions, action, version) in cases {
            let plan = plan_of(&search(&[versions], &function()));
            let [item] = &plan.items[..] else { panic!("{name}: {:?}", plan.items) };
            let held = item.secret.as_ref().expect("it is managed");
            assert_eq!((item.action, held.version.0.as_str()), (action, version), "{name}");
            assert_eq!(held.pointer, "/password", "{name}");
            assert!(item.blocked.is_empty(), "{name}: {:?}", item.blocked);
        }
    }

    #[test]
    fn who_has_no_rotation_function_is_blocked_with_a_way_out() {
        let plan = plan_of(&search(&[&[("AWSCURRENT", "app", LEAKED)]], &RotationMeans::Nobody));
        assert_eq!(plan.items[0].blocked[0].outcome, Outcome::NoRotationFunction);
        assert_eq!(plan.items[0].guidance, ["by hand"], "as the manager says it");
    }

    #[test]
    fn a_value_of_many_secrets_is_a_dummy_and_one_of_none_is_unmanaged() {
        let secret: &[(&str, &str, &str)] = &[("AWSCURRENT", "app", LEAKED)];
        for (count, blocked) in [(5, false), (6, true)] {
            let plan = plan_of(&search(&vec![secret; count], &function()));
            assert_eq!(plan.items.len(), count);
            assert!(plan.items.iter().all(|item| item.blocked.is_empty() != blocked), "{count}");
        }
        let plan = plan_of(&search(&[&[("AWSCURRENT", "app", OTHER)]], &function()));
        assert_eq!(plan.items[0].action, Action::Nothing(Outcome::Unmanaged));
    }

    #[test]
    fn a_plan_reads_back_and_holds_no_value() {
        let plan = plan_of(&search(&[&[("AWSCURRENT", "app", LEAKED)]], &function()));
        let json = serde_json::to_string(&plan).expect("JSON");
        assert!(!json.contains(LEAKED) && !format!("{plan:?}").contains(LEAKED));
        assert_eq!(serde_json::from_str::<RotationPlan>(&json).expect("reads back"), plan);
    }
}
