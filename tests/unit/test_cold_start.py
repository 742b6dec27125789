"""The start of a function's process."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from omnilake.cold_start import importing

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _thawed() -> None:
    gc.unfreeze()


def test_nothing_is_collected_meanwhile_and_what_was_made_is_left_alone_afterwards() -> None:
    with importing():
        assert not gc.isenabled()
        made = [[number] for number in range(5_000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(made)
    gc.unfreeze()


def test_a_failed_import_collects_again() -> None:
    with pytest.raises(ImportError), importing():
        raise ImportError("any")
    assert gc.isenabled()
    gc.unfreeze()


def test_who_collects_by_hand_goes_on_doing_so() -> None:
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


@pytest.mark.parametrize("function", sorted((ROOT / "functions" / "api").glob("*.py")), ids=lambda path: path.stem)
def test_each_handler_of_the_api_is_imported_so(function: Path) -> None:
    program = (
        "import gc, runpy, sys; runpy.run_path(sys.argv[1]); print(gc.isenabled(), gc.get_freeze_count() > 50_000)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(function)], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"
