"""A rotation function for PostgreSQL: the four steps that Secrets Manager asks for, for one user or for two.

The secret is JSON: `host`, `port`, `dbname`, `username`, `password`, and for two users `masterarn`, the ARN of a
secret whose user may make roles. A single user changes its own password, so the old one is refused from then on.
Alternating users (`app`, `app_clone`) leave the user that is in use as it is and renew the other, so the old login
goes on working until the rotation after this one.

Each step may be asked for again at any time, and then finds its work done. A password is never part of a statement:
the server gets what it stores (SCRAM-SHA-256), computed here. As a Lambda the entry points are `single_user_handler`
and `alternating_users_handler`; the emulator's launcher hands `single_user` and `alternating_users` a client.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import string

import pg8000.native

CLONE = "_clone"
PASSWORD_LENGTH = 32
# PostgreSQL's own number (scram_iterations).
ITERATIONS = 4096
CONNECT_SECONDS = 5


def single_user(event, client):
    """One step, for a user that changes its own password."""
    SingleUser(event, client).step(event["Step"])


def alternating_users(event, client):
    """One step, for two users that take turns."""
    AlternatingUsers(event, client).step(event["Step"])


def single_user_handler(event, _context):
    """The Lambda's entry point for a single user."""
    single_user(event, lambda_client())


def alternating_users_handler(event, _context):
    """The Lambda's entry point for two users."""
    alternating_users(event, lambda_client())


def lambda_client():
    import boto3

    return boto3.client("secretsmanager", endpoint_url=os.environ.get("SECRETS_MANAGER_ENDPOINT"))


class Unfit(Exception):
    """The rotation can't go on; the text holds no value."""


class Rotation:
    """One rotation of one secret: from the version with AWSCURRENT to the version of the token."""

    def __init__(self, event, client):
        self.secret_id, self.token, self.client = event["SecretId"], event["ClientRequestToken"], client

    def step(self, name):
        steps = {
            "createSecret": self.create,
            "setSecret": self.set,
            "testSecret": self.test,
            "finishSecret": self.finish,
        }
        if name not in steps:
            raise Unfit(f"unknown step {name}")
        stages = self.stages()
        if self.token not in stages:
            raise Unfit("the secret has no version for this token")
        if "AWSCURRENT" in stages[self.token]:
            return  # It is over already.
        if "AWSPENDING" not in stages[self.token]:
            raise Unfit("the version of this token is not pending")
        steps[name]()

    def stages(self):
        return self.client.describe_secret(SecretId=self.secret_id)["VersionIdsToStages"]

    def read(self, **version):
        """A version as an object; None where it holds no value yet."""
        try:
            answer = self.client.get_secret_value(SecretId=self.secret_id, **version)
        except self.client.exceptions.ResourceNotFoundException:
            return None
        value = json.loads(answer["SecretString"])
        for key in ("host", "username", "password"):
            if not value.get(key):
                raise Unfit(f"the secret has no {key}")
        return value

    def current(self):
        value = self.read(VersionStage="AWSCURRENT")
        if value is None:
            raise Unfit("the secret has no current value")
        return value

    def pending(self):
        value = self.read(VersionId=self.token, VersionStage="AWSPENDING")
        if value is None:
            raise Unfit("the pending version holds no value: createSecret comes first")
        return value

    def create(self):
        """The pending value, made once: asked again, the one that is there stays."""
        if self.read(VersionId=self.token, VersionStage="AWSPENDING") is not None:
            return
        value = self.next(self.current()) | {"password": password()}
        self.client.put_secret_value(
            SecretId=self.secret_id,
            ClientRequestToken=self.token,
            SecretString=json.dumps(value),
            VersionStages=["AWSPENDING"],
        )

    def set(self):
        """The pending login works at the database."""
        pending, current = self.pending(), self.current()
        if (pending["host"], pending.get("port")) != (current["host"], current.get("port")):
            raise Unfit("the pending version names another server than the current one")
        if pending["username"] != self.next(current)["username"]:
            raise Unfit("the pending version names an unexpected user")
        login = connect(pending)
        if login is None:
            self.change(current, pending)
        else:
            login.close()

    def test(self):
        login = connect(self.pending())
        if login is None:
            raise Unfit("the database refuses the pending login")
        try:
            login.run("SELECT 1")
        finally:
            login.close()

    def finish(self):
        """AWSCURRENT moves to the pending version; AWSPREVIOUS follows by itself."""
        # The labels are a list per version: which version, not which label, is looked for.
        current = next((version for version, labels in self.stages().items() if "AWSCURRENT" in labels), None)
        self.client.update_secret_version_stage(
            SecretId=self.secret_id,
            VersionStage="AWSCURRENT",
            MoveToVersionId=self.token,
            RemoveFromVersionId=current,
        )


class SingleUser(Rotation):
    def next(self, current):
        return dict(current)

    def change(self, current, pending):
        """The user changes its own password, with the current login or, if a rotation broke off, the previous one."""
        login = connect(current)
        if login is None:
            previous = self.read(VersionStage="AWSPREVIOUS")
            same = previous and (previous["host"], previous["username"]) == (current["host"], current["username"])
            login = connect(previous) if same else None
        if login is None:
            raise Unfit("the database refuses the current login")
        try:
            set_password(login, pending["username"], pending["password"])
        finally:
            login.close()


class AlternatingUsers(Rotation):
    def next(self, current):
        user = current["username"]
        return current | {"username": user.removesuffix(CLONE) if user.endswith(CLONE) else user + CLONE}

    def change(self, current, pending):
        """The other user gets a password, from one who may give it; made first if it does not exist."""
        if not current.get("masterarn"):
            raise Unfit("the secret has no masterarn: two users need one who may make roles")
        answer = self.client.get_secret_value(SecretId=current["masterarn"])
        master = json.loads(answer["SecretString"])
        if master.get("host") != current["host"]:
            raise Unfit("the secret of masterarn is of another server")
        # Only a current login that works may be followed: who rewrote the secret could otherwise pick any role.
        check = connect(current)
        if check is None:
            raise Unfit("the database refuses the current login")
        check.close()
        login = connect(master | {"dbname": current.get("dbname", "postgres")})
        if login is None:
            raise Unfit("the database refuses the login of masterarn")
        try:
            login.run("START TRANSACTION")
            if not login.run("SELECT 1 FROM pg_roles WHERE rolname = :name", name=pending["username"]):
                new, old = (pg8000.native.identifier(user["username"]) for user in (pending, current))
                # What the user may do, the other may do by being its member.
                login.run(f"CREATE ROLE {new} LOGIN INHERIT IN ROLE {old}")
            set_password(login, pending["username"], pending["password"])
            login.run("COMMIT")
        finally:
            login.close()


def password():
    """A new password: letters and digits, which every connection string takes as they are (190 bits)."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(PASSWORD_LENGTH))


def connect(login):
    """A connection, or None where the database refuses the login. Other errors are raised."""
    try:
        return pg8000.native.Connection(
            login["username"],
            host=login["host"],
            port=int(login.get("port", 5432)),
            database=login.get("dbname", "postgres"),
            password=login["password"],
            timeout=CONNECT_SECONDS,
        )
    except pg8000.native.DatabaseError as error:
        # Class 28: the role or its password is not accepted.
        fields = error.args[0] if error.args else None
        if isinstance(fields, dict) and fields.get("C", "").startswith("28"):
            return None
        raise


def set_password(login, user, new):
    stored = pg8000.native.literal(scram(new))
    login.run(f"ALTER ROLE {pg8000.native.identifier(user)} PASSWORD {stored}")


def scram(new):
    """What PostgreSQL stores of a password (RFC 5803, RFC 7677): the server can check it and can't log in with it."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", new.encode("ascii"), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt, stored, server = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}"
