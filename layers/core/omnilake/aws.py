"""The only room that imports boto3: thin, typed access to S3, DynamoDB and the clients of other services.

Endpoints, regions and credentials come from the environment that the AWS SDKs define; nothing here knows whether the
cloud is AWS or an embedded one.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from pydantic import BaseModel

from omnilake import __version__
from omnilake.errors import TransientError
from omnilake.settings import settings

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
R = TypeVar("R")


class _PlainNumbers(TypeDeserializer):  # type: ignore[misc] # boto3 has no types
    """DynamoDB's attribute values as plain ones; numbers are ``int`` where they are whole, else ``float``."""

    def _deserialize_n(self, value: str) -> int | float:
        try:
            return int(value)
        except ValueError:
            number = Decimal(value)
            return int(number) if number == number.to_integral_value() else float(number)


_SERIALIZE = TypeSerializer().serialize
_DESERIALIZE = _PlainNumbers().deserialize
_USER_AGENT = f"OmniLake/{__version__}"
"""Told to the services that every state calls. Composing botocore's own takes an eighth of a call's CPU time."""

_NOT_THERE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"})


@cache
def client(service: str) -> Any:
    """A boto3 client, one per service and process: standard retries, timeouts below any state's timeout."""
    return boto3.client(
        service,
        config=Config(
            retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=60, user_agent=_USER_AGENT
        ),
    )


@cache
def signing_client() -> Any:
    """A client of S3 that signs addresses for others, by version 4 and for the bucket's own region."""
    return boto3.client("s3", region_name=region(), config=Config(signature_version="s3v4"))


@cache
def impatient_client(service: str, region: str, timeout_s: float = 60.0) -> Any:
    """A boto3 client of a region that tries once: whoever calls it tells a state machine to wait instead.

    Args:
        service: its name in boto3.
        region: where.
        timeout_s: longest silence of the service.
    """
    return boto3.client(
        service,
        region_name=region,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=timeout_s,
            max_pool_connections=20,
        ),
    )


def error_code(error: ClientError) -> str:
    """The service's error code of a failed call."""
    return str(error.response.get("Error", {}).get("Code", ""))


OBJECT_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}
"""Codes of a conditional write to an object that another has changed, changes right now, or has deleted."""


class ObjectStore:
    """Objects of one bucket: bytes, JSON, pydantic models, and gzip-compressed JSON lines.

    Args:
        bucket: its name.
    """

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket

    def read(self, key: str, version_id: str | None = None) -> bytes:
        """Whole object. Raises ``ClientError`` (``NoSuchKey``) when it is not there."""
        body: bytes = self.open(key, version_id).read()
        return body

    def find(self, key: str) -> bytes | None:
        """Whole object, or None when it is not there."""
        body = self.find_open(key)
        return None if body is None else body.read()

    def find_open(self, key: str) -> Any | None:
        """Streaming body of an object, or None when it is not there."""
        return _unless_absent(lambda: self.open(key))

    def open(self, key: str, version_id: str | None = None) -> Any:
        """Streaming body of an object (``read(n)``, ``iter_chunks``)."""
        pinned = {"VersionId": version_id} if version_id else {}
        return client("s3").get_object(Bucket=self.bucket, Key=key, **pinned)["Body"]

    def write(
        self,
        key: str,
        data: bytes,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Put an object, with user metadata (ASCII) if any; returns its key."""
        client("s3").put_object(
            Bucket=self.bucket, Key=key, Body=data, ContentType=content_type, Metadata=dict(metadata or {})
        )
        return key

    def write_over(self, key: str, data: bytes, etag: str, content_type: str = "application/octet-stream") -> None:
        """Put an object in the place of the one with this ETag, or where there is none if that is empty.

        ``ClientError`` (one of ``OBJECT_CHANGED``) where there is another.
        """
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        client("s3").put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type, **condition)

    def delete(self, key: str) -> None:
        """Delete an object (in a versioned bucket: put a delete marker); nothing happens when it is not there."""
        client("s3").delete_object(Bucket=self.bucket, Key=key)

    def head(self, key: str, version_id: str | None = None) -> dict[str, Any] | None:
        """Metadata of an object, or None when it (or the version) is not there or is a delete marker."""
        pinned = {"VersionId": version_id} if version_id else {}
        return _unless_absent(lambda: client("s3").head_object(Bucket=self.bucket, Key=key, **pinned))

    def read_model(self, key: str, model: type[M]) -> M:
        """Object parsed as a pydantic model."""
        return model.model_validate_json(self.read(key))

    def find_model(self, key: str, model: type[M]) -> M | None:
        """Object parsed as a pydantic model, or None when it is not there."""
        data = self.find(key)
        return None if data is None else model.model_validate_json(data)

    def write_model(self, key: str, value: BaseModel) -> str:
        """Put a pydantic model as JSON; returns the key."""
        return self.write(key, value.model_dump_json().encode(), "application/json")

    def read_models(self, key: str, model: type[M]) -> list[M]:
        """All models of a gzip-compressed JSON lines object."""
        return list(self.iterate_models(key, model))

    def iterate_models(self, key: str, model: type[M]) -> Iterator[M]:
        """Models of a gzip-compressed JSON lines object, one at a time."""
        yield from _models(self.open(key), model)

    def find_models(self, key: str, model: type[M]) -> Iterator[M]:
        """As :meth:`iterate_models`; none when the object is not there."""
        body = self.find_open(key)
        if body is not None:
            yield from _models(body, model)

    def write_models(self, key: str, values: Iterable[BaseModel]) -> str:
        """Put models as gzip-compressed JSON lines; the same models give the same bytes. Returns the key."""
        data = "".join(value.model_dump_json() + "\n" for value in values).encode()
        return self.write(key, gzip.compress(data, compresslevel=5, mtime=0), "application/gzip")

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below a prefix, in order."""
        for page in client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                yield item["Key"]

    # --- uploads by others ------------------------------------------------------------------------------------------

    def presigned_post(
        self, key: str, content_type: str, metadata: Mapping[str, str], size: int, seconds: int
    ) -> tuple[str, dict[str, str]]:
        """Address and form fields of a POST that puts exactly this key, type, metadata and number of bytes."""
        fields = {"Content-Type": content_type} | {f"x-amz-meta-{name}": told for name, told in metadata.items()}
        conditions: list[Any] = [{name: told} for name, told in fields.items()]
        conditions.append(["content-length-range", size, size])
        made = signing_client().generate_presigned_post(
            Bucket=self.bucket, Key=key, Fields=fields, Conditions=conditions, ExpiresIn=seconds
        )
        return made["url"], made["fields"]

    def presigned_get(self, key: str, seconds: int, content_type: str = "") -> str:
        """Address that the object is read from; ``content_type``: told instead of its own."""
        named = {"Bucket": self.bucket, "Key": key} | ({"ResponseContentType": content_type} if content_type else {})
        return str(signing_client().generate_presigned_url("get_object", Params=named, ExpiresIn=seconds))

    def begin_parts(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        """Begin an object that comes in parts; S3's id of the upload."""
        answer = client("s3").create_multipart_upload(
            Bucket=self.bucket, Key=key, ContentType=content_type, Metadata=dict(metadata)
        )
        return str(answer["UploadId"])

    def presigned_part(self, key: str, upload_id: str, number: int, seconds: int) -> str:
        """Address that a part is PUT to."""
        named = {"Bucket": self.bucket, "Key": key, "UploadId": upload_id, "PartNumber": number}
        return str(signing_client().generate_presigned_url("upload_part", Params=named, ExpiresIn=seconds))

    def part_sizes(self, key: str, upload_id: str) -> dict[int, int]:
        """Bytes of the parts that S3 has, by number; ``ClientError`` (``NoSuchUpload``) where there is no upload."""
        pages = client("s3").get_paginator("list_parts").paginate(Bucket=self.bucket, Key=key, UploadId=upload_id)
        return {part["PartNumber"]: part["Size"] for page in pages for part in page.get("Parts", [])}

    def complete_parts(self, key: str, upload_id: str, etags: Mapping[int, str]) -> None:
        """Put the parts together; ``ClientError`` (``InvalidPart`` …) where they are others."""
        parts = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
        client("s3").complete_multipart_upload(
            Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Forget the parts."""
        client("s3").abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)

    # --- versions ---------------------------------------------------------------------------------------------------

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """All versions of all objects below a prefix, delete markers too."""
        pages = client("s3").get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            for kind, marker in (("Versions", False), ("DeleteMarkers", True)):
                for item in page.get(kind, []):
                    yield ObjectVersion(
                        key=item["Key"],
                        version_id=item["VersionId"],
                        is_latest=bool(item["IsLatest"]),
                        is_delete_marker=marker,
                        modified_at=item["LastModified"],
                    )

    def erase(self, versions: Sequence[ObjectVersion]) -> int:
        """Delete versions for good, sixteen at a time; those that are gone already count too. Returns how many."""
        s3 = client("s3")  # made before the threads want it

        def delete(each: ObjectVersion) -> None:
            s3.delete_object(Bucket=self.bucket, Key=each.key, VersionId=each.version_id)

        concurrently(delete, versions, threads=16)
        return len(versions)


def _unless_absent(call: Callable[[], T]) -> T | None:
    try:
        return call()
    except ClientError as error:
        if error_code(error) in _NOT_THERE:
            return None
        raise


def _models(body: Any, model: type[M]) -> Iterator[M]:
    with gzip.open(body, "rb") as lines:
        for line in lines:
            yield model.model_validate_json(line)


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object, or a delete marker in its place."""

    key: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    modified_at: datetime


@cache
def lake() -> ObjectStore:
    """The lake bucket of this deployment."""
    return ObjectStore(settings().require("lake_bucket"))


class Table:
    """Items of one DynamoDB table as plain dicts.

    Args:
        name: the table's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, key: dict[str, Any]) -> dict[str, Any] | None:
        """Item with that key, read consistently, or None."""
        answer = client("dynamodb").get_item(TableName=self.name, Key=marshal(key), ConsistentRead=True)
        return unmarshal(answer["Item"]) if "Item" in answer else None

    def put(self, item: dict[str, Any], *, condition: str | None = None, values: dict[str, Any] | None = None) -> bool:
        """Write an item; False when the condition did not hold."""
        request: dict[str, Any] = {"TableName": self.name, "Item": marshal(item)}
        if condition:
            request["ConditionExpression"] = condition
        if values:
            request["ExpressionAttributeValues"] = marshal(values)
        return _conditional("put_item", request)

    def update(
        self,
        key: dict[str, Any],
        expression: str,
        values: dict[str, Any],
        *,
        names: dict[str, str] | None = None,
        condition: str | None = None,
    ) -> bool:
        """Run an update expression; False when the condition did not hold."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "Key": marshal(key),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": marshal(values),
        }
        if names:
            request["ExpressionAttributeNames"] = names
        if condition:
            request["ConditionExpression"] = condition
        return _conditional("update_item", request)

    def delete(
        self, key: dict[str, Any], *, condition: str | None = None, values: dict[str, Any] | None = None
    ) -> bool:
        """Delete an item; False when the condition did not hold."""
        request: dict[str, Any] = {"TableName": self.name, "Key": marshal(key)}
        if condition:
            request["ConditionExpression"] = condition
        if values:
            request["ExpressionAttributeValues"] = marshal(values)
        return _conditional("delete_item", request)

    def get_many(self, keys: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Items with these keys, as far as they are there; in no order, read eventually consistently.

        Raises:
            TransientError: the table did not give all of them for several tries.
        """
        found = concurrently(self._get_hundred, [keys[first : first + 100] for first in range(0, len(keys), 100)])
        return [item for items in found for item in items]

    def _get_hundred(self, keys: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        asked = [marshal(key) for key in keys]
        for _ in _attempts():
            answer = client("dynamodb").batch_get_item(RequestItems={self.name: {"Keys": asked}})
            items += [unmarshal(item) for item in answer["Responses"].get(self.name, [])]
            asked = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if not asked:
                return items
        raise TransientError(f"DynamoDB did not give {len(asked)} items.")

    def put_many(self, items: Sequence[dict[str, Any]]) -> None:
        """Write items with different keys, without condition.

        Raises:
            TransientError: the table did not take all of them for several tries.
        """
        concurrently(self._put_some, [items[first : first + 25] for first in range(0, len(items), 25)])

    def _put_some(self, items: Sequence[dict[str, Any]]) -> None:
        asked = [{"PutRequest": {"Item": marshal(item)}} for item in items]
        for _ in _attempts():
            answer = client("dynamodb").batch_write_item(RequestItems={self.name: asked})
            asked = answer.get("UnprocessedItems", {}).get(self.name, [])
            if not asked:
                return
        raise TransientError(f"DynamoDB did not take {len(asked)} items.")

    def page(
        self, limit: int, start: dict[str, Any] | None = None, **request: Any
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """One page of a query.

        Args:
            limit: most items that are read (before a filter).
            start: key that it goes on after, as a page before returned it.
            request: as of :meth:`query`.

        Returns:
            The items, and the key to go on after; None at the end.
        """
        if "ExpressionAttributeValues" in request:
            request["ExpressionAttributeValues"] = marshal(request["ExpressionAttributeValues"])
        if start:
            request["ExclusiveStartKey"] = marshal(start)
        answer = client("dynamodb").query(TableName=self.name, Limit=limit, **request)
        last = answer.get("LastEvaluatedKey")
        return [unmarshal(item) for item in answer["Items"]], unmarshal(last) if last else None

    def query(self, **request: Any) -> Iterator[dict[str, Any]]:
        """All items of a query (``IndexName``, ``KeyConditionExpression``, plain ``ExpressionAttributeValues`` …)."""
        if "ExpressionAttributeValues" in request:
            request["ExpressionAttributeValues"] = marshal(request["ExpressionAttributeValues"])
        for page in client("dynamodb").get_paginator("query").paginate(TableName=self.name, **request):
            for item in page.get("Items", []):
                yield unmarshal(item)


def _attempts(most: int = 5) -> Iterator[int]:
    """Numbers of attempts, with growing random pauses between them."""
    for attempt in range(most):
        if attempt:
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 (full jitter, not a secret)
        yield attempt


def _conditional(operation: str, request: dict[str, Any]) -> bool:
    try:
        getattr(client("dynamodb"), operation)(**request)
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return False
        raise
    return True


def table(setting: str) -> Table:
    """The table whose name is in a setting, e.g. ``table("jobs_table")``."""
    return Table(settings().require(setting))


def marshal(item: dict[str, Any]) -> dict[str, Any]:
    """Plain dict → DynamoDB attribute values."""
    return {name: _SERIALIZE(value) for name, value in item.items()}


def unmarshal(item: dict[str, Any]) -> dict[str, Any]:
    """DynamoDB attribute values → plain dict; whole numbers become ``int``."""
    return {name: _DESERIALIZE(value) for name, value in item.items()}


def publish_event(detail_type: str, detail: dict[str, Any]) -> None:
    """Put one event of source ``omnilake`` on the deployment's bus. Raises as :func:`publish_events`."""
    publish_events([(detail_type, detail)])


def publish_events(events: list[tuple[str, dict[str, Any]]]) -> None:
    """Put events (detail type, detail) of source ``omnilake`` on the deployment's bus, ten a call.

    Raises:
        TransientError: the bus did not take some of them; those it took may come again with the retry.
    """
    bus = settings().require("event_bus")
    for first in range(0, len(events), 10):
        answer = client("events").put_events(
            Entries=[
                {"EventBusName": bus, "Source": "omnilake", "DetailType": kind, "Detail": json.dumps(detail)}
                for kind, detail in events[first : first + 10]
            ]
        )
        if answer.get("FailedEntryCount"):
            codes = sorted({entry["ErrorCode"] for entry in answer["Entries"] if "ErrorCode" in entry})
            raise TransientError(f"EventBridge did not take {answer['FailedEntryCount']} events: {', '.join(codes)}.")


@cache
def _patient_lambda() -> Any:
    """Client for functions that take minutes. A call that is cut off is not repeated: the function runs on."""
    return boto3.client(
        "lambda",
        config=Config(retries={"mode": "standard", "max_attempts": 1}, connect_timeout=5, read_timeout=890),
    )


def invoke(function_arn: str, payload: dict[str, Any]) -> tuple[Any, str]:
    """Invoke a function and wait for it, up to 15 minutes.

    Returns:
        What it returned; and of a function that failed the name of its error, else an empty string.
    Raises:
        TransientError: throttled, out of service, or no answer in time.
        ClientError: any other refusal of the call: no such function, no permission.
    """
    try:
        answer = _patient_lambda().invoke(FunctionName=function_arn, Payload=json.dumps(payload).encode())
        body = answer["Payload"].read()
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) in {429, 500, 502, 503, 504}:
            raise TransientError(f"The function could not be invoked: {error_code(error)}.") from None
        raise
    except HTTPClientError as error:
        raise TransientError(f"The function gave no answer: {type(error).__name__}.") from None
    told = json.loads(body) if body else None
    if "FunctionError" not in answer:
        return told, ""
    name = told.get("errorType", "") if isinstance(told, dict) else ""
    return None, str(name or answer["FunctionError"])


def concurrently(function: Callable[[T], R], items: Sequence[T], threads: int = 8) -> list[R]:
    """``function`` of each item, in the items' order, with several calls under way: for waits on the network.

    Raises:
        The first item's error, after all others have ended.
    """
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(threads, len(items))) as pool:
        return list(pool.map(function, items))


def execution_arn(machine_arn: str, name: str) -> str:
    """The ARN that an execution of a machine, named by its own ARN or that of an alias, has or will have."""
    prefix, _, rest = machine_arn.partition(":stateMachine:")
    return f"{prefix}:execution:{rest.split(':')[0]}:{name}"


def region() -> str:
    """The region the function runs in."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
