"""Tell what test files depend on."""

from __future__ import annotations

import sys

from tests.support.kept.closure import Closure
from tests.support.kept.passes import read_tree

for test in sys.argv[1:]:
    print("\n".join(sorted(Closure(read_tree(".") or {}).inputs(test))))
