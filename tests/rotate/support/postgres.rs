//! A real PostgreSQL: `tests/emulator/postgres.py`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::server::{Server, command};

/// A running server with a cluster of its own. Dropping it ends it and removes the cluster.
#[derive(Debug)]
pub(crate) struct Postgres {
    _server: Server,
    superuser: Value,
}

impl Postgres {
    /// A new one; `None`, and said so, where Python's packages are missing.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        let (server, superuser) = Server::start("postgres.py")?;
        Some(Self { _server: server, superuser })
    }

    /// A login of this server, in the form of a secret: `host`, `port`, `dbname`, `username`, `password`.
    pub(crate) fn login(&self, username: &str, password: &str) -> Value {
        let mut login = self.superuser();
        login["username"] = json!(username);
        login["password"] = json!(password);
        login
    }

    /// The superuser's login, for a secret that `masterarn` names.
    pub(crate) fn superuser(&self) -> Value {
        let mut login = self.superuser.clone();
        login.as_object_mut().expect("an object").remove("pid");
        login
    }

    /// Makes a role that can log in.
    #[track_caller]
    pub(crate) fn create_role(&self, username: &str, password: &str) {
        let statement = format!("CREATE ROLE {username} LOGIN PASSWORD '{password}'");
        assert!(run(&self.superuser(), &[&statement]), "the superuser is refused");
    }

    /// Whether the server accepts a login, which is a secret's value.
    #[track_caller]
    pub(crate) fn accepts(&self, login: &Value) -> bool {
        assert_eq!(login["port"], self.superuser["port"], "a login of another server");
        run(login, &["SELECT 1"])
    }
}

/// Runs statements; `false` where the login is refused.
#[track_caller]
fn run(login: &Value, statements: &[&str]) -> bool {
    let mut child = command("postgres.py")
        .expect("it started the server")
        .arg("--run")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let request = json!({ "login": login, "statements": statements }).to_string();
    child.stdin.take().expect("piped").write_all(request.as_bytes()).expect("python reads");
    let output = child.wait_with_output().expect("python ends");
    assert!(output.status.success(), "the statements failed; the error is above");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    answer["accepted"].as_bool().expect("a verdict")
}
