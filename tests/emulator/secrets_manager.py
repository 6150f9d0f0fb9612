"""AWS Secrets Manager's rules over moto's state: versions, labels, limits, and rotation.

moto holds the secrets and answers what it answers as AWS does (create, tags, deletion, replication, policies,
random passwords). The operations below are answered here instead, because moto deviates where it matters to a
rotation; README.md lists each deviation and what is done about it. `launcher.py` is the HTTP side.

Sources: the API model shipped with botocore, and AWS's pages on the operations. Where AWS documents nothing,
README.md says which reading was chosen.
"""

import base64
import copy
import fnmatch
import json
import re
import secrets
import string
import threading
import time
import uuid
from importlib import util as imports
from pathlib import Path

import boto3
from botocore.config import Config
from moto.core import DEFAULT_ACCOUNT_ID
from moto.logs.models import logs_backends
from moto.secretsmanager import models
from moto.secretsmanager.models import FakeSecret, ReplicaSecret, secretsmanager_backends
from moto.secretsmanager.responses import _validate_filters

MODE_TAG = "keystile.test/mode"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
# Limits of the API model.
LIST_LIMIT = 100
BATCH_LIMIT = 20
VALUE_LIMIT = 65_536
NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}\Z")
# Who calls, by user agent: the functions that the launcher itself runs.
FUNCTION_AGENT = "keystile-rotation-function"

# Mode → whether it takes an argument; README.md says what each does.
MODES = {
    "ok", "tidy", "slow", "fail_create", "fail_set", "fail_test", "abandon", "stuck", "noop", "same_value",
    "alternating", "write_back", "managed", "no_function", "replica_lags", "throttle_every_nth", "hang",
    "hang_after_accept", "drop_after_accept", "access_denied", "scheduled_deletion",
}

# Every read and write of moto's state happens under this lock: moto itself has none.
# Functions with files of their own: the file, and what of it is called.
MORE_FUNCTIONS = {
    "keystile-iam-access-key": ("access_key_function", "access_key"),
    "keystile-postgres-alternating-users": ("rotation_function", "alternating_users"),
    "keystile-postgres-single-user": ("rotation_function", "single_user"),
}
LOCK = threading.RLock()


class FunctionLog:
    """The log stream of one instance of a rotation function, as Lambda writes it into CloudWatch Logs."""

    def __init__(self, region, function):
        self.logs = logs_backends[DEFAULT_ACCOUNT_ID][region]
        self.group = "/aws/lambda/" + (function or "none").split(":function:", 1)[-1].split(":", 1)[0]
        self.stream = time.strftime("%Y/%m/%d/[$LATEST]", time.gmtime()) + uuid.uuid4().hex
        self.request = None
        with LOCK:
            if self.group not in self.logs.groups:
                self.logs.create_log_group(self.group, {})
            self.logs.create_log_stream(self.group, self.stream)

    @staticmethod
    def now():
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())

    def say(self, message):
        with LOCK:
            # A reset of the emulator takes the group away.
            if self.group in self.logs.groups:
                event = {"timestamp": int(time.time() * 1000), "message": message}
                self.logs.put_log_events(self.group, self.stream, [event])

    def start(self):
        self.request = str(uuid.uuid4())
        self.say(f"START RequestId: {self.request} Version: $LATEST")

    def end(self):
        self.say(f"END RequestId: {self.request}")


class Refusal(Exception):
    """An answer that AWS gives as an error: code, text, HTTP status."""

    def __init__(self, code, text, status=400):
        super().__init__(code)
        self.code, self.text, self.status = code, text, status


def not_found(what="secret"):
    return Refusal("ResourceNotFoundException", f"Secrets Manager can't find the specified {what}.")


def invalid_request(text):
    return Refusal("InvalidRequestException", text)


def invalid_parameter(text):
    return Refusal("InvalidParameterException", text)


def validation(text):
    return Refusal("ValidationException", f"1 validation error detected: {text}")


MANAGED = "You can't perform this operation on the secret because it is managed by another service."
REPLICA = "Operation not permitted on a replica secret. Call must be made in primary secret's region."
DELETED = "You can't perform this operation on the secret because it was marked for deletion."
IN_PROGRESS = "A previous rotation isn't complete. That rotation will be reattempted."


def quick_store():
    """Makes moto's look-ups of secrets cost the same however many there are (it searches all, each time)."""
    slow_get, original_set = models.SecretsStore.get, models.SecretsStore.__setitem__

    def find(store, key):
        found = dict.get(store, key)
        if found is None and key.startswith("arn:") and len(key.split(":", 6)) == 7:
            name = key.split(":", 6)[6]
            found = dict.get(store, name[:-7] if name[-7:-6] == "-" else name) or dict.get(store, name)
            if found is not None and found.arn != key and not found.arn.startswith(key + "-"):
                found = None
        if found is None:
            # A replica is kept under its ARN; there are few of them.
            replicas = [secret for arn in getattr(store, "replicas", ()) if (secret := dict.get(store, arn))]
            found = next((secret for secret in replicas if key in (secret.arn, secret.name)), None)
            if found is None and key.startswith("arn:"):
                found = slow_get(store, key)
        return found

    def put(store, key, value):
        if isinstance(value, ReplicaSecret):
            store.__dict__.setdefault("replicas", set()).add(key)
        original_set(store, key, value)

    def item(store, key):
        found = find(store, key)
        if found is None:
            raise KeyError(key)
        return found

    models.SecretsStore.get = find
    models.SecretsStore.__getitem__ = item
    models.SecretsStore.__contains__ = lambda store, key: find(store, key) is not None
    models.SecretsStore.__setitem__ = put
    # What a lagging replica shows is what it held when the lag began.
    live = ReplicaSecret.versions.fget
    ReplicaSecret.versions = property(lambda replica: getattr(replica.source, "lagging", None) or live(replica))


def value_of(version):
    return {key: version[key] for key in ("secret_string", "secret_binary") if version.get(key) is not None}


def labelled(secret, label):
    """The id of the version with this label, if there is one."""
    return next((key for key, version in secret.versions.items() if label in version["version_stages"]), None)


def today():
    return int(time.time()) // 86_400 * 86_400


class SecretsManager:
    """The operations of one emulator."""

    def __init__(self):
        self.endpoint = None
        self.modes = {}  # (region, name) → mode; a tag on the secret comes second
        self.rotations = []
        self.generation = 0
        self.changed = threading.Condition(LOCK)
        self.clients = {}
        self.functions = {"keystile-generic": self.generic}

    # ---- state ------------------------------------------------------------------------------------------

    def store(self, region):
        return secretsmanager_backends[DEFAULT_ACCOUNT_ID][region].secrets

    def find(self, region, secret_id):
        if not isinstance(secret_id, str) or not secret_id:
            raise validation("Value null at 'secretId' failed to satisfy constraint: Member must not be null")
        secret = self.store(region).get(secret_id)
        if secret is None:
            raise not_found()
        return secret

    def writable(self, region, request, caller):
        """The secret that a request may change."""
        secret = self.find(region, request.get("SecretId"))
        if isinstance(secret, ReplicaSecret):
            raise invalid_parameter(REPLICA)
        if secret.is_deleted():
            raise invalid_request(DELETED)
        if secret.owning_service and caller == "client":
            raise invalid_request(MANAGED)
        return secret

    def mode(self, secret):
        """The mode of a secret and its argument, a text or None."""
        text = self.modes.get((secret.region, secret.name))
        if text is None:
            text = next((tag["Value"] for tag in secret.tags or [] if tag["Key"] == MODE_TAG), "ok")
        mode, _, argument = text.partition(":")
        return (mode if mode in MODES else "ok"), argument or None

    def denied(self, secret, action):
        mode, actions = self.mode(secret)
        return mode == "access_denied" and action in (actions or "RotateSecret").split("+")

    def promote(self, secret, version_id):
        """Makes a version current; the one that was becomes AWSPREVIOUS."""
        old = labelled(secret, "AWSCURRENT")
        if old == version_id:
            return
        for version in secret.versions.values():
            stages = version["version_stages"]
            stages[:] = [stage for stage in stages if stage not in ("AWSCURRENT", "AWSPREVIOUS")]
        if old:
            secret.versions[old]["version_stages"].append("AWSPREVIOUS")
        secret.versions[version_id]["version_stages"].append("AWSCURRENT")
        # moto's own pointer, which its answer to GetSecretValue would follow.
        secret.set_default_version_id(version_id)
        secret.last_changed_date = int(time.time())

    def write(self, secret, version_id, value, stages):
        """A new version, or the value of an empty one."""
        version = secret.versions.get(version_id)
        if version is None:
            version = {"version_id": version_id, "createdate": int(time.time()), "version_stages": []}
            secret.versions[version_id] = version
        version.update(value)
        if not labelled(secret, "AWSCURRENT"):
            stages = [*stages, "AWSCURRENT"]
        for stage in stages:
            if stage == "AWSCURRENT":
                self.promote(secret, version_id)
                continue
            for other in secret.versions.values():
                if stage in other["version_stages"] and other is not version:
                    other["version_stages"].remove(stage)
            if stage not in version["version_stages"]:
                version["version_stages"].append(stage)
        secret.last_changed_date = int(time.time())

    # ---- operations: request in, answer out ---------------------------------------------------------------

    def GetSecretValue(self, region, request, caller):
        secret = self.find(region, request.get("SecretId"))
        if secret.is_deleted():
            raise invalid_request(DELETED)
        version_id, stage = request.get("VersionId"), request.get("VersionStage")
        if version_id:
            version = secret.versions.get(version_id)
            what = f"secret value for VersionId: {version_id}"
            if version is not None and stage and stage not in version["version_stages"]:
                raise invalid_request("You provided a VersionStage that is not associated to the provided VersionId.")
        else:
            version = secret.versions.get(labelled(secret, stage or "AWSCURRENT"))
            what = f"secret value for staging label: {stage or 'AWSCURRENT'}"
        if version is None or not value_of(version):
            raise not_found(what)
        getattr(secret, "source", secret).last_accessed_date = today()
        answer = {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": version["version_id"],
            "VersionStages": list(version["version_stages"]),
            "CreatedDate": version["createdate"],
        }
        names = {"secret_string": "SecretString", "secret_binary": "SecretBinary"}
        return answer | {names[key]: value for key, value in value_of(version).items()}

    def BatchGetSecretValue(self, region, request, caller):
        ids, filters, size = request.get("SecretIdList"), request.get("Filters"), request.get("MaxResults")
        if ids and filters:
            raise invalid_parameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
        if not ids and not filters:
            raise invalid_parameter("You must specify either 'SecretIdList' or 'Filters'.")
        if ids and len(ids) > BATCH_LIMIT:
            raise validation(f"'secretIdList' must have length less than or equal to {BATCH_LIMIT}")
        if size is not None and not filters:
            raise invalid_parameter("'Filters' must also be specified when 'MaxResults' is provided.")
        token = None
        if filters:
            page, token = self.page(self.matching(region, filters, False), request, BATCH_LIMIT)
            ids = [secret.arn for secret in page]
        values, errors = [], []
        for secret_id in ids:
            try:
                secret = self.find(region, secret_id)
                if self.denied(secret, "GetSecretValue"):
                    raise Refusal("AccessDeniedException", access_denied_text("GetSecretValue", secret.arn))
                values.append(self.GetSecretValue(region, {"SecretId": secret_id}, caller))
            except Refusal as refusal:
                errors.append({"SecretId": secret_id, "ErrorCode": refusal.code, "Message": refusal.text})
        return {"SecretValues": values, "Errors": errors} | ({"NextToken": token} if token else {})

    def ListSecrets(self, region, request, caller):
        found = self.matching(region, request.get("Filters") or [], bool(request.get("IncludePlannedDeletion")))
        page, token = self.page(found, request, LIST_LIMIT)
        entries = []
        for secret in page:
            entry = self.described(secret)
            entry["SecretVersionsToStages"] = entry.pop("VersionIdsToStages", {})
            entry.pop("ReplicationStatus", None)
            entries.append(entry)
        return {"SecretList": entries} | ({"NextToken": token} if token else {})

    def DescribeSecret(self, region, request, caller):
        return self.described(self.find(region, request.get("SecretId")))

    def ListSecretVersionIds(self, region, request, caller):
        secret = self.find(region, request.get("SecretId"))
        versions = [
            {
                "VersionId": version["version_id"],
                "CreatedDate": version["createdate"],
            }
            | ({"VersionStages": list(version["version_stages"])} if version["version_stages"] else {})
            for version in secret.versions.values()
            if version["version_stages"] or request.get("IncludeDeprecated")
        ]
        page, token = self.page(versions, request, LIST_LIMIT)
        answer = {"ARN": secret.arn, "Name": secret.name, "Versions": page}
        return answer | ({"NextToken": token} if token else {})

    def PutSecretValue(self, region, request, caller):
        secret = self.writable(region, request, caller)
        token = self.token(request)
        value = self.value(request)
        if not value:
            raise invalid_request("You must provide either SecretString or SecretBinary.")
        stages = request.get("VersionStages") or ["AWSCURRENT"]
        existing = secret.versions.get(token)
        if existing is not None and value_of(existing):
            if value_of(existing) != value:
                raise Refusal(
                    "ResourceExistsException",
                    f"You can't use ClientRequestToken {token} because that value is already in use for a version "
                    f"of secret {secret.arn}.",
                )
        else:
            self.write(secret, token, value, stages)
        stages = list(secret.versions[token]["version_stages"])
        return {"ARN": secret.arn, "Name": secret.name, "VersionId": token, "VersionStages": stages}

    def UpdateSecret(self, region, request, caller):
        secret = self.writable(region, request, caller)
        if "Description" in request:
            secret.description = request["Description"]
        if "KmsKeyId" in request:
            secret.kms_key_id = request["KmsKeyId"]
        secret.last_changed_date = int(time.time())
        answer = {"ARN": secret.arn, "Name": secret.name}
        if self.value(request):
            put = self.PutSecretValue(region, request | {"VersionStages": ["AWSCURRENT"]}, caller)
            answer["VersionId"] = put["VersionId"]
        return answer

    def UpdateSecretVersionStage(self, region, request, caller):
        secret = self.writable(region, request, caller)
        label = request.get("VersionStage")
        source, target = request.get("RemoveFromVersionId"), request.get("MoveToVersionId")
        if not label:
            raise validation("Value null at 'versionStage' failed to satisfy constraint: Member must not be null")
        for version_id in (source, target):
            if version_id and version_id not in secret.versions:
                raise invalid_parameter(f"Not a valid version: {version_id}")
        if source and label not in secret.versions[source]["version_stages"]:
            raise invalid_parameter(f"Version stage {label} not found in version {source}")
        holder = labelled(secret, label)
        if not source and holder and holder != target:
            raise invalid_parameter(
                f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to "
                f"version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
            )
        if label == "AWSCURRENT":
            if not target:
                raise invalid_parameter("You can only move staging label AWSCURRENT to a different secret version.")
            if not value_of(secret.versions[target]):
                raise invalid_request(f"Version {target} has no value.")
            self.promote(secret, target)
        else:
            if source:
                secret.versions[source]["version_stages"].remove(label)
            if target and label not in secret.versions[target]["version_stages"]:
                secret.versions[target]["version_stages"].append(label)
        secret.last_changed_date = int(time.time())
        return {"ARN": secret.arn, "Name": secret.name}

    def CancelRotateSecret(self, region, request, caller):
        secret = self.writable(region, request, caller)
        if not secret.rotation_lambda_arn:
            raise invalid_request("The secret has no rotation to cancel.")
        secret.rotation_enabled = False
        secret.next_rotation_date = None
        return {"ARN": secret.arn, "Name": secret.name}

    def RotateSecret(self, region, request, caller):
        # A managed secret rotates by this call, though nobody else may write it.
        secret = self.writable(region, request, "manager")
        token = self.token(request)
        function, rules = request.get("RotationLambdaARN"), request.get("RotationRules")
        if secret.owning_service:
            if function:
                raise invalid_request(MANAGED)
        elif function:
            if self.function_of(function) is None:
                raise Refusal(
                    "AccessDeniedException",
                    "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy "
                    "grants access to the principal secretsmanager.amazonaws.com.",
                )
        elif not secret.rotation_lambda_arn or self.mode(secret)[0] == "no_function":
            raise invalid_request("No Lambda rotation function ARN is associated with this secret.")
        days = (rules or {}).get("AutomaticallyAfterDays")
        if days is not None and not 1 <= days <= 1000:
            raise invalid_parameter("RotationRules.AutomaticallyAfterDays must be within 1-1000.")
        current = labelled(secret, "AWSCURRENT")
        if current is None:
            raise invalid_request("The secret has no value yet.")
        answer = {"ARN": secret.arn, "Name": secret.name, "VersionId": token}
        existing = secret.versions.get(token)
        if existing is not None:
            # AWS says that the token prevents duplicate versions; what it answers is not documented.
            if existing["version_stages"]:
                return answer
            raise invalid_request(f"ClientRequestToken {token} is in use for a version without labels.")
        pending = labelled(secret, "AWSPENDING")
        if pending not in (None, current):
            raise invalid_request(IN_PROGRESS)

        if function:
            secret.rotation_lambda_arn = function
        if rules:
            secret.rules = dict(rules)
            secret.auto_rotate_after_days = days or 0
        secret.rotation_requested = secret.rotation_enabled = True
        immediately = request.get("RotateImmediately", True) is not False
        if pending:
            secret.versions[pending]["version_stages"].remove("AWSPENDING")
        secret.versions[token] = {
            "version_id": token,
            "createdate": int(time.time()),
            "version_stages": ["AWSPENDING"],
        }
        if not immediately:
            secret.versions[token].update(value_of(secret.versions[current]))
        if self.mode(secret)[0] == "replica_lags":
            secret.lagging = copy.deepcopy(secret.versions)
            del secret.lagging[token]
            for replica in secret.replicas:
                replica.config |= {"Status": "InProgress", "StatusMessage": "Replication in progress"}
        rotation = {
            "secret": secret.name,
            "token": token,
            "function": secret.rotation_lambda_arn or secret.owning_service,
            "state": "running",
            "step": None,
        }
        self.rotations.append(rotation)
        run = self.run_managed if secret.owning_service else self.run
        threading.Thread(
            target=run, args=(rotation, secret, STEPS if immediately else ("testSecret",), self.generation), daemon=True
        ).start()
        return answer

    # ---- checks and pieces of answers ---------------------------------------------------------------------

    def token(self, request):
        token = request.get("ClientRequestToken")
        if token is None:
            raise validation("Value null at 'clientRequestToken': an SDK fills it in, this caller did not")
        if not 32 <= len(token) <= 64:
            raise invalid_parameter("ClientRequestToken must be 32-64 characters long.")
        return token

    def value(self, request):
        text, binary = request.get("SecretString"), request.get("SecretBinary")
        if text and binary:
            raise invalid_parameter("You can't specify both a binary secret value and a string secret value.")
        size = len(text.encode()) if text else len(base64.b64decode(binary)) if binary else 0
        if size > VALUE_LIMIT:
            raise validation(f"'secretString' must have length less than or equal to {VALUE_LIMIT}")
        return {"secret_string": text} if text else {"secret_binary": binary} if binary else {}

    def check(self, action, region, request, caller):
        """What AWS refuses and moto does not, of the operations that moto answers."""
        if action == "CreateSecret":
            if not NAME.match(request.get("Name") or ""):
                raise validation("Invalid name. Must be a valid name containing alphanumeric characters, or any of /_+=.@-")
            self.value(request)
        tags = request.get("Tags") or []
        if caller == "client" and any(tag.get("Key", "").startswith("aws:") for tag in tags):
            raise invalid_parameter("Tag keys can't start with aws:")
        if action in ("TagResource", "UntagResource", "DeleteSecret", "RestoreSecret", "PutResourcePolicy"):
            secret = self.find(region, request.get("SecretId")) if not request.get("ForceDeleteWithoutRecovery") else None
            if action == "DeleteSecret" and secret and getattr(secret, "owning_service", None) and caller == "client":
                raise invalid_request(MANAGED)

    def matching(self, region, filters, with_deleted):
        _validate_filters(filters)
        found = []
        for secret in list(dict.values(self.store(region))):
            if (with_deleted or not secret.is_deleted()) and models._matches(secret, filters):
                found.append(secret)
        return found

    def page(self, items, request, limit):
        """One page of the items and the token of the next."""
        size, token = request.get("MaxResults"), request.get("NextToken")
        if size is not None and not 1 <= size <= limit:
            raise validation(f"Value '{size}' at 'maxResults' failed to satisfy constraint: between 1 and {limit}")
        start = 0
        if token is not None:
            try:
                mark, start = base64.b64decode(token, validate=True).decode().split("#")
                start = int(start)
            except ValueError:
                mark = None
            if mark != "page":
                raise Refusal("InvalidNextTokenException", "The NextToken value is invalid.")
        end = start + (size or limit)
        following = base64.b64encode(f"page#{end}".encode()).decode() if end < len(items) else None
        return items[start:end], following

    def described(self, secret):
        """DescribeSecret's answer: without what AWS leaves out (labels that are not there, empty texts)."""
        answer = secret.to_dict()
        source = getattr(secret, "source", secret)
        answer.pop("SecretVersionsToStages", None)
        versions = {key: list(version["version_stages"]) for key, version in secret.versions.items()}
        answer["VersionIdsToStages"] = {key: stages for key, stages in versions.items() if stages}
        answer["LastAccessedDate"] = getattr(source, "last_accessed_date", None)
        rules = getattr(source, "rules", None)
        if rules:
            answer["RotationRules"] = rules
        elif not source.auto_rotate_after_days:
            answer.pop("RotationRules", None)
        if not source.rotation_enabled:
            answer.pop("NextRotationDate", None)
        return {key: value for key, value in answer.items() if value not in (None, "")}

    # ---- rotation -----------------------------------------------------------------------------------------

    def function_of(self, arn):
        """The function that a Lambda ARN names, if the launcher has it."""
        name = arn.split(":function:", 1)[-1].split(":", 1)[0]
        if name in MORE_FUNCTIONS and name not in self.functions:
            module_name, function = MORE_FUNCTIONS[name]
            path = Path(__file__).with_name(f"{module_name}.py")
            if path.exists():
                spec = imports.spec_from_file_location(module_name, path)
                module = imports.module_from_spec(spec)
                spec.loader.exec_module(module)
                self.functions[name] = getattr(module, function)
        return self.functions.get(name)

    def client(self, region):
        """A client as a rotation function has: over HTTP, to the address that everyone uses."""
        with LOCK:
            if region not in self.clients:
                self.clients[region] = boto3.session.Session().client(
                    "secretsmanager",
                    region_name=region,
                    endpoint_url=self.endpoint,
                    aws_access_key_id="function",
                    aws_secret_access_key="function",
                    config=Config(user_agent_extra=FUNCTION_AGENT, proxies={}, max_pool_connections=50),
                )
            return self.clients[region]

    def state(self, rotation, generation, **changes):
        """Notes how far a rotation is; whether it may go on (it may not once the emulator was reset)."""
        with self.changed:
            rotation.update(changes)
            self.changed.notify_all()
            return generation == self.generation

    def run(self, rotation, secret, steps, generation):
        """The steps of a rotation, each one call of the function, as Secrets Manager invokes a Lambda."""
        function, client = self.function_of(secret.rotation_lambda_arn), self.client(secret.region)
        token = rotation["token"]
        log = FunctionLog(secret.region, secret.rotation_lambda_arn)
        try:
            before = value_of(secret.versions[labelled(secret, "AWSCURRENT")])
            for step in steps:
                if not self.state(rotation, generation, step=step):
                    return
                event = {"Step": step, "SecretId": secret.arn, "ClientRequestToken": token}
                log.start()
                self.before_step(rotation, secret, step, generation)
                function(event, client)
                log.say(f"[INFO]\t{log.now()}\t{log.request}\t{step}: {secret.arn} is done with")
                log.end()
        except Exception as error:  # As Lambda: whatever the function raises ends the rotation.
            with LOCK:
                self.confess(log, secret, token, step, error)
            # The type alone: a text could hold a value.
            with LOCK:
                if self.mode(secret)[0] == "abandon" and token in secret.versions:
                    secret.versions[token]["version_stages"].clear()
            self.state(rotation, generation, state="failed", error=type(error).__name__)
            return
        with LOCK:
            if steps != STEPS:
                secret.versions.pop(token, None)
            elif generation == self.generation and labelled(secret, "AWSCURRENT") == token:
                self.note_success(secret)
                if self.mode(secret)[0] == "tidy" and "AWSPENDING" in secret.versions[token]["version_stages"]:
                    secret.versions[token]["version_stages"].remove("AWSPENDING")
        mode, argument = self.mode(secret)
        if mode == "write_back" and steps == STEPS:
            time.sleep(float(argument or 1))
            with LOCK:
                if generation == self.generation:
                    self.write(secret, f"written-back-{secrets.token_hex(16)}", before, ["AWSCURRENT"])
        self.state(rotation, generation, state="done")

    def run_managed(self, rotation, secret, steps, generation):
        """A rotation by the service that owns the secret: no function, no call of the API."""
        time.sleep(0.1)
        with LOCK:
            token = rotation["token"]
            if generation != self.generation:
                return
            if steps == STEPS:
                current = secret.versions[labelled(secret, "AWSCURRENT")]
                self.write(secret, token, {"secret_string": renewed(current["secret_string"])}, ["AWSCURRENT"])
                secret.versions[token]["version_stages"].remove("AWSPENDING")
                self.note_success(secret)
            else:
                secret.versions.pop(token, None)
        self.state(rotation, generation, state="done")

    def note_success(self, secret):
        now = int(time.time())
        secret.last_rotation_date = now
        if secret.auto_rotate_after_days:
            secret.next_rotation_date = now + secret.auto_rotate_after_days * 86_400

    def confess(self, log, secret, token, step, error):
        """What a function that fails leaves in its log. It has the bad habit of printing what it was about to set."""
        version = secret.versions.get(token) or {}
        log.say(f"about to use {version.get('secret_string')}")
        name = step.replace("Secret", "_secret")
        log.say(
            f"[ERROR] {type(error).__name__}: {step}: no luck with {secret.arn}\rTraceback (most recent call last):\r"
            f'\u00a0\u00a0File "/var/task/function.py", line 7, in lambda_handler\r\u00a0\u00a0\u00a0\u00a0{name}(client, arn, token)'
        )
        log.end()

    def before_step(self, rotation, secret, step, generation):
        """What a mode does before a step of the function."""
        mode, argument = self.mode(secret)
        if mode in ("fail_create", "fail_set", "fail_test") and step == mode.removeprefix("fail_") + "Secret":
            raise RuntimeError(step)
        if mode == "abandon" and step == "setSecret":
            raise RuntimeError(step)
        if mode == "slow" and step == "setSecret":
            time.sleep(float(argument or 2))
        if mode == "stuck" and step == "createSecret":
            with self.changed:
                rotation["state"] = "stuck"
                self.changed.notify_all()
                self.changed.wait_for(lambda: rotation["state"] != "stuck" or generation != self.generation)

    def generic(self, event, client):
        """The function of most tests: a new password, which no other system has to be told."""
        secret_id, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
        with LOCK:
            mode, _ = self.mode(self.find(secret_id.split(":")[3], secret_id))
        if mode == "noop":
            return
        if step == "createSecret":
            try:
                client.get_secret_value(SecretId=secret_id, VersionId=token, VersionStage="AWSPENDING")
                return
            except client.exceptions.ResourceNotFoundException:
                pass
            current = client.get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT")
            text = current.get("SecretString")
            if text is None:
                value = {"SecretBinary": current["SecretBinary"] if mode == "same_value" else secrets.token_bytes(32)}
            else:
                value = {"SecretString": text if mode == "same_value" else renewed(text, mode == "alternating")}
            client.put_secret_value(
                SecretId=secret_id, ClientRequestToken=token, VersionStages=["AWSPENDING"], **value
            )
        elif step == "testSecret":
            client.get_secret_value(SecretId=secret_id, VersionId=token, VersionStage="AWSPENDING")
        elif step == "finishSecret":
            stages = client.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
            current = next(key for key, labels in stages.items() if "AWSCURRENT" in labels)
            if current != token:
                client.update_secret_version_stage(
                    SecretId=secret_id,
                    VersionStage="AWSCURRENT",
                    MoveToVersionId=token,
                    RemoveFromVersionId=current,
                )

    # ---- what tests ask for -------------------------------------------------------------------------------

    def create(self, wanted):
        """A secret as a test describes it; README.md lists the keys."""
        region, name = wanted.get("region", "us-east-1"), wanted["name"]
        mode = (wanted.get("mode") or "ok").partition(":")[0]
        if mode not in MODES:
            raise validation(f"there is no mode {mode}")
        backend = secretsmanager_backends[DEFAULT_ACCOUNT_ID][region]
        if name in backend.secrets:
            raise Refusal("ResourceExistsException", f"The operation failed because the secret {name} already exists.")
        tags = [{"Key": key, "Value": value} for key, value in (wanted.get("tags") or {}).items()]
        owner = wanted.get("owningService") or ("rds" if mode == "managed" else None)
        if owner:
            tags.append({"Key": "aws:secretsmanager:owningService", "Value": owner})
        version_id = wanted.get("versionId")
        backend.create_secret(
            name=name,
            secret_string=wanted.get("value"),
            secret_binary=wanted.get("binary"),
            description=wanted.get("description", ""),
            tags=tags,
            kms_key_id=wanted.get("kmsKeyId"),
            client_request_token=version_id,
            replica_regions=[{"Region": replica} for replica in wanted.get("replicas") or []],
            force_overwrite=False,
        )
        secret = backend.secrets[name]
        if wanted.get("mode"):
            self.modes[(region, name)] = wanted["mode"]
        function = wanted.get("function", None if owner or mode == "no_function" else "keystile-generic")
        if function:
            secret.rotation_lambda_arn = (
                function
                if function.startswith("arn:")
                else f"arn:aws:lambda:{region}:{DEFAULT_ACCOUNT_ID}:function:{function}"
            )
        if function or owner:
            secret.rotation_requested = True
            secret.rotation_enabled = wanted.get("rotationEnabled", True)
            secret.auto_rotate_after_days = wanted.get("rotationDays", 0)
        secret.last_rotation_date = wanted.get("lastRotated")
        secret.next_rotation_date = wanted.get("nextRotation")
        secret.last_accessed_date = wanted.get("lastAccessed")
        if "created" in wanted:
            secret.created_date = wanted["created"]
            for version in secret.versions.values():
                version["createdate"] = wanted["created"]
        if mode == "scheduled_deletion":
            backend.delete_secret(name, 7, False)
        return {"name": name, "arn": secret.arn, "versionId": labelled(secret, "AWSCURRENT")}

    def shown(self, region, secret_id):
        """A secret with all its versions and their values, for a test to compare with."""
        secret = self.find(region, secret_id)
        versions = [
            {"id": key, "stages": list(version["version_stages"]), "created": version["createdate"]}
            | {"value" if kind == "secret_string" else "binary": value for kind, value in value_of(version).items()}
            for key, version in secret.versions.items()
        ]
        return {"name": secret.name, "arn": secret.arn, "versions": versions}

    def release(self, secret):
        """Lets the stuck rotations of a secret go on; from now on they count as running."""
        with self.changed:
            for rotation in self.rotations:
                if rotation["secret"] == secret.name and rotation["state"] == "stuck":
                    rotation["state"] = "running"
            self.changed.notify_all()

    def settle(self, seconds):
        """Waits until no rotation runs (stuck ones aside); whether that came about."""
        with self.changed:
            return self.changed.wait_for(lambda: all(r["state"] != "running" for r in self.rotations), seconds)

    def reset(self):
        with self.changed:
            self.generation += 1
            self.modes.clear()
            self.rotations.clear()
            self.changed.notify_all()


def access_denied_text(action, resource):
    return (
        f"User: arn:aws:iam::{DEFAULT_ACCOUNT_ID}:user/keystile is not authorized to perform: "
        f"secretsmanager:{action} on resource: {resource} because no identity-based policy allows the "
        f"secretsmanager:{action} action"
    )


def renewed(text, other_user=False):
    """A value like this one with a new password; of a JSON object only `password` changes, and the user's name
    where two users take turns."""
    password = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32))
    try:
        value = json.loads(text)
    except ValueError:
        return password
    if not isinstance(value, dict):
        return password
    value["password"] = password
    if other_user:
        value["username"] = twin(value["username"])
    return json.dumps(value)


def twin(user):
    """The other of two users that take turns."""
    return user.removesuffix("_clone") if user.endswith("_clone") else user + "_clone"


def matches(pattern, secret_id, arn):
    return any(fnmatch.fnmatchcase(text or "", pattern) for text in (secret_id, arn))
