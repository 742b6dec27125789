"""Fingerprints of source trees: whether what is deployed is what is in the checkout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from omnilake_local.host import Host
from omnilake_local.paths import PACKAGE, Project

DEPLOYED = ("template.yaml", "samconfig.toml", "statemachines", "functions", "layers")
"""What ``sam build`` and ``sam deploy`` read, relative to the project."""

CACHES = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".aws-sam", ".DS_Store"})
"""Names of files and folders that are no source."""


def source_files(root: Path, paths: Iterable[str], ignored: frozenset[str] = CACHES) -> Iterator[Path]:
    """Files below the given paths in a fixed order. Paths that do not exist have no files."""
    for name in paths:
        path = root / name
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(
                file
                for file in path.rglob("*")
                if file.is_file() and not ignored.intersection(file.relative_to(path).parts)
            )


def tree_hash(root: Path, paths: Iterable[str], ignored: frozenset[str] = CACHES) -> str:
    """SHA-256 over names, executable bits and contents. Modification times do not count."""
    digest = hashlib.sha256()
    for file in source_files(root, paths, ignored):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        executable = bool(file.stat().st_mode & 0o100)
        digest.update(f"{file.relative_to(root).as_posix()}\0{executable}\0{content}\n".encode())
    return digest.hexdigest()


def deployment_fingerprint(project: Project, host: Host) -> str:
    """Identity of what a deployment from this checkout on this host would hold."""
    parts = [
        tree_hash(project.root, DEPLOYED),
        tree_hash(PACKAGE, ["requirements-lambda.txt", "requirements-sam.txt"]),
        host.python_version,
        host.architecture,
        host.platform,
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def shared_build_code(project: Project) -> str:
    """Identity of what builds the layers without being part of one: folders in ``layers`` that have no Makefile."""
    layers = project.root / "layers"
    folders = sorted(each for each in layers.iterdir() if each.is_dir()) if layers.is_dir() else []
    shared = [each.relative_to(project.root).as_posix() for each in folders if not (each / "Makefile").is_file()]
    return tree_hash(project.root, shared)[:16]


def server_fingerprint() -> str:
    """Identity of the server's code and pins: a running server of other code is restarted by ``up``."""
    return tree_hash(PACKAGE, ["server", "requirements-cloud.txt", "requirements-lambda.txt"])
