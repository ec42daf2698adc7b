"""The Python kernel: it answers, as whatever user it is started, and it is small and layered."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.engine
NAME = "kernel-py"
LIMIT = 1_700_000_000  # bytes

# A kernel as a launcher starts it, and a client beside it that asks what is handed in.
SESSION = """
import json, os, subprocess, sys, tempfile
from jupyter_client import BlockingKernelClient, write_connection_file

path, _ = write_connection_file(os.path.join(tempfile.mkdtemp(), "kernel.json"), ip="127.0.0.1")
kernel = subprocess.Popen([sys.executable, "-m", "ipykernel_launcher", "-f", path],
                          stderr=subprocess.DEVNULL)
client = BlockingKernelClient(connection_file=path)
client.load_connection_file()
client.start_channels()
client.wait_for_ready(timeout=60)
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
answers.append(kernel.wait(timeout=20))
print(json.dumps(answers))
"""

PLOT = """
%matplotlib inline
import matplotlib.pyplot as plt, numpy as np
plt.plot(np.sin(np.arange(9))); plt.show()
"""


@pytest.mark.parametrize("user", [None, "1000:100", "12345:100", "2000:0"])
def test_the_kernel_executes_plots_and_ends(python, user):
    codes = ["x = 20", "print(x + 22)", PLOT, "%history -n 1", "1 / 0"]
    answers = python(NAME, SESSION.replace("CODES", repr(codes)), user=user)
    assert answers == [
        ["ok"],
        ["ok", "42"],
        ["ok", "text/plain", "image/png"],
        ["ok", "1: x = 20"],
        ["error"],
        0,
    ]


def test_what_the_launcher_needs_is_there(python):
    script = """
import importlib.metadata, json
from Cryptodome.Cipher import AES, PKCS1_v1_5
from Cryptodome.PublicKey import RSA
import cffi, future
names = ("ipykernel", "jupyter_client", "pyzmq")
print(json.dumps([int(importlib.metadata.version(name).split(".")[0]) for name in names]))
"""
    ipykernel, client, zmq = python(NAME, script)
    assert (ipykernel, client) == (6, 8)  # 7 drops what gateways of jupyter_client 6 sign
    assert zmq < 28


def test_launchers_are_in_place(run):
    found = run(NAME, "find", "/usr/local/bin", "-type", "f").split()
    assert "/usr/local/bin/bootstrap-kernel.sh" in found
    assert "/usr/local/bin/kernel-launchers/python/scripts/launch_ipykernel.py" in found
    assert not [path for path in found if "/R/" in path or "/scala/" in path]
    run(NAME, "test", "-x", "/usr/local/bin/bootstrap-kernel.sh", user="12345:100")


def test_configuration(config):
    found = config(NAME)
    assert "KERNEL_LANGUAGE=python" in found["Env"]
    assert found["Entrypoint"] == ["tini", "-g", "--"]
    assert found["Cmd"] == ["/usr/local/bin/bootstrap-kernel.sh"]
    assert found["Healthcheck"] == {"Test": ["NONE"]}


def test_size(engine, image):
    assert engine.images.get(image(NAME)).attrs["Size"] < LIMIT


def test_parents_are_kept_as_they_are(engine, image, python):
    layers = [
        engine.images.get(image(name)).attrs["RootFS"]["Layers"]
        for name in ("scipy-notebook", NAME)
    ]
    # Two layers more: the kernel's packages, and last the launchers.
    assert layers[1][:-2] == layers[0]
    script = """
import importlib.metadata, json
print(json.dumps({item.name: item.version for item in importlib.metadata.distributions()}))
"""
    parent, child = python("scipy-notebook", script), python(NAME, script)
    assert {name: child[name] for name in parent} == parent


def test_the_launchers_are_the_last_and_a_small_layer(engine, image):
    last = engine.images.get(image(NAME)).history()[0]
    assert "kernel_image_files.tar" in last["CreatedBy"]
    assert last["Size"] < 1_000_000
