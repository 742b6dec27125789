"""Locked requirements of a layer: writing the lock, installing it for a target, leaving out what is never read."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from layer_builder import uv
from layer_builder.targets import Target

IN_EVERY_RUNTIME = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
"""AWS's Python runtimes bring boto3 with these, at versions that fit each other. A second copy would go before them."""

NEVER_READ = (
    "bin", "**/tests", "**/*.pyi", "**/*.pxd", "**/*.pyx", "**/*.pxi", "**/*.h", "**/*.hpp", "**/*.c", "**/*.cc",
    "**/*.a", "**/py.typed", "*.dist-info/RECORD", "*.dist-info/WHEEL", "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED", "*.dist-info/top_level.txt", "*.dist-info/sboms", "**/__pycache__", ".lock",
)  # fmt: skip
"""Patterns of what no function reads: commands, tests, stubs, headers, sources of native modules, installers' records.

Metadata stays (packages look up their own version), and so do licences, which must travel with what they license.
"""


def lock(source: Path, excluded: Iterable[str], *, alone: bool = False) -> None:
    """Write ``<name>.txt`` beside ``<name>.in``: every package with its version and hashes, for all targets at once.

    Args:
        source: the requirements as a person writes them.
        excluded: packages to leave out although a dependency names them.
        alone: leave out every dependency: of these wheels only data files are taken.
    """
    options = [word for name in excluded for word in ("--no-emit-package", name)]
    if alone:
        options.append("--no-deps")
    uv.run(
        "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header",
        "--no-annotate", "--upgrade", *options, source, "--output-file", source.with_suffix(".txt"),
    )  # fmt: skip


def install(requirements: Path, target: Target, directory: Path) -> None:
    """Install a lock's wheels for the target, checked by hash. Nothing is resolved and nothing is compiled.

    Raises:
        LayerBuildError: a package has no wheel for the target, or a wheel is not the one that was locked.
    """
    uv.run(
        "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile-bytecode",
        "--link-mode", "copy", "--python", sys.executable, "--python-version", target.python_version,
        "--python-platform", target.platform, "--target", directory, "--requirement", requirements,
    )  # fmt: skip


def remove(directory: Path, patterns: Iterable[str]) -> None:
    """Delete every file and directory under a directory that matches one of the glob patterns."""
    for pattern in patterns:
        for path in list(directory.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()


def tree_size(directory: Path) -> int:
    """Bytes of all files under a directory, as Lambda counts them when a layer is unzipped."""
    return sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())
