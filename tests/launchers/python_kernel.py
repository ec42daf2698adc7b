"""The Python launcher of the working tree, with this interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from launched import Asked, Capability
from zmq_kernel import Words, ZmqKernel

SOURCES = Path(__file__).parents[2] / "launchers" / "python"

# It naps: a signal that comes just before a sleep is seen by Python only after it.
NAP = "print('go')\nimport time\nwhile True: time.sleep(0.02)"

READ_OPTIONS = """
import json, sys
from kernel_launcher.messages import LauncherError
from kernel_launcher.options import launch_timeout, parse_options

def read(argv, env):
    try:
        options = parse_options(argv, env)
    except LauncherError as error:
        return f"error {error.code}"
    pairs = options.response_address, options.port_range
    texts = [" ".join(map(str, pair or ())) for pair in pairs]
    return "|".join([options.kernel_id, *texts, options.spark_mode, f"{launch_timeout(env):g}"])

print(json.dumps([read(*case) for case in json.load(sys.stdin)]))
"""


class PythonKernel(ZmqKernel):
    log_name = "launch_ipykernel: "
    stop_seconds = 3.0
    shutdown_code = held_up_code = 143  # it is terminated after a moment
    refused = "Connection refused"
    keeps_connection_file = True
    storm = 10_000
    crowd = 300
    lacks: ClassVar = {
        Capability.ANY_TIME: "Python: ipykernel may lose what is printed, or the end of the cell",
        Capability.ONE_IS_A_NUMBER: "Python: True == 1",
    }
    interrupted = "KeyboardInterrupt"
    words = Words(
        up="print('up', end='')",
        remember="kept = 42",
        recall="print(kept, end='')",
        pid="import os; print(os.getpid(), end='')",
        variable="import os; print(os.environ.get('NAME', ''), end='')",
        cells={"sleep": NAP, "spin": "print('go', flush=True)\nwhile True: pass"},
        short="for i in range(300): print(i)",
        windows="number = 6\r\nif number:\r\n    print(number * 7, end='')\r\n",
        fails="print('before', end=''); 1 / 0; print('after')",
        program="print('go', flush=True)\nimport os; print(os.system('sleep 600') != 0)",
        program_ended="True",
        children="import subprocess\n"
        "subprocess.Popen(['sleep', '600'])\n"
        "subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "subprocess.run('(trap \"\" TERM; sleep 600) & sleep 600 &', shell=True)\n",
        hold_up="import subprocess, threading, time\n"
        "forgotten = subprocess.Popen(['true'])\n"
        "threading.Thread(target=time.sleep, args=[600]).start()\n",
        die="import os; os.kill(os.getpid(), 9)",
    )

    def command(
        self, arguments: list[str], env: dict[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """The launcher's command line, and what is added to its environment."""
        marked = {
            "TMPDIR": str(self.tmp),
            "HOME": str(self.tmp.parent),
            "LAUNCHER_TEST": self.id,
            "JPY_PARENT_PID": "4242",
            **env,
        }
        return [sys.executable, str(SOURCES / "launch_ipykernel.py"), *arguments], marked

    def exit(self, code: int) -> None:
        self.begin(f"import os; os._exit({code})")

    def given_options(self) -> Sequence[str]:
        return [str(self.given)]

    @classmethod
    def read_options(cls, cases: Sequence[Asked]) -> list[str]:
        argv = [sys.executable, "-c", READ_OPTIONS]
        asked = json.dumps(cases)
        return json.loads(subprocess.check_output(argv, input=asked, cwd=SOURCES, text=True))
