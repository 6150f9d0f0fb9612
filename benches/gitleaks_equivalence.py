#!/usr/bin/env python3
"""Holds keystile's `--compat=strict` against gitleaks itself on the histories of real repositories.

    benches/gitleaks_equivalence.py --keystile PATH --gitleaks PATH --config FILE REPOSITORY...

Both programs scan each repository's history with the same configuration (gitleaks' own default one is in
its Go module: config/gitleaks.toml; tests/assets prints the folder that has it and the program). The
reports are compared as sets of findings, (rule, secret), and as sets of places, (rule, secret, commit,
path, line). Each repository is a row of the table in docs/gitleaks-compatibility.md.

For every difference the rule and the place are printed, never the secret. The reports, which hold
secrets, are in a temporary folder that only the caller can read, and are removed.

The repositories must be complete: gitleaks stops at the first blob that is missing.

Exit status: 0 all equal, or every difference is one of EXPLAINED; 1 another difference; 2 something could
not be run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

# Differences that docs/gitleaks-compatibility.md explains: (rule, commit, path, line) to the reason.
EXPLAINED: dict[tuple[str, str, str, int], str] = {}

MOST_SHOWN = 40


def run(command: list[str], statuses: set[int], folder: str) -> float:
    """Seconds that the command took; ends the comparison if it fails."""
    # Neither a configuration of the user's for git nor one for the scanners may have a say.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITLEAKS_", "KEYSTILE_"))}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": folder}
    start = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode not in statuses:
        sys.stderr.write(f"{command[0]} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')[-2000:]}\n")
        sys.exit(2)
    return seconds


def places(report: str) -> set[tuple[str, str, str, str, int]]:
    with open(report, encoding="utf-8") as file:
        return {
            (found["RuleID"], found["Secret"], found["Commit"], found["File"], found["StartLine"])
            for found in json.load(file)
        }


def git(repository: str, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", repository, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"git {' '.join(arguments)} in {repository}: {done.stderr}")
    return done.stdout


def is_complete(repository: str) -> bool:
    objects = git(repository, "rev-list", "--all", "--objects", "--missing=print")
    return not any(line.startswith("?") for line in objects.splitlines())


def category(place: tuple[str, str, str, str, int], other: set[tuple[str, str, str, str, int]]) -> str:
    """How near the other program came."""
    rule, secret, commit, path, line = place
    if any(found[:2] == (rule, secret) for found in other):
        return "the same finding at other places"
    if any(found[1:] == (secret, commit, path, line) for found in other):
        return "another rule"
    if any((found[0], *found[2:]) == (rule, commit, path, line) for found in other):
        return "another secret"
    return "nothing there"


def show(side: str, only: set[tuple[str, str, str, str, int]], other: set[tuple[str, str, str, str, int]]) -> int:
    """Prints the places that one side alone has; how many of them nothing explains."""
    unexplained = 0
    shown = Counter()
    for place in sorted(only, key=lambda place: (place[0], *place[2:])):
        rule, _, commit, path, line = place
        reason = EXPLAINED.get((rule, commit, path, line))
        unexplained += reason is None
        shown[rule] += 1
        if shown[rule] <= MOST_SHOWN:
            print(f"  {side} only: {rule} {commit}:{path}:{line} ({reason or category(place, other)})")
    for rule, count in shown.items():
        if count > MOST_SHOWN:
            print(f"  {side} only: {rule}: {count - MOST_SHOWN} more")
    return unexplained


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keystile", required=True, type=os.path.abspath)
    parser.add_argument("--gitleaks", required=True, type=os.path.abspath)
    parser.add_argument("--config", required=True, type=os.path.abspath)
    parser.add_argument("repositories", nargs="+", type=os.path.abspath)
    options = parser.parse_args()

    print("| repository | newest commit | commits | findings gitleaks | findings keystile | equal | places gitleaks "
          "| places keystile | equal | gitleaks s | keystile s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    unexplained = 0
    for repository in options.repositories:
        path = Path(repository)
        name = (path.parent if path.name == "repo" else path).name.replace("+", "/")
        if not is_complete(repository):
            sys.exit(f"{name}: objects are missing; gitleaks would stop at the first of them")
        newest = git(repository, "log", "--all", "-1", "--format=%H").strip()
        commits = git(repository, "rev-list", "--all", "--count").strip()
        with tempfile.TemporaryDirectory(prefix="equivalence-") as folder:
            theirs, ours = f"{folder}/gitleaks.json", f"{folder}/keystile.json"
            their_seconds = run(
                [options.gitleaks, "git", "--no-banner", "--no-color", "--exit-code=0", "--report-format=json",
                 f"--report-path={theirs}", f"--config={options.config}", repository], {0}, folder)
            our_seconds = run(
                [options.keystile, "scan", "--history-only", "--compat=strict", "--no-progress", "--reveal",
                 "--format=gitleaks", f"--output={ours}", f"--config={options.config}", repository], {0, 1}, folder)
            gitleaks, keystile = places(theirs), places(ours)
        their_findings = {place[:2] for place in gitleaks}
        our_findings = {place[:2] for place in keystile}
        equal = ["yes" if one == other else "**no**"
                 for one, other in ((their_findings, our_findings), (gitleaks, keystile))]
        print(f"| {name} | `{newest[:12]}` | {commits} | {len(their_findings)} | {len(our_findings)} | {equal[0]} "
              f"| {len(gitleaks)} | {len(keystile)} | {equal[1]} | {their_seconds:.1f} | {our_seconds:.1f} |", flush=True)
        unexplained += show("gitleaks", gitleaks - keystile, keystile)
        unexplained += show("keystile", keystile - gitleaks, gitleaks)
        sys.stdout.flush()
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
