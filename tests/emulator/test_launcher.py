"""The emulator's launcher over real HTTP, asked with boto3: each mode's end, each rule that moto lacks.

    python3 -m unittest discover -s tests/emulator
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

LAUNCHER = Path(__file__).with_name("launcher.py")
REGION = "us-east-1"
# A made-up value, in no way like an issuer's.
OLD = "the value before"
TOKEN = "token-of-a-test-{:016d}"


class Server:
    """A launcher that runs as long as the test."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, str(LAUNCHER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.url = json.loads(self.process.stdout.readline())["url"]

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/keystile/{path}", method=method, data=data)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def client(self, service="secretsmanager", region=REGION, attempts=1, timeout=20, key="test"):
        config = Config(retries={"total_max_attempts": attempts, "mode": "standard"}, read_timeout=timeout, proxies={})
        return boto3.session.Session().client(
            service, region_name=region, endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key="test",
            config=config,
        )

    def stop(self):
        self.process.stdin.close()
        status = self.process.wait(10)
        self.process.stdout.close()
        return status


class Emulated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.client = cls.server.client()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.server.ask("POST", "reset")

    def secret(self, mode="ok", name="team/app", value=OLD, **more):
        return self.server.ask("POST", "secrets", {"name": name, "mode": mode, "value": value, **more})[0]

    def rotate(self, name="team/app", number=1):
        token = TOKEN.format(number)
        self.assertEqual(self.client.rotate_secret(SecretId=name, ClientRequestToken=token)["VersionId"], token)
        return token

    def settle(self):
        self.assertTrue(self.server.ask("POST", "settle", {"seconds": 20})["settled"])

    def stages(self, name="team/app"):
        return self.client.describe_secret(SecretId=name)["VersionIdsToStages"]

    def current(self, name="team/app"):
        return self.client.get_secret_value(SecretId=name)["SecretString"]

    def calls(self, action, caller="client"):
        return self.server.ask("GET", f"calls?action={action}&caller={caller}")

    def refused(self, code, call, status=400, **arguments):
        with self.assertRaises(ClientError) as raised:
            call(**arguments)
        self.assertEqual(raised.exception.response["Error"]["Code"], code)
        self.assertEqual(raised.exception.response["ResponseMetadata"]["HTTPStatusCode"], status)
        return raised.exception.response["Error"]["Message"]


class Modes(Emulated):
    def test_ok(self):
        old = self.secret()["versionId"]
        token = self.rotate()
        self.settle()
        self.assertEqual(self.stages(), {old: ["AWSPREVIOUS"], token: ["AWSPENDING", "AWSCURRENT"]})
        self.assertNotEqual(self.current(), OLD)
        previous = self.client.get_secret_value(SecretId="team/app", VersionId=old)
        self.assertEqual(previous["SecretString"], OLD)
        self.assertIn("LastRotatedDate", self.client.describe_secret(SecretId="team/app"))

    def test_ok_keeps_the_rest_of_a_json_object(self):
        self.secret(value=json.dumps({"username": "app", "password": OLD, "port": 5432}))
        self.rotate()
        self.settle()
        value = json.loads(self.current())
        self.assertNotEqual(value.pop("password"), OLD)
        self.assertEqual(value, {"username": "app", "port": 5432})

    def test_tidy_leaves_no_pending_label(self):
        old = self.secret("tidy")["versionId"]
        token = self.rotate()
        self.settle()
        self.assertEqual(self.stages(), {old: ["AWSPREVIOUS"], token: ["AWSCURRENT"]})

    def test_slow_is_pending_first(self):
        old = self.secret("slow:1")["versionId"]
        token = self.rotate()
        self.assertEqual(self.stages(), {old: ["AWSCURRENT"], token: ["AWSPENDING"]})
        self.settle()
        self.assertIn("AWSCURRENT", self.stages()[token])

    def test_failures_leave_the_old_value_current_and_a_pending_version(self):
        for number, mode in enumerate(("fail_create", "fail_set", "fail_test")):
            with self.subTest(mode):
                name = f"team/{mode}"
                old = self.secret(mode, name)["versionId"]
                token = self.rotate(name, number)
                self.settle()
                self.assertEqual(self.stages(name), {old: ["AWSCURRENT"], token: ["AWSPENDING"]})
                self.assertEqual(self.current(name), OLD)
                rotation = self.server.ask("GET", "rotations")[-1]
                self.assertEqual((rotation["state"], rotation["step"]), ("failed", mode[5:] + "Secret"))
                pending = {"SecretId": name, "VersionStage": "AWSPENDING"}
                if mode == "fail_create":
                    self.refused("ResourceNotFoundException", self.client.get_secret_value, **pending)
                else:
                    self.assertNotEqual(self.client.get_secret_value(**pending)["SecretString"], OLD)
                self.refused("InvalidRequestException", self.client.rotate_secret, SecretId=name)

    def test_functions_leave_a_log_as_lambda_writes_it(self):
        self.secret("fail_test", name="team/failing")
        self.secret("ok", name="team/working")
        self.rotate("team/failing")
        self.rotate("team/working")
        self.settle()
        logs = self.server.client("logs")
        events = logs.filter_log_events(logGroupName="/aws/lambda/keystile-generic", startTime=0)["events"]
        streams = {}
        for event in events:
            streams.setdefault(event["logStreamName"], []).append(event["message"])
        failing = next(lines for lines in streams.values() if any("team/failing" in line for line in lines))
        starts = [line for line in failing if line.startswith("START RequestId: ")]
        self.assertEqual((len(streams), len(starts)), (2, 3), "one instance for each; the third step is the last")
        [error] = [line for line in failing if line.startswith("[ERROR]")]
        self.assertIn("test_secret(client, arn, token)", error)
        # The habit that keystile has to live with.
        version = next(key for key, labels in self.stages("team/failing").items() if "AWSPENDING" in labels)
        new = self.client.get_secret_value(SecretId="team/failing", VersionId=version)["SecretString"]
        self.assertTrue(any(new in line for line in failing))
        working = next(lines for lines in streams.values() if any("team/working" in line for line in lines))
        self.assertFalse(any("[ERROR]" in line for line in working))
        self.server.ask("POST", "faults", {"fault": "access_denied", "service": "logs", "action": "FilterLogEvents"})
        group = {"logGroupName": "/aws/lambda/keystile-generic"}
        self.refused("AccessDeniedException", logs.filter_log_events, **group)
        self.server.ask("DELETE", "faults")

    def test_abandon_takes_the_pending_label_away(self):
        old = self.secret("abandon")["versionId"]
        token = self.rotate()
        self.settle()
        self.assertEqual(self.stages(), {old: ["AWSCURRENT"]})
        ids = self.client.list_secret_version_ids(SecretId="team/app", IncludeDeprecated=True)["Versions"]
        self.assertEqual({version["VersionId"] for version in ids}, {old, token})
        self.refused("InvalidRequestException", self.client.rotate_secret, SecretId="team/app", ClientRequestToken=token)
        self.rotate(number=2)

    def test_stuck_until_released(self):
        old = self.secret("stuck")["versionId"]
        token = self.rotate()
        self.settle()
        self.assertEqual(self.stages(), {old: ["AWSCURRENT"], token: ["AWSPENDING"]})
        message = self.refused("InvalidRequestException", self.client.rotate_secret, SecretId="team/app")
        self.assertIn("isn't complete", message)
        self.assertEqual(self.rotate(), token)
        self.server.ask("POST", "release", {"secret": "team/app"})
        self.settle()
        self.assertIn("AWSCURRENT", self.stages()[token])

    def test_noop_leaves_an_empty_pending_version(self):
        old = self.secret("noop")["versionId"]
        token = self.rotate()
        self.settle()
        self.assertEqual(self.stages(), {old: ["AWSCURRENT"], token: ["AWSPENDING"]})
        self.assertEqual(self.server.ask("GET", "rotations")[0]["state"], "done")
        self.refused("ResourceNotFoundException", self.client.get_secret_value, SecretId="team/app", VersionId=token)

    def test_same_value(self):
        self.secret("same_value")
        token = self.rotate()
        self.settle()
        self.assertIn("AWSCURRENT", self.stages()[token])
        self.assertEqual(self.current(), OLD)

    def test_alternating_users_take_turns(self):
        value = {"username": "app", "password": OLD, "masterarn": "arn:of:another"}
        self.secret("alternating", value=json.dumps(value))
        users = []
        for number in range(2):
            self.rotate(number=number)
            self.settle()
            users.append(json.loads(self.current())["username"])
        self.assertEqual(users, ["app_clone", "app"])

    def test_write_back(self):
        self.secret("write_back:0.2")
        token = self.rotate()
        self.settle()
        stages = self.stages()
        self.assertEqual(self.current(), OLD)
        self.assertEqual([labels for labels in stages.values() if "AWSPREVIOUS" in labels], [stages[token]])

    def test_managed(self):
        self.secret("managed")
        described = self.client.describe_secret(SecretId="team/app")
        self.assertEqual(described["OwningService"], "rds")
        self.assertNotIn("RotationLambdaARN", described)
        put = self.client.put_secret_value
        self.refused("InvalidRequestException", put, SecretId="team/app", SecretString="by hand")
        token = self.rotate()
        self.settle()
        self.assertEqual(self.stages()[token], ["AWSCURRENT"])
        self.assertNotEqual(self.current(), OLD)
        self.assertEqual(self.calls("PutSecretValue", "function"), [])

    def test_no_function(self):
        old = self.secret("no_function")["versionId"]
        self.refused("InvalidRequestException", self.client.rotate_secret, SecretId="team/app")
        self.assertEqual(self.stages(), {old: ["AWSCURRENT"]})

    def test_throttle_every_nth(self):
        self.secret("throttle_every_nth:3")
        describe = self.client.describe_secret
        for _ in range(2):
            describe(SecretId="team/app")
            describe(SecretId="team/app")
            self.assertEqual(self.refused("ThrottlingException", describe, SecretId="team/app"), "Rate exceeded")
        # An SDK's own retry is enough for one refusal.
        describe(SecretId="team/app")
        describe(SecretId="team/app")
        self.server.client(attempts=2).describe_secret(SecretId="team/app")

    def test_throttling_of_the_client_spares_the_function(self):
        self.secret("throttle_every_nth:2")
        token = self.rotate()
        self.settle()
        self.assertEqual(self.server.ask("GET", "rotations")[0]["state"], "done")
        shown = self.server.ask("GET", "secret?id=team/app")
        self.assertIn("AWSCURRENT", {version["id"]: version["stages"] for version in shown["versions"]}[token])

    def test_hang_does_not_carry_the_call_out(self):
        old = self.secret("hang")["versionId"]
        with self.assertRaises(ReadTimeoutError):
            self.server.client(timeout=0.5).rotate_secret(SecretId="team/app")
        self.assertEqual(self.stages(), {old: ["AWSCURRENT"]})

    def test_hang_after_accept(self):
        self.secret("hang_after_accept")
        token = TOKEN.format(1)
        with self.assertRaises(ReadTimeoutError):
            self.server.client(timeout=0.5).rotate_secret(SecretId="team/app", ClientRequestToken=token)
        self.settle()
        self.assertIn("AWSCURRENT", self.stages()[token])

    def test_drop_after_accept(self):
        self.secret("drop_after_accept:1")
        token = TOKEN.format(1)
        with self.assertRaises(ConnectionClosedError):
            self.client.rotate_secret(SecretId="team/app", ClientRequestToken=token)
        self.settle()
        self.assertIn("AWSCURRENT", self.stages()[token])
        self.assertEqual(self.rotate(), token)
        self.assertEqual(len(self.stages()), 2)
        faults = [call.get("fault") for call in self.calls("RotateSecret")]
        self.assertEqual(faults, ["drop_after_accept", None])

    def test_access_denied(self):
        arn = self.secret("access_denied:RotateSecret+GetSecretValue")["arn"]
        message = self.refused("AccessDeniedException", self.client.rotate_secret, SecretId="team/app")
        self.assertIn(f"secretsmanager:RotateSecret on resource: {arn}", message)
        self.refused("AccessDeniedException", self.client.get_secret_value, SecretId=arn)
        batch = self.client.batch_get_secret_value(SecretIdList=["team/app"])
        self.assertEqual([error["ErrorCode"] for error in batch["Errors"]], ["AccessDeniedException"])
        self.client.describe_secret(SecretId="team/app")

    def test_scheduled_deletion(self):
        self.secret("scheduled_deletion")
        self.assertIn("DeletedDate", self.client.describe_secret(SecretId="team/app"))
        for call, more in (
            (self.client.rotate_secret, {}),
            (self.client.get_secret_value, {}),
            (self.client.put_secret_value, {"SecretString": "x"}),
            (self.client.update_secret_version_stage, {"VersionStage": "AWSPENDING"}),
        ):
            self.refused("InvalidRequestException", call, SecretId="team/app", **more)
        self.assertEqual(self.client.list_secrets()["SecretList"], [])
        self.assertEqual(len(self.client.list_secrets(IncludePlannedDeletion=True)["SecretList"]), 1)

    def test_replica(self):
        arn = self.secret(replicas=["eu-west-1"])["arn"]
        other = self.server.client(region="eu-west-1")
        replica = arn.replace(REGION, "eu-west-1")
        for secret_id in ("team/app", replica):
            described = other.describe_secret(SecretId=secret_id)
            self.assertEqual((described["ARN"], described["PrimaryRegion"]), (replica, REGION))
        for call, more in (
            (other.rotate_secret, {}),
            (other.put_secret_value, {"SecretString": "x"}),
            (other.update_secret, {"SecretString": "x"}),
            (other.update_secret_version_stage, {"VersionStage": "AWSPENDING"}),
        ):
            message = self.refused("InvalidParameterException", call, SecretId="team/app", **more)
            self.assertIn("primary secret's region", message)
        self.rotate()
        self.settle()
        self.assertEqual(other.get_secret_value(SecretId="team/app")["SecretString"], self.current())

    def test_replica_lags(self):
        self.secret("replica_lags", replicas=["eu-west-1"])
        self.rotate()
        self.settle()
        other = self.server.client(region="eu-west-1")
        self.assertEqual(other.get_secret_value(SecretId="team/app")["SecretString"], OLD)
        self.assertNotEqual(self.current(), OLD)
        status = self.client.describe_secret(SecretId="team/app")["ReplicationStatus"]
        self.assertEqual([(entry["Region"], entry["Status"]) for entry in status], [("eu-west-1", "InProgress")])

    def test_a_tag_sets_the_mode(self):
        self.client.create_secret(
            Name="team/app", SecretString=OLD, Tags=[{"Key": "keystile.test/mode", "Value": "same_value"}]
        )
        function = f"arn:aws:lambda:{REGION}:123456789012:function:keystile-generic"
        self.client.rotate_secret(SecretId="team/app", RotationLambdaARN=function)
        self.settle()
        self.assertEqual(self.current(), OLD)
        # The control call has the last word.
        self.server.ask("POST", "mode", {"secret": "team/app", "mode": "ok"})
        self.client.rotate_secret(SecretId="team/app")
        self.settle()
        self.assertNotEqual(self.current(), OLD)


class Rules(Emulated):
    def test_one_token_makes_one_version(self):
        old = self.secret("slow:0.3")["versionId"]
        token = TOKEN.format(1)
        answers = []

        def rotate():
            client = self.server.client()
            answers.append(client.rotate_secret(SecretId="team/app", ClientRequestToken=token)["VersionId"])

        threads = [threading.Thread(target=rotate) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.settle()
        self.assertEqual(answers, [token] * 4)
        self.assertEqual(set(self.stages()), {old, token})
        value = self.current()
        self.rotate()
        self.settle()
        self.assertEqual(self.current(), value)
        self.assertEqual(len(self.server.ask("GET", "rotations")), 1)

    def test_an_unknown_function_is_refused_and_not_stored(self):
        self.secret("no_function")
        arn = f"arn:aws:lambda:{REGION}:123456789012:function:of-someone-else"
        rotate = self.client.rotate_secret
        self.refused("AccessDeniedException", rotate, SecretId="team/app", RotationLambdaARN=arn)
        self.assertNotIn("RotationLambdaARN", self.client.describe_secret(SecretId="team/app"))
        self.assertEqual(len(self.stages()), 1)

    def test_rotate_immediately_false_runs_the_test_step_alone(self):
        old = self.secret()["versionId"]
        self.client.rotate_secret(SecretId="team/app", RotateImmediately=False)
        self.settle()
        self.assertEqual(self.stages(), {old: ["AWSCURRENT"]})
        self.assertEqual(self.current(), OLD)
        self.assertEqual(self.calls("PutSecretValue", "function"), [])

    def test_a_rotation_sets_the_dates_and_turns_the_schedule_on(self):
        self.secret(rotationEnabled=False, rotationDays=30)
        described = self.client.describe_secret(SecretId="team/app")
        self.assertFalse(described["RotationEnabled"])
        self.rotate()
        self.settle()
        described = self.client.describe_secret(SecretId="team/app")
        self.assertTrue(described["RotationEnabled"])
        self.assertEqual(described["RotationRules"], {"AutomaticallyAfterDays": 30})
        self.assertEqual((described["NextRotationDate"] - described["LastRotatedDate"]).days, 30)

    def test_not_found_is_400(self):
        for call in (self.client.describe_secret, self.client.get_secret_value, self.client.rotate_secret):
            self.refused("ResourceNotFoundException", call, SecretId="nobody")
        # One that moto answers.
        self.refused("ResourceNotFoundException", self.client.get_resource_policy, SecretId="nobody")

    def test_versions_are_written_once(self):
        self.secret()
        put = self.client.put_secret_value
        token = TOKEN.format(7)
        arguments = {"SecretId": "team/app", "ClientRequestToken": token, "VersionStages": ["AWSPENDING"]}
        self.assertEqual(put(SecretString="staged", **arguments)["VersionStages"], ["AWSPENDING"])
        put(SecretString="staged", **arguments)
        self.refused("ResourceExistsException", put, SecretString="another", **arguments)
        pending = self.client.get_secret_value(SecretId="team/app", VersionStage="AWSPENDING")
        self.assertEqual(pending["SecretString"], "staged")

    def test_moving_a_label_is_all_or_nothing(self):
        old = self.secret()["versionId"]
        token = TOKEN.format(7)
        self.client.put_secret_value(
            SecretId="team/app", SecretString="staged", ClientRequestToken=token, VersionStages=["AWSPENDING"]
        )
        before = self.stages()
        move = self.client.update_secret_version_stage
        for change in (
            {"MoveToVersionId": token},
            {"MoveToVersionId": token, "RemoveFromVersionId": token},
            {"MoveToVersionId": TOKEN.format(8), "RemoveFromVersionId": old},
            {"RemoveFromVersionId": old},
        ):
            with self.subTest(change):
                self.refused(
                    "InvalidParameterException", move, SecretId="team/app", VersionStage="AWSCURRENT", **change
                )
                self.assertEqual(self.stages(), before)
        move(SecretId="team/app", VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=old)
        self.assertEqual(self.stages(), {old: ["AWSPREVIOUS"], token: ["AWSPENDING", "AWSCURRENT"]})
        # moto alone goes on answering the old value here.
        self.assertEqual(self.current(), "staged")
        move(SecretId="team/app", VersionStage="AWSPENDING", RemoveFromVersionId=token)
        self.assertEqual(self.stages()[token], ["AWSCURRENT"])

    def test_limits(self):
        # boto3 checks some of these itself.
        config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
        client = boto3.session.Session().client(
            "secretsmanager", region_name=REGION, endpoint_url=self.server.url, aws_access_key_id="test",
            aws_secret_access_key="test", config=config,
        )
        for size in (0, 101):
            self.refused("ValidationException", client.list_secrets, MaxResults=size)
        ids = [f"secret-{number}" for number in range(21)]
        self.refused("ValidationException", client.batch_get_secret_value, SecretIdList=ids)
        self.refused("InvalidParameterException", client.batch_get_secret_value)
        filters = [{"Key": "name", "Values": ["x"]}]
        self.refused("ValidationException", client.batch_get_secret_value, Filters=filters, MaxResults=21)
        for token in ("garbage", "12", "cGFnZSN4"):
            self.refused("InvalidNextTokenException", client.list_secrets, NextToken=token)
        self.refused("ValidationException", client.create_secret, Name="bad name!*", SecretString="x")
        self.refused("ValidationException", client.create_secret, Name="large", SecretString="x" * 65_537)
        client.create_secret(Name="largest", SecretString="x" * 65_536)

    def test_lists_and_batches_in_pages(self):
        wanted = [{"name": f"team-a/{number:03}", "value": f"value {number}"} for number in range(105)]
        self.server.ask("POST", "secrets", wanted)
        self.secret(name="team-b/one")
        names = []
        pages = list(self.client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": ["team-a/"]}]))
        for page in pages:
            names += [entry["Name"] for entry in page["SecretList"]]
        self.assertEqual([len(page["SecretList"]) for page in pages], [100, 5])
        self.assertEqual(names, [secret["name"] for secret in wanted])
        entry = pages[0]["SecretList"][0]
        self.assertIn("SecretVersionsToStages", entry)
        self.assertNotIn("VersionIdsToStages", entry)
        values, token = {}, None
        for expected in (20, 20, 20, 20, 20, 5):
            more = {"NextToken": token} if token else {}
            page = self.client.batch_get_secret_value(Filters=[{"Key": "name", "Values": ["team-a/"]}], **more)
            self.assertEqual(len(page["SecretValues"]), expected)
            values |= {value["Name"]: value["SecretString"] for value in page["SecretValues"]}
            token = page.get("NextToken")
        self.assertIsNone(token)
        self.assertEqual(values, {secret["name"]: secret["value"] for secret in wanted})

    def test_a_batch_names_what_it_could_not_read(self):
        self.secret(name="there")
        self.client.create_secret(Name="empty")
        batch = self.client.batch_get_secret_value(SecretIdList=["there", "empty", "nobody"])
        self.assertEqual([value["Name"] for value in batch["SecretValues"]], ["there"])
        self.assertEqual([error["SecretId"] for error in batch["Errors"]], ["empty", "nobody"])

    def test_versions_without_labels_are_listed_on_request_alone(self):
        self.secret()
        for number in range(2):
            self.client.put_secret_value(SecretId="team/app", SecretString=f"new {number}")
        self.assertEqual(len(self.stages()), 2)
        versions = self.client.list_secret_version_ids
        self.assertEqual(len(versions(SecretId="team/app")["Versions"]), 2)
        answer = versions(SecretId="team/app", IncludeDeprecated=True)
        self.assertEqual(len(answer["Versions"]), 3)
        self.assertTrue(answer["ARN"].startswith("arn:aws:secretsmanager:"))

    def test_an_inactive_key_is_refused(self):
        iam = self.server.client("iam")
        iam.create_user(UserName="app")
        key = iam.create_access_key(UserName="app")["AccessKey"]["AccessKeyId"]
        sts = self.server.client("sts", key=key)
        self.assertEqual(sts.get_caller_identity()["Account"], "123456789012")
        iam.update_access_key(UserName="app", AccessKeyId=key, Status="Inactive")
        self.refused("InvalidClientTokenId", sts.get_caller_identity, status=403)
        secrets = self.server.client(key=key)
        self.refused("UnrecognizedClientException", secrets.list_secrets, status=403)

    def test_what_moto_lacks_is_refused_plainly(self):
        self.secret()
        self.refused("UnknownOperationException", self.client.stop_replication_to_replica, SecretId="team/app")


class Control(Emulated):
    def test_calls_are_counted_without_values(self):
        arn = self.secret()["arn"]
        self.client.put_secret_value(SecretId=arn, SecretString="a value that no list may hold")
        self.client.get_secret_value(SecretId="team/app")
        told = self.server.client("sts").get_caller_identity()["ResponseMetadata"]["RequestId"]
        calls = self.server.ask("GET", "calls")
        self.assertTrue(told)
        self.assertEqual(len({call["requestId"] for call in calls}), 3)
        self.assertEqual(
            [(call["service"], call["action"], call["secret"], call["status"]) for call in calls],
            [
                ("secretsmanager", "PutSecretValue", "team/app", 200),
                ("secretsmanager", "GetSecretValue", "team/app", 200),
                ("sts", "GetCallerIdentity", None, 200),
            ],
        )
        self.assertNotIn("a value that no list may hold", json.dumps(calls))
        self.server.ask("DELETE", "calls")
        self.assertEqual(self.server.ask("GET", "calls"), [])

    def test_faults_by_action_and_secret(self):
        self.secret(name="prod/a")
        self.secret(name="test/a")
        self.server.ask("POST", "faults", {"fault": "access_denied", "action": "DescribeSecret", "secret": "prod/*"})
        self.refused("AccessDeniedException", self.client.describe_secret, SecretId="prod/a")
        self.client.describe_secret(SecretId="test/a")
        self.client.get_secret_value(SecretId="prod/a")
        self.server.ask("DELETE", "faults")
        self.client.describe_secret(SecretId="prod/a")
        self.server.ask("POST", "faults", {"fault": "error", "action": "ListSecrets", "times": 1})
        self.refused("InternalServiceError", self.client.list_secrets, status=500)
        self.client.list_secrets()
        self.server.ask("POST", "faults", {"fault": "access_denied", "action": "GetCallerIdentity"})
        self.refused("AccessDenied", self.server.client("sts").get_caller_identity, status=403)

    def test_reset_forgets_everything(self):
        self.secret("stuck")
        self.rotate()
        self.server.ask("POST", "reset")
        self.assertEqual(self.client.list_secrets()["SecretList"], [])
        self.assertEqual(self.server.ask("GET", "rotations"), [])
        old = self.secret()["versionId"]
        time.sleep(0.1)
        self.assertEqual(self.stages(), {old: ["AWSCURRENT"]})

    def test_mistakes_are_named(self):
        for method, path, body in (
            ("POST", "secrets", {"name": "x", "mode": "flaky"}),
            ("POST", "mode", {"secret": "nobody", "mode": "ok"}),
            ("POST", "faults", {"fault": "flood"}),
            ("POST", "secrets", {}),
            ("GET", "nothing", None),
        ):
            with self.subTest(path=path, body=body):
                with self.assertRaises(urllib.error.HTTPError) as raised:
                    self.server.ask(method, path, body)
                with raised.exception as answer:
                    self.assertEqual(answer.code, 400)
                    self.assertIn("error", json.load(answer))


class Life(unittest.TestCase):
    def test_it_ends_with_its_standard_input(self):
        self.assertEqual(Server().stop(), 0)

    def test_it_ends_on_sigterm(self):
        server = Server()
        os.kill(server.process.pid, signal.SIGTERM)
        self.assertEqual(server.process.wait(10), 0)
        server.process.stdin.close()
        server.process.stdout.close()

    def test_it_listens_on_this_machine_alone(self):
        server = Server()
        self.assertTrue(server.url.startswith("http://127.0.0.1:"))
        port = f"{int(server.url.rpartition(':')[2]):04X}"
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
        self.assertEqual([address for address in listening if address.endswith(":" + port)], ["0100007F:" + port])
        server.stop()


if __name__ == "__main__":
    unittest.main()
