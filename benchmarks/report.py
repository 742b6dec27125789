"""How every benchmark tells its figures: a table for people, JSON for programs, with what was compared."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).resolve().parent / "results"
_PACKAGES = ("omnilake", "lancedb", "onnxruntime", "pyarrow", "boto3")


def machine() -> dict[str, str]:
    """What it was measured on, and with which versions."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": str(os.cpu_count()),
        **{name: version(name) for name in _PACKAGES},
    }


def table(title: str, rows: Mapping[str, Any]) -> None:
    """Print names and figures."""
    shown = Table("", "", title=title, show_header=False)
    for name, value in rows.items():
        shown.add_row(name, f"{value:,.3f}" if isinstance(value, float) else str(value))
    Console().print(shown)


def write(name: str, figures: Mapping[str, Any]) -> Path:
    """Keep figures as ``results/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**figures, "machine": machine()}, indent=2) + "\n")
    return path
