# ruff: noqa: INP001
"""What Python runs of the zip that holds the launcher: `python kernel_launcher.zip …`."""

import sys

import launch_ipykernel

# The launcher starts itself once more for the kernel's process: by the zip, not by a file in it.
launch_ipykernel.__file__ = sys.argv[0]
sys.exit(launch_ipykernel.main(sys.argv[1:]))
