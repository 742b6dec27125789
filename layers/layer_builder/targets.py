"""The Python version and platform for which a layer is built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from layer_builder.errors import LayerBuildError

DEFAULT_PYTHON_VERSION = "3.13"
DEFAULT_PLATFORM = "aarch64-manylinux_2_28"
"""Lambda on Graviton. Wheels of recent lancedb and pyarrow need glibc 2.28: python3.12 and newer runtimes have it."""

_PYTHON_VERSION = re.compile(r"3\.\d{1,2}")
_PLATFORM = re.compile(r"(?P<machine>x86_64|aarch64)-(?P<system>manylinux_2_\d+|apple-darwin|unknown-linux-gnu)")
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Target:
    """Where a layer will run.

    Attributes:
        python_version: major and minor, such as ``3.13``.
        platform: uv's name of the platform, such as ``aarch64-manylinux_2_28`` or ``aarch64-apple-darwin``.
    """

    python_version: str = DEFAULT_PYTHON_VERSION
    platform: str = DEFAULT_PLATFORM

    def __post_init__(self) -> None:
        if not _PYTHON_VERSION.fullmatch(self.python_version):
            raise LayerBuildError(
                f"OMNILAKE_PYTHON_VERSION is {self.python_version!r}; give major and minor, such as 3.13."
            )
        if not _PLATFORM.fullmatch(self.platform):
            raise LayerBuildError(
                f"OMNILAKE_PLATFORM is {self.platform!r}; give one that uv knows, such as x86_64-manylinux_2_28, "
                "aarch64-manylinux_2_28 or aarch64-apple-darwin."
            )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Target:
        """The target that ``OMNILAKE_PYTHON_VERSION`` and ``OMNILAKE_PLATFORM`` name (unset or empty: Lambda arm64).

        Raises:
            LayerBuildError: one of them is malformed.
        """
        return cls(
            environ.get("OMNILAKE_PYTHON_VERSION") or DEFAULT_PYTHON_VERSION,
            environ.get("OMNILAKE_PLATFORM") or DEFAULT_PLATFORM,
        )

    @property
    def architecture(self) -> str:
        """Lambda's name of the architecture: ``x86_64`` or ``arm64``."""
        return _ARCHITECTURES[self.platform.partition("-")[0]]
