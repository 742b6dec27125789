"""``make demo`` installs what ``requirements/runtime.txt`` names: the command line has to do with that."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "local" / "omnilake_local" / "server"
"""Runs in an environment of its own."""

INSTALLED_BY_MAKE = {"uv"}
OURS = {"omnilake", "omnilake_local"}


def sources() -> list[Path]:
    folders = [ROOT / "layers/core/omnilake/cli", ROOT / "layers/core/omnilake/client", ROOT / "local/omnilake_local"]
    return [path for folder in folders for path in folder.rglob("*.py") if SERVER not in path.parents]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).partition(".")[0])
    return found - sys.stdlib_module_names - OURS


def test_the_command_line_imports_only_what_is_installed_for_it() -> None:
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    installed = {name.lower() for name in names} | INSTALLED_BY_MAKE
    distributions = packages_distributions()

    missing = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in sources()
        for module in imported(path)
        if not {name.lower() for name in distributions.get(module, [])} & installed
    }

    assert missing == set()
    assert "lxml" in {module for path in sources() for module in imported(path)}  # so the search sees late imports
