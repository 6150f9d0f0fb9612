#!/usr/bin/env python3
"""An emulator of AWS for keystile's tests and its demo: moto, with Secrets Manager's rotation made real.

    python3 launcher.py [--stay]

Binds 127.0.0.1 on a port of the kernel's choice, prints one line of JSON, {"url": …, "pid": …}, once it answers,
and ends when standard input ends (so that no server outlives who started it) or on SIGTERM. With --stay standard
input is not looked at. It needs `moto[server]`, and the file secrets_manager.py beside it.

Everything goes through here before moto: each call is noted (its name and its secret, never a value), the faults
that a test asked for happen here, and Secrets Manager's operations go to secrets_manager.py. What a test asks the
emulator itself is under /keystile/. README.md has the modes, the faults and the control calls.
"""

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from urllib.parse import parse_qs

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.exceptions import JsonRESTError
from moto.iam.models import iam_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from secrets_manager import (  # noqa: E402
    FUNCTION_AGENT,
    LOCK,
    MODES,
    Refusal,
    SecretsManager,
    access_denied_text,
    matches,
    not_found,
    quick_store,
    validation,
)

# Operations that secrets_manager.py answers; the rest of these is moto's.
OWN = {
    "BatchGetSecretValue", "CancelRotateSecret", "DescribeSecret", "GetSecretValue", "ListSecretVersionIds",
    "ListSecrets", "PutSecretValue", "RotateSecret", "UpdateSecret", "UpdateSecretVersionStage",
}
MOTO = {
    "CreateSecret", "DeleteResourcePolicy", "DeleteSecret", "GetRandomPassword", "GetResourcePolicy",
    "PutResourcePolicy", "RemoveRegionsFromReplication", "ReplicateSecretToRegions", "RestoreSecret",
    "TagResource", "UntagResource",
}
FAULTS = {"throttle", "hang", "hang_after_accept", "drop", "drop_after_accept", "access_denied", "error"}


class Call:
    """One request: what it is, who sends it, and what came of it."""

    def __init__(self, environ):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        self.body = environ["wsgi.input"].read(length)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        # "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …"
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition(",")[0].split("/")
        self.key, self.region, self.service = (scope[0], scope[2], scope[3]) if len(scope) == 5 else (None, None, None)
        self.json = target.startswith("secretsmanager.")
        self.request = {}
        if self.json:
            self.service, self.action = "secretsmanager", target.partition(".")[2]
            try:
                self.request = json.loads(self.body or b"{}")
            except ValueError:
                self.request = None
        else:
            form = parse_qs(self.body.decode("utf-8", "replace"))
            self.action = (form.get("Action") or [target.rpartition(".")[2]])[0]
        agent = environ.get("HTTP_USER_AGENT", "")
        self.caller = "function" if FUNCTION_AGENT in agent else "client"
        self.fault = None

    def note(self, number):
        """The line of the list of calls: names, never values."""
        request = self.request if isinstance(self.request, dict) else {}
        line = {
            "number": number,
            "time": time.time(),
            "service": self.service,
            "action": self.action,
            "region": self.region,
            "secret": request.get("SecretId") or request.get("Name"),
            "caller": self.caller,
        }
        for key in ("ClientRequestToken", "VersionId", "VersionStage"):
            if key in request:
                line[key] = request[key]
        if "SecretIdList" in request:
            line["secrets"] = len(request["SecretIdList"] or [])
        return line


class Dropped(Exception):
    """The connection ends without an answer."""


class Emulator:
    """The WSGI application."""

    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.manager = SecretsManager()
        self.calls, self.faults, self.counts = [], [], {}

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "")
        if path.startswith("/keystile/"):
            return self.control(path.removeprefix("/keystile/"), environ, start_response)
        if path.startswith("/moto-api/"):
            return self.moto(environ, start_response)
        call = Call(environ)
        environ["wsgi.input"] = Replay(call.body)
        with LOCK:
            line = call.note(len(self.calls))
            secret = self.manager.store(call.region).get(line["secret"]) if line["secret"] and call.region else None
            if secret is not None:
                # By its name, however it was addressed.
                line["secret"] = secret.name
            self.calls.append(line)
        try:
            status, headers, body = self.answer(call, environ)
        except Dropped:
            status, headers, body = None, [], b""
        except Refusal as refusal:
            status, headers, body = refused(call, refusal)
        line["status"] = status
        if call.fault:
            line["fault"] = call.fault
        if status is None:
            return hang_up(environ, start_response)
        headers = [header for header in headers if header[0].lower() not in ("content-length", "x-amzn-requestid")]
        headers.append(("Content-Length", str(len(body))))
        # AWS names each request; moto names few.
        line["requestId"] = str(uuid.uuid4())
        headers.append(("x-amzn-RequestId", line["requestId"]))
        start_response(f"{status} {'OK' if status < 300 else 'Refused'}", headers)
        return [body]

    def answer(self, call, environ):
        """Status, headers and body of the answer to a call of an AWS API."""
        if call.caller == "client":
            self.authenticate(call)
            fault = self.fault(call)
            if fault:
                call.fault = fault["fault"]
                self.before(call, fault)
                if call.fault.endswith("_after_accept"):
                    self.carry_out(call, environ)
                    if call.fault.startswith("hang"):
                        self.hang(fault)
                    raise Dropped
        return self.carry_out(call, environ)

    def carry_out(self, call, environ):
        if not call.json:
            return self.ask_moto(environ)
        if not isinstance(call.request, dict):
            raise Refusal("SerializationException", "The body is no JSON object.")
        if call.action not in OWN | MOTO:
            raise Refusal("UnknownOperationException", f"The emulator has no operation {call.action}.")
        with LOCK:
            if call.action in OWN:
                answer = getattr(self.manager, call.action)(call.region, call.request, call.caller)
                return 200, [("Content-Type", "application/x-amz-json-1.1")], json.dumps(answer).encode()
            self.manager.check(call.action, call.region, call.request, call.caller)
            status, headers, body = self.ask_moto(environ)
        if status >= 500:
            raise Refusal("InternalServiceError", f"moto failed at {call.action}.", 500)
        # AWS answers 400 where moto answers 404.
        return (400 if status == 404 else status), headers, body

    def ask_moto(self, environ):
        told = {}

        def start_response(status, headers, *_):
            told["status"], told["headers"] = int(status.split(" ", 1)[0]), list(headers)

        parts = self.moto(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return told["status"], told["headers"], body

    def authenticate(self, call):
        if call.region is None:
            raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
        for user in list(iam_backends[DEFAULT_ACCOUNT_ID]["aws"].users.values()):
            for key in user.access_keys:
                if key.access_key_id == call.key and key.status != "Active":
                    code = "UnrecognizedClientException" if call.json else "InvalidClientTokenId"
                    raise Refusal(code, "The security token included in the request is invalid.", 403)

    # ---- faults -------------------------------------------------------------------------------------------

    def fault(self, call):
        """The fault that is due for this call, if one is."""
        with LOCK:
            secret = None
            named = call.request.get("SecretId") if isinstance(call.request, dict) else None
            if named:
                secret = self.manager.store(call.region).get(named)
            name, arn = (secret.name, secret.arn) if secret is not None else (named, None)
            faults = list(self.faults)
            if secret is not None:
                faults += self.faults_of(getattr(secret, "source", secret))
            for fault in faults:
                if fault.get("action", "*") not in ("*", call.action):
                    continue
                if fault.get("service", call.service) != call.service:
                    continue
                if "secret" in fault and not matches(fault["secret"], name, arn):
                    continue
                count = self.counts[fault["id"]] = self.counts.get(fault["id"], 0) + 1
                every, times = fault.get("every", 1), fault.get("times")
                if count % every == 0 and (times is None or count // every <= times):
                    return fault
        return None

    def faults_of(self, secret):
        """The faults of a secret's mode. The argument: of throttling each how-manieth call, of a hang the seconds, of
        a drop how many times, of a denial the operations."""
        mode, argument = self.manager.mode(secret)
        fault = {"id": (secret.region, secret.name, mode, argument), "action": "RotateSecret", "fault": mode}
        if mode == "throttle_every_nth":
            return [fault | {"fault": "throttle", "action": "*", "every": int(argument or 2)}]
        if mode in ("hang", "hang_after_accept"):
            return [fault | {"seconds": float(argument or 60)}]
        if mode == "drop_after_accept":
            return [fault | ({"times": int(argument)} if argument else {})]
        if mode == "access_denied":
            actions = (argument or "RotateSecret").split("+")
            return [fault | {"id": (*fault["id"], action), "action": action} for action in actions]
        return []

    def before(self, call, fault):
        """A fault that happens instead of the call."""
        kind = fault["fault"]
        if kind == "throttle":
            raise Refusal("ThrottlingException" if call.json else "Throttling", "Rate exceeded")
        if kind == "error":
            raise Refusal(fault.get("code", "InternalServiceError"), "An error on purpose.", fault.get("status", 500))
        if kind == "access_denied":
            secret = self.manager.store(call.region).get(call.request.get("SecretId") or "") if call.json else None
            resource = secret.arn if secret is not None else "*"
            if call.json:
                raise Refusal("AccessDeniedException", access_denied_text(call.action, resource))
            text = access_denied_text(call.action, resource).replace("secretsmanager:", f"{call.service}:")
            if call.service == "logs":
                raise Refusal("AccessDeniedException", text)
            raise Refusal("AccessDenied", text, 403)
        if kind == "hang":
            self.hang(fault)
            raise Dropped
        if kind == "drop":
            raise Dropped

    def hang(self, fault):
        """No answer for a while, or until the emulator is reset."""
        manager = self.manager
        with manager.changed:
            generation = manager.generation
            manager.changed.wait_for(lambda: generation != manager.generation, fault.get("seconds", 60))

    # ---- control ------------------------------------------------------------------------------------------

    def control(self, path, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        query = {key: values[-1] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        try:
            body = json.loads(environ["wsgi.input"].read(length) or b"{}")
            status, answer = 200, self.do(environ["REQUEST_METHOD"], path, body, query)
        except Refusal as refusal:
            status, answer = 400, {"error": f"{refusal.code}: {refusal.text}"}
        except JsonRESTError as error:
            status, answer = 400, {"error": f"{error.error_type}: {error.message}"}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            status, answer = 400, {"error": f"not understood: {type(error).__name__} {error}"}
        text = json.dumps(answer).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(text)))]
        start_response(f"{status} {'OK' if status == 200 else 'Refused'}", headers)
        return [text]

    def do(self, method, path, body, query):
        """One control call; README.md lists them."""
        manager, what = self.manager, f"{method} {path}"
        if what == "POST settle":
            return {"settled": manager.settle(float(body.get("seconds", 30)))}
        with LOCK:
            if what == "POST reset":
                manager.reset()
                self.calls.clear()
                self.faults.clear()
                self.counts.clear()
                moto_api_backend.reset()
                return {}
            if what == "POST secrets":
                wanted = body if isinstance(body, list) else [body]
                return [manager.create(secret) for secret in wanted]
            if what == "GET secret":
                return manager.shown(query.get("region", "us-east-1"), query["id"])
            if what == "POST mode":
                mode = body["mode"]
                if mode.partition(":")[0] not in MODES:
                    raise validation(f"there is no mode {mode}")
                secret = manager.find(body.get("region", "us-east-1"), body["secret"])
                manager.modes[(secret.region, secret.name)] = mode
                return {}
            if what == "POST release":
                manager.release(manager.find(body.get("region", "us-east-1"), body["secret"]))
                return {}
            if what == "POST faults":
                if body["fault"] not in FAULTS:
                    raise validation(f"there is no fault {body['fault']}")
                self.faults.append(body | {"id": ("asked", len(self.faults), time.time())})
                return {}
            if what == "DELETE faults":
                self.faults.clear()
                return {}
            if what == "GET calls":
                return [line for line in self.calls if all(str(line.get(key)) == query[key] for key in query)]
            if what == "DELETE calls":
                self.calls.clear()
                return {}
            if what == "GET rotations":
                return [dict(rotation) for rotation in manager.rotations]
        raise not_found(f"control call {what}")


class Replay:
    """A request's body, for moto to read what was read already."""

    def __init__(self, body):
        self.body = body

    def read(self, size=-1):
        size = len(self.body) if size is None or size < 0 else size
        part, self.body = self.body[:size], self.body[size:]
        return part

    def readline(self, size=-1):
        end = self.body.find(b"\n") + 1 or len(self.body)
        return self.read(end if size is None or size < 0 else min(end, size))


def refused(call, refusal):
    """An error as the API's protocol writes it: JSON, or XML for the Query protocol (IAM, STS)."""
    if call.json or call.service == "logs":
        body = json.dumps({"__type": refusal.code, "Message": refusal.text}).encode()
        return refusal.status, [("Content-Type", "application/x-amz-json-1.1")], body
    text = refusal.text.replace("&", "&amp;").replace("<", "&lt;")
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{refusal.code}</Code><Message>{text}</Message></Error>"
        "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    )
    return refusal.status, [("Content-Type", "text/xml")], body.encode()


def hang_up(environ, start_response):
    """Ends the connection without a byte of an answer."""
    try:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    start_response("500 Dropped", [])
    return [b""]


class Handler(WSGIRequestHandler):
    """Connections are kept, as AWS keeps them; nothing is logged of a request."""

    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


def main():
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    # A proxy of the environment must not stand between a function and this server.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    quick_store()
    emulator = Emulator()
    server = make_server("127.0.0.1", 0, emulator, threaded=True, request_handler=Handler)
    server.daemon_threads = True
    emulator.manager.endpoint = f"http://127.0.0.1:{server.server_port}"

    def end(*_):
        # Threads that hang on purpose are not waited for.
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if "--stay" not in sys.argv[1:]:

        def watch():
            while sys.stdin.buffer.read(4096):
                pass
            end()

        threading.Thread(target=watch, daemon=True).start()
    # The socket listens already: who connects now is answered as soon as the loop below runs.
    print(json.dumps({"url": emulator.manager.endpoint, "pid": os.getpid()}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
