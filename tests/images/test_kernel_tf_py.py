"""The Python kernel with TensorFlow: it trains a model in a kernel, as whatever user."""

from __future__ import annotations

import pytest
from kernel_session import session

pytestmark = pytest.mark.engine
NAME = "kernel-tf-py"

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
    ok, shown, error, code = python(NAME, session(FIT, SHOW, "1 / 0"), user=user)
    assert ok == ["ok", "True"]
    assert shown[0] == "ok"
    assert "image/png" in shown
    assert (error, code) == (["error"], 0)


def test_pillow_is_there(python):
    assert python(NAME, "import json, PIL.Image; print(json.dumps('there'))") == "there"
