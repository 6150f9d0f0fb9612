#!/usr/bin/env python3
"""Checks what keystile is built from: licences, sources, versions, and duplicates of crates that must be one.

Works from the lock file and the local registry cache (`cargo metadata`), so it needs no advisory
database and no network. Exceptions stand here, each with its reason.
"""

import json
import re
import subprocess
import sys

# Licences that go with "Apache-2.0 OR MIT".
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}
# Crate → reason for a licence that the expression above does not allow.
LICENCE_EXCEPTIONS: dict[str, str] = {
    "webpki-root-certs": "a list of certificates, not code, and built for Android alone (below kube)",
}
# Crates of which two versions would mean two stacks.
SINGLE = {
    "aho-corasick",
    "clap",
    "git2",
    "gix-hash",
    "gix-pack",
    "hyper",
    "kube-core",
    "regex-automata",
    "regex-syntax",
    "rustls",
    "serde",
    "tokio",
    "toml",
}
# Crates that must not come in, with the reason.
BANNED = {
    "openssl-sys": "one crypto provider: ring",
    "aws-lc-sys": "one crypto provider: ring",
    "serde_yaml": "unmaintained: serde-saphyr",
}


def allowed(expression: str) -> bool:
    """Whether an SPDX expression can be met with the allowed licences."""
    tokens = re.findall(r"\(|\)|\bAND\b|\bOR\b|[\w.+-]+(?: WITH [\w.-]+)?", expression.replace("/", " OR "))
    position = 0

    def atom() -> bool:
        nonlocal position
        token = tokens[position]
        position += 1
        if token == "(":
            value = either()
            position += 1
            return value
        return token in ALLOWED

    def both() -> bool:
        nonlocal position
        value = atom()
        while position < len(tokens) and tokens[position] == "AND":
            position += 1
            value = atom() and value
        return value

    def either() -> bool:
        nonlocal position
        value = both()
        while position < len(tokens) and tokens[position] == "OR":
            position += 1
            value = both() or value
        return value

    return either()


def main() -> int:
    metadata = json.loads(
        subprocess.run(
            ["cargo", "metadata", "--format-version=1", "--locked", "--all-features"], check=True, capture_output=True
        ).stdout
    )
    problems = []
    versions: dict[str, set[str]] = {}
    members = set(metadata["workspace_members"])
    for package in metadata["packages"]:
        name, version = package["name"], package["version"]
        where = f"{name} {version}"
        if package["id"] in members:
            if package["license"] != "Apache-2.0 OR MIT":
                problems.append(f"{where}: licence is {package['license']!r}, the workspace's is 'Apache-2.0 OR MIT'")
            continue
        versions.setdefault(name, set()).add(version)
        if not (package["source"] or "").startswith("registry+"):
            problems.append(f"{where}: comes from {package['source']}, not from a registry")
        licence = package["license"]
        if name not in LICENCE_EXCEPTIONS and not (licence and allowed(licence)):
            problems.append(f"{where}: licence {licence!r} is not on the list in {sys.argv[0]}")
        if name in BANNED:
            problems.append(f"{where}: banned: {BANNED[name]}")
    for name in sorted(SINGLE):
        if len(versions.get(name, ())) > 1:
            problems.append(f"{name}: {', '.join(sorted(versions[name]))}: one version only")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{sum(map(len, versions.values()))} dependencies, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
