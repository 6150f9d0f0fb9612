//! `keystile demo`: every act, whoever stands in for AWS, and nothing left behind.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::run::{Run, command, finish};
use super::support::Emulator;

/// What the acts show, in this order.
const SEEN: [&str; 13] = [
    "Act 1: ",
    "$ git -C application --no-pager log",
    "Act 2: ",
    "$ keystile scan application",
    "Act 3: ",
    "$ keystile check --policy policy.yaml manifests",
    "Now with /prod/team-b/",
    "Act 4: ",
    "$ keystile rotate plan application --prefix /prod/team-a/",
    "$ keystile rotate apply keystile-rotation.json --yes",
    "$ keystile rotate status keystile-rotation.json",
    "Act 7: ",
    "The end",
];

/// How long the demo may take: it is two or three seconds by itself, and two minutes are promised.
const LIMIT: Duration = Duration::from_secs(120);

/// A folder for temporary files in which the demo is shown, and which must be empty again afterwards.
struct Theatre {
    folder: tempfile::TempDir,
}

impl Theatre {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["tmp", "home"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn tmp(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// `keystile demo ARGUMENTS`, with settings of a user that must not get through.
    fn demo(&self, arguments: &[&str]) -> Command {
        let mut demo = command(self.folder.path());
        demo.arg("demo").args(arguments);
        demo.env("TMPDIR", self.tmp()).env("HOME", self.folder.path().join("home"));
        // Any of these would show: nobody serves there, no such file, a broken configuration.
        demo.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env("AWS_PROFILE", "none")
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("GITLEAKS_CONFIG", "none.toml")
            .env("GIT_DIR", "none")
            .env("PYTHONPATH", "none");
        fs::write(self.folder.path().join("home/.gitconfig"), "[broken\n").unwrap();
        if let Some(assets) = std::env::var_os("KEYSTILE_ASSETS") {
            demo.env("KEYSTILE_ASSETS", assets);
        }
        demo
    }

    /// Fails if anything is left: a file, or a process that works in the folder.
    #[track_caller]
    fn assert_empty(&self) {
        let left: Vec<PathBuf> = fs::read_dir(self.tmp()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        let home: Vec<_> = fs::read_dir(self.folder.path().join("home")).unwrap().collect();
        assert_eq!(home.len(), 1, "something was written to the home directory: {home:?}");
        let start = Instant::now();
        // What was killed may be a moment on its way out.
        while !self.processes().is_empty() && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self.processes(), [""; 0], "still running");
    }

    /// Processes whose command or variables name the folder.
    fn processes(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let folder = self.tmp();
        let name = folder.to_str().unwrap().as_bytes();
        let has = |path: PathBuf| {
            fs::read(path).is_ok_and(|content| content.windows(name.len()).any(|window| window == name))
        };
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|id| {
                let process = Path::new("/proc").join(id);
                has(process.join("cmdline")) || has(process.join("environ"))
            })
            .collect()
    }
}

/// Fails unless all acts were shown, and in a minute or two.
#[track_caller]
fn assert_complete(run: &Run, took: Duration) -> String {
    let text = run.text();
    assert_eq!(run.status, Some(0), "{text}\n{}", run.stderr);
    let mut from = 0;
    for seen in SEEN {
        let at = text[from..].find(seen).unwrap_or_else(|| panic!("{seen} is not seen where it should be:\n{text}"));
        from += at;
    }
    assert!(took < LIMIT, "{took:?}");
    assert!(!text.contains('\u{1b}'), "colours in a file");
    text
}

#[test]
fn without_an_emulator_it_says_what_stood_in() {
    let theatre = Theatre::new();
    let start = Instant::now();
    let run = finish(&mut theatre.demo(&["--emulator", "built-in"]));
    let text = assert_complete(&run, start.elapsed());
    assert!(text.contains("keystile's own stand-in does, as --emulator built-in asks"), "{text}");
    assert!(text.contains("What it does not show"), "{text}");
    theatre.assert_empty();
}

#[test]
fn with_the_emulator_it_is_the_same_story() {
    // Says where it is missing.
    let Some(emulator) = Emulator::start() else { return };
    drop(emulator);
    let theatre = Theatre::new();
    let start = Instant::now();
    let run = finish(&mut theatre.demo(&[]));
    let text = assert_complete(&run, start.elapsed());
    assert!(text.contains("An emulator of AWS does (moto 5"), "{text}");
    assert!(!text.contains("stand-in"), "{text}");
    theatre.assert_empty();
}

#[test]
fn where_python_is_missing_the_reason_is_given() {
    let theatre = Theatre::new();
    let bin = theatre.folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(program("git"), bin.join("git")).unwrap();
    let mut demo = theatre.demo(&[]);
    let run = finish(demo.env("PATH", &bin).env_remove("KEYSTILE_ASSETS"));
    let text = assert_complete(&run, Duration::ZERO);
    assert!(text.contains("because moto can't be had (python3 can't be started)"), "{text}");
    theatre.assert_empty();
    // Asked for by name, it is an error.
    let mut demo = theatre.demo(&["--emulator", "moto"]);
    let run = finish(demo.env("PATH", &bin).env_remove("KEYSTILE_ASSETS")).expect(3);
    assert!(run.stderr.contains("moto can't be had: python3 can't be started"), "{}", run.stderr);
    theatre.assert_empty();
}

#[test]
fn without_git_nothing_is_done() {
    let theatre = Theatre::new();
    let run = finish(theatre.demo(&[]).env("PATH", theatre.tmp())).expect(2);
    assert!(run.stderr.contains("git can't be started"), "{}", run.stderr);
    assert_eq!(run.text(), "");
    theatre.assert_empty();
}

#[test]
fn what_is_kept_has_the_plan_the_journal_and_the_report() {
    let theatre = Theatre::new();
    let run = finish(&mut theatre.demo(&["--emulator", "built-in", "--keep"]));
    let text = assert_complete(&run, Duration::ZERO);
    let kept: Vec<PathBuf> = fs::read_dir(theatre.tmp()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(run.stderr.contains(kept[0].to_str().unwrap()), "{}", run.stderr);
    // The password, from the commit that had it: it stands nowhere else.
    let show = ["show", "HEAD^:app.env"];
    let output = Command::new("git").arg("-C").arg(kept[0].join("application")).args(show).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    let password = line.trim().strip_prefix("DB_PASSWORD=").unwrap();
    assert_eq!(password.len(), 24, "{line}");
    for file in ["keystile-rotation.json", "keystile-rotation.journal.jsonl", "incident.md"] {
        let content = fs::read_to_string(kept[0].join(file)).unwrap();
        assert!(!content.is_empty() && !content.contains(password), "{file}");
    }
    assert!(!text.contains(password) && !run.stderr.contains(password));
    fs::remove_dir_all(&kept[0]).unwrap();
    theatre.assert_empty();
}

#[test]
fn a_signal_in_any_act_leaves_nothing() {
    for (signal, act, emulator, status) in [
        ("INT", "Act 1: ", "built-in", 130),
        ("INT", "$ keystile scan application", "built-in", 130),
        ("TERM", "$ keystile rotate plan", "built-in", 143),
        ("INT", "$ keystile rotate apply", "built-in", 130),
        // While the emulator is looked for and started.
        ("INT", "Act 4: ", "auto", 130),
        ("HUP", "$ keystile rotate apply", "auto", 129),
    ] {
        let theatre = Theatre::new();
        let (mut child, output, text) = started(theatre.demo(&["--emulator", emulator]), act);
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        // Its output is read on: a closed pipe would end it as well.
        std::io::copy(&mut { output }, &mut std::io::sink()).unwrap();
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(status), "{signal} in {act}: {text}");
        theatre.assert_empty();
    }
}

#[test]
fn who_stops_reading_ends_it() {
    let theatre = Theatre::new();
    let (mut child, output, _) = started(theatre.demo(&["--emulator", "built-in"]), "Act 2: ");
    drop(output);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    theatre.assert_empty();
}

/// A demo that has shown `text`, the rest of its output, and what it has shown.
#[track_caller]
fn started(mut demo: Command, text: &str) -> (Child, ChildStdout, String) {
    let mut child = demo.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&seen).contains(text) {
        let count = output.read(&mut buffer).unwrap();
        assert!(count > 0, "{text} is not seen: {}", String::from_utf8_lossy(&seen));
        seen.extend(&buffer[..count]);
    }
    (child, output, String::from_utf8_lossy(&seen).into_owned())
}

/// Where a program of the path is.
#[track_caller]
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.exists()).unwrap()
}
