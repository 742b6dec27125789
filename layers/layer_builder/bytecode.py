"""Compiling a layer's modules for the target's Python version.

Lambda's ``/opt`` is read-only, so a layer without bytecode is compiled anew in every cold start. Bytecode is written
as *unchecked hash* (PEP 552): time stamps do not survive packing, and a layer's sources never change in place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from layer_builder import uv
from layer_builder.errors import LayerBuildError


@cache
def interpreter(python_version: str) -> str | None:
    """Path of an interpreter of this minor version, the only one that can compile for it, or None.

    Looks at the running one, PATH, pyenv's versions and those that uv manages. Each is asked for its version, since
    pyenv puts commands on PATH that fail for every version that is not the chosen one.
    """
    for candidate in _candidates(python_version):
        try:
            version = uv.run_command([candidate, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        except (LayerBuildError, OSError):
            continue
        if version.strip() == python_version:
            return candidate
    return None


def _candidates(python_version: str) -> Iterator[str]:
    yield sys.executable
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        if found := shutil.which(f"python{python_version}", path=directory):
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{python_version}.*/bin/python{python_version}")))
    with contextlib.suppress(LayerBuildError):
        yield uv.run(
            "python", "find", "--managed-python", "--no-project", "--no-python-downloads", python_version
        ).strip()


def compile_tree(directory: Path, python: str) -> None:
    """Write ``__pycache__`` for every module under a directory.

    Files that do not compile (templates, modules for newer versions of Python) are left as they are; importing one
    fails at run time as it would without bytecode.
    """
    program = (
        "import compileall, sys;"
        "compileall.compile_dir(sys.argv[1], quiet=2, force=True, workers=int(sys.argv[2]), stripdir=sys.argv[1],"
        " invalidation_mode=__import__('py_compile').PycInvalidationMode.UNCHECKED_HASH)"
    )
    uv.run_command([python, "-I", "-c", program, os.fspath(directory), str(os.cpu_count() or 1)])
