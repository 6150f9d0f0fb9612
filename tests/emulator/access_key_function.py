"""A rotation function for IAM access keys: each rotation makes another key of the user that the secret names.

The secret is JSON: `userName`, `accessKeyId`, `secretAccessKey`. The key before stays active, for whoever has not read
the secret again; switching it off is somebody else's work (`keystile rotate`, where it leaked). IAM allows a user two
keys: an inactive one makes room.

Each step may be asked for again at any time, and then finds its work done, but for one gap that IAM leaves: a key
that was made and could not be stored is lost, and stays as the second one until somebody switches it off.
"""

import json

import boto3


class Unfit(Exception):
    """The rotation can't go on; the text holds no value."""


def access_key(event, client):
    """One step."""
    steps = {"createSecret": create, "setSecret": nothing, "testSecret": test, "finishSecret": finish}
    steps[event["Step"]](event["SecretId"], event["ClientRequestToken"], client)


def nothing(*_):
    """IAM knows the key since it made it."""


def service(name, client, **credentials):
    """A client of another service at the address, and in the name, of the one that is given."""
    credentials = credentials or {"aws_access_key_id": "function", "aws_secret_access_key": "function"}
    return boto3.session.Session().client(
        name,
        region_name=client.meta.region_name,
        endpoint_url=client.meta.endpoint_url,
        config=client.meta.config,
        **credentials,
    )


def read(secret_id, client, **version):
    """A version as an object; None where it holds no value yet."""
    try:
        answer = client.get_secret_value(SecretId=secret_id, **version)
    except client.exceptions.ResourceNotFoundException:
        return None
    return json.loads(answer["SecretString"])


def create(secret_id, token, client):
    if read(secret_id, client, VersionId=token, VersionStage="AWSPENDING") is not None:
        return
    current = read(secret_id, client, VersionStage="AWSCURRENT")
    iam, user = service("iam", client), current["userName"]
    keys = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    spare = [key["AccessKeyId"] for key in keys if key["Status"] != "Active"]
    if len(keys) > 1 and not spare:
        raise Unfit("the user has two active keys")
    if len(keys) > 1:
        iam.delete_access_key(UserName=user, AccessKeyId=spare[0])
    made = iam.create_access_key(UserName=user)["AccessKey"]
    value = current | {"accessKeyId": made["AccessKeyId"], "secretAccessKey": made["SecretAccessKey"]}
    client.put_secret_value(
        SecretId=secret_id, ClientRequestToken=token, SecretString=json.dumps(value), VersionStages=["AWSPENDING"]
    )


def test(secret_id, token, client):
    pending = read(secret_id, client, VersionId=token, VersionStage="AWSPENDING")
    pair = {"aws_access_key_id": pending["accessKeyId"], "aws_secret_access_key": pending["secretAccessKey"]}
    service("sts", client, **pair).get_caller_identity()


def finish(secret_id, token, client):
    stages = client.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
    current = next(version for version, labels in stages.items() if "AWSCURRENT" in labels)
    if current != token:
        client.update_secret_version_stage(
            SecretId=secret_id, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
        )
