"""Where the embedded cloud keeps things.

Two places. The *project's* ``.omnilake/`` holds what any number of clouds share: virtual environments and build
artifacts. A *state directory* (default ``.omnilake/cloud``, or ``$OMNILAKE_HOME``) holds one cloud: its process file,
its logs, what is deployed in it, and the data of its services.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from omnilake_local.errors import LocalCloudError

PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Project:
    """A checkout with a ``template.yaml``."""

    root: Path

    @property
    def template(self) -> Path:
        return self.root / "template.yaml"

    @property
    def samconfig(self) -> Path:
        return self.root / "samconfig.toml"

    @property
    def home(self) -> Path:
        return self.root / ".omnilake"

    @property
    def venvs(self) -> Path:
        """``$OMNILAKE_VENVS`` lets several checkouts share one set of environments."""
        return Path(os.environ.get("OMNILAKE_VENVS") or self.home / "venvs").absolute()

    @property
    def build(self) -> Path:
        """Output of ``sam build`` for this host; apart from ``.aws-sam``, which a build for AWS uses."""
        return self.home / "build" / "app"

    @property
    def build_cache(self) -> Path:
        return self.home / "build" / "cache"

    @property
    def packages(self) -> Path:
        """Zip files of the built layers."""
        return self.home / "build" / "packages"

    @property
    def build_marker(self) -> Path:
        """Fingerprint of what the build directory holds."""
        return self.home / "build" / "fingerprint"

    @property
    def build_lock(self) -> Path:
        return self.home / "build.lock"

    @property
    def built_template(self) -> Path:
        return self.build / "template.yaml"


@dataclass(frozen=True)
class StateDir:
    """The files of one embedded cloud."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def server(self) -> Path:
        """Process file: pid, start time, port."""
        return self.root / "server.json"

    @property
    def deployed(self) -> Path:
        """Fingerprint of what was deployed last."""
        return self.root / "deployed.json"

    @property
    def data(self) -> Path:
        """State of the services; written by the server alone."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def server_log(self) -> Path:
        return self.logs / "server.log"


def find_project() -> Project:
    """The project to deploy: ``$OMNILAKE_PROJECT``, else the checkout this package is part of.

    Raises:
        LocalCloudError: there is no template there.
    """
    root = Path(os.environ.get("OMNILAKE_PROJECT") or PACKAGE.parents[1]).resolve()
    if not (root / "template.yaml").is_file():
        raise LocalCloudError(
            f"{root} holds no template.yaml.",
            action="Run from a checkout of OmniLake, or name one in OMNILAKE_PROJECT.",
        )
    return Project(root)


def find_state_dir(given: Path | None = None) -> StateDir:
    """The state directory: as given, else ``$OMNILAKE_HOME``, else ``.omnilake/cloud`` of the project."""
    if given is None:
        home = os.environ.get("OMNILAKE_HOME")
        given = Path(home) if home else find_project().home / "cloud"
    return StateDir(given.absolute())
