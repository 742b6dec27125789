"""Steps with their seconds on a terminal; plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from omnilake_local.subprocesses import Watch


class StepPrinter:
    """Prints a line for each step when it ends; on a terminal, a spinner with its last line of output meanwhile."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, name: str) -> Iterator[Watch]:
        started = time.monotonic()
        with self._console.status(escape(name)) as spinner:

            def watch(line: str) -> None:
                room = max(20, self._console.width - len(name) - 10)
                spinner.update(f"{escape(name)}  [dim]{escape(line[:room])}[/]")

            try:
                yield watch
            except BaseException:
                self._line("[red]✗[/]", name, started)
                raise
        self._line("[green]✓[/]", name, started)

    def note(self, text: str) -> None:
        self._console.print(f"  {escape(text)}", soft_wrap=True)

    def _line(self, mark: str, name: str, started: float) -> None:
        self._console.print(f"{mark} {escape(name):<40} [dim]{time.monotonic() - started:6.1f} s[/]", highlight=False)
