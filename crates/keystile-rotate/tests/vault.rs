//! Rotation in a real Vault: KV version 2, and static roles of the database engine with a real PostgreSQL.

#![cfg(feature = "vault")]

#[expect(dead_code, reason = "the clock and the journal alone are used here")]
mod fake;
mod managers;
#[path = "managers/vault.rs"]
mod server;
#[expect(dead_code, unused_imports, reason = "shared with tests/rotate, which uses all of it")]
#[path = "../../../tests/rotate/support/mod.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use fake::Lines;
use keystile_inventory::{CallErrorKind, RotationMeans, SecretArn, Stage, VersionId};
use keystile_rotate::backend::vault::{VaultConnection, VaultDatabase, VaultKv, VaultLogin, VaultSettings};
use keystile_rotate::plan::Action;
use keystile_rotate::token::{Purpose, Token};
use keystile_rotate::{Outcome, SecretBackend as _};
use keystile_scan::SecretBytes;
use managers::{apply, apply_with, look, plan};
use serde_json::{Value, json};
use server::{Loss, Vault, lossy, with_tls};
use support::Postgres;

const LEAKED: &str = "Zk3mW8q-vT1xB6n-0Rt7";
/// Tags that allow a new value.
const GENERATE: [(&str, &str); 2] = [("keystile.io/rotate", "allow"), ("keystile.io/rotation", "generate")];

/// A secret with an older version and a leaked one, beside others.
fn team(vault: &Vault, name: &str) -> String {
    let path = format!("team/{name}");
    vault.put(&path, &json!({ "user": "app", "key": "q8Lw0zR4-Ht5kP-9sYd" }));
    vault.put(&path, &json!({ "user": "app", "key": LEAKED, "port": 5432, "note": { "deep": [1, "ä"] } }));
    vault.tag(&path, &GENERATE);
    vault.put(&format!("team/{name}/below"), &json!({ "key": "m2Xc7vB9-Jn4hG-1wEq" }));
    path
}

#[test]
fn a_value_that_leaked_from_kv_is_replaced_once() {
    let Some(vault) = Vault::start() else { return };
    let path = team(&vault, "app");
    vault.put("other/app", &json!({ "key": LEAKED }));
    let kv = VaultKv::new(vault.connect());

    let search = look(&kv, "secret/team/");
    let names: Vec<&str> = search.secrets.iter().map(|known| known.record.name.as_str()).collect();
    assert_eq!(names, ["secret/team/app", "secret/team/app/below"]);
    assert_eq!(search.searched.versions, 3, "the older version too");
    assert!(search.identity.account.ends_with("/root"), "{:?}", search.identity);

    let plan = plan(&kv, "secret/team/", LEAKED, true);
    let [item] = &plan.items[..] else { panic!("{:?}", plan.items) };
    assert_eq!((item.action, &item.blocked[..]), (Action::Generate, &[][..]));
    let held = item.secret.as_ref().unwrap();
    assert_eq!((held.version.0.as_str(), held.pointer.as_str()), ("2", "/key"));

    let mut lines = Lines::default();
    let result = apply_with(&kv, &plan, &mut lines);
    assert_eq!(result.outcome, Outcome::Rotated, "{result:?}");
    assert_eq!(result.current, Some(VersionId("3".to_owned())));
    let current = vault.current(&path);
    let new = current["key"].as_str().unwrap().to_owned();
    assert!(new.len() >= 32 && new != LEAKED, "a value of its own");
    assert_eq!(
        (&current["user"], &current["port"], &current["note"]["deep"]),
        (&json!("app"), &json!(5432), &json!([1, "ä"]))
    );

    // Again, by this process and by another.
    for _ in 0..2 {
        let again = apply(&VaultKv::new(vault.connect()), &plan);
        assert_eq!(again.outcome, Outcome::RotatedByOther, "{again:?}");
    }
    assert_eq!(vault.versions(&path), 3);
    assert_eq!(vault.current("other/app")["key"], LEAKED, "outside of the prefix");
    let shown = format!("{plan:?} {result:?} {lines:?} {kv:?}");
    assert!(!shown.contains(LEAKED) && !shown.contains(&new));
}

#[test]
fn three_runs_side_by_side_write_one_version() {
    let Some(vault) = Vault::start() else { return };
    for round in 0..5 {
        let path = team(&vault, &format!("app-{round}"));
        let plan = plan(&VaultKv::new(vault.connect()), &format!("secret/{path}"), LEAKED, true);
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let runs: Vec<_> =
                (0..3).map(|_| scope.spawn(|| apply(&VaultKv::new(vault.connect()), &plan).outcome)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(vault.versions(&path), 3, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Rotated).count(), 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Rotated | Outcome::RotatedByOther)));
    }
}

#[test]
fn a_run_that_is_killed_after_any_line_is_resumed_to_one_version() {
    let Some(vault) = Vault::start() else { return };
    for dies_after in 1..9 {
        let path = team(&vault, &format!("app-{dies_after}"));
        let plan = plan(&VaultKv::new(vault.connect()), &format!("secret/{path}"), LEAKED, true);
        let mut lines = Lines { dies_after: Some(dies_after), ..Lines::default() };
        let killed = catch_unwind(AssertUnwindSafe(|| apply_with(&VaultKv::new(vault.connect()), &plan, &mut lines)));
        lines.dies_after = None;
        let result = apply_with(&VaultKv::new(vault.connect()), &plan, &mut lines);
        assert!(matches!(result.outcome, Outcome::Rotated | Outcome::RotatedByOther), "{dies_after}: {result:?}");
        assert_eq!(vault.versions(&path), 3, "{dies_after}, killed: {}", killed.is_err());
        assert_ne!(vault.current(&path)["key"], LEAKED);
    }
}

#[test]
fn a_write_without_an_answer_is_recognised_or_repeated() {
    let Some(vault) = Vault::start() else { return };
    for (name, loss) in [("answer", Loss::Answer), ("request", Loss::Request)] {
        for times in 1..=2 {
            let path = team(&vault, &format!("{name}-{times}"));
            let address = lossy(&vault, "POST /v1/secret/data/", loss, times);
            let settings = VaultSettings { address, ..vault.settings() };
            let kv = VaultKv::new(VaultConnection::open(settings).unwrap());
            let plan = plan(&kv, &format!("secret/{path}"), LEAKED, true);
            let result = apply(&kv, &plan);
            assert_eq!(result.outcome, Outcome::Rotated, "{name} lost {times} times: {result:?}");
            assert_eq!(vault.versions(&path), 3, "{name}");
        }
    }
}

#[test]
fn someone_else_was_faster() {
    let Some(vault) = Vault::start() else { return };
    let path = team(&vault, "app");
    let kv = VaultKv::new(vault.connect());
    let plan = plan(&kv, "secret/team/", LEAKED, true);
    let held = plan.items[0].secret.as_ref().unwrap();
    let token = Token::derive(&held.arn, &held.version, Purpose::First, 0);
    let value = SecretBytes::new(br#"{"key":"ours"}"#);
    kv.stage(&held.arn, &held.version, &token, &value).unwrap();
    assert_eq!(kv.describe(&held.arn).unwrap().version_at(&Stage::Pending), Some(&token.version()));
    vault.put(&path, &json!({ "key": "theirs" }));
    let error = kv.promote(&held.arn, &held.version, &token).unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Refused, "{error}");
    assert_eq!(kv.describe(&held.arn).unwrap().version_at(&Stage::Pending), None);
    assert_eq!((vault.versions(&path), &vault.current(&path)["key"]), (3, &json!("theirs")));
    assert_eq!(apply(&kv, &plan).outcome, Outcome::RotatedByOther);
}

#[test]
fn what_vault_refuses_has_its_kind() {
    let Some(vault) = Vault::start() else { return };
    team(&vault, "app");
    vault.ask("POST", "sys/mounts/old", Some(&json!({ "type": "kv", "options": { "version": "1" } })));
    let open = |settings: VaultSettings| VaultKv::new(VaultConnection::open(settings).unwrap());
    let none = &mut |_| std::ops::ControlFlow::Continue(());
    let arn = SecretArn("secret/team/app".to_owned());

    let expired = open(vault.settings_with(VaultLogin::Token(SecretBytes::new(b"hvs.gone"))));
    assert_eq!(expired.identity().unwrap_err().kind, CallErrorKind::NoCredentials);

    let policy = "path \"secret/metadata/*\" { capabilities = [\"read\", \"list\"] }";
    let reader = open(vault.settings_with(vault.token(policy)));
    assert!(reader.identity().is_ok());
    assert!(reader.describe(&arn).is_ok());
    let read = reader.read_current(std::slice::from_ref(&arn)).unwrap().remove(0).1;
    assert_eq!(read.unwrap_err().kind, CallErrorKind::Denied);

    let with = |mount: &str| open(VaultSettings { kv_mounts: vec![mount.to_owned()], ..vault.settings() });
    assert_eq!(with("old").list("old/", none).unwrap_err().kind, CallErrorKind::Misconfigured, "version 1");
    assert_eq!(with("absent").list("absent/", none).unwrap_err().kind, CallErrorKind::Denied, "no such mount");

    let kv = open(vault.settings());
    let gone = SecretArn("secret/team/none".to_owned());
    assert_eq!(kv.describe(&gone).unwrap_err().kind, CallErrorKind::NotFound);
    assert_eq!(kv.read_version(&arn, &VersionId("9".to_owned())).unwrap_err().kind, CallErrorKind::NotFound);
    assert!(kv.covers("secret/team/") && !kv.covers("database/static-creds/"));

    vault.ask("POST", "sys/seal", None);
    let error = kv.identity().unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Unreachable, "{error}");
    let port = vault.port();
    drop(vault);
    let error = kv.describe(&arn).unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port} can't be reached")), "{error}");
}

#[test]
fn versions_that_are_gone_are_not_read() {
    let Some(vault) = Vault::start() else { return };
    let path = team(&vault, "app");
    vault.put(&path, &json!({ "key": "m2Xc7vB9-Jn4hG-1wEq" }));
    let kv = VaultKv::new(vault.connect());
    let arn = SecretArn(format!("secret/{path}"));
    let versions =
        |kv: &VaultKv| -> Vec<String> { kv.all_versions(&arn).unwrap().into_iter().map(|version| version.0).collect() };
    assert_eq!(versions(&kv), ["1", "2", "3"]);
    vault.ask("POST", &format!("secret/destroy/{path}"), Some(&json!({ "versions": [2] })));
    assert_eq!(versions(&kv), ["1", "3"]);
    assert_eq!(kv.describe(&arn).unwrap().version_at(&Stage::Previous), Some(&VersionId("1".to_owned())));
    vault.ask("DELETE", &format!("secret/data/{path}"), None);
    let record = kv.describe(&arn).unwrap();
    assert!(record.deleted.is_some() && record.version_at(&Stage::Current).is_none(), "{record:?}");
    assert_eq!(kv.read_version(&arn, &VersionId("3".to_owned())).unwrap_err().kind, CallErrorKind::NotFound);
}

#[test]
fn a_login_is_renewed_and_its_token_revoked() {
    let Some(vault) = Vault::start() else { return };
    team(&vault, "app");
    vault.ask("POST", "sys/auth/approle", Some(&json!({ "type": "approle" })));
    let policy = "path \"secret/*\" { capabilities = [\"read\", \"list\"] }";
    vault.ask("POST", "sys/policies/acl/reader", Some(&json!({ "policy": policy })));
    let role = json!({ "token_policies": ["reader"], "token_ttl": "1h" });
    vault.ask("POST", "auth/approle/role/ci", Some(&role));
    let role_id = vault.ask("GET", "auth/approle/role/ci/role-id", None)["data"]["role_id"].clone();
    let secret_id = vault.ask("POST", "auth/approle/role/ci/secret-id", None)["data"]["secret_id"].clone();
    let login = |secret_id: &str| VaultLogin::AppRole {
        mount: "approle".to_owned(),
        role_id: role_id.as_str().unwrap().to_owned(),
        secret_id: Some(SecretBytes::new(secret_id.as_bytes())),
    };
    let refused = VaultKv::new(VaultConnection::open(vault.settings_with(login("wrong"))).unwrap());
    assert_eq!(refused.identity().unwrap_err().kind, CallErrorKind::NoCredentials);

    let tokens = || match vault.try_ask("LIST", "auth/token/accessors", None) {
        (200, answer) => answer["data"]["keys"].as_array().unwrap().clone(),
        _ => Vec::new(),
    };
    let before = tokens();
    let kv = VaultKv::new(VaultConnection::open(vault.settings_with(login(secret_id.as_str().unwrap()))).unwrap());
    assert_eq!(kv.identity().unwrap().caller, "approle");
    let ours: Vec<Value> = tokens().into_iter().filter(|token| !before.contains(token)).collect();
    assert_eq!(ours.len(), 1, "one login for all calls");
    vault.ask("POST", "auth/token/revoke-accessor", Some(&json!({ "accessor": ours[0] })));
    assert!(kv.describe(&SecretArn("secret/team/app".to_owned())).is_ok(), "a revoked session is replaced");
    drop(kv);
    assert_eq!(tokens(), before, "nothing is left behind");
}

/// Vault with its database engine over a PostgreSQL that has the role `app`. `None`: one of them can't be had.
fn with_database() -> Option<(Vault, Postgres)> {
    let vault = Vault::start()?;
    let postgres = Postgres::start()?;
    postgres.create_role("app", "before-vault");
    let superuser = postgres.superuser();
    let text = |name: &str| superuser[name].as_str().map_or_else(|| superuser[name].to_string(), ToOwned::to_owned);
    let address = format!("{}:{}/{}", text("host"), text("port"), text("dbname"));
    vault.ask("POST", "sys/mounts/database", Some(&json!({ "type": "database" })));
    let config = json!({
        "plugin_name": "postgresql-database-plugin",
        "connection_url": format!("postgresql://{{{{username}}}}:{{{{password}}}}@{address}?sslmode=disable"),
        "username": text("username"),
        "password": text("password"),
        "allowed_roles": "*",
    });
    vault.ask("POST", "database/config/pg", Some(&config));
    let role = json!({ "db_name": "pg", "username": "app", "rotation_period": 864_000 });
    vault.ask("POST", "database/static-roles/team-app", Some(&role));
    Some((vault, postgres))
}

/// The login that Vault gives out.
fn given(vault: &Vault) -> Value {
    vault.ask("GET", "database/static-creds/team-app", None)["data"].clone()
}

#[test]
fn the_password_of_a_static_role_is_changed_in_the_database() {
    let Some((vault, postgres)) = with_database() else { return };
    let leaked = given(&vault)["password"].as_str().unwrap().to_owned();
    let login = |password: &str| postgres.login("app", password);
    assert!(postgres.accepts(&login(&leaked)));
    let engine = VaultDatabase::new(vault.connect());
    // Roles have no tags to ask for.
    let plan = plan(&engine, "database/static-creds/team-", &leaked, false);
    let [item] = &plan.items[..] else { panic!("{:?}", plan.items) };
    assert_eq!((item.action, &item.blocked[..]), (Action::Rotate(Purpose::First), &[][..]));
    let held = item.secret.as_ref().unwrap();
    assert_eq!((held.arn.0.as_str(), held.pointer.as_str()), ("database/static-creds/team-app", "/password"));
    assert_eq!(held.rotation, RotationMeans::Service { name: "vault-database".to_owned() });

    let mut lines = Lines::default();
    let result = apply_with(&engine, &plan, &mut lines);
    assert_eq!(result.outcome, Outcome::Rotated, "{result:?}");
    let new = given(&vault)["password"].as_str().unwrap().to_owned();
    assert!(!postgres.accepts(&login(&leaked)), "the leaked password is refused");
    assert!(postgres.accepts(&login(&new)));

    // Vault has forgotten the leaked one, so that a later run can't compare; it changes nothing.
    for _ in 0..2 {
        let again = apply(&VaultDatabase::new(vault.connect()), &plan);
        assert_eq!(again.outcome, Outcome::Unverified, "{again:?}");
    }
    assert_eq!(given(&vault)["password"].as_str(), Some(new.as_str()), "once");
    let shown = format!("{plan:?} {result:?} {lines:?} {engine:?}");
    assert!(!shown.contains(&leaked) && !shown.contains(&new));
}

#[test]
fn threads_of_one_process_rotate_a_static_role_once() {
    let Some((vault, _postgres)) = with_database() else { return };
    let leaked = given(&vault)["password"].as_str().unwrap().to_owned();
    let engine = VaultDatabase::new(vault.connect());
    let plan = plan(&engine, "database/static-creds/", &leaked, false);
    let held = plan.items[0].secret.as_ref().unwrap();
    let token = Token::derive(&held.arn, &held.version, Purpose::First, 0);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..3).map(|_| scope.spawn(|| engine.rotate(&held.arn, &held.version, &token))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let accepted: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    let current = engine.describe(&held.arn).unwrap().version_at(&Stage::Current).cloned();
    assert_eq!(accepted.len(), 1, "{answers:?}");
    assert_eq!(accepted[0].version, current);
    assert!(
        answers.iter().filter_map(|answer| answer.as_ref().err()).all(|error| error.kind == CallErrorKind::Refused)
    );
}

#[test]
fn a_run_over_a_static_role_that_is_killed_after_any_line_rotates_once() {
    let Some((vault, _postgres)) = with_database() else { return };
    // Begin, intent, answer, ended.
    for dies_after in 1..=4 {
        let leaked = given(&vault);
        let engine = VaultDatabase::new(vault.connect());
        let plan = plan(&engine, "database/static-creds/", leaked["password"].as_str().unwrap(), false);
        let mut lines = Lines { dies_after: Some(dies_after), ..Lines::default() };
        let killed = catch_unwind(AssertUnwindSafe(|| apply_with(&engine, &plan, &mut lines)));
        assert!(killed.is_err(), "{dies_after}");
        let after = given(&vault);
        assert_eq!(after["last_vault_rotation"] != leaked["last_vault_rotation"], dies_after > 2, "{dies_after}");
        lines.dies_after = None;
        let result = apply_with(&VaultDatabase::new(vault.connect()), &plan, &mut lines);
        let last = given(&vault);
        assert_ne!(last["password"], leaked["password"]);
        if dies_after > 2 {
            assert_eq!(result.outcome, Outcome::Unverified, "{dies_after}: the leaked password is gone: {result:?}");
            assert_eq!(last, given(&vault), "not again");
            assert_eq!(last["last_vault_rotation"], after["last_vault_rotation"], "{dies_after}");
        } else {
            assert_eq!(result.outcome, Outcome::Rotated, "{dies_after}: {result:?}");
        }
    }
}

#[test]
fn a_rotation_without_an_answer_is_not_asked_for_again() {
    // That there was no answer, or, plainly, that the leak is active: neither is a success.
    let is_open = |outcome| matches!(outcome, Outcome::NoAnswer | Outcome::FailedLeakActive);
    let Some((vault, postgres)) = with_database() else { return };
    for loss in [Loss::Answer, Loss::Request] {
        let leaked = given(&vault);
        let address = lossy(&vault, "POST /v1/database/rotate-role/", loss, 1);
        let engine = VaultDatabase::new(VaultConnection::open(VaultSettings { address, ..vault.settings() }).unwrap());
        let plan = plan(&engine, "database/static-creds/", leaked["password"].as_str().unwrap(), false);
        let result = apply(&engine, &plan);
        let rotated = given(&vault)["password"] != leaked["password"];
        match loss {
            // What was done is seen, and proven; that it was this run's doing is not.
            Loss::Answer => assert_eq!((result.outcome, rotated), (Outcome::RotatedByOther, true), "{result:?}"),
            Loss::Request => {
                assert!(is_open(result.outcome) && !rotated, "{result:?}");
                let later = apply(&VaultDatabase::new(vault.connect()), &plan);
                assert_eq!(later.outcome, Outcome::Rotated, "{later:?}");
            }
        }
    }
    // The database can't be reached: Vault fails, and says nothing of what it did.
    let leaked = given(&vault);
    let engine = VaultDatabase::new(vault.connect());
    let plan = plan(&engine, "database/static-creds/", leaked["password"].as_str().unwrap(), false);
    drop(postgres);
    let result = apply(&engine, &plan);
    assert!(is_open(result.outcome), "{result:?}");
    let shown = format!("{result:?}");
    assert!(!shown.contains(leaked["password"].as_str().unwrap()), "{shown}");
}

#[test]
fn the_authority_that_signed_for_vault_is_asked_for() {
    let Some((_vault, settings)) = with_tls() else { return };
    let kv = VaultKv::new(VaultConnection::open(settings.clone()).unwrap());
    let start = std::time::Instant::now();
    let identity = loop {
        match kv.identity() {
            Ok(identity) => break identity,
            Err(error) => assert!(start.elapsed().as_secs() < 90, "{error}"),
        }
    };
    assert_eq!(identity.caller, "token");
    let unknown = VaultSettings { authorities: None, ..settings };
    let error = VaultKv::new(VaultConnection::open(unknown).unwrap()).identity().unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

/// The login of pods and of CI's jobs, against a stand-in: Vault's method for it is a plugin of its own.
#[test]
fn a_pod_logs_in_with_the_token_of_its_service_account() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "header.claims.signature\n").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let session = format!("{}.session", "hvs");
    let (given, server) = (
        session.clone(),
        std::thread::spawn(move || {
            let mut seen = Vec::new();
            // The cluster's name, the login, the token's own entry, and its end.
            for stream in listener.incoming().take(4) {
                let mut stream = stream.unwrap();
                let request = String::from_utf8(managers::http::message(&mut stream).unwrap()).unwrap();
                let answer = match request.lines().next().unwrap().split(' ').nth(1).unwrap() {
                    path if path.starts_with("/v1/sys/health") => json!({ "cluster_name": "prod" }),
                    "/v1/auth/kubernetes/login" => {
                        json!({ "auth": { "client_token": session, "lease_duration": 3600 } })
                    }
                    _ => json!({ "data": { "display_name": "kubernetes-team-a-ci" } }),
                };
                let body = answer.to_string();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).unwrap();
                seen.push(request);
            }
            seen
        }),
    );
    let login = VaultLogin::Jwt { mount: "kubernetes".to_owned(), role: "ci".to_owned(), file };
    let settings = VaultSettings {
        address,
        namespace: Some("team-a".to_owned()),
        authorities: None,
        login,
        kv_mounts: Vec::new(),
        database_mounts: Vec::new(),
    };
    let kv = VaultKv::new(VaultConnection::open(settings).unwrap());
    let identity = kv.identity().unwrap();
    assert_eq!((identity.account.as_str(), identity.caller.as_str()), ("prod/team-a", "kubernetes-team-a-ci"));
    drop(kv);
    let seen = server.join().unwrap();
    let has = |number: usize, text: &str| seen[number].to_lowercase().contains(&text.to_lowercase());
    assert!(has(0, "GET /v1/sys/health") && !has(0, "x-vault-namespace"), "the root namespace alone has it");
    assert!(has(1, r#"{"role":"ci","jwt":"header.claims.signature"}"#) && has(1, "x-vault-namespace: team-a"));
    assert!(has(2, &format!("x-vault-token: {given}")) && has(2, "x-vault-request: true"));
    assert!(has(3, "POST /v1/auth/token/revoke-self") && has(3, &format!("x-vault-token: {given}")));
}

/// The policies that come with keystile are enough, and are not more than enough.
#[test]
fn the_policies_for_plan_and_apply_are_enough() {
    const PLAN: &str = include_str!("../../../deploy/vault/plan.hcl");
    const APPLY: &str = include_str!("../../../deploy/vault/apply.hcl");
    let Some((vault, _postgres)) = with_database() else { return };
    let role = json!({ "db_name": "pg", "username": "app", "rotation_period": 864_000 });
    vault.ask("POST", "database/static-roles/team-a-app", Some(&role));
    vault.put("team-a/app", &json!({ "key": LEAKED }));
    vault.tag("team-a/app", &GENERATE);
    vault.put("team-b/app", &json!({ "key": LEAKED }));
    let leaked = vault.ask("GET", "database/static-creds/team-a-app", None)["data"]["password"].clone();
    let connect = |policy| VaultConnection::open(vault.settings_with(vault.token(policy))).unwrap();

    let planning = connect(PLAN);
    let (kv, engine) = (VaultKv::new(planning.clone()), VaultDatabase::new(planning));
    let of_kv = plan(&kv, "secret/team-a/", LEAKED, true);
    let of_engine = plan(&engine, "database/static-creds/team-a-", leaked.as_str().unwrap(), false);
    assert_eq!(apply(&kv, &of_kv).outcome, Outcome::Denied);
    assert_eq!(apply(&engine, &of_engine).outcome, Outcome::Denied);

    let applying = connect(APPLY);
    let (kv, engine) = (VaultKv::new(applying.clone()), VaultDatabase::new(applying.clone()));
    let result = apply(&kv, &of_kv);
    assert_eq!(result.outcome, Outcome::Rotated, "{result:?}");
    let result = apply(&engine, &of_engine);
    assert_eq!(result.outcome, Outcome::Rotated, "{result:?}");
    let foreign = SecretArn("secret/team-b/app".to_owned());
    let read = kv.read_current(std::slice::from_ref(&foreign)).unwrap().remove(0).1;
    assert_eq!(read.unwrap_err().kind, CallErrorKind::Denied);
}
