"""Starts an IPython kernel for Jupyter Enterprise Gateway, watches over it, and ends with it.

The program that kernelspecs and `bootstrap-kernel.sh` call; what it does is in `kernel_launcher`,
the folder beside it. Started with KERNEL_PROCESS it is the kernel's own process.
"""

from __future__ import annotations

import os
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
if HERE not in sys.path:  # python -P, PYTHONSAFEPATH
    sys.path.insert(0, HERE)

from kernel_launcher.messages import LauncherError, log  # noqa: E402


def main(argv: list[str]) -> int:
    """Run as supervisor, or as the kernel's process; returns the exit code."""
    started = time.monotonic()
    from kernel_launcher.launch import KERNEL_PROCESS, launch

    try:
        if argv[:1] == [KERNEL_PROCESS]:
            import json

            from kernel_launcher.kernel import run_kernel

            run_kernel(json.loads(argv[1]), HERE)
            return 0
        from kernel_launcher.options import launch_timeout, parse_options
        from kernel_launcher.processes import StopSignals

        signals = StopSignals()
        options = parse_options(argv, os.environ)
        deadline = started + launch_timeout(os.environ)
        return launch(options, signals, os.path.realpath(__file__), deadline)
    except LauncherError as error:
        log(f"error: {error}")
        return error.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
