"""DynamoDB: conditions, transactions, indexes, limits, expiry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conformance_cloud import Cloud, unique


def key(partition: str, sort: str = "1") -> dict[str, Any]:
    return {"pk": {"S": partition}, "sk": {"S": sort}}


def test_condition_failure_can_return_the_item(cloud: Cloud) -> None:
    item = {**key(unique()), "v": {"N": "1"}}
    cloud.table.put_item(TableName=cloud["Table"], Item=item)
    with pytest.raises(cloud.table.exceptions.ConditionalCheckFailedException) as refused:
        cloud.table.put_item(
            TableName=cloud["Table"],
            Item=item,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert refused.value.response["Item"]["v"] == {"N": "1"}


def test_one_of_many_concurrent_takers_wins_and_counters_add_up(cloud: Cloud) -> None:
    where = {"TableName": cloud["Table"], "Key": key(unique())}

    def take(number: int) -> int:
        cloud.table.update_item(
            **where, UpdateExpression="ADD hits :one", ExpressionAttributeValues={":one": {"N": "1"}}
        )
        try:
            cloud.table.update_item(
                **where,
                UpdateExpression="SET holder = :me",
                ConditionExpression="attribute_not_exists(holder)",
                ExpressionAttributeValues={":me": {"N": str(number)}},
            )
        except cloud.table.exceptions.ConditionalCheckFailedException:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(40))) == 1
    assert cloud.table.get_item(**where)["Item"]["hits"] == {"N": "40"}


def test_transaction_is_all_or_nothing_and_says_why(cloud: Cloud) -> None:
    partition, table = unique(), cloud["Table"]
    put = {"Put": {"TableName": table, "Item": key(partition, "new")}}
    check = {
        "ConditionCheck": {
            "TableName": table,
            "Key": key(partition, "missing"),
            "ConditionExpression": "attribute_exists(pk)",
        }
    }
    with pytest.raises(cloud.table.exceptions.TransactionCanceledException) as refused:
        cloud.table.transact_write_items(TransactItems=[put, check])
    codes = [reason["Code"] for reason in refused.value.response["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed"]
    assert cloud.items(partition) == []


def test_transaction_token_makes_it_idempotent(cloud: Cloud) -> None:
    where, token = {"TableName": cloud["Table"], "Key": key(unique())}, unique()
    add = {
        **where,
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    for _ in range(2):
        cloud.table.transact_write_items(ClientRequestToken=token, TransactItems=[{"Update": add}])
    assert cloud.table.get_item(**where)["Item"]["n"] == {"N": "1"}


def test_update_expressions_set_remove_and_append(cloud: Cloud) -> None:
    item = key(unique())
    where: dict[str, Any] = {"TableName": cloud["Table"], "Key": item}
    cloud.table.put_item(TableName=cloud["Table"], Item={**item, "m": {"M": {}}, "stale": {"S": "x"}})
    updated = cloud.table.update_item(
        **where,
        UpdateExpression=(
            "SET #m.#c = if_not_exists(#m.#c, :zero) + :one, l = list_append(if_not_exists(l, :none), :l) REMOVE stale"
        ),
        ConditionExpression="begins_with(pk, :p) OR attribute_type(m, :map)",
        ExpressionAttributeNames={"#m": "m", "#c": "count"},
        ExpressionAttributeValues={
            ":zero": {"N": "0"},
            ":one": {"N": "1"},
            ":none": {"L": []},
            ":l": {"L": [{"S": "a"}]},
            ":p": {"S": "nothing"},
            ":map": {"S": "M"},
        },
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert updated["m"] == {"M": {"count": {"N": "1"}}}
    assert updated["l"] == {"L": [{"S": "a"}]}
    assert "stale" not in updated


def test_index_query_pages_backwards_with_a_filter(cloud: Cloud) -> None:
    group = unique()
    for n in range(0, 100, 25):
        requests = [
            {"PutRequest": {"Item": {**key(f"{group}{i}", f"{i:04}"), "gsi1pk": {"S": group}, "n": {"N": str(i)}}}}
            for i in range(n, n + 25)
        ]
        cloud.table.batch_write_item(RequestItems={cloud["Table"]: requests})
    pages = cloud.table.get_paginator("query").paginate(
        TableName=cloud["Table"],
        IndexName="gsi1",
        KeyConditionExpression="gsi1pk = :g AND sk BETWEEN :a AND :b",
        FilterExpression="n < :m",
        ExpressionAttributeValues={
            ":g": {"S": group},
            ":a": {"S": "0010"},
            ":b": {"S": "0090"},
            ":m": {"N": "80"},
        },
        ScanIndexForward=False,
        PaginationConfig={"PageSize": 30},
    )
    found = list(pages)
    assert [int(item["n"]["N"]) for page in found for item in page["Items"]] == list(range(79, 9, -1))
    assert set(found[0]["LastEvaluatedKey"]) == {"pk", "sk", "gsi1pk"}


def test_query_pages_end_at_one_megabyte(cloud: Cloud) -> None:
    partition = unique()
    for n in range(8):
        item = {**key(partition, str(n)), "pad": {"S": "x" * 200_000}}
        cloud.table.put_item(TableName=cloud["Table"], Item=item)
    page = cloud.table.query(
        TableName=cloud["Table"],
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": partition}},
    )
    assert "LastEvaluatedKey" in page


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("put_item", {"Item": {**key("big"), "x": {"S": "y" * 420_000}}}),
        ("put_item", {"Item": key("")}),
        (
            "update_item",
            {
                "Key": key("a"),
                "UpdateExpression": "SET name = :n",
                "ExpressionAttributeValues": {":n": {"S": "reserved word"}},
            },
        ),
        (
            "query",
            {
                "KeyConditionExpression": "pk = :p",
                "ExpressionAttributeValues": {":p": {"S": "a"}, ":unused": {"S": "b"}},
            },
        ),
    ],
    ids=["item over 400 KB", "empty key", "reserved word", "unused value"],
)
def test_what_dynamodb_refuses_is_refused(cloud: Cloud, operation: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(cloud.table, operation)(TableName=cloud["Table"], **arguments)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_template_sets_time_to_live(cloud: Cloud) -> None:
    description = cloud.table.describe_time_to_live(TableName=cloud["Table"])["TimeToLiveDescription"]
    assert description == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
