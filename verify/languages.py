"""What is said to a kernel, by language. A new language is a new row; nothing else changes.

An empty snippet says that the language has no such thing; its cases are then not run.
"""

from __future__ import annotations

from typing import NamedTuple


class Language(NamedTuple):
    """Snippets of one language.

    Attributes:
        hello: Prints 42.
        set_state: Sets a variable.
        get_state: Prints 42 from that variable; an error where it is not set.
        change_state: Sets the variable to something else (sent with a wrong key).
        endless: Prints `go`, then runs for a minute; can be interrupted at any time.
        interrupted: Name of the error that an interrupt makes; empty where there is none.
        rich: Shows HTML; where a plot is possible, shows one too and prints `png`.
        ask: Asks for a line and prints it after `got `.
        unfit: Prints why its packages fail under the gateway, or nothing.
    """

    hello: str
    set_state: str
    get_state: str
    change_state: str
    endless: str
    interrupted: str = ""
    rich: str = ""
    ask: str = ""
    unfit: str = ""


LANGUAGES = {
    "python": Language(
        hello="print(6 * 7)",
        set_state="verify_state = 41",
        get_state="print(verify_state + 1)",
        change_state="verify_state = 665",
        # Naps: a signal that comes just before a sleep is seen only after it.
        endless="import time\nprint('go', flush=True)\nfor _ in range(3000): time.sleep(0.02)",
        interrupted="KeyboardInterrupt",
        rich="""
from IPython.display import HTML, display
display(HTML("<b>rich</b>"))
try:
    import matplotlib
except ImportError:
    pass
else:
    get_ipython().run_line_magic("matplotlib", "inline")
    import matplotlib.pyplot
    matplotlib.pyplot.plot([1, 3, 2])
    matplotlib.pyplot.show()
    print("png")
""",
        ask="print('got ' + input('name? '))",
        # Gateways up to 3.3 sign with jupyter_client 6 (enterprise_gateway PR 1443).
        unfit="""
import ipykernel
if ipykernel.version_info[0] > 6:
    print(f"ipykernel {ipykernel.__version__} drops what gateways up to 3.3 send; use ipykernel<7")
""",
    ),
}
