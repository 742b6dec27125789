"""What can go wrong in a layer build, told to the person who runs it."""

from __future__ import annotations


class LayerBuildError(Exception):
    """A layer cannot be built. The message says what is wrong and what to do."""
