"""The real model, with nothing else of its layer on the path."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model_package(data_packages: Path) -> Path:
    """Directory that holds nothing but links to data packages, ``omnilake_minilm`` among them."""
    return data_packages


@pytest.fixture(scope="session")
def ranks(data_packages: Path) -> Path:
    """The package ``omnilake_tiktoken`` with its rank files."""
    return data_packages / "omnilake_tiktoken"
