"""The Python kernel with TensorFlow: it trains a model in a kernel, as whatever user."""

from __future__ import annotations

import pytest
from test_kernel_py import SESSION

pytestmark = pytest.mark.engine
NAME = "kernel-tf-py"
LIMIT = 3_200_000_000  # bytes

FIT = """
import os; os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf
tf.keras.utils.set_random_seed(1)
x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
model = tf.keras.Sequential([tf.keras.Input((1,)), tf.keras.layers.Dense(1)])
model.compile(tf.keras.optimizers.Adam(0.1), "mse")
loss = model.fit(x, 2 * x + 1, epochs=40, verbose=0).history["loss"]
print(loss[-1] < 0.01 < loss[0])
"""

SHOW = """
import PIL.Image
PIL.Image.fromarray(model.predict(x, verbose=0).astype("uint8").reshape(8, 8))
"""


@pytest.mark.parametrize("user", [None, "12345:100", "2000:0"])
def test_the_kernel_trains_a_model(python, user):
    codes = [FIT, SHOW, "1 / 0"]
    ok, shown, error, code = python(NAME, SESSION.replace("CODES", repr(codes)), user=user)
    assert ok == ["ok", "True"]
    assert shown[0] == "ok"
    assert "image/png" in shown
    assert (error, code) == (["error"], 0)


def test_what_the_launcher_needs_is_there(python):
    script = """
import importlib.metadata, json
import Cryptodome.Cipher.AES, cffi, future, PIL.Image
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


def test_configuration(config):
    found = config(NAME)
    assert "KERNEL_LANGUAGE=python" in found["Env"]
    assert found["Entrypoint"] == ["tini", "-g", "--"]
    assert found["Cmd"] == ["/usr/local/bin/bootstrap-kernel.sh"]
    assert found["Healthcheck"] == {"Test": ["NONE"]}


def test_size(engine, image):
    assert engine.images.get(image(NAME)).attrs["Size"] < LIMIT


def test_the_launchers_are_the_last_and_a_small_layer(engine, image):
    last = engine.images.get(image(NAME)).history()[0]
    assert "kernel_image_files.tar" in last["CreatedBy"]
    assert last["Size"] < 1_000_000
