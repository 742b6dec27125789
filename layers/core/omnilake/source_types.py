"""Types of sources: those that connectors read, and those that people declare.

A declared type says which fields identify a source of it. Such a source is a name for where content comes from: nothing
reads it, and its content is added by whoever has it. Types are kept in the sources table: partition
``type#<name>``, sort ``definition``, listed under ``source_types``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from omnilake import aws, connectors
from omnilake.clock import now
from omnilake.connectors.protocol import SourceConfig
from omnilake.errors import InvalidSourceType, SourceError, SourceTypeInUse, SourceTypeNotFound
from omnilake.models import Model

LISTED = "source_types"
"""Partition of the table's index ``listing`` that holds declared types."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class SourceTypeDefinition(Model):
    """What who declares a type decides."""

    name: Name
    required_fields: list[Name] = Field(min_length=1, max_length=20)
    description: str = Field(default="", max_length=1_000)


class SourceType(SourceTypeDefinition):
    """A type of sources."""

    builtin: bool = False
    created_at: str = ""


def builtin() -> list[SourceType]:
    """The types that there are connectors for."""
    return [_of_connector(name) for name in connectors.types()]


def _of_connector(name: str) -> SourceType:
    kind = connectors.connector_class(name)
    required = [*kind.config_model.identity_fields()]
    told = (kind.__doc__ or "").strip().split("\n")[0]
    return SourceType(name=name, required_fields=required, description=told, builtin=True)


def find() -> Iterator[SourceType]:
    """All types: those of connectors, then the declared ones by name."""
    yield from builtin()
    declared = _table().query(
        IndexName="listing",
        KeyConditionExpression="listing = :listed",
        ExpressionAttributeValues={":listed": LISTED},
    )
    yield from map(_from_item, declared)


def get(name: str) -> SourceType:
    """A type.

    Raises:
        SourceTypeNotFound: there is none of that name.
    """
    if name in connectors.TYPES:
        return _of_connector(name)
    item = _table().get(_key(name))
    if item is None:
        raise SourceTypeNotFound("There is no source type of that name.")
    return _from_item(item)


def parse(fields: dict[str, Any]) -> SourceTypeDefinition:
    """A definition of its fields. Raises ``InvalidSourceType``, which names those at fault."""
    try:
        return SourceTypeDefinition.model_validate(fields)
    except ValidationError as error:
        names = sorted({".".join(map(str, each["loc"])) for each in error.errors()})
        raise InvalidSourceType(f"The source type does not fit in: {', '.join(names)}.") from None


def create(definition: SourceTypeDefinition) -> SourceType:
    """Declare a type; the same declaration again gives the same type.

    Raises:
        InvalidSourceType: a connector has that name.
        SourceTypeInUse: it is declared with other fields.
    """
    if definition.name in connectors.TYPES:
        raise InvalidSourceType("A source type of that name is built in.")
    made = SourceType(**definition.model_dump(), created_at=now())
    item = made.model_dump(mode="json") | _key(made.name) | {"listing": LISTED, "archive_source": made.name}
    if _table().put(item, condition="attribute_not_exists(source_id)"):
        return made
    existing = get(definition.name)
    if existing.model_dump(include={*SourceTypeDefinition.model_fields}) != definition.model_dump():
        raise SourceTypeInUse("A source type of that name is declared with other fields.")
    return existing


def delete(name: str) -> None:
    """Forget a declared type.

    Raises:
        SourceTypeNotFound: there is none of that name.
        InvalidSourceType: it is built in.
        SourceTypeInUse: there are sources of it.
    """
    from omnilake import sources

    if get(name).builtin:
        raise InvalidSourceType("Source types that are built in stay.")
    if any(source.source_type == name for source in sources.find()):
        raise SourceTypeInUse("There are sources of that type.")
    _table().delete(_key(name))


def parse_config(source_type: str, config: dict[str, Any]) -> SourceConfig:
    """The configuration of a source by its type.

    Raises:
        SourceTypeNotFound: there is no such type.
        SourceError: the fields do not fit; names them, not their values.
    """
    if source_type in connectors.TYPES:
        return connectors.parse_config(source_type, config)
    declared = get(source_type)
    missing = [name for name in declared.required_fields if not isinstance(config.get(name), str) or not config[name]]
    unknown = sorted(set(config) - {*declared.required_fields})
    if missing or unknown:
        named = ", ".join([*(f"{name} (missing)" for name in missing), *(f"{name[:64]} (unknown)" for name in unknown)])
        raise SourceError(f"The configuration does not fit the source type: {named}.")
    return DeclaredConfig.of(declared.required_fields, config)


class DeclaredConfig(SourceConfig):
    """Configuration of a source of a declared type: its required fields, which are its identity."""

    values: dict[str, str]
    order: list[str]

    @classmethod
    def of(cls, required: list[str], config: dict[str, Any]) -> DeclaredConfig:
        """The fields in the order of the type."""
        return cls(values={name: str(config[name]) for name in required}, order=required)

    def identity(self) -> tuple[str, ...]:
        """Values of the required fields, in the type's order."""
        return tuple(self.values[name] for name in self.order)


def is_read(source_type: str) -> bool:
    """Whether a connector reads sources of the type."""
    return source_type in connectors.TYPES


def _from_item(item: dict[str, Any]) -> SourceType:
    return SourceType.model_validate({name: item[name] for name in SourceType.model_fields if name in item})


def _key(name: str) -> dict[str, Any]:
    return {"source_id": f"type#{name}", "item": "definition"}


def _table() -> aws.Table:
    return aws.table("sources_table")
