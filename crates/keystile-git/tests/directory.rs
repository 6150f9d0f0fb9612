//! Folders, files and streams as they lie.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use keystile_git::directory::{self, DirectoryOptions};
use keystile_git::{Error, GapKind, InspectOptions, Inspector, Progress, SkipReason, SourceReport, standard_input};
use support::scanning::{found, inspector, inspector_with};
use support::{snapshot, token};

struct Folder {
    _root: tempfile::TempDir,
    path: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().canonicalize().expect("it exists").join("folder");
        fs::create_dir(&path).expect("new");
        Self { _root: root, path }
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
        fs::write(path, content).expect("written");
    }
}

fn scan_paths(inspector: &Inspector, paths: &[PathBuf], options: &DirectoryOptions) -> (Vec<String>, SourceReport) {
    let report = directory::scan(inspector, paths, options, &Progress::default()).expect("scans");
    (found(inspector, &report), report)
}

fn scan(folder: &Folder, options: &DirectoryOptions) -> (Vec<String>, SourceReport) {
    scan_paths(&inspector(), std::slice::from_ref(&folder.path), options)
}

fn skipped(report: &SourceReport, reason: SkipReason) -> Vec<&str> {
    let skipped = report.coverage.skipped.get(&reason);
    skipped.map(|skipped| skipped.examples.iter().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn every_file_hidden_ones_included_is_read() {
    let folder = Folder::new();
    folder.write("b.txt", format!("\n\n  {}\n", token(1)));
    folder.write(".hidden/.env", token(2));
    folder.write("a/deep/er/c.txt", format!("{} {}", token(3), token(4)));
    folder.write("clean.txt", "clean");
    folder.write("allowed/d.txt", token(5));
    folder.write("empty", "");
    let (found, report) = scan(&folder, &DirectoryOptions::default());
    assert_eq!(
        found,
        [
            ".hidden/.env:1 kst-token file no HEAD",
            "a/deep/er/c.txt:1 kst-token file no HEAD",
            "a/deep/er/c.txt:1 kst-token file no HEAD",
            "b.txt:3 kst-token file no HEAD",
        ]
    );
    let columns: Vec<_> = report
        .occurrences
        .iter()
        .filter(|occurrence| occurrence.path == "a/deep/er/c.txt")
        .map(|occurrence| occurrence.found.start.column)
        .collect();
    assert_eq!(columns, [1, 22]);
    assert_eq!((report.coverage.files, report.coverage.files_scanned), (6, 6));
    assert_eq!(report.coverage.file_bytes_scanned, (5 + 20) + 20 + 41 + 5 + 20);
    assert_eq!(report.coverage.gaps, []);
}

#[test]
fn ignore_files_are_honoured_and_what_they_name_is_counted() {
    let folder = Folder::new();
    folder.write(".gitignore", "*.log\n/build/\n");
    folder.write(".ignore", "data.csv\n");
    folder.write("a.log", token(1));
    folder.write("build/out/b.txt", token(2));
    folder.write("data.csv", token(3));
    folder.write("sub/.gitignore", "!kept.log\nc.txt\n");
    folder.write("sub/kept.log", token(4));
    folder.write("sub/c.txt", token(5));
    let (found, report) = scan(&folder, &DirectoryOptions::default());
    assert_eq!(found, ["sub/kept.log:1 kst-token file no HEAD"]);
    assert_eq!(skipped(&report, SkipReason::IgnoredPath), ["a.log", "build/", "data.csv", "sub/c.txt"]);
    assert_eq!(
        report.coverage.skipped[&SkipReason::IgnoredPath].bytes,
        60,
        "of the files; a folder is not looked into"
    );

    let all = DirectoryOptions { no_ignore: true, ..DirectoryOptions::default() };
    let (found, report) = scan(&folder, &all);
    assert_eq!(found.len(), 5);
    assert_eq!(skipped(&report, SkipReason::IgnoredPath), [""; 0]);
}

#[test]
fn ignore_files_above_the_folder_count() {
    let folder = Folder::new();
    folder.write(".gitignore", "*.log\n");
    folder.write("sub/a.log", token(1));
    folder.write("sub/b.txt", token(2));
    let (found, report) = scan_paths(&inspector(), &[folder.path.join("sub")], &DirectoryOptions::default());
    assert_eq!(found, ["b.txt:1 kst-token file no HEAD"]);
    assert_eq!(skipped(&report, SkipReason::IgnoredPath), ["a.log"]);
}

#[test]
fn files_named_by_themselves_are_always_read() {
    let folder = Folder::new();
    folder.write(".gitignore", "*.log\n");
    folder.write("a.log", token(1));
    folder.write("sub/b.txt", token(2));
    let paths = [folder.path.join("a.log"), folder.path.join("sub")];
    let (found, report) = scan_paths(&inspector(), &paths, &DirectoryOptions::default());
    let shown = folder.path.display();
    assert_eq!(
        found,
        [format!("{shown}/a.log:1 kst-token file no HEAD"), format!("{shown}/sub/b.txt:1 kst-token file no HEAD")]
    );
    assert_eq!(report.coverage.files, 2);
}

#[test]
fn git_directories_are_left_out_with_a_note() {
    let folder = Folder::new();
    folder.write(".git/config", token(1));
    folder.write("vendor/lib/.git/config", token(2));
    folder.write("vendor/lib/a.txt", token(3));
    for no_ignore in [false, true] {
        let (found, report) = scan(&folder, &DirectoryOptions { no_ignore, ..DirectoryOptions::default() });
        assert_eq!(found, ["vendor/lib/a.txt:1 kst-token file no HEAD"]);
        assert_eq!(
            report.coverage.notes,
            [".git (and 1 more) was left out: without --dir, keystile scan reads the history that it holds"]
        );
        assert_eq!(skipped(&report, SkipReason::IgnoredPath), [""; 0]);
    }
}

#[test]
fn pipes_sockets_and_devices_are_named_and_not_read() {
    let folder = Folder::new();
    folder.write("a.txt", token(1));
    let pipe = folder.path.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is installed").success());
    let _socket = std::os::unix::net::UnixListener::bind(folder.path.join("socket")).expect("bound");
    let (found, report) = scan(&folder, &DirectoryOptions::default());
    assert_eq!(found, ["a.txt:1 kst-token file no HEAD"]);
    let mut special = skipped(&report, SkipReason::SpecialFile);
    special.sort_unstable();
    assert_eq!(special, ["pipe", "socket"]);
    assert_eq!(report.coverage.gaps, []);
    let (_, report) = scan_paths(&inspector(), &[PathBuf::from("/dev/null")], &DirectoryOptions::default());
    assert_eq!(skipped(&report, SkipReason::SpecialFile), ["/dev/null"]);
}

#[test]
fn symbolic_links_are_counted_or_followed() {
    let folder = Folder::new();
    let outside = folder.path.parent().expect("above").join("outside");
    fs::create_dir(&outside).expect("new");
    fs::write(outside.join("o.txt"), token(2)).expect("written");
    folder.write("real/a.txt", token(1));
    symlink("real/a.txt", folder.path.join("link.txt")).expect("made");
    symlink(&outside, folder.path.join("out")).expect("made");
    symlink("..", folder.path.join("real/up")).expect("made");
    symlink("nowhere", folder.path.join("dangling")).expect("made");

    let (found, report) = scan(&folder, &DirectoryOptions::default());
    assert_eq!(found, ["real/a.txt:1 kst-token file no HEAD"]);
    let mut links = skipped(&report, SkipReason::SymbolicLink);
    links.sort_unstable();
    assert_eq!(links, ["dangling", "link.txt", "out", "real/up"]);

    let follow = DirectoryOptions { follow_symlinks: true, ..DirectoryOptions::default() };
    let (_, report) = scan(&folder, &follow);
    let mut places: Vec<_> = report
        .occurrences
        .iter()
        .map(|occurrence| (occurrence.path.to_string(), occurrence.symlink.as_ref().map(ToString::to_string)))
        .collect();
    places.sort();
    let outside_file = outside.join("o.txt").display().to_string();
    assert_eq!(
        places,
        [
            (outside_file, Some("out/o.txt".to_owned())),
            ("real/a.txt".to_owned(), None),
            ("real/a.txt".to_owned(), Some("link.txt".to_owned())),
        ]
    );
    assert_eq!(report.coverage.notes, ["real/up leads back to a folder that holds it, and was not followed"]);
    assert_eq!(skipped(&report, SkipReason::SymbolicLink), ["dangling"]);
    assert_eq!(report.coverage.gaps, []);
}

#[test]
fn a_folder_named_by_a_link_or_with_a_slash_is_the_folder() {
    let folder = Folder::new();
    folder.write(".gitignore", "*.log\n");
    folder.write("sub/a.log", token(1));
    folder.write("sub/b.txt", token(2));
    let link = folder.path.parent().expect("above").join("link");
    symlink(&folder.path, &link).expect("made");
    for path in [link, folder.path.join("sub/.."), PathBuf::from(format!("{}/", folder.path.display()))] {
        let (found, report) = scan_paths(&inspector(), std::slice::from_ref(&path), &DirectoryOptions::default());
        assert_eq!(found, ["sub/b.txt:1 kst-token file no HEAD"], "{}", path.display());
        assert_eq!(skipped(&report, SkipReason::IgnoredPath), ["sub/a.log"], "{}", path.display());
    }
}

#[test]
fn what_may_not_be_read_is_a_gap() {
    let folder = Folder::new();
    folder.write("locked.txt", token(1));
    folder.write("locked/a.txt", token(2));
    folder.write("open.txt", token(3));
    let lock = |path: &str, mode| {
        fs::set_permissions(folder.path.join(path), fs::Permissions::from_mode(mode)).expect("own file");
    };
    lock("locked.txt", 0o000);
    lock("locked", 0o000);
    let may_read_anything = fs::read(folder.path.join("locked.txt")).is_ok();
    let (found, report) = scan(&folder, &DirectoryOptions::default());
    lock("locked", 0o755);
    if may_read_anything {
        assert_eq!(found.len(), 3, "the superuser reads all");
        return;
    }
    assert_eq!(found, ["open.txt:1 kst-token file no HEAD"]);
    let gaps: Vec<_> = report.coverage.gaps.iter().map(|gap| gap.kind).collect();
    assert_eq!(gaps, [GapKind::UnreadableFile, GapKind::UnreadableFile]);
}

#[test]
fn a_path_that_is_not_there_is_a_usage_error() {
    let folder = Folder::new();
    let paths = [folder.path.join("absent")];
    let error = directory::scan(&inspector(), &paths, &DirectoryOptions::default(), &Progress::default());
    assert!(matches!(error, Err(Error::Usage(ref text)) if text.contains("absent")), "{error:?}");
}

#[test]
fn names_that_are_no_utf8_keep_their_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    let name = std::ffi::OsStr::from_bytes(b"a\n\xff.txt");
    fs::write(folder.path.join(name), token(1)).expect("written");
    let (_, report) = scan(&folder, &DirectoryOptions::default());
    assert_eq!(report.occurrences[0].path, b"a\n\xff.txt".as_slice());
}

#[test]
fn sizes_and_binary_content_are_left_out_when_asked_for() {
    let folder = Folder::new();
    folder.write("large.txt", format!("{}\n{}", token(1), "x".repeat(1000)));
    folder.write("binary.bin", [token(2).as_bytes(), b"\0"].concat());
    folder.write("small.txt", token(3));
    let options = InspectOptions { skip_binary: true, max_bytes: Some(500), ..InspectOptions::default() };
    let inspector = inspector_with(options, false);
    let (found, report) = scan_paths(&inspector, std::slice::from_ref(&folder.path), &DirectoryOptions::default());
    assert_eq!(found, ["small.txt:1 kst-token file no HEAD"]);
    assert_eq!(skipped(&report, SkipReason::Size), ["large.txt"]);
    assert_eq!(skipped(&report, SkipReason::Binary), ["binary.bin"]);
    assert_eq!((report.coverage.files, report.coverage.files_scanned), (3, 1));
    assert_eq!(report.coverage.skipped[&SkipReason::Size].bytes, 1021);
}

#[test]
fn path_rules_look_at_every_file() {
    let folder = Folder::new();
    folder.write("a.kstkey", "");
    folder.write("b.txt", "");
    let inspector = inspector_with(InspectOptions::default(), true);
    let (found, _) = scan_paths(&inspector, std::slice::from_ref(&folder.path), &DirectoryOptions::default());
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("a.kstkey:"), "{found:?}");
}

#[test]
fn the_order_is_that_of_the_paths_every_time() {
    let folder = Folder::new();
    for number in 0..200 {
        folder.write(&format!("{}/{number}.txt", number % 7), token(number));
    }
    let paths = |report: &SourceReport| -> Vec<String> {
        report.occurrences.iter().map(|occurrence| occurrence.path.to_string()).collect()
    };
    let first = paths(&scan(&folder, &DirectoryOptions::default()).1);
    let mut sorted = first.clone();
    sorted.sort();
    assert_eq!(first, sorted);
    for _ in 0..5 {
        assert_eq!(paths(&scan(&folder, &DirectoryOptions::default()).1), first);
    }
}

#[test]
fn nothing_is_written() {
    let folder = Folder::new();
    folder.write("a.txt", token(1));
    let before = snapshot(&folder.path);
    scan(&folder, &DirectoryOptions::default());
    assert_eq!(snapshot(&folder.path), before);
    assert!(Path::new(&folder.path).exists());
}

#[test]
fn standard_input_is_one_file_without_a_path() {
    let inspector = inspector();
    for (case, input, expected) in [
        ("empty", String::new(), vec![]),
        ("clean", "clean\n".to_owned(), vec![]),
        ("two lines", format!("a\nb {}", token(1)), vec![":2 kst-token standard input no HEAD".to_owned()]),
    ] {
        let report = standard_input::scan(&inspector, &mut input.as_bytes()).expect("reads");
        assert_eq!(found(&inspector, &report), expected, "{case}");
        assert_eq!((report.coverage.files, report.coverage.files_scanned), (1, 1), "{case}");
        assert_eq!(report.coverage.file_bytes_scanned, input.len() as u64, "{case}");
    }
}

#[test]
fn a_stream_that_breaks_is_an_error() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("cut"))
        }
    }
    assert!(matches!(standard_input::scan(&inspector(), &mut Broken), Err(Error::Read { .. })));
}
