"""The template's data resources inside moto: unit tests work on the tables and buckets that are deployed.

Names are the logical ids; keys, indexes and versioning come from ``template.yaml``: a changed schema changes the tests.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import requests
import yaml

from omnilake import aws

ROOT = Path(__file__).resolve().parents[1]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms; ``!Ref X`` becomes {"Ref": X}, others {"Fn::Name": …}."""


def _construct(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _construct)


@cache
def _template() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506
    return loaded


def template() -> dict[str, Any]:
    """``template.yaml`` as data, the caller's own."""
    return deepcopy(_template())


def empty() -> None:
    """Forget everything that was made in moto (which must be active)."""
    requests.post("http://motoapi.amazonaws.com/moto-api/reset", timeout=10).raise_for_status()


def create() -> dict[str, str]:
    """Make the template's tables, buckets, bus and queues in moto (which must be active).

    Returns:
        The environment variables that tell the product their names.
    """
    dynamodb, s3, sqs = aws.client("dynamodb"), aws.client("s3"), aws.client("sqs")
    for name, resource in _template()["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::DynamoDB::Table":
            wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
            dynamodb.create_table(TableName=name, **{key: properties[key] for key in wanted if key in properties})
        elif resource["Type"] == "AWS::S3::Bucket":
            bucket = name.lower()
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=properties["VersioningConfiguration"])
    aws.client("events").create_event_bus(Name="omnilake")
    queue = sqs.create_queue(QueueName="index.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    return {
        "OMNILAKE_LANDING_BUCKET": "landingbucket",
        "OMNILAKE_LAKE_BUCKET": "lakebucket",
        "OMNILAKE_ARCHIVES_TABLE": "ArchivesTable",
        "OMNILAKE_STORES_TABLE": "StoresTable",
        "OMNILAKE_ENTRIES_TABLE": "EntriesTable",
        "OMNILAKE_REGISTRATIONS_TABLE": "RegistrationsTable",
        "OMNILAKE_JOBS_TABLE": "JobsTable",
        "OMNILAKE_SOURCES_TABLE": "SourcesTable",
        "OMNILAKE_SOURCE_SECRETS_PREFIX": "omnilake/sources/",
        "OMNILAKE_SYNC_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:sync",
        "OMNILAKE_EMBEDDING_CACHE_TABLE": "EmbeddingCacheTable",
        "OMNILAKE_RATE_LIMITS_TABLE": "RateLimitsTable",
        "OMNILAKE_COMPACTION_MEMO_TABLE": "CompactionMemoTable",
        "OMNILAKE_EVENT_BUS": "omnilake",
        "OMNILAKE_INDEX_QUEUE_URL": queue,
        "OMNILAKE_UPLOAD_QUEUE_URL": sqs.create_queue(QueueName="uploads")["QueueUrl"],
        "OMNILAKE_INGEST_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:ingest",
        "OMNILAKE_COLLECTION_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:collection",
        "OMNILAKE_REMOVAL_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:remove",
        "OMNILAKE_ANSWER_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:answer",
    }
