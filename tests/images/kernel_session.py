"""A kernel that runs in an image without a launcher, and what cells answer in it."""

from __future__ import annotations

# A kernel as a launcher starts it, and a client beside it that asks what is handed in.
_SESSION = """
import json, os, queue, subprocess, sys, tempfile
from jupyter_client import BlockingKernelClient, write_connection_file

path, _ = write_connection_file(os.path.join(tempfile.mkdtemp(), "kernel.json"), ip="127.0.0.1")
kernel = subprocess.Popen([sys.executable, "-m", "ipykernel_launcher", "-f", path],
                          stderr=subprocess.DEVNULL)
client = BlockingKernelClient(connection_file=path)
client.load_connection_file()
client.start_channels()
heard = False
while not heard:  # as wait_for_ready, which takes a kernel that is slow to start for a dead one
    client.kernel_info()
    client.get_shell_msg(timeout=120)
    try:
        heard = bool(client.get_iopub_msg(timeout=1))
    except queue.Empty:
        pass
answers = []
for code in CODES:
    seen = []
    reply = client.execute_interactive(code, timeout=60, output_hook=seen.append)
    answer = [reply["content"]["status"]]
    for content in (message["content"] for message in seen):
        answer.extend(content.get("data", {}))
        if content.get("name") == "stdout":
            answer.append(content["text"].strip())
    answers.append(answer)
client.shutdown()
answers.append(kernel.wait(timeout=120))
print(json.dumps(answers))
"""


def session(*cells: str) -> str:
    """A Python script whose last line is JSON: what each cell answered, and the exit code.

    An answer is a list: the status, then for each output its kinds of data, or what was printed.
    """
    return _SESSION.replace("CODES", repr(list(cells)))
