"""What `omnilake local status` shows of a function."""

from __future__ import annotations

import pytest

from omnilake.cli.local import _logical_id


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        ("omnilake-ArchivesApiFunction-8FC34C1071E3A", "ArchivesApiFunction"),
        ("omnilake-2-ArchivesApiFunction-8FC34C1071E3A", "omnilake-2-ArchivesApiFunction-8FC34C1071E3A"),
        ("another", "another"),
    ],
)
def test_a_function_is_shown_by_its_name_in_the_template(function: str, shown: str) -> None:
    assert _logical_id(function, "omnilake") == shown
