"""The client: ``from omnilake.client.client import OmniLake``, or ``AsyncOmniLake``.

:class:`AsyncOmniLake` is written by hand in ``asynchronous.py``; ``synchronous.py`` is made from it (``make client``).
"""

from omnilake.client.asynchronous import AsyncJobHandle, AsyncOmniLake
from omnilake.client.synchronous import JobHandle, OmniLake

__all__ = ["AsyncJobHandle", "AsyncOmniLake", "JobHandle", "OmniLake"]
