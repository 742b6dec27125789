"""Virtual environments for build steps that need third-party packages."""

from __future__ import annotations

import sys
from pathlib import Path

from layer_builder import cache, uv


def python_with(requirements: Path) -> Path:
    """Interpreter of an environment that has exactly these locked requirements, for the host.

    Made once per machine and lock file. An environment holds its own path, so it is not made elsewhere and moved:
    uv is run on the final directory, and a stamp file written last says that it is complete.
    """
    key = cache.fingerprint([requirements], sys.version, sys.executable)
    home = cache.root() / "environments" / key[:32]
    python = home / "bin" / "python"
    stamp = home / "complete"
    if not stamp.is_file():
        uv.run("venv", "--quiet", "--clear", "--python", sys.executable, home)
        uv.run(
            "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:",
            "--python", python, "--requirement", requirements,
        )  # fmt: skip
        stamp.touch()
    return python
