//! What is to be done about the access keys among the leaks: added to a plan that is otherwise finished.
//!
//! The item of a key stands behind those of the managed secrets that hold it: they give its consumers another key
//! first, and only when that has ended well is the leaked one switched off.

use jiff::{SignedDuration, Timestamp};
use keystile_inventory::{CallError, CallErrorKind};

use super::pairs::{Credential, credentials};
use super::{AccessKeyId, AccessKeyKind, AccessKeys, HeldKey, KeyUse, KeyUser, LONGEST_SESSION};
use crate::leak::Leak;
use crate::outcome::Outcome;
use crate::plan::{Action, Block, PlanItem, RotationPlan};

/// A key that was used this recently is in use, by an application or by whoever found it.
pub const IN_USE: SignedDuration = SignedDuration::from_hours(24);

/// How the policies begin with which AWS puts a user into quarantine whose key it saw in public (its list of managed
/// policies; four of them so far).
const QUARANTINE: &str = "AWSCompromisedKeyQuarantine";

/// What the user allows.
#[derive(Debug, Clone, Default)]
pub struct KeyOptions {
    /// Accounts in which keys may be switched off; empty = none.
    pub accounts: Vec<String>,
    /// Whether a key may be switched off although something may still use it.
    pub allow_active: bool,
    /// Whether temporary credentials that were made with it are to be refused as well.
    pub revoke_sessions: bool,
}

/// Adds an item for each access key among `leaks` to a plan of the same leaks. `iam` are the accounts that can be
/// asked. Nothing is changed in any of them.
///
/// A leak that no managed secret holds and that is an access key, or the secret half of one, loses its
/// [`Outcome::Unmanaged`] item: the key's takes its place, at the end of the plan. All items are numbered anew.
pub fn plan_access_keys(
    plan: &mut RotationPlan,
    leaks: &[Leak],
    iam: &[&dyn AccessKeys],
    options: &KeyOptions,
    now: Timestamp,
) {
    let credentials = credentials(leaks);
    if credentials.is_empty() {
        return;
    }
    let asked = Asked { accounts: iam.iter().map(|iam| (iam.account(), *iam)).collect(), options };
    // The leaks' items are told by the rule and the places.
    let is_of = |item: &PlanItem, leak: &Leak| item.rule == leak.rule && item.places == leak.places;
    let is_unmanaged = |item: &PlanItem| item.secret.is_none() && item.access_key.is_none();
    let mut later = Vec::new();
    for credential in &credentials {
        let halves: Vec<&Leak> = credential.halves().map(|place| &leaks[place]).collect();
        plan.items.retain(|item| !(is_unmanaged(item) && halves.iter().any(|leak| is_of(item, leak))));
        later.push((halves, asked.item(credential, &leaks[credential.key])));
    }
    for (item, number) in plan.items.iter_mut().zip(1..) {
        item.number = number;
    }
    for (halves, mut new) in later {
        let holders = plan.items.iter_mut().filter(|item| item.secret.is_some());
        for holder in holders.filter(|item| halves.iter().any(|leak| is_of(item, leak))) {
            held_by(&mut new, holder);
        }
        block_if_in_use(&mut new, now);
        // One item for each half that was found and lost its own, all of the same key; what there is to say is said once.
        let (first, others) = halves.split_first().expect("a credential has the key's own leak");
        let number = plan.items.len() + 1;
        let others = others.iter().filter(|leak| !plan.items.iter().any(|item| is_of(item, leak)));
        let others = others.map(|leak| PlanItem {
            rule: leak.rule.clone(),
            places: leak.places.clone(),
            warnings: Vec::new(),
            guidance: vec![format!("it is the secret half of the access key of item {number}, and ends with it")],
            ..new.clone()
        });
        let others: Vec<PlanItem> = others.collect();
        plan.items.push(PlanItem { rule: first.rule.clone(), places: first.places.clone(), ..new });
        plan.items.extend(others);
    }
    for (item, number) in plan.items.iter_mut().zip(1..) {
        item.number = number;
    }
}

/// IAM of the accounts that can be asked.
struct Asked<'a> {
    accounts: Vec<(Result<String, CallError>, &'a dyn AccessKeys)>,
    options: &'a KeyOptions,
}

impl Asked<'_> {
    /// The item of a key, as far as it does not depend on other items.
    fn item(&self, credential: &Credential, leak: &Leak) -> PlanItem {
        let id = &credential.id;
        let mut item = PlanItem {
            number: 0,
            rule: leak.rule.clone(),
            places: leak.places.clone(),
            secret: None,
            access_key: Some(HeldKey {
                id: id.clone(),
                account: id.account(),
                user: None,
                after: Vec::new(),
                allow_active: self.options.allow_active,
                revoke_sessions: self.options.revoke_sessions,
            }),
            action: Action::Deactivate,
            blocked: Vec::new(),
            warnings: Vec::new(),
            guidance: Vec::new(),
            consumers: None,
        };
        match id.kind() {
            AccessKeyKind::LongTerm => self.long_term(&mut item, id, credential.secrets.is_empty()),
            AccessKeyKind::Temporary => by_hand(&mut item, Outcome::Unmanaged, &temporary()),
            AccessKeyKind::Bearer | AccessKeyKind::ContextSpecific => {
                let how = "it is no access key of a user; find the service that it was made for, and revoke it there";
                by_hand(&mut item, Outcome::Unmanaged, how);
            }
        }
        item
    }

    fn long_term(&self, item: &mut PlanItem, id: &AccessKeyId, is_alone: bool) {
        if is_alone {
            let why = "its secret key was not found beside it, and the id alone opens nothing: whether it leaked is yours to say";
            item.warnings.push(why.to_owned());
        }
        let (account, iam) = match self.account_of(id) {
            Ok(found) => found,
            Err(block) => {
                item.guidance.push(by_its_owner(id));
                return item.blocked.push(block);
            }
        };
        set_account(item, &account);
        let used = match iam.last_used(id) {
            Ok(used) => used,
            Err(error) if error.kind == CallErrorKind::NotFound => {
                let how = format!(
                    "account {account} knows no user's key {id}: it was deleted, or it is the root user's; the \
                     credential report of the account tells (aws iam generate-credential-report)"
                );
                return by_hand(item, Outcome::Unverified, &how);
            }
            Err(error) => return item.blocked.push(refused(&error)),
        };
        // Names of users are letters, digits and +=,.@_- (API reference of IAM, `UserName`): `<root_account>` is none.
        let Some(user) = used.user.filter(|name| is_user_name(name)) else {
            let how =
                "it is the root user's: sign in as root, make it inactive under My security credentials, and keep none";
            return by_hand(item, Outcome::Unmanaged, how);
        };
        match describe(iam, id, user, used.last) {
            Ok((user, problem)) => {
                item.warnings.extend(problem);
                self.user(item, id, &account, user);
            }
            Err(error) if error.kind == CallErrorKind::NotFound => by_hand(item, Outcome::Unverified, &error.message),
            Err(error) => item.blocked.push(refused(&error)),
        }
    }

    fn user(&self, item: &mut PlanItem, id: &AccessKeyId, account: &str, user: KeyUser) {
        let name = &user.name;
        if user.status.is_off() && self.options.revoke_sessions {
            item.warnings.push("it is off already; what is left is to refuse its temporary credentials".to_owned());
        } else if user.status.is_off() {
            item.action = Action::Nothing(Outcome::Deactivated);
            let command = delete(id, name);
            item.guidance.push(format!("when nothing misses it, in account {account}: {command}"));
        }
        if let [policy, ..] = &user.quarantine[..] {
            item.warnings.push(format!(
                "AWS has put the user into quarantine ({policy}), so it has seen the key in public: there is a support \
                 case; leave the policy attached until that is closed"
            ));
        }
        item.guidance.push(format!(
            "look for what was done with it, in each region, back to when it leaked (90 days at most): aws cloudtrail \
             lookup-events --lookup-attributes AttributeKey=AccessKeyId,AttributeValue={id}"
        ));
        if let Some(key) = &mut item.access_key {
            key.user = Some(user);
        }
    }

    /// The account that a key belongs to, and how it is asked; or why it may not be.
    fn account_of(&self, id: &AccessKeyId) -> Result<(String, &dyn AccessKeys), Block> {
        let allowed = |account: &str| self.options.accounts.iter().any(|allowed| allowed == account);
        let foreign = |why: String| Block { outcome: Outcome::ForeignAccount, why };
        let mut unanswered = None;
        let mut asked = Vec::new();
        for (account, iam) in &self.accounts {
            match account {
                Ok(account) => asked.push((account, *iam)),
                Err(error) => unanswered = Some(error),
            }
        }
        // Where nobody says whose credentials these are, it may be this account after all.
        let missing = |why: String| unanswered.map_or_else(|| foreign(why), refused);
        let found = match id.account() {
            Some(account) => match asked.iter().find(|(asked, _)| **asked == account) {
                Some((_, iam)) => (account, *iam),
                None => {
                    let cure = "if that is yours, plan with credentials of it";
                    let why = format!("it belongs to account {account}, which this run has no connection to; {cure}");
                    return Err(missing(why));
                }
            },
            // An id from before accounts were in them.
            None => match asked.iter().find(|(account, iam)| allowed(account) && iam.last_used(id).is_ok()) {
                Some((account, iam)) => ((*account).clone(), *iam),
                None => {
                    let cure = "aws sts get-access-key-info tells the account";
                    return Err(missing(format!("its id holds no account, and no allowed one knows it; {cure}")));
                }
            },
        };
        if allowed(&found.0) {
            Ok(found)
        } else {
            let account = found.0;
            Err(foreign(format!("account {account} is not allowed; if it is yours, give --allow-account {account}")))
        }
    }
}

/// What IAM says of a user's key, and a warning for what it would not say.
fn describe(
    iam: &dyn AccessKeys,
    id: &AccessKeyId,
    name: String,
    last_used: Option<KeyUse>,
) -> Result<(KeyUser, Option<String>), CallError> {
    let keys = iam.keys_of(&name)?;
    let Some(key) = keys.iter().find(|key| key.id == *id) else {
        let message = format!("user {name} has no key {id} any more: it was deleted just now; plan again");
        return Err(CallError::new(CallErrorKind::NotFound, "ListAccessKeys", message));
    };
    let (status, created) = (key.status.clone(), key.created);
    let others = keys.into_iter().filter(|key| key.id != *id && !key.status.is_off());
    let other_active = others.map(|key| key.id).collect();
    let (quarantine, problem) = match iam.policies_of(&name) {
        Ok(policies) => (policies.into_iter().filter(|policy| policy.starts_with(QUARANTINE)).collect(), None),
        Err(error) => (Vec::new(), Some(format!("whether AWS has put the user into quarantine is not known: {error}"))),
    };
    Ok((KeyUser { name, status, created, last_used, other_active, quarantine }, problem))
}

/// What a managed secret that holds the key means for switching it off.
fn held_by(new: &mut PlanItem, holder: &mut PlanItem) {
    let Some(secret) = &holder.secret else { return };
    let name = &secret.name;
    if holder.action == Action::Generate {
        let why = "it holds an access key, which IAM makes: a random value would be none; attach a rotation function";
        holder.blocked.push(Block { outcome: Outcome::NoRotationFunction, why: why.to_owned() });
    }
    if holder.blocked.iter().any(|block| block.outcome == Outcome::NoRotationFunction) {
        let why = format!("the secret {name} holds it and nobody rotates that: store another key there before");
        new.warnings.push(why);
    } else if matches!(holder.action, Action::Rotate(_) | Action::Wait)
        && new.action == Action::Deactivate
        && let Some(key) = &mut new.access_key
    {
        key.after.push(holder.number);
        let number = holder.number;
        new.warnings.push(format!("not before item {number} has ended well: the secret {name} holds the key"));
    }
}

/// Forbids switching off what is in use, unless it is allowed; then it is a warning.
fn block_if_in_use(item: &mut PlanItem, now: Timestamp) {
    let Some(HeldKey { user: Some(user), allow_active, after, .. }) = &item.access_key else { return };
    if item.action != Action::Deactivate || user.status.is_off() {
        return;
    }
    let mut reasons = Vec::new();
    if let Some(last) = user.last_used.as_ref().filter(|last| now.duration_since(last.at) < IN_USE) {
        reasons.push(format!("it was used {}, by an application or by whoever found it", used(last)));
    }
    // The rotation before it makes another one.
    if user.other_active.is_empty() && after.is_empty() {
        reasons.push(format!("it is the only active key of {}, and what uses it stops", user.name));
    }
    if *allow_active {
        item.warnings.extend(reasons);
    } else {
        let cure = "move its users to another key first, or give --allow-active-key";
        let block = |why| Block { outcome: Outcome::Blocked, why: format!("{why}; {cure}") };
        item.blocked.extend(reasons.into_iter().map(block));
    }
}

/// When and for what, as a phrase.
pub(crate) fn used(last: &KeyUse) -> String {
    let service = last.service.as_ref().map(|service| format!(" for {service}")).unwrap_or_default();
    let region = last.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
    format!("at {}{service}{region}", last.at)
}

/// The command that switches a key on again.
pub(crate) fn undo(id: &AccessKeyId, user: &str) -> String {
    format!("aws iam update-access-key --user-name {user} --access-key-id {id} --status Active")
}

/// The command that deletes a key, which keystile never does.
pub(crate) fn delete(id: &AccessKeyId, user: &str) -> String {
    format!("aws iam delete-access-key --user-name {user} --access-key-id {id}")
}

fn set_account(item: &mut PlanItem, account: &str) {
    if let Some(key) = &mut item.access_key {
        key.account = Some(account.to_owned());
    }
}

/// Nothing that keystile does.
fn by_hand(item: &mut PlanItem, outcome: Outcome, how: &str) {
    item.action = Action::Nothing(outcome);
    item.guidance.insert(0, how.to_owned());
}

fn by_its_owner(id: &AccessKeyId) -> String {
    format!(
        "its owner switches it off: aws iam update-access-key --user-name USER --access-key-id {id} --status Inactive"
    )
}

fn temporary() -> String {
    format!(
        "it is temporary and ends by itself, at most {} hours after it was made (12 for a role's); until then: revoke \
         the role's active sessions, or switch off the access key that it was made with",
        LONGEST_SESSION.as_hours()
    )
}

/// Whether IAM can have a user of this name.
pub(crate) fn is_user_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(is_allowed)
}

/// IAM gave no answer.
fn refused(error: &CallError) -> Block {
    let outcome = match error.kind {
        CallErrorKind::Denied => Outcome::Denied,
        CallErrorKind::Throttled => Outcome::Throttled,
        CallErrorKind::NoCredentials | CallErrorKind::Misconfigured => Outcome::NoCredentials,
        _ => Outcome::Unreachable,
    };
    let cure = match outcome {
        Outcome::Denied => {
            "; the role needs iam:GetAccessKeyLastUsed, iam:ListAccessKeys and iam:ListAttachedUserPolicies, and AWS \
             answers the same for a key that is gone or the root user's"
        }
        _ => "; plan again",
    };
    Block { outcome, why: format!("IAM could not be asked about it: {error}{cure}") }
}
