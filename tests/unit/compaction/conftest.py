"""The deployment that the tests of answering use."""

from tests.unit.answering.conftest import archive

__all__ = ["archive"]
