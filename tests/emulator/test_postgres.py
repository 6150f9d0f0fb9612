"""The rotation function against a real PostgreSQL: which login works after which rotation.

Left out, and said so, where PostgreSQL or pg8000 is missing; with CI=true it fails.
"""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

from test_launcher import Emulated

try:
    import pg8000.native

    import postgres

    postgres.programs()
    MISSING = None
except (ImportError, SystemExit) as reason:
    MISSING = str(reason)
if MISSING and os.environ.get("CI") == "true":
    raise RuntimeError(MISSING)

POSTGRES = Path(__file__).with_name("postgres.py")


@unittest.skipIf(MISSING, MISSING)
class Rotations(Emulated):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.postgres = subprocess.Popen([sys.executable, str(POSTGRES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        cls.master = json.loads(cls.postgres.stdout.readline())
        cls.pid = cls.master.pop("pid")

    @classmethod
    def tearDownClass(cls):
        cls.postgres.stdin.close()
        ended = cls.postgres.wait(30)
        cls.postgres.stdout.close()
        super().tearDownClass()
        assert ended == 0, ended
        # It leaves nothing behind.
        assert not Path(f"/proc/{cls.pid}").exists()

    def setUp(self):
        super().setUp()
        self.user = f"app {self._testMethodName}\"'"
        self.first = {**self.master, "username": self.user, "password": "the first one"}
        self.sql(f"CREATE ROLE {self.name(self.user)} LOGIN PASSWORD 'the first one'")
        self.sql("CREATE TABLE IF NOT EXISTS orders (id int)")
        self.sql(f"GRANT INSERT ON orders TO {self.name(self.user)}")
        self.master_arn = self.secret(name="db/master", value=json.dumps(self.master))["arn"]

    def name(self, role):
        return pg8000.native.identifier(role)

    def sql(self, statement):
        login = self.login(self.master)
        try:
            return login.run(statement)
        finally:
            login.close()

    def login(self, value):
        return pg8000.native.Connection(
            value["username"], host=value["host"], port=value["port"], database=value["dbname"],
            password=value["password"],
        )  # fmt: skip

    def works(self, value):
        """Whether the login may do the application's work; False where the server refuses the login."""
        try:
            login = self.login(value)
        except pg8000.native.DatabaseError as error:
            self.assertEqual(error.args[0]["C"], "28P01")
            return False
        login.run("INSERT INTO orders VALUES (1)")
        login.close()
        return True

    def database_secret(self, kind, mode="ok", **more):
        value = json.dumps(self.first | more)
        return self.secret(mode, "db/app", value, function=f"keystile-postgres-{kind}")

    def rotated(self, number):
        self.rotate("db/app", number)
        self.settle()
        rotation = self.server.ask("GET", "rotations")[-1]
        self.assertEqual((rotation["state"], rotation.get("error")), ("done", None))
        return json.loads(self.current("db/app"))

    def test_single_user(self):
        self.database_secret("single-user")
        self.assertTrue(self.works(self.first))
        new = self.rotated(1)
        self.assertEqual(new["username"], self.user)
        self.assertTrue(self.works(new))
        self.assertFalse(self.works(self.first))

    def test_alternating_users(self):
        self.database_secret("alternating-users", masterarn=self.master_arn)
        second = self.rotated(1)
        self.assertEqual(second["username"], self.user + "_clone")
        self.assertTrue(self.works(second))
        # The leaked login is still valid after the first rotation …
        self.assertTrue(self.works(self.first))
        third = self.rotated(2)
        self.assertEqual(third["username"], self.user)
        self.assertTrue(self.works(third))
        self.assertTrue(self.works(second))
        # … and refused after the second.
        self.assertFalse(self.works(self.first))

    def test_set_failure_changes_nothing(self):
        old = self.database_secret("single-user", "fail_set")["versionId"]
        token = self.rotate("db/app")
        self.settle()
        self.assertEqual(self.stages("db/app"), {old: ["AWSCURRENT"], token: ["AWSPENDING"]})
        self.assertTrue(self.works(self.first))

    def test_test_failure_after_the_password_was_changed(self):
        old = self.database_secret("single-user", "fail_test")["versionId"]
        token = self.rotate("db/app")
        self.settle()
        self.assertEqual(self.stages("db/app"), {old: ["AWSCURRENT"], token: ["AWSPENDING"]})
        # The worst case: what is current is refused, what works is pending.
        self.assertFalse(self.works(self.first))
        pending = self.client.get_secret_value(SecretId="db/app", VersionStage="AWSPENDING")
        self.assertTrue(self.works(json.loads(pending["SecretString"])))

    def test_a_login_that_is_wrong_already_fails_the_rotation(self):
        self.first["password"] = "not the one"
        for number, kind in enumerate(("single-user", "alternating-users")):
            with self.subTest(kind):
                self.server.ask("POST", "reset")
                master = self.secret(name="db/master", value=json.dumps(self.master))["arn"]
                old = self.database_secret(kind, masterarn=master)["versionId"]
                self.rotate("db/app", number)
                self.settle()
                rotation = self.server.ask("GET", "rotations")[-1]
                self.assertEqual((rotation["state"], rotation["step"]), ("failed", "setSecret"))
                self.assertEqual(self.stages("db/app")[old], ["AWSCURRENT"])
        self.assertTrue(self.works(self.first | {"password": "the first one"}))

    def test_each_step_may_come_again(self):
        import rotation_function

        old = self.database_secret("single-user", "stuck")["versionId"]
        token = self.rotate("db/app")
        event = {"SecretId": "db/app", "ClientRequestToken": token}
        values = set()
        for step in ("createSecret", "createSecret", "setSecret", "setSecret", "testSecret", "finishSecret"):
            rotation_function.single_user(event | {"Step": step}, self.client)
            values.add(self.client.get_secret_value(SecretId="db/app", VersionId=token)["SecretString"])
        rotation_function.single_user(event | {"Step": "finishSecret"}, self.client)
        self.assertEqual(len(values), 1)
        self.assertEqual(self.stages("db/app")[old], ["AWSPREVIOUS"])
        self.assertTrue(self.works(json.loads(values.pop())))


if __name__ == "__main__":
    unittest.main()
