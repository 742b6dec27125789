"""The chunks of an entry version, as they are indexed."""

from __future__ import annotations

from omnilake.models import Chunk, Store
from omnilake.stores.table import CHUNK_COLUMNS, open_store, quoted

_ALL = 2**31 - 1


def chunks_of(store: Store, entry_id: str, version: str, first: int = 0, most: int = _ALL) -> list[Chunk]:
    """Chunks of an entry version by their place in its text.

    Args:
        first: ordinal that they begin at.
        most: how many at most.
    """
    table = open_store(store)
    columns = [name for name in CHUNK_COLUMNS if name in table.schema.names]
    where = f"entry_id = {quoted(entry_id)} AND version = {quoted(version)} AND ordinal >= {int(first)}"
    rows = table.search().where(where).select(columns).limit(_ALL).to_arrow().to_pylist()
    ordered = sorted(rows, key=lambda row: int(row["ordinal"]))[:most]
    return [Chunk.model_validate({name: value for name, value in row.items() if value is not None}) for row in ordered]
