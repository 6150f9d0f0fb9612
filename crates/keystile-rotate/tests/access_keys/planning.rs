//! What is planned.

use jiff::SignedDuration;
use keystile_inventory::CallErrorKind;
use keystile_rotate::access_key::{AccessKeyId, AccessKeys, KeyOptions, KeyStatus, KeyUse};
use keystile_rotate::plan::{Action, PlanItem};
use keystile_rotate::token::Purpose;
use keystile_rotate::{Outcome, RotationPlan};

use super::fake::{Fake, Function};
use super::iam::{Fault, Iam, THEIRS, id, key};
use super::{fake, leaked, now, options, place, plan, secret_half, unmanaged};

/// The one item for this leaked key, whose secret half leaked beside it.
fn item(id: &AccessKeyId, iam: &Iam, options: &KeyOptions) -> PlanItem {
    let leaks = [leaked(id, 1), secret_half(2)];
    let items = leaks.iter().map(unmanaged).collect();
    let plan = plan(items, &leaks, &[iam], options);
    let [first, second] = &plan.items[..] else { panic!("{:?}", plan.items) };
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(first.access_key, second.access_key, "both halves are the same key");
    assert_eq!((first.action, &first.blocked), (second.action, &second.blocked));
    assert_eq!(said_to_do(second), ["it is the secret half of the access key of item 1, and ends with it"]);
    assert_eq!(iam.writes(), Vec::<&str>::new(), "planning changes nothing");
    first.clone()
}

fn said_to_do(item: &PlanItem) -> Vec<&str> {
    item.warnings.iter().chain(&item.guidance).map(String::as_str).collect()
}

fn used(hours: i64) -> Option<KeyUse> {
    let at = now().checked_sub(SignedDuration::from_hours(hours)).unwrap();
    Some(KeyUse { at, service: Some("s3".to_owned()), region: Some("eu-west-1".to_owned()) })
}

/// All that is said about an item.
fn said(item: &PlanItem) -> String {
    let blocked = item.blocked.iter().map(|block| &block.why);
    blocked.chain(&item.warnings).chain(&item.guidance).map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_is_planned_depends_on_the_key() {
    use Action::{Deactivate, Nothing};
    type Change = fn(&mut super::iam::World, &mut KeyOptions);
    let nothing: Change = |_, _| {};
    type Case<'a> = (&'a str, &'a [u32], Change, Action, Option<Outcome>, &'a str);
    let cases: [Case<'_>; 15] = [
        ("another key works", &[1, 2], nothing, Deactivate, None, "AttributeKey=AccessKeyId,AttributeValue="),
        ("the only one", &[1], nothing, Deactivate, Some(Outcome::Blocked), "the only active key of ci"),
        (
            "the other one is off",
            &[1, 2],
            |world, _| world.users.get_mut("ci").unwrap()[1].status = KeyStatus::Inactive,
            Deactivate,
            Some(Outcome::Blocked),
            "the only active key of ci",
        ),
        ("allowed", &[1], |_, options| options.allow_active = true, Deactivate, None, "the only active key of ci"),
        (
            "used an hour ago",
            &[1, 2],
            |world, _| world.users.get_mut("ci").unwrap()[0].last = used(1),
            Deactivate,
            Some(Outcome::Blocked),
            "for s3 in eu-west-1, by an application or by whoever found it",
        ),
        (
            "used yesterday",
            &[1, 2],
            |world, _| world.users.get_mut("ci").unwrap()[0].last = used(24),
            Deactivate,
            None,
            "aws cloudtrail lookup-events",
        ),
        (
            "off already",
            &[1, 2],
            |world, _| world.users.get_mut("ci").unwrap()[0].status = KeyStatus::Inactive,
            Nothing(Outcome::Deactivated),
            None,
            "aws iam delete-access-key --user-name ci ",
        ),
        (
            "in quarantine",
            &[1, 2],
            |world, _| world.policies = vec!["Team".to_owned(), "AWSCompromisedKeyQuarantineV3".to_owned()],
            Deactivate,
            None,
            "(AWSCompromisedKeyQuarantineV3)",
        ),
        (
            "quarantine not known",
            &[1, 2],
            |world, _| world.denied = vec!["ListAttachedUserPolicies"],
            Deactivate,
            None,
            "quarantine is not known: ListAttachedUserPolicies: AccessDenied",
        ),
        (
            "may not be asked about",
            &[1, 2],
            |world, _| world.denied = vec!["GetAccessKeyLastUsed"],
            Deactivate,
            Some(Outcome::Denied),
            "needs iam:GetAccessKeyLastUsed",
        ),
        (
            "no answer",
            &[1, 2],
            |world, _| world.faults = [Fault::None, Fault::Fails(CallErrorKind::Ambiguous)].into(),
            Deactivate,
            Some(Outcome::Unreachable),
            "plan again",
        ),
        (
            "no credentials",
            &[1, 2],
            |world, _| world.no_credentials = true,
            Deactivate,
            Some(Outcome::NoCredentials),
            "GetCallerIdentity",
        ),
        ("nobody's", &[2], nothing, Nothing(Outcome::Unverified), None, "it was deleted, or it is the root user's"),
        (
            "root's",
            &[2],
            |world, _| world.root = Some((key(1), Some("<root_account>".to_owned()))),
            Nothing(Outcome::Unmanaged),
            None,
            "sign in as root",
        ),
        (
            "root's without a name",
            &[2],
            |world, _| world.root = Some((key(1), None)),
            Nothing(Outcome::Unmanaged),
            None,
            "sign in as root",
        ),
    ];
    for (name, keys, change, action, blocked, words) in cases {
        let (iam, mut options) = (Iam::with_keys(keys), options());
        iam.with(|world| change(world, &mut options));
        let item = item(&key(1), &iam, &options);
        let outcomes: Vec<Outcome> = item.blocked.iter().map(|block| block.outcome).collect();
        assert_eq!((item.action, outcomes), (action, blocked.into_iter().collect()), "{name}: {}", said(&item));
        assert!(said(&item).contains(words), "{name}: {}", said(&item));
    }
}

#[test]
fn other_peoples_keys_and_other_kinds_are_not_asked_about() {
    let temporary = id(&format!("AS{}", "IA"), super::iam::OURS, 1);
    let bearer = id(&format!("AB{}", "IA"), super::iam::OURS, 1);
    let theirs = id(&format!("AK{}", "IA"), THEIRS, 1);
    let allowed = KeyOptions { accounts: vec![super::iam::OURS.to_owned(), THEIRS.to_owned()], ..options() };
    let foreign = Some(Outcome::ForeignAccount);
    for (name, id, options, blocked, words) in [
        ("temporary", &temporary, &options(), None, "ends by itself"),
        ("bearer token", &bearer, &options(), None, "the service that it was made for"),
        ("another account", &theirs, &options(), foreign, "belongs to account 210987654321"),
        ("another account, allowed", &theirs, &allowed, foreign, "no connection"),
        ("not allowed", &key(1), &KeyOptions::default(), foreign, "give --allow-account 123456789012"),
    ] {
        let iam = Iam::with_keys(&[1, 2]);
        let item = item(id, &iam, options);
        let outcome = item.blocked.first().map(|block| block.outcome);
        assert_eq!(outcome, blocked, "{name}: {}", said(&item));
        assert!(said(&item).contains(words), "{name}: {}", said(&item));
        assert_eq!(item.action == Action::Nothing(Outcome::Unmanaged), blocked.is_none(), "{name}");
        assert_eq!(iam.with(|world| world.calls.clone()), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn an_old_id_belongs_to_the_account_that_knows_it() {
    let old = AccessKeyId::parse(format!("{}AI{}", "AKI", "Q7".repeat(7) + "Q").as_bytes()).unwrap();
    let iam = Iam::with_keys(&[1, 2]);
    assert_eq!(item(&old, &iam, &options()).blocked[0].outcome, Outcome::ForeignAccount);
    iam.with(|world| world.users.get_mut("ci").unwrap()[0].id = old.clone());
    let item = item(&old, &iam, &options());
    assert_eq!((item.action, item.blocked.len()), (Action::Deactivate, 0), "{}", said(&item));
    assert_eq!(item.access_key.unwrap().account.as_deref(), Some(super::iam::OURS));
}

#[test]
fn an_id_alone_is_said_to_open_nothing() {
    let leaks = [leaked(&key(1), 1), secret_half(40)];
    let iam = Iam::with_keys(&[1, 2]);
    let plan = plan(leaks.iter().map(unmanaged).collect(), &leaks, &[&iam], &options());
    // The secret half that is far away stays what it was.
    assert_eq!(plan.items[0].action, Action::Nothing(Outcome::Unmanaged));
    assert_eq!(plan.items[0].places, [place(40)]);
    assert!(said(&plan.items[1]).contains("the id alone opens nothing"), "{}", said(&plan.items[1]));
}

/// A plan for a key whose secret half a managed secret holds.
pub(crate) fn managed_plan(manager: &Fake, iam: &dyn AccessKeys, action: Action, blocked: bool) -> RotationPlan {
    let leaks = [leaked(&key(1), 1), secret_half(2)];
    let mut holder = fake::plan(manager, action).items.remove(0);
    holder.rule = leaks[1].rule.clone();
    holder.places = leaks[1].places.clone();
    if blocked {
        let why = "nobody rotates it".to_owned();
        holder.blocked.push(keystile_rotate::plan::Block { outcome: Outcome::NoRotationFunction, why });
    }
    plan(vec![unmanaged(&leaks[0]), holder], &leaks, &[iam], &options())
}

#[test]
fn what_a_managed_secret_holds_is_rotated_first() {
    let rotate = Action::Rotate(Purpose::First);
    // Its only key: the rotation makes another.
    for (name, action, blocked, after, words) in [
        ("rotated", rotate, false, true, "not before item 1 has ended well: the secret app/db holds the key"),
        ("nobody rotates", rotate, true, false, "the secret app/db holds it and nobody rotates that"),
        ("generated", Action::Generate, false, false, "the secret app/db holds it and nobody rotates that"),
        ("rotated before", Action::Nothing(Outcome::AlreadyRotated), false, false, "the only active key of ci"),
    ] {
        let (manager, iam) = (Fake::new(Function::Works, &[]), Iam::with_keys(&[1]));
        let plan = managed_plan(&manager, &iam, action, blocked);
        let [holder, new] = &plan.items[..] else { panic!("{name}: {:?}", plan.items) };
        assert_eq!((holder.number, new.number), (1, 2), "{name}");
        assert_eq!(new.action, Action::Deactivate, "{name}");
        assert_eq!(new.access_key.as_ref().unwrap().after, if after { vec![1] } else { vec![] }, "{name}");
        assert_eq!(new.blocked.is_empty(), after, "{name}: {}", said(new));
        assert!(said(new).contains(words), "{name}: {}", said(new));
        if action == Action::Generate {
            assert!(said(holder).contains("a random value would be none"), "{}", said(holder));
        }
    }
}

#[test]
fn a_plan_reads_back_and_holds_no_secret_half() {
    let (manager, iam) = (Fake::new(Function::Works, &[]), Iam::with_keys(&[1]));
    iam.with(|world| world.users.get_mut("ci").unwrap()[0].last = used(30));
    let plan = managed_plan(&manager, &iam, Action::Rotate(Purpose::First), false);
    let json = serde_json::to_string(&plan).unwrap();
    assert!(!json.contains(fake::MARK) && json.contains(key(1).as_str()), "{json}");
    assert_eq!(serde_json::from_str::<RotationPlan>(&json).unwrap(), plan);
}
