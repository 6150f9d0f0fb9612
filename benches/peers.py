#!/usr/bin/env python3
"""Times keystile beside its peers on the same repositories, as whole processes, in one run.

    benches/peers.py [--runs N] [--kingfisher PATH] [--gitleaks PATH] REPOSITORY...

The programs take turns (A B C, A B C, ...), so that a machine whose speed drifts is unfair to none;
medians and the ratios of medians are printed as the Markdown table of docs/benchmarks.md. Every
program scans the whole history with its own default rules and writes its report to a file that is
thrown away. `decode only` (crates/keystile-git/examples/decode_only.rs) inflates every object and
does nothing with it: the limit.

Build first: cargo build --release && cargo build --release -p keystile-git --example decode_only
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def measure(command: list[str], directory: str) -> tuple[float, float, float, int]:
    """Wall seconds, processor seconds, peak memory in MB and exit status of one run."""
    with open(os.devnull, "wb") as nothing:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=nothing, stderr=nothing)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000, process.returncode


def commands(repository: str, scratch: str, options: argparse.Namespace) -> dict[str, list[str]]:
    objects = Path(repository, "objects") if Path(repository, "objects").is_dir() else Path(repository, ".git/objects")
    table = {
        "decode only": [str(TARGET / "release/examples/decode_only"), str(objects)],
        "keystile": [str(TARGET / "release/keystile"), "scan", "--history-only", "--no-progress", "--format=json",
                     f"--output={scratch}/keystile.json", repository],
        "keystile --no-delta": [str(TARGET / "release/keystile"), "scan", "--history-only", "--no-delta", "--no-progress",
                                "--format=json", f"--output={scratch}/keystile.json", repository],
    }
    if options.kingfisher:
        table["kingfisher"] = [options.kingfisher, "scan", repository, "--no-validate", "--no-update-check",
                               "--format=json", f"--output={scratch}/kingfisher.json"]
    if options.gitleaks:
        table["gitleaks"] = [options.gitleaks, "git", "--no-banner", "--redact", f"--report-path={scratch}/gitleaks.json",
                             repository]
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kingfisher")
    parser.add_argument("--gitleaks")
    parser.add_argument("repositories", nargs="+")
    options = parser.parse_args()

    print("| repository | program | wall s | cpu s | peak MB | against keystile | status |")
    print("|---|---|---|---|---|---|---|")
    for repository in options.repositories:
        repository = os.path.abspath(repository)
        name = "/".join(Path(repository).parts[-2:])
        with tempfile.TemporaryDirectory() as scratch:
            table = commands(repository, scratch, options)
            results: dict[str, list[tuple[float, float, float, int]]] = {program: [] for program in table}
            for run in range(options.runs + 1):
                for program, command in table.items():
                    result = measure(command, scratch)
                    if run > 0:  # the first round warms caches and first-run work
                        results[program].append(result)
        own = statistics.median(run[0] for run in results["keystile"])
        for program, runs in results.items():
            wall, cpu, memory = (statistics.median(run[index] for run in runs) for index in range(3))
            statuses = ",".join(sorted({str(run[3]) for run in runs}))
            print(f"| {name} | {program} | {wall:.2f} | {cpu:.2f} | {memory:.0f} | {wall / own:.2f}x | {statuses} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
