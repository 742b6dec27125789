"""The configuration of answering, as operators see and change it.

It is one versioned object of the lake, checked before it is written and again when it is read. Requests that run keep
the one that they were planned by.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from omnilake import aws, configuration, layout
from omnilake.configuration import AnsweringConfiguration
from omnilake.configuration.loading import parse
from omnilake.errors import InvalidConfiguration, RevisionMismatch
from omnilake.generation import prompts
from omnilake.models import Model
from omnilake.settings import settings

MAX_CONFIGURATION_BYTES = 1024 * 1024
"""Longest configuration as JSON."""


class Action(StrEnum):
    """What is done with a configuration."""

    SHOW = "show"  # the one in force
    CHECK = "check"  # whether one fits
    PUT = "put"  # checked, then in force from the next request on


class ConfigurationState(Model):
    """A configuration, its hash as answers name it, and where it stands."""

    configuration: AnsweringConfiguration
    hash: str
    in_force: bool
    version: str = ""  # of the object in the lake; empty: the product's own, or one that was only checked


def show() -> ConfigurationState:
    """The configuration in force.

    Raises:
        InvalidConfiguration: the deployment's own can't be read.
    """
    loaded = configuration.load()
    return ConfigurationState(
        configuration=loaded.configuration, hash=loaded.configuration.hash, in_force=True, version=loaded.version
    )


def check(told: dict[str, Any]) -> ConfigurationState:
    """Whether a configuration would work in this deployment; nothing is changed.

    Raises:
        InvalidConfiguration: it does not fit its model, names retrievers that the deployment does not have, or has a
            template that lacks something. Names places, not values.
    """
    data = json.dumps(told).encode()
    if len(data) > MAX_CONFIGURATION_BYTES:
        raise InvalidConfiguration(
            f"The configuration has {len(data):,} bytes; {MAX_CONFIGURATION_BYTES:,} are possible."
        )
    found = parse(data)
    unknown = unknown_retrievers(found, settings().retriever_functions)
    if unknown:
        raise InvalidConfiguration(
            f"The deployment has no retriever called {', '.join(unknown)}.",
            action=f"It has: {', '.join(sorted(settings().retriever_functions))}.",
        )
    prompts.check(found)
    return ConfigurationState(configuration=found, hash=found.hash, in_force=False)


def put(told: dict[str, Any], expected_hash: str = "") -> ConfigurationState:
    """Check a configuration and put it in force; what does not fit changes nothing.

    The object's earlier versions stay, so that one can be put back. Of two changes at a time one is refused: the object
    is written over the one that was read, or not at all.

    Args:
        told: the configuration.
        expected_hash: of the one that it is made from; empty: of whichever is in force.

    Raises:
        InvalidConfiguration: as :func:`check`.
        RevisionMismatch: another is in force by now.
    """
    checked = check(told)
    before = configuration.load()
    if expected_hash and before.configuration.hash != expected_hash:
        raise RevisionMismatch("It was changed since it was read.")
    data = checked.configuration.model_dump_json().encode()
    try:
        aws.lake().write_over(layout.ANSWERING, data, before.etag, "application/json")
    except ClientError as error:
        if aws.error_code(error) not in aws.OBJECT_CHANGED:
            raise
        if show().hash != checked.hash:  # else it was this very write, repeated for want of an answer
            raise RevisionMismatch("It was changed while it was written.") from None
    return show()


def unknown_retrievers(told: AnsweringConfiguration, deployed: dict[str, str]) -> list[str]:
    """Names of retrievers in a configuration that a deployment does not have."""
    named = {*told.default_retrievers, *told.retrievers}
    named |= {name for route in told.routes for name in route.retrievers}
    return sorted(named - set(deployed))
