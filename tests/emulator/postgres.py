#!/usr/bin/env python3
"""A PostgreSQL server for one test: a fresh cluster in a folder of its own, on 127.0.0.1.

    python3 postgres.py

Prints one line of JSON once it answers, {"host", "port", "dbname", "username", "password", "pid"} of its superuser,
and ends when standard input ends or on SIGTERM; then the folder is gone too. Run as root it makes the server run as
`postgres`, or `nobody` where there is no such user (PostgreSQL refuses root). Passwords are checked with
SCRAM-SHA-256, for every connection; nothing of a statement is logged.

    python3 postgres.py --run

Runs statements as a user: {"login": {"host", "port", "dbname", "username", "password"}, "statements": [...]} from
standard input; prints {"accepted": false} where the login is refused.
"""

import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# A start takes about two seconds, unless the machine is busy.
START_LIMIT = 60


def programs():
    """The folder with initdb and postgres: the newest of Debian's, or that of the path."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(re.sub(r"\D.*", "", path.parent.name) or 0))
    initdb = shutil.which("initdb")
    if initdb:
        return Path(initdb).resolve().parent
    sys.exit("postgres.py: PostgreSQL is not installed: tests/assets does that, or the package postgresql")


def owner():
    """The user that the server runs as, where it can't be the present one."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    sys.exit("postgres.py: PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Cluster:
    """The server and its folder."""

    def __init__(self):
        self.server = None
        self.folder = Path(tempfile.mkdtemp(prefix="keystile-postgres-"))
        self.owner, self.programs = owner(), programs()
        self.password = secrets.token_urlsafe(24)
        self.log = self.folder / "log"

    def start(self):
        password = self.folder / "password"
        password.touch(0o600)
        password.write_text(self.password)
        if self.owner:
            for path in (self.folder, password):
                os.chown(path, self.owner["user"], self.owner["group"])
        data = self.folder / "data"
        command = [
            self.programs / "initdb", "--pgdata", data, "--username", "postgres", "--pwfile", password,
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        ]  # fmt: skip
        made = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, **self.owner)
        password.unlink()
        if made.returncode:
            raise RuntimeError(f"initdb: {made.stderr}")
        # The port may have gone to another meanwhile.
        for _ in range(3):
            port = free_port()
            command = [self.programs / "postgres", "-D", data]
            for setting in (
                "listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "fsync=off",
                "log_statement=none", "log_min_error_statement=panic", "shared_buffers=16MB", "max_connections=50",
            ):  # fmt: skip
                command += ["-c", setting]
            with self.log.open("ab") as log:
                # A session of its own: Ctrl-C ends it by way of this process alone.
                self.server = subprocess.Popen(
                    command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, **self.owner,
                )  # fmt: skip
            deadline = time.monotonic() + START_LIMIT
            while self.server.poll() is None and time.monotonic() < deadline:
                # The file's last line says "ready" once connections are taken.
                status = data / "postmaster.pid"
                if status.exists() and status.read_text().strip().endswith("ready") and answers(port):
                    return port
                time.sleep(0.05)
            self.end()
        raise RuntimeError(f"postgres did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def end(self):
        """Stops the server by its id: connections are closed first; killed if that takes too long."""
        if self.server is None or self.server.poll() is not None:
            return
        self.server.send_signal(signal.SIGINT)
        try:
            self.server.wait(10)
        except subprocess.TimeoutExpired:
            self.server.send_signal(signal.SIGQUIT)
            self.server.wait(10)

    def remove(self):
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def run():
    from rotation_function import connect

    asked = json.load(sys.stdin)
    login = connect(asked["login"])
    if login is not None:
        for statement in asked["statements"]:
            login.run(statement)
        login.close()
    print(json.dumps({"accepted": login is not None}))


def main():
    if sys.argv[1:] == ["--run"]:
        run()
        return

    def asked_to_end(*_):
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, asked_to_end)
    signal.signal(signal.SIGINT, asked_to_end)
    cluster = Cluster()
    try:
        port = cluster.start()
        print(
            json.dumps(
                {
                    "host": "127.0.0.1",
                    "port": port,
                    "dbname": "postgres",
                    "username": "postgres",
                    "password": cluster.password,
                    "pid": cluster.server.pid,
                }
            ),
            flush=True,
        )
        while os.read(0, 4096):
            pass
    except RuntimeError as error:
        sys.exit(f"postgres.py: {error}")
    finally:
        # A second signal must not leave the server behind.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cluster.remove()


if __name__ == "__main__":
    main()
