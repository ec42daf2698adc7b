"""`python -m buildlib`: what `./doitw` runs."""

import os
import sys

try:
    from buildlib.build import noop_cache

    code = 0
    if not noop_cache.repeat(("doitw", *sys.argv[1:])):
        from buildlib.cli.main import main

        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
except KeyboardInterrupt:  # while it starts
    os.write(2, b"\n")
    code = 130
os._exit(code)  # nothing is left to do; taking the interpreter down neatly costs as much as a build
