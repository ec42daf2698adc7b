"""The Python kernel: it answers, as whatever user it is started, and packages are its parent's."""

from __future__ import annotations

import pytest
from kernel_session import session

pytestmark = pytest.mark.engine
NAME = "kernel-py"

PLOT = """
%matplotlib inline
import matplotlib.pyplot as plt, numpy as np
plt.plot(np.sin(np.arange(9))); plt.show()
"""


@pytest.mark.parametrize("user", [None, "1000:100", "12345:100", "2000:0"])
def test_the_kernel_executes_plots_and_ends(python, user):
    script = session("x = 20", "print(x + 22)", PLOT, "%history -n 1", "1 / 0")
    assert python(NAME, script, user=user) == [
        ["ok"],
        ["ok", "42"],
        ["ok", "text/plain", "image/png"],
        ["ok", "1: x = 20"],
        ["error"],
        0,
    ]


def test_packages_of_the_parent_are_kept_as_they_are(python):
    script = """
import importlib.metadata, json
print(json.dumps({item.name: item.version for item in importlib.metadata.distributions()}))
"""
    parent, child = python("scipy-notebook", script), python(NAME, script)
    assert {name: child[name] for name in parent} == parent
