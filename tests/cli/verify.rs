//! `scan --verify` against stand-ins of the issuers, over real HTTP: every way to answer gets the right verdict, and
//! no value shows anywhere but in the one header that it is for.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Run, github_token, keystile, random};

/// A server that answers every request alike and keeps what it was sent.
struct StandIn {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

/// How a stand-in behaves.
#[derive(Clone)]
enum Answer {
    /// Status line and headers after the version, and the body.
    Http(String, String),
    /// The first request gets the first, later ones the second.
    Then(Box<Answer>, Box<Answer>),
    /// Bytes that are no HTTP.
    Garbage,
    /// Nothing, for longer than anyone waits.
    Silence,
    /// The connection is closed.
    Close,
}

fn http(head: &str, body: &str) -> Answer {
    Answer::Http(head.to_owned(), body.to_owned())
}

impl StandIn {
    fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        // Ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = read(&stream);
                let number = {
                    let mut kept = kept.lock().expect("no thread panics with it");
                    kept.push(request);
                    kept.len()
                };
                respond(stream, &answer, number);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no thread panics with it").clone()
    }

    fn endpoint(&self, issuer: &str) -> String {
        format!("--verify-endpoint={issuer}=http://{}", self.address)
    }
}

/// Head and body of a request.
fn read(mut stream: &TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return text,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn respond(mut stream: TcpStream, answer: &Answer, number: usize) {
    match answer {
        Answer::Http(head, body) => {
            // A client that had enough may be gone.
            let _ = write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
        Answer::Then(first, later) => respond(stream, if number == 1 { first } else { later }, number),
        Answer::Garbage => {
            let _ = stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n");
        }
        Answer::Silence => {
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_secs(30));
                drop(stream);
            });
        }
        Answer::Close => drop(stream),
    }
}

/// An issuer: its name, a file that leaks its credential, the value that must not show, and its answers.
struct Issuer {
    name: &'static str,
    rule: &'static str,
    file: String,
    secret: String,
    path: &'static str,
    live: Answer,
    dead: Answer,
}

fn issuers() -> Vec<Issuer> {
    let github = github_token(11);
    let gitlab = format!("gl{}-{}", "pat", random(12, 20));
    let digits =
        |seed: u64| (0..12).map(|place| char::from(b'1' + ((seed * 7 + place * 5) % 9) as u8)).collect::<String>();
    let slack = format!("xo{}-{}-{}-{}", "xb", digits(1), digits(2), random(13, 24));
    let stripe = format!("s{}_live_{}", "k", random(14, 32));
    let aws_secret = random(15, 40);
    let aws_id = aws_id("AKI", 16);
    vec![
        Issuer {
            name: "github",
            rule: "github-pat",
            file: format!("token = {github}\n"),
            secret: github,
            path: "GET /user ",
            live: http("200 OK\r\nContent-Type: application/json", r#"{"login":"ann","id":1}"#),
            dead: http("401 Unauthorized", r#"{"message":"Bad credentials","status":"401"}"#),
        },
        Issuer {
            name: "gitlab",
            rule: "gitlab-pat",
            file: format!("token = {gitlab}\n"),
            secret: gitlab,
            path: "GET /api/v4/personal_access_tokens/self ",
            live: http("200 OK", r#"{"id":4,"active":true,"revoked":false}"#),
            dead: http("401 Unauthorized", r#"{"message":"401 Unauthorized"}"#),
        },
        Issuer {
            name: "slack",
            rule: "slack-bot-token",
            file: format!("token = {slack}\n"),
            secret: slack,
            path: "POST /api/auth.test ",
            live: http("200 OK", r#"{"ok":true,"team":"t"}"#),
            dead: http("200 OK", r#"{"ok":false,"error":"token_revoked"}"#),
        },
        Issuer {
            name: "stripe",
            rule: "stripe-access-token",
            file: format!("token = {stripe}\n"),
            secret: stripe,
            path: "GET /v1/balance ",
            live: http(
                "403 Forbidden",
                r#"{"error":{"message":"The provided key 'rk_****' does not have the required permissions for this endpoint"}}"#,
            ),
            dead: http("401 Unauthorized", r#"{"error":{"message":"Invalid API Key provided: sk_****"}}"#),
        },
        Issuer {
            name: "aws",
            rule: "aws-secret-access-key",
            file: format!("aws_access_key_id = {aws_id}\naws_secret_access_key = {aws_secret}\n"),
            secret: aws_secret,
            path: "POST / ",
            live: http(
                "200 OK",
                "<GetCallerIdentityResponse><GetCallerIdentityResult>\n <Arn>arn:aws:iam::1:user/a</Arn>",
            ),
            dead: http(
                "403 Forbidden",
                "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>",
            ),
        },
    ]
}

/// Twenty characters of an access key id.
fn aws_id(prefix: &str, seed: u64) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let tail: String = random(seed, 16).bytes().map(|byte| char::from(alphabet[usize::from(byte) % 32])).collect();
    format!("{prefix}A{tail}")
}

/// Scans `text` with these arguments; gives the run and everything that it wrote.
fn scan(text: &str, arguments: &[&str]) -> (Run, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    scan_in(folder.path(), text, arguments)
}

fn scan_in(folder: &Path, text: &str, arguments: &[&str]) -> (Run, String) {
    std::fs::create_dir_all(folder.join("leak")).expect("a folder");
    std::fs::write(folder.join("leak/settings.ini"), text).expect("a file");
    let mut all = vec!["scan", "--dir", "leak", "--format=json", "--verify", "--verbose"];
    for format in ["human", "sarif", "csv", "junit", "gitlab", "markdown", "jsonl"] {
        all.push("--report");
        all.push(Box::leak(format!("{format}=report.{format}").into_boxed_str()));
    }
    all.extend(arguments);
    let run = keystile(folder, &all);
    let mut said = run.text() + &run.stderr;
    for entry in std::fs::read_dir(folder).expect("a folder").flatten().filter(|entry| entry.path().is_file()) {
        said += &std::fs::read_to_string(entry.path()).expect("text");
    }
    (run, said)
}

fn verdict(report: &Value, rule: &str) -> (String, String) {
    let findings = report["findings"].as_array().expect("findings");
    let finding = findings.iter().find(|finding| finding["rule_id"] == rule);
    let verdict = &finding.unwrap_or_else(|| panic!("no {rule}: {report}"))["verification"];
    (verdict["state"].as_str().expect("a state").to_owned(), verdict["reason"].as_str().expect("a reason").to_owned())
}

/// The verdict of a scan of what `issuer` gave, which answers so.
#[track_caller]
fn expect(issuer: &Issuer, answer: Answer, state: &str, reason: &str) -> StandIn {
    let server = StandIn::new(answer);
    let arguments = ["--verify-allow-private", "--verify-timeout=1", &server.endpoint(issuer.name)];
    let (run, said) = scan(&issuer.file, &arguments);
    let run = run.expect(1);
    let found = verdict(&run.json(), issuer.rule);
    assert_eq!((found.0.as_str(), found.1.as_str()), (state, reason), "{}: {}", issuer.name, run.text());
    assert!(!said.contains(&issuer.secret), "{} shows its secret: {said}", issuer.name);
    // Both halves of AWS's are findings.
    let findings = if issuer.name == "aws" { 2 } else { 1 };
    assert!(said.contains(&format!("{findings} {state}")), "{}: the summary says it: {said}", issuer.name);
    for request in server.requests() {
        let line = request.lines().next().expect("a request line");
        assert!(line.starts_with(issuer.path), "{}: {line}", issuer.name);
        assert!(!line.contains(&issuer.secret), "{}: {line}", issuer.name);
        let is_sent = request.contains(&issuer.secret);
        assert_eq!(is_sent, issuer.name != "aws", "the secret key of AWS signs, others are sent: {line}");
    }
    server
}

#[test]
fn live() {
    for issuer in issuers() {
        let server = expect(&issuer, issuer.live.clone(), "live", "answered");
        assert_eq!(server.requests().len(), 1, "{}", issuer.name);
    }
}

#[test]
fn dead() {
    for issuer in issuers() {
        let server = expect(&issuer, issuer.dead.clone(), "dead", "answered");
        assert_eq!(server.requests().len(), 1, "{}", issuer.name);
    }
}

#[test]
fn throttled() {
    for issuer in issuers() {
        let later = http("429 Too Many Requests\r\nRetry-After: 3600", "{}");
        let server = expect(&issuer, later, "unknown", "throttled");
        assert_eq!(server.requests().len(), 1, "{}: a long pause is not waited for", issuer.name);
    }
    // A short pause is kept, and then the issuer is asked once more.
    let issuer = &issuers()[0];
    let soon = http("429 Too Many Requests\r\nRetry-After: 1", "{}");
    let start = Instant::now();
    let server = expect(issuer, Answer::Then(Box::new(soon), Box::new(issuer.live.clone())), "live", "answered");
    assert_eq!(server.requests().len(), 2);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn redirects_are_not_followed() {
    for issuer in issuers() {
        let target = StandIn::new(issuer.live.clone());
        for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
            let answer = http(&format!("{status}\r\nLocation: http://{}/", target.address), "");
            expect(&issuer, answer, "unknown", "redirected");
        }
        assert!(target.requests().is_empty(), "{}", issuer.name);
    }
}

#[test]
fn answers_that_say_nothing() {
    for issuer in issuers() {
        let huge = "x".repeat(300_000);
        for (answer, reason) in [
            (Answer::Garbage, "not_recognised"),
            (http("200 OK", "<html>Welcome to the hotel's network</html>"), "not_recognised"),
            (http("401 Unauthorized", "<html>Proxy</html>"), "not_recognised"),
            (http("503 Service Unavailable", "{}"), "server_failed"),
            (http("200 OK", &huge), "too_large"),
            (Answer::Close, "unreachable"),
        ] {
            expect(&issuer, answer, "unknown", reason);
        }
    }
}

#[test]
fn slow() {
    for issuer in issuers() {
        let start = Instant::now();
        expect(&issuer, Answer::Silence, "unknown", "slow");
        assert!(start.elapsed() < Duration::from_secs(20), "{}", issuer.name);
    }
}

#[test]
fn private_addresses_are_refused() {
    for issuer in issuers() {
        let server = StandIn::new(issuer.live.clone());
        for host in ["127.0.0.1", "localhost"] {
            let endpoint = format!("--verify-endpoint={}=https://{host}:{}", issuer.name, server.address.port());
            let (run, _) = scan(&issuer.file, &[&endpoint]);
            let found = verdict(&run.expect(1).json(), issuer.rule);
            assert_eq!(found, ("unknown".to_owned(), "address_refused".to_owned()), "{} {host}", issuer.name);
        }
        assert!(server.requests().is_empty(), "{}", issuer.name);
    }
}

#[test]
fn only_verified_reports_what_is_live() {
    let issuers = issuers();
    let live = StandIn::new(issuers[0].live.clone());
    let dead = StandIn::new(issuers[1].dead.clone());
    let text = format!("{}{}", issuers[0].file, issuers[1].file);
    let arguments = ["--only-verified", "--verify-allow-private", &live.endpoint("github"), &dead.endpoint("gitlab")];
    let (run, said) = scan(&text, &arguments);
    let report = run.expect(1).json();
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(1), "{report}");
    let counts = &report["verification"];
    assert_eq!((&counts["live"], &counts["dead"], &counts["not_reported"]), (&1.into(), &1.into(), &1.into()));
    assert!(said.contains("1 finding dead (--only-verified)"), "{said}");
    assert!(issuers.iter().all(|issuer| !said.contains(&issuer.secret)), "{said}");

    let (run, _) = scan(&issuers[1].file, &["--only-verified", "--verify-allow-private", &dead.endpoint("gitlab")]);
    run.expect(0);

    // What could not be asked may be live, so the scan is not clean.
    let silent = StandIn::new(Answer::Close);
    let arguments = ["--only-verified", "--verify-allow-private", &silent.endpoint("gitlab")];
    let (run, said) = scan(&issuers[1].file, &arguments);
    run.expect(3);
    assert!(said.contains("No live secrets found; of some it is not known."), "{said}");
}

#[test]
fn a_configuration_can_send_nothing_anywhere_by_itself() {
    let secret = random(17, 24);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = "[[rules]]\nid = \"own\"\nregex = '''own_([A-Za-z0-9]{24})'''\n[rules.verify]\nissuer = \"own\"\n\
        method = \"POST\"\nurl = \"https://api.example.com/check\"\n\
        headers = { Content-Type = \"application/json\" }\nbody = '{\"token\":\"{secret}\"}'\n\
        [[rules.verify.live]]\nstatus = [200]\nfield = \"/valid\"\nequals = true\n\
        [[rules.verify.dead]]\nstatus = [200]\nfield = \"/valid\"\nequals = false\n";
    std::fs::write(folder.path().join("rules.toml"), config).expect("a file");
    let server = StandIn::new(http("200 OK", r#"{"valid":true}"#));
    let text = format!("x = own_{secret}\n");
    let endpoint = server.endpoint("own");
    let base = ["--config=rules.toml", "--verify-allow-private", &endpoint];
    let ask = |more: &[&str]| {
        let (run, said) = scan_in(folder.path(), &text, &[&base, more].concat());
        assert!(!said.contains(&secret), "{said}");
        verdict(&run.expect(1).json(), "own")
    };
    let refused = ("unknown".to_owned(), "host_not_allowed".to_owned());
    assert_eq!(ask(&[]), refused);
    assert_eq!(ask(&["--verify-host=api.example.com"]), refused, "the endpoint must be allowed as well");
    assert_eq!(ask(&["--verify-host=127.0.0.1"]), refused);
    assert!(server.requests().is_empty());
    let live = ("live".to_owned(), "answered".to_owned());
    assert_eq!(ask(&["--verify-host=api.example.com", "--verify-host=127.0.0.1"]), live);
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /check ") && requests[0].contains(&format!("{{\"token\":\"{secret}\"}}")));
}

#[test]
fn an_overridden_rule_is_not_trusted_as_ours_is() {
    let issuer = &issuers()[0];
    let server = StandIn::new(issuer.live.clone());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = "[extend]\nuseDefault = true\n[[rules]]\nid = \"github-pat\"\nregex = '''(gh\\w+)'''\n";
    std::fs::write(folder.path().join("rules.toml"), config).expect("a file");
    let endpoint = server.endpoint("github");
    let arguments = ["--config=rules.toml", "--verify-allow-private", &endpoint];
    let (run, _) = scan_in(folder.path(), &issuer.file, &arguments);
    let found = verdict(&run.expect(1).json(), "github-pat");
    assert_eq!(found, ("unknown".to_owned(), "host_not_allowed".to_owned()));
    assert!(server.requests().is_empty());
}

#[test]
fn checks_that_could_leak_are_refused_when_they_are_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good =
        "headers = { Authorization = \"Bearer {secret}\" }\n[[rules.verify.live]]\nstatus = [200]\nfield = \"/a\"\n";
    let url = |url: &str| format!("url = \"{url}\"\n{good}");
    let cases = [
        (url("https://api.example.com/?t={secret}"), "a URL can hold no value"),
        (url("http://api.example.com/"), "must begin with https://"),
        (url("https://{secret}.example.com/"), "a URL can hold no value"),
        (url("https://127.0.0.1/"), "not an address"),
        (url("https://0x7f.1/"), "not an address"),
        (url("https://a@api.example.com/"), "user name"),
        (url("https://localhost/"), "whole name"),
        (format!("extra = 1\n{}", url("https://api.example.com/")), "no key `extra`"),
        ("url = \"https://a.example.com\"\nheaders = { Host = \"{secret}\" }\n".to_owned(), "set by keystile itself"),
        (url("https://a.example.com/").replace("[200]", "[429]"), "say nothing about a credential"),
        (url("https://a.example.com/").replace("field = \"/a\"\n", ""), "a status alone can come from anyone"),
        (
            "url = \"https://a.example.com\"\n[[rules.verify.live]]\nstatus = 200\nfield = \"/a\"\n".to_owned(),
            "about nothing",
        ),
    ];
    for (table, message) in cases {
        let config = format!("[[rules]]\nid = \"own\"\nregex = 'x'\n[rules.verify]\n{table}");
        std::fs::write(folder.path().join("rules.toml"), &config).expect("a file");
        let run = keystile(folder.path(), ["scan", "--dir", ".", "--config=rules.toml"]).expect(2);
        assert!(run.stderr.contains(message) && run.stderr.contains("rules.toml:"), "{table}: {}", run.stderr);
    }
}

#[test]
fn a_temporary_key_and_a_lonely_one_are_unknown() {
    let secret = random(15, 40);
    let server = StandIn::new(http("403 Forbidden", "<Code>InvalidClientTokenId</Code>"));
    let arguments = ["--verify-allow-private", &server.endpoint("aws")];
    let lonely = format!("aws_secret_access_key = {secret}\n");
    let temporary = format!("aws_access_key_id = {}\n{lonely}", aws_id("ASI", 18));
    for (text, reason) in [(lonely, "no_pair"), (temporary, "temporary")] {
        let (run, _) = scan(&text, &arguments);
        let found = verdict(&run.expect(1).json(), "aws-secret-access-key");
        assert_eq!(found, ("unknown".to_owned(), reason.to_owned()));
    }
    assert!(server.requests().is_empty());
}

#[test]
fn nothing_is_asked_without_the_flag() {
    let issuer = &issuers()[0];
    let server = StandIn::new(issuer.live.clone());
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("a"), &issuer.file).expect("a file");
    let report = keystile(folder.path(), ["scan", "--dir", ".", "--format=json"]).expect(1).json();
    assert!(report["verification"].is_null() && report["findings"][0]["verification"].is_null());
    keystile(folder.path(), ["scan", "--dir", ".", &server.endpoint("github")]).expect(2);
    assert!(server.requests().is_empty());
}
