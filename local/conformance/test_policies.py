"""IAM policies, enforced: which resource a request is checked against."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conformance_cloud import Server, unique

ACCOUNT = "000000000000"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, {"AUTH": "true"}) as running:
        yield running


def policy(*statements: dict[str, Any]) -> str:
    """A document of statements that allow."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]})


def client_of_user(server: Server, service: str, document: str) -> Any:
    """A client of a new user who has this policy only."""
    iam, name = server.client("iam"), unique("u-")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return server.client(service, (key["AccessKeyId"], key["SecretAccessKey"]))


def test_schedules_are_checked_by_their_group(server: Server) -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html"""
    for group in ("own", "other"):
        server.client("scheduler").create_schedule_group(Name=group)
    trust = policy({"Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"})
    role = server.client("iam").create_role(RoleName="target", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    own = {"Action": "scheduler:*", "Resource": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/own/*"}
    user = client_of_user(server, "scheduler", policy(own, {"Action": "iam:PassRole", "Resource": role}))
    schedule: dict[str, Any] = {
        "Name": "s",
        "ScheduleExpression": "rate(6 hours)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:any", "RoleArn": role},
    }

    user.create_schedule(GroupName="own", **schedule)
    user.update_schedule(GroupName="own", **schedule)
    assert user.get_schedule(GroupName="own", Name="s")["GroupName"] == "own"
    user.delete_schedule(GroupName="own", Name="s")
    for elsewhere in ({"GroupName": "other"}, {}):
        with pytest.raises(ClientError, match="AccessDenied"):
            user.create_schedule(**elsewhere, **schedule)
        with pytest.raises(ClientError, match="AccessDenied"):
            user.delete_schedule(**elsewhere, Name="s")
