"""`python -m buildlib`: what `./doitw` runs."""

import os
import sys

from buildlib.cli.main import main

code = main()
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # nothing is left to do; taking the interpreter down neatly costs as much as a build
