"""What the states hand on."""

from __future__ import annotations

import pytest

from omnilake.ingest import stages


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("\n  Mara is  on call.\nUntil Friday.", "Mara is on call."),
        ("# Piers\n\nSeven.", "Piers"),
        ("word " * 40, "word " * 16 + "…"),
        ("x" * 100, "x" * 80 + " …"),
        (" \n", ""),
    ],
)
def test_a_text_that_nobody_named_is_called_by_its_first_line(text: str, called: str) -> None:
    assert stages.beginning(text) == called
