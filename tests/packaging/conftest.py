"""The layers, built once for this host and kept while their fingerprints stay the same."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "layers"))

from layer_builder import layers as layer_recipes  # noqa: E402 - the builder is no installed package
from layer_builder import packages  # noqa: E402
from layer_builder.targets import Target  # noqa: E402
from packaging_types import RunInLayers  # noqa: E402

LOGICAL_IDS = {
    "core": "CoreLayer",
    "documents": "DocumentsLayer",
    "connectors": "ConnectorsLayer",
    "vector": "VectorLayer",
    "models": "ModelsLayer",
}


@pytest.fixture(scope="session")
def host_target() -> Target:
    """The target that this machine can run."""
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())
    system = "apple-darwin" if sys.platform == "darwin" else "manylinux_2_28"
    return Target(f"{sys.version_info.major}.{sys.version_info.minor}", f"{machine}-{system}")


@pytest.fixture(scope="session")
def layers(host_target: Target, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Built layers by name: those of ``.aws-sam/build`` that are up to date, the others made by their Makefiles."""
    built = {name: ROOT / ".aws-sam" / "build" / logical_id for name, logical_id in LOGICAL_IDS.items()}
    missing = [name for name in built if not _is_current(built[name], name, host_target)]
    for name in missing:
        built[name] = tmp_path_factory.mktemp("layers") / LOGICAL_IDS[name]
    with ThreadPoolExecutor(2) as building:
        list(building.map(lambda name: make_layer(name, built[name], host_target), missing))
    return built


def make_layer(name: str, directory: Path, target: Target) -> None:
    """Build a layer as ``sam build`` does: make, with the Makefile by its full path, in another directory."""
    environ = os.environ | {
        "ARTIFACTS_DIR": str(directory),
        "OMNILAKE_PYTHON_VERSION": target.python_version,
        "OMNILAKE_PLATFORM": target.platform,
        "OMNILAKE_BUILD_PYTHON": sys.executable,
    }
    directory.parent.mkdir(parents=True, exist_ok=True)
    makefile = ROOT / "layers" / name / "Makefile"
    command = ["make", "--silent", "--makefile", str(makefile), f"build-{LOGICAL_IDS[name]}"]
    done = subprocess.run(command, cwd=directory.parent, env=environ, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def _is_current(directory: Path, name: str, target: Target) -> bool:
    record = directory / f"omnilake-layer-{name}.json"
    if not record.is_file():
        return False
    facts = json.loads(record.read_text())
    recipe = layer_recipes.ALL[name]
    wanted = (layer_recipes.fingerprint(recipe, target), layer_recipes.source_fingerprint(recipe))
    return (facts["fingerprint"], facts["source_fingerprint"]) == wanted


@pytest.fixture(scope="session")
def runtime_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter with boto3 and what boto3 needs, as in AWS's runtimes, and nothing else of this environment."""
    home = tmp_path_factory.mktemp("runtime")
    venv.create(home, with_pip=False)
    site = next(home.glob("lib/python*/site-packages"))
    for name in packages.IN_EVERY_RUNTIME:
        _link_installed(name, site)
    return home / "bin" / "python"


def _link_installed(distribution: str, site: Path) -> None:
    from importlib.metadata import files

    for top in {path.parts[0] for path in files(distribution) or [] if path.parts[0] not in {"..", "__pycache__"}}:
        source = Path(str(next(iter(files(distribution) or [])).locate())).parents[0]
        while not (source / top).exists():
            source = source.parent
        if not (site / top).exists():
            (site / top).symlink_to(source / top)


@pytest.fixture
def run_in_layers(layers: dict[str, Path], runtime_python: Path, tmp_path: Path) -> RunInLayers:
    """``run_in_layers(program, "core", …)``: run a program with these layers alone on the path; give its output."""

    def run(program: str, *names: str, network: bool = False, **environ: str) -> str:
        path = os.pathsep.join(str(layers[name] / "python") for name in names)
        if not network:
            program = _NO_NETWORK + program
        done = subprocess.run(
            [str(runtime_python), "-B", "-c", program],
            env={"PATH": os.defpath, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": path} | environ,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


_NO_NETWORK = """
import socket
def _refused(*arguments, **options):
    raise OSError("this test has no network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = _refused
"""
