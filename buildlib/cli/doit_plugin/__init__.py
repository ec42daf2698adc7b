"""What plain `doit` loads from us: `dodo.py`'s tasks, and our verbs as doit commands.

doit comes here first, whatever it was asked, so what can be said at once is said here.
"""

import os
import sys

from buildlib.build import noop_cache

if os.path.basename(sys.argv[0]) == "doit" and noop_cache.repeat(("doit", *sys.argv[1:])):
    os._exit(0)
