"""What the machine that runs the embedded cloud is: its Python, its architecture, its wheels' platform."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from omnilake_local.errors import LocalCloudError

_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
_PLATFORMS = {"Linux": "manylinux_2_28", "Darwin": "apple-darwin"}


@dataclass(frozen=True)
class Host:
    """Target of a local build.

    Lambda workers run with the host's interpreter, so layers are built for it, not for the template's default.
    """

    python_version: str
    """Minor version, such as ``3.13``."""
    architecture: str
    """As AWS Lambda names it: ``x86_64`` or ``arm64``."""
    platform: str
    """As uv names it (``--python-platform``): ``x86_64-manylinux_2_28``, ``aarch64-apple-darwin``."""
    interpreter: Path
    """The real interpreter, not a version manager's shim and not a virtual environment's link."""

    @property
    def runtime(self) -> str:
        """Value of the template's ``PythonRuntime`` parameter."""
        return f"python{self.python_version}"

    @property
    def parameters(self) -> dict[str, str]:
        """Template parameters that follow from the host."""
        return {"PythonRuntime": self.runtime, "Architecture": self.architecture}

    @property
    def build_environment(self) -> dict[str, str]:
        """Environment that the layers' Makefiles read."""
        return {"OMNILAKE_PYTHON_VERSION": self.python_version, "OMNILAKE_PLATFORM": self.platform}


def detect_host() -> Host:
    """Describe this machine and the running interpreter.

    Raises:
        LocalCloudError: neither Linux nor macOS, or neither x86_64 nor arm64.
    """
    architecture = _ARCHITECTURES.get(platform.machine().lower())
    wheels = _PLATFORMS.get(platform.system())
    if architecture is None or wheels is None:
        raise LocalCloudError(
            f"The embedded cloud runs on Linux and macOS, on x86_64 and arm64; this is {platform.system()} on "
            f"{platform.machine()}.",
            action="Use a Linux container or virtual machine.",
        )
    return Host(
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        architecture=architecture,
        platform=f"{_MACHINES[architecture]}-{wheels}",
        interpreter=Path(getattr(sys, "_base_executable", sys.executable)).resolve(),
    )
