"""Connectors: clients of the places that content comes from, all behind one protocol (:mod:`.protocol`).

A connector is found by the name of its type; its module is imported only then, and its SDK only when it is used, so
that a source can be defined by a function that carries none of the SDKs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pydantic import ValidationError

from omnilake.connectors.protocol import Connector, SourceConfig
from omnilake.errors import SourceError

TYPES: dict[str, str] = {
    "backlog": "omnilake.connectors.backlog:BacklogConnector",
    "discord": "omnilake.connectors.discord:DiscordConnector",
    "gitlab": "omnilake.connectors.gitlab:GitLabConnector",
    "slack": "omnilake.connectors.slack:SlackConnector",
    "website": "omnilake.connectors.website.connector:WebsiteConnector",
}
"""Source type → ``module:class`` of its connector."""


def types() -> list[str]:
    """The source types that there are connectors for, in order."""
    return sorted(TYPES)


def connector_class(source_type: str) -> type[Connector]:
    """The connector of a source type.

    Raises:
        SourceError: there is none.
    """
    if source_type not in TYPES:
        raise SourceError(
            f"There is no connector of type {source_type[:64]!r}.", action=f"Use one of: {', '.join(types())}."
        )
    module, _, name = TYPES[source_type].partition(":")
    found: type[Connector] = getattr(import_module(module), name)
    return found


def parse_config(source_type: str, config: dict[str, Any]) -> SourceConfig:
    """The configuration of a source as its type's model.

    Raises:
        SourceError: there is no such type, or the fields do not fit; names them, not their values.
    """
    model = connector_class(source_type).config_model
    try:
        return model.model_validate(config)
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in each["loc"]) + f" ({each['type']})" for each in error.errors()})
        raise SourceError(
            f"The configuration does not fit a source of type {source_type}: {', '.join(fields)}.",
            action="Correct these fields (docs/connectors.md lists those of each type).",
        ) from error
