"""The ``[local]`` environment of samconfig.toml, as far as it has to be known before SAM reads it."""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

from omnilake_local.errors import LocalCloudError

CONFIG_ENV = "local"


@dataclass(frozen=True)
class LocalConfig:
    """What the lifecycle takes from samconfig.toml."""

    stack_name: str
    region: str
    parameters: dict[str, str]
    """Template parameters of the deployment, without those that follow from the host."""


def read_samconfig(path: Path) -> LocalConfig:
    """Read the ``[local]`` environment.

    Raises:
        LocalCloudError: there is no such file, it is no TOML, or it has no ``[local]`` environment.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LocalCloudError(f"{path} cannot be read: {error}", action="Restore samconfig.toml.") from error
    environment = document.get(CONFIG_ENV)
    if not isinstance(environment, dict):
        raise LocalCloudError(
            f"{path} has no [{CONFIG_ENV}] environment.", action=f"Add [{CONFIG_ENV}.deploy.parameters]."
        )
    values: dict[str, object] = {}
    for command in ("global", "deploy"):
        values |= environment.get(command, {}).get("parameters", {})
    return LocalConfig(
        stack_name=str(values.get("stack_name", "omnilake")),
        region=str(values.get("region", "us-east-1")),
        parameters=_parameter_overrides(values.get("parameter_overrides", [])),
    )


def _parameter_overrides(value: object) -> dict[str, str]:
    """``parameter_overrides`` as SAM takes it: one string of ``Name=value`` pairs, or a list of them."""
    pairs = shlex.split(value) if isinstance(value, str) else [str(item) for item in _as_list(value)]
    return dict(pair.split("=", 1) for pair in pairs)


def _as_list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []
