"""``TimeToLiveSpecification`` of CloudFormation tables.

ministack's provisioner ignores the property. Unnecessary once its ``AWS::DynamoDB::Table`` handlers call
``UpdateTimeToLive`` themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

_TABLE = "AWS::DynamoDB::Table"


def _apply(table_name: str, properties: dict[str, Any]) -> None:
    wanted = properties.get("TimeToLiveSpecification")
    current = dynamodb._ttl_settings.get(table_name)
    if not wanted:
        if not current:
            return
        wanted = {"Enabled": False, "AttributeName": current["AttributeName"]}
    enabled = str(wanted.get("Enabled", False)).lower() == "true"
    status, _, body = dynamodb._update_ttl(
        {"TableName": table_name, "TimeToLiveSpecification": {**wanted, "Enabled": enabled}}
    )
    if status >= 400:
        raise ValueError(f"{_TABLE} time to live failed: {body!r}")


def install() -> None:
    """Extend the provisioner's create and update."""
    handlers = provisioners._RESOURCE_HANDLERS[_TABLE]
    create: Callable[..., tuple[str, dict[str, Any]]] = handlers["create"]
    update: Callable[..., tuple[str, dict[str, Any]]] = handlers["update"]

    def create_with_expiry(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        name, attributes = create(logical_id, properties, stack)
        _apply(name, properties)
        return name, attributes

    def update_with_expiry(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], *rest: Any, **named: Any
    ) -> tuple[str, dict[str, Any]]:
        name, attributes = update(physical_id, old, new, *rest, **named)
        _apply(name, new)
        return name, attributes

    handlers["create"], handlers["update"] = create_with_expiry, update_with_expiry
