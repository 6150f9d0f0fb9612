//! Peak memory stays under the bound that `docs/benchmarks.md` gives, on packs whose expanded content is far larger.
//!
//! The bound is worked out from the pack at hand. Linux only: the kernel's own high-water mark is read.
#![cfg(target_os = "linux")]

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::run::command;
use crate::support::{TestRepository, github_token};

/// Threads of the scan: the bound counts them.
const THREADS: u64 = 2;
/// Bytes of a line, its end included.
const LINE: usize = 64;

/// A history to be generated.
struct Shape {
    /// Files with many versions. Each version has [`Shape::lines`] lines and replaces some of the version before, so
    /// that the pack stores deltas.
    files: u32,
    versions: u32,
    lines: usize,
    replaced: usize,
    /// Files with one version of one line: what costs for each object.
    small: u32,
    /// Lines of one more file: the largest blob.
    largest: usize,
}

/// What the bound is made of.
#[derive(Debug)]
struct Facts {
    pack_and_index: u64,
    objects: u64,
    largest_blob: u64,
    /// A match in a version of a file.
    matches: u64,
}

impl Facts {
    /// The bound of `docs/benchmarks.md`, section "Memory", in bytes.
    fn bound(&self) -> u64 {
        self.pack_and_index + 100_000_000 + 200 * self.objects + 8 * self.largest_blob * THREADS + 33_000 * self.matches
    }
}

/// Random letters and digits, by SplitMix64 (Steele, Lea and Flood, 2014): they neither compress well nor repeat.
struct Lines(u64);

impl Lines {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Overwrites a line. No rule finds anything in it: there are no capitals, and no words.
    fn fill(&mut self, line: &mut [u8]) {
        for chunk in line.chunks_mut(12) {
            let mut bits = self.next();
            for byte in chunk {
                *byte = b"abcdefghijklmnopqrstuvwxyz012345"[(bits & 31) as usize];
                bits >>= 5;
            }
        }
        if let Some(end) = line.last_mut() {
            *end = b'\n';
        }
    }

    fn text(&mut self, lines: usize) -> Vec<u8> {
        let mut text = vec![0; lines * LINE];
        text.chunks_mut(LINE).for_each(|line| self.fill(line));
        text
    }
}

/// Writes the history as a stream for `git fast-import`, which makes a delta of each blob against the one before.
fn write_stream(shape: &Shape, token: &str, out: &mut impl Write) -> std::io::Result<()> {
    let mut lines = Lines(1);
    let mut mark = 0;
    let mut blob = |content: &[u8], out: &mut dyn Write| -> std::io::Result<u32> {
        mark += 1;
        write!(out, "blob\nmark :{mark}\ndata {}\n", content.len())?;
        out.write_all(content)?;
        out.write_all(b"\n")?;
        Ok(mark)
    };
    let commit = |files: &[(u32, String)], out: &mut dyn Write| -> std::io::Result<()> {
        out.write_all(b"commit refs/heads/main\ncommitter Carl <carl@example.org> 1700000000 +0000\ndata 0\n")?;
        for (mark, path) in files {
            writeln!(out, "M 100644 :{mark} {path}")?;
        }
        out.write_all(b"\n")
    };
    let mut small = Vec::new();
    for number in 0..shape.small {
        small.push((blob(&lines.text(1), out)?, format!("data/{}/{number}.txt", number / 500)));
    }
    small.push((blob(&lines.text(shape.largest), out)?, "largest.txt".to_owned()));
    commit(&small, out)?;
    for file in 0..shape.files {
        let mut content = lines.text(shape.lines);
        if file == 0 {
            // At the end: no version replaces it.
            content.extend_from_slice(format!("token = \"{token}\"\n").as_bytes());
        }
        for version in 0..shape.versions {
            if version > 0 {
                let first = lines.next() as usize % (shape.lines - shape.replaced);
                let replaced = &mut content[first * LINE..(first + shape.replaced) * LINE];
                replaced.chunks_mut(LINE).for_each(|line| lines.fill(line));
            }
            commit(&[(blob(&content, out)?, format!("src/{file}.txt"))], out)?;
        }
    }
    Ok(())
}

fn import(repository: &TestRepository, shape: &Shape, token: &str) {
    let mut child = Command::new("git")
        .args(["fast-import", "--quiet", "--depth=50"])
        .current_dir(repository.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .stdin(Stdio::piped())
        .spawn()
        .expect("git starts");
    let mut stream = BufWriter::with_capacity(1 << 20, child.stdin.take().expect("piped"));
    write_stream(shape, token, &mut stream).expect("git reads");
    drop(stream.into_inner().expect("git reads"));
    assert!(child.wait().expect("git ends").success());
}

fn facts(repository: &TestRepository, shape: &Shape) -> Facts {
    let folder = repository.path().join(".git/objects/pack");
    let files = folder.read_dir().expect("a folder").map(|file| file.expect("a file"));
    let pack_and_index = files.map(|file| file.metadata().expect("metadata").len()).sum();
    let counts = repository.git(&["count-objects", "-v"]);
    let count = |name: &str| -> u64 {
        let line = counts.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().parse().expect("a number")
    };
    assert_eq!((count("count:"), count("packs:")), (0, 1), "everything is in one pack");
    let largest = LINE * shape.largest.max(shape.lines + 1);
    Facts {
        pack_and_index,
        objects: count("in-pack:"),
        largest_blob: largest as u64,
        matches: u64::from(shape.versions),
    }
}

/// Runs keystile in `folder`; gives its peak resident memory in bytes and its exit status.
///
/// The kernel keeps the peak, so all that can be missed is what comes within a millisecond of the end.
fn peak_of(folder: &Path, arguments: &[&str]) -> (u64, Option<i32>) {
    let mut child = command(folder).args(arguments).spawn().expect("keystile starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // Without the line when the process has ended and is waited for.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        if let Some(kibibytes) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            let kibibytes: u64 = kibibytes.trim().trim_end_matches(" kB").parse().expect("a number");
            peak = kibibytes * 1024;
        }
        if let Some(ended) = child.try_wait().expect("a child can be waited for") {
            return (peak, ended.code());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Generates the history, scans it and holds the peak against the bound. Gives the pack's size.
fn expect_bounded(shape: &Shape) -> u64 {
    let repository = TestRepository::new();
    let token = github_token(81);
    import(&repository, shape, &token);
    let facts = facts(&repository, shape);
    let output = repository.beside("report.json");
    let threads = THREADS.to_string();
    let arguments =
        ["scan", "--history-only", "--threads", &threads, "--format=json", "-o", output.to_str().expect("UTF-8")];
    let started = std::time::Instant::now();
    let (peak, status) = peak_of(repository.path(), &arguments);
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(status, Some(1));

    let report: Value = serde_json::from_slice(&std::fs::read(&output).expect("a report")).expect("JSON");
    let coverage = &report["coverage"];
    let blobs = u64::from(shape.files * shape.versions + shape.small + 1);
    assert_eq!((coverage["blobs"].as_u64(), coverage["blobs_scanned"].as_u64()), (Some(blobs), Some(blobs)));
    assert_eq!((&report["summary"]["findings"], &report["summary"]["occurrences"]), (&1.into(), &1.into()));
    let expanded = coverage["blob_bytes_scanned"].as_u64().expect("a number");

    let bound = facts.bound();
    let mega = |bytes: u64| bytes / 1_000_000;
    let figures = format!(
        "peak {} MB, bound {} MB, {} MB of blobs expanded, {seconds:.1} s; {facts:?}",
        mega(peak),
        mega(bound),
        mega(expanded)
    );
    // Past the test runner's capture, for `docs/benchmarks.md`.
    let _ = writeln!(std::io::stderr(), "{figures}");
    assert!(peak > facts.pack_and_index / 2, "the peak was not seen: {figures}");
    assert!(expanded > bound, "whoever kept everything expanded would pass too: {figures}");
    assert!(peak < bound, "{figures}");
    facts.pack_and_index
}

#[test]
fn peak_memory_is_bounded_by_the_pack_not_by_what_is_in_it() {
    let shape = Shape { files: 20, versions: 80, lines: 4_000, replaced: 300, small: 60_000, largest: 20_000 };
    let size = expect_bounded(&shape);
    assert!((30_000_000..60_000_000).contains(&size), "{size}");
}

#[test]
#[ignore = "makes a pack of 500 MB; tests/run-slow runs it"]
fn peak_memory_is_bounded_on_a_pack_of_500_megabytes() {
    let shape = Shape { files: 140, versions: 120, lines: 4_000, replaced: 600, small: 300_000, largest: 200_000 };
    let size = expect_bounded(&shape);
    assert!(size >= 500_000_000, "{size}");
}
