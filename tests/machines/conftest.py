"""The machines' tests share one warm cloud; what was entered of the machines is looked at last."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from embedded_cloud import Cloud
    from signed_calls import Caller

FACT = "The night ferry to Selmere leaves from pier seven at half past nine."


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of this folder's ``test_coverage.py`` come after all others, because they look at what those left."""
    items.sort(key=lambda item: item.path.parent.name == "machines" and item.path.name == "test_coverage.py")


@pytest.fixture(scope="session")
def session_began() -> float:
    """Unix time before the first test of this folder."""
    return time.time()


@pytest.fixture(scope="module", autouse=True)
def _warm(cloud: Cloud, session_began: float) -> None:
    """Every function of an ingestion and of a simple answer has a process."""
    archive_id = cloud.archive()
    assert cloud.ingest(archive_id, {"ferry.txt": FACT})["ferry.txt"]["status"] == "COMPLETED"
    cloud.ask(archive_id, "From which pier does the night ferry to Selmere leave?")


@pytest.fixture(scope="module")
def operator(cloud: Cloud) -> Caller:
    """The account's root, who may everything."""
    from signed_calls import Caller

    return Caller(cloud.outputs["ApiEndpoint"], "test", "test")


@pytest.fixture(scope="module")
def users(cloud: Cloud) -> Iterator[Callable[..., Caller]]:
    """A maker of IAM users that may call the API (a pattern of its routes) and nothing else."""
    from embedded_cloud import unique
    from signed_calls import Caller

    from omnilake import aws

    iam, made = aws.client("iam"), []

    def user(allowed: str = "*") -> Caller:
        name = unique("caller-")
        iam.create_user(UserName=name)
        arn = f"arn:aws:execute-api:us-east-1:000000000000:{cloud.resources['Api']}/{allowed}"
        statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="call", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        made.append((name, key["AccessKeyId"]))
        return Caller(cloud.outputs["ApiEndpoint"], key["AccessKeyId"], key["SecretAccessKey"])

    yield user
    for name, key_id in made:
        iam.delete_access_key(UserName=name, AccessKeyId=key_id)
        iam.delete_user_policy(UserName=name, PolicyName="call")
        iam.delete_user(UserName=name)
