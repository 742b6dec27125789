"""Types of the fixtures in ``conftest.py``."""

from typing import Protocol


class RunInLayers(Protocol):
    """Run a program with these layers alone on the path; give its standard output. It must succeed."""

    def __call__(self, program: str, *names: str, network: bool = False, **environ: str) -> str: ...
