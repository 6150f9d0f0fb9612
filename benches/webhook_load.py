#!/usr/bin/env python3
"""Load for the webhook over HTTPS, keystile beside OPA, as the table of docs/benchmarks.md.

    benches/webhook_load.py [--opa PATH] [--seconds N] [--rounds N] [--limit] [--realtime]

Each server is held to one core and the generator (crates/keystile-webhook/examples/webhook_load) to
another. keystile watches an API server of the generator's, with 5,000 namespaces, 10,000 stores and
20,000 referring objects. Both servers get the same requests, over kept connections of HTTP/1.1 and of HTTP/2: 1,000 a
second, in an open loop, a request's time counted from the moment that its schedule gave it. keystile
judges by all of its rules; OPA by benches/webhook_load.rego, which looks at `data[].remoteRef.key` alone, with the labels of 5,000
namespaces. Servers take turns, `--rounds` times, and the round with the lowest p99 counts: others on
the machine only ever add to it. `--limit` looks for the rate at which p99 passes 5 ms, too.

Build first: cargo build --release -p keystile-webhook --example webhook_load --bin keystile-webhook
OPA comes with: tests/assets --benchmarks
"""

import argparse
import atexit
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
GENERATOR = TARGET / "examples" / "webhook_load"
PROTOCOLS = {1: "HTTP/1.1", 2: "HTTP/2"}
COLUMNS = ["rate", "reached", "p50", "p90", "p99", "p99.9", "max", "late", "errors"]


@dataclass
class Server:
    """A program that answers reviews."""

    name: str
    command: list[str]
    ready: str
    load: list[str]
    protocols: tuple[int, ...]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def servers(folder: Path, opa: str | None) -> list[Server]:
    tls = [str(folder / "tls.pem"), str(folder / "tls.key")]
    found = [
        Server(
            "keystile",
            [
                str(TARGET / "keystile-webhook"), "--tls-cert", tls[0], "--tls-key", tls[1],
                "--policy", str(folder / "policy.yaml"), "--drain-delay", "0s", "--listen", "127.0.0.1:{port}",
            ],
            "/readyz",
            ["--path", "/validate"],
            (1, 2),
        )
    ]
    if opa:
        found.append(
            Server(
                "OPA",
                [
                    opa, "run", "--server", "--disable-telemetry", "--tls-cert-file", tls[0],
                    "--tls-private-key-file", tls[1], "--addr", "https://127.0.0.1:{port}",
                    str(ROOT / "benches" / "webhook_load.rego"), str(folder / "opa"),
                ],
                "/health",
                ["--path", "/v1/data/keystile/review", "--opa"],
                # It offers HTTP/2 without TLS alone (--h2c): no protocol is agreed on in the handshake.
                (1,),
            )
        )
    return found


def served_by(http: int, found: list[Server]) -> list[Server]:
    return [server for server in found if http in server.protocols]


def scheduled(options: argparse.Namespace, core: str) -> list[str]:
    """The beginning of a command that runs on one core, before others' programs where that is asked for."""
    first = ["chrt", "--fifo", "10"] if options.realtime else []
    return [*first, "taskset", "-c", core]


def memory(process: int) -> tuple[float, float]:
    """Resident memory now, and at most so far, in MB (2^20 bytes)."""
    status = Path(f"/proc/{process}/status").read_text()
    now, most = (int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


class Running:
    """A server that runs, on one core."""

    def __init__(self, server: Server, folder: Path, options: argparse.Namespace) -> None:
        self.server, self.folder, self.options = server, folder, options
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        command = [part.format(port=port) for part in server.command]
        # Its log lines go to a file, as they would on a node.
        self.log = open(folder / f"{server.name}.log", "wb")
        self.process = subprocess.Popen(
            [*scheduled(options, options.server_core), *command],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            # As deploy/webhook/deployment.yaml sets it.
            env={**os.environ, "KUBECONFIG": str(folder / "kubeconfig"), "MIMALLOC_PURGE_DELAY": "0"},
        )

    def __enter__(self) -> "Running":
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait(self) -> None:
        """Until it is ready, with everything in its caches."""
        trust = ssl.create_default_context(cafile=self.folder / "authority.pem")
        for _ in range(600):
            if self.process.poll() is not None:
                sys.exit(f"{self.server.name} ended: {Path(self.log.name).read_text()[-2000:]}")
            try:
                with urllib.request.urlopen(f"https://{self.address}{self.server.ready}", context=trust, timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        sys.exit(f"{self.server.name} does not become ready")

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def generate(self, command: str, http: int, *arguments: str) -> list[str]:
        run = subprocess.run(
            [
                *scheduled(self.options, self.options.generator_core), str(GENERATOR), command, self.address, "--certificate", str(self.folder / "authority.pem"),
                "--http", str(http), *self.server.load, *arguments,
            ],
            stdout=subprocess.PIPE, text=True,
        )
        lines = run.stdout.splitlines()
        if len(lines) < 2:
            sys.exit(f"the generator failed with {self.server.name} over {PROTOCOLS[http]}")
        return lines

    def measure(self, http: int) -> dict[str, float]:
        """One minute, or as long as is asked for; with memory and the server's processor time."""
        before = cpu_seconds(self.process.pid)
        line = self.generate("run", http, "--rate", str(self.options.rate), "--seconds", str(self.options.seconds))[1]
        figures = dict(zip(COLUMNS, map(float, line.split())))
        # The two seconds of warming up, at 500 a second, are in it too.
        requests = self.options.rate * self.options.seconds + 1_000
        figures["cpu"] = (cpu_seconds(self.process.pid) - before) / requests * 1e6
        figures["rss"], figures["most"] = memory(self.process.pid)
        figures["load"] = os.getloadavg()[0]
        return figures


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(best: dict[tuple[int, str], dict[str, float]], limits: dict[tuple[int, str], float]) -> None:
    print("| protocol | server | p50 ms | p90 | p99 | p99.9 | max | errors | cpu µs a request | resident MB | rate at p99 5 ms | load average |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for (http, name), f in best.items():
        times = " | ".join(f"{f[column] / 1000:.2f}" for column in ("p50", "p90", "p99", "p99.9", "max"))
        limit = limits.get((http, name))
        print(f"| {PROTOCOLS[http]} | {name} | {times} | {f['errors']:.0f} | {f['cpu']:.0f} | {f['rss']:.0f} (at most {f['most']:.0f})"
              f" | {f'{limit:.0f}' if limit else '-'} | {f['load']:.1f} |")
    for http in PROTOCOLS:
        ours, theirs = best.get((http, "keystile")), best.get((http, "OPA"))
        if ours and theirs:
            ratios = ", ".join(f"{column} {theirs[column] / ours[column]:.1f}x" for column in ("p50", "p99", "cpu", "rss"))
            limit = limits.get((http, "keystile")), limits.get((http, "OPA"))
            rate = f", rate {limit[0] / limit[1]:.1f}x" if all(limit) else ""
            print(f"\n{PROTOCOLS[http]}: OPA takes {ratios} of keystile's{rate}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--opa", help="OPA's program; without it keystile is measured alone")
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--limit", action="store_true", help="look for the rate at which p99 passes 5 ms")
    parser.add_argument("--realtime", action="store_true", help="run servers and generator before all others on a machine that is busy (chrt)")
    parser.add_argument("--server-core", default="1")
    parser.add_argument("--generator-core", default="0")
    parser.add_argument("--protocols", type=int, nargs="+", choices=list(PROTOCOLS), default=list(PROTOCOLS))
    options = parser.parse_args()

    best: dict[tuple[int, str], dict[str, float]] = {}
    limits: dict[tuple[int, str], float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cluster = f"127.0.0.1:{free_port()}"
        subprocess.run([str(GENERATOR), "world", str(folder), "--cluster", cluster], check=True)
        serving = subprocess.Popen([str(GENERATOR), "cluster", cluster])
        atexit.register(serving.kill)
        for _ in range(options.rounds):
            for http in options.protocols:
                for server in served_by(http, servers(folder, options.opa)):
                    with Running(server, folder, options) as running:
                        idle = memory(running.process.pid)
                        figures = running.measure(http)
                    print(server.name, PROTOCOLS[http], f"{idle[0]:.0f} MB before", figures, file=sys.stderr)
                    known = best.setdefault((http, server.name), figures)
                    if (figures["errors"], figures["p99"]) < (known["errors"], known["p99"]):
                        best[http, server.name] = figures
        if options.limit:
            for http in options.protocols:
                for server in served_by(http, servers(folder, options.opa)):
                    with Running(server, folder, options) as running:
                        lines = running.generate("limit", http)
                    print(server.name, PROTOCOLS[http], *lines, sep="\n", file=sys.stderr)
                    limits[http, server.name] = float(lines[-1].split()[1])
    table(best, limits)
    if any(figures["errors"] for figures in best.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
