"""Fail when a function and its layers pass what Lambda allows unzipped: ``python scripts/check_sizes.py [template]``.

Reads the template that ``sam build`` wrote (default ``.aws-sam/build/template.yaml``), sums the files of every
function's code and of the layers that it names, and prints them, largest first. Layers built for different targets,
or for another one than ``--architecture`` and ``--python`` name, fail too: such a function would not start.

Exit code: 0 all fit, 1 something does not, 2 there is nothing to check.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LIMIT_BYTES = 262_144_000
"""250 MiB for a function with all its layers, unzipped (AWS Lambda quotas, "Deployment package size")."""

DEFAULT_TEMPLATE = Path(".aws-sam/build/template.yaml")


class BuiltTemplateError(Exception):
    """The built template is missing, or names what was not built."""


@dataclass(frozen=True)
class FunctionSize:
    """Unzipped bytes of one function: its own code, and each layer by logical id."""

    function: str
    code: int
    layers: dict[str, int]

    @property
    def total(self) -> int:
        """Bytes that Lambda compares with its limit."""
        return self.code + sum(self.layers.values())


class _TemplateLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags: ``!Ref X`` becomes ``{"Ref": "X"}``, as sam build writes it."""


def _short_tag(loader: _TemplateLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise BuiltTemplateError(f"The built template has an unknown node at {node.start_mark}.")
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_TemplateLoader.add_multi_constructor("!", _short_tag)


def tree_bytes(path: Path) -> int:
    """Bytes of all files under a directory.

    Raises:
        BuiltTemplateError: there is no such directory.
    """
    if not path.is_dir():
        raise BuiltTemplateError(f"{path} does not exist: run `sam build` first.")
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


def function_sizes(template: Path) -> list[FunctionSize]:
    """Sizes of all functions in a built template, largest first.

    Raises:
        BuiltTemplateError: the template or one of the directories is missing, or a function names a layer that the
            template does not build.
    """
    built = _read(template)
    resources: dict[str, dict[str, Any]] = built.get("Resources", {})
    shared = built.get("Globals", {}).get("Function", {})
    layers = {
        name: tree_bytes(template.parent / resource["Properties"]["ContentUri"])
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::LayerVersion"
    }
    code: dict[Path, int] = {}
    sizes = []
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        properties = resource["Properties"]
        directory = template.parent / (properties.get("CodeUri") or shared["CodeUri"])
        if directory not in code:
            code[directory] = tree_bytes(directory)
        # As SAM does: a list in Globals goes before the function's own.
        named = [_layer_id(layer, name, layers) for layer in [*shared.get("Layers", []), *properties.get("Layers", [])]]
        sizes.append(FunctionSize(name, code[directory], {layer: layers[layer] for layer in named}))
    return sorted(sizes, key=lambda size: (-size.total, size.function))


def built_targets(template: Path) -> set[tuple[str, str]]:
    """Python versions and uv platform names for which the layers were built, as their build wrote them down."""
    targets = set()
    for resource in _read(template).get("Resources", {}).values():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            home = template.parent / resource["Properties"]["ContentUri"]
            for record in home.glob("omnilake-layer-*.json"):
                facts = json.loads(record.read_text())
                targets.add((facts["python_version"], facts["platform"]))
    return targets


def table(sizes: list[FunctionSize]) -> str:
    """The sizes as text, one function a line."""
    width = max(len(size.function) for size in sizes)
    lines = [f"{'function':<{width}}  {'MiB':>7}  {'% of limit':>10}  layers"]
    for size in sizes:
        layers = ", ".join(f"{name} {count / 2**20:.1f}" for name, count in size.layers.items())
        share = 100 * size.total / LIMIT_BYTES
        lines.append(f"{size.function:<{width}}  {size.total / 2**20:7.1f}  {share:9.1f}%  {layers}")
    return "\n".join(lines)


def problems(sizes: list[FunctionSize], targets: set[tuple[str, str]], architecture: str, python: str) -> list[str]:
    """What would keep functions from being created or from starting. Empty architecture or python: any."""
    found = [
        f"{size.function} is {size.total:,} bytes with its layers; Lambda allows {LIMIT_BYTES:,}."
        for size in sizes
        if size.total > LIMIT_BYTES
    ]
    if len(targets) > 1:
        found.append(f"Layers were built for different targets: {sorted(targets)}.")
    machine = {"arm64": "aarch64", "x86_64": "x86_64", "": ""}[architecture]
    found.extend(
        f"Layers were built for Python {version} on {platform}, not for {python or 'any Python'} on "
        f"{architecture or 'any architecture'}."
        for version, platform in sorted(targets)
        if not platform.startswith(machine) or (python and version != python)
    )
    return found


def _read(template: Path) -> dict[str, Any]:
    if not template.is_file():
        raise BuiltTemplateError(f"{template} does not exist: run `sam build` first.")
    content: dict[str, Any] = yaml.load(template.read_text(), Loader=_TemplateLoader)  # noqa: S506 - a SafeLoader
    return content


def _layer_id(reference: object, function: str, layers: dict[str, int]) -> str:
    name = reference.get("Ref") if isinstance(reference, dict) else None
    if name not in layers:
        raise BuiltTemplateError(f"{function} names the layer {reference}, which this template does not build.")
    return str(name)


def main(arguments: list[str]) -> int:
    """Print the table and what is wrong; return the exit code."""
    parser = argparse.ArgumentParser(description="Check functions with their layers against Lambda's size limit.")
    parser.add_argument("template", nargs="?", type=Path, default=DEFAULT_TEMPLATE)
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], default="", help="that the layers must have")
    parser.add_argument("--python", default="", help="version that the layers must be built for, such as 3.13")
    chosen = parser.parse_args(arguments)
    try:
        sizes, targets = function_sizes(chosen.template), built_targets(chosen.template)
    except BuiltTemplateError as error:
        print(error, file=sys.stderr)
        return 2
    if not sizes:
        print(f"{chosen.template} has no function.", file=sys.stderr)
        return 2
    print("; ".join(f"layers built for Python {version} on {platform}" for version, platform in sorted(targets)))
    print(table(sizes))
    found = problems(sizes, targets, chosen.architecture, chosen.python)
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
