"""First code of a worker process: bind its life to the server's, then become ``python -m awslambdaric``.

Runs in the Lambda virtual environment, by path, and imports nothing from this package.
Arguments: the descriptor of the lifeline pipe, then the handler.
"""

import os
import runpy
import sys
import threading

_NICENESS = 5
"""Of workers: the server answers whatever they call, so that they gain nothing where it waits for them."""


def _die_with_parent_on_linux() -> None:
    """Ask the kernel for SIGKILL when the thread that started us ends (``prctl(2)``, PR_SET_PDEATHSIG)."""
    import ctypes

    pr_set_pdeathsig, sigkill = 1, 9
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, sigkill, 0, 0, 0)


def _exit_at_end_of_file(descriptor: int) -> None:
    """Block until the server's end of the pipe closes, which also happens when the server is killed."""
    while os.read(descriptor, 1):
        pass
    os._exit(1)


def main() -> None:
    """Start the guards, drop this file's traces from the interpreter and run the runtime client."""
    lifeline, handler = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        _die_with_parent_on_linux()
    os.nice(_NICENESS)
    threading.Thread(target=_exit_at_end_of_file, args=(lifeline,), daemon=True, name="lifeline").start()
    sys.path[0] = os.getcwd()  # noqa: PTH109 - spares every worker the import of pathlib
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
