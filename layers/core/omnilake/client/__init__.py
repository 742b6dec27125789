"""Using a deployment from outside.

``client``               :class:`OmniLake` and :class:`AsyncOmniLake`: the REST API, with AWS credentials or a token
``request_definitions``  the requests of OmniLake's own surface
``types``                what the API answers with, beside ``omnilake.models``
``progress``             how far a running job is
``deployment``           direct AWS access for operators and tests: functions, buckets and tables of the stack
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnilake.client.client import AsyncOmniLake, OmniLake

__all__ = ["AsyncOmniLake", "OmniLake"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from omnilake.client import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
