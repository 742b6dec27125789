"""The embedded clouds of the benchmarks, apart from the user's own: one for all of them but the compaction's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from omnilake_local.server_process import ServerProcess


@contextmanager
def bench_cloud(
    workers: int | None = None, name: str = "bench", console: Console | None = None
) -> Iterator[ServerProcess]:
    """Bring it up with the stack as it is in the checkout; this process talks to it. It is stopped at the end.

    Args:
        workers: processes that may run one function at a time; default: the embedded cloud's own.
        name: its folder in ``.omnilake``; it keeps its data there between runs.
        console: where its steps are shown; default: a new one.
    """
    from omnilake import aws
    from omnilake_local import lifecycle, paths, progress
    from omnilake_local.cloud import cloud_environment
    from omnilake_local.server_process import WORKERS

    project = paths.find_project()
    state = paths.StateDir(project.home / name)
    shown = progress.StepPrinter(console or Console())
    before = dict(os.environ)
    try:
        server = lifecycle.up(project, state, workers=workers or WORKERS, progress=shown)
        os.environ.pop("AWS_PROFILE", None)
        os.environ.update(cloud_environment(server.endpoint_url))
        aws.client.cache_clear()
        yield server
    finally:
        lifecycle.down(state)
        os.environ.clear()
        os.environ.update(before)
        aws.client.cache_clear()
