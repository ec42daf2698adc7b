"""TensorFlow on the scientific stack: whole, quick to import, at peace with its parent."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.engine
NAME = "tensorflow-notebook"

# TensorFlow, Keras, XLA and TensorBoard, through the interfaces where versions that do not fit
# would show: NumPy arrays, pandas frames, HDF5 files, protocol buffers.
COMPUTE = """
import json, os, tempfile
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy, pandas, tensorflow as tf
os.chdir(tempfile.mkdtemp())
tf.keras.utils.set_random_seed(1)

@tf.function(jit_compile=True)
def total(values):
    return tf.reduce_sum(values * values)

frame = pandas.DataFrame({"x": numpy.linspace(-1, 1, 64, dtype="float32")})
frame["y"] = 2 * frame["x"] + 1
model = tf.keras.Sequential([tf.keras.Input((1,)), tf.keras.layers.Dense(1)])
model.compile("adam", "mse")
model.optimizer.learning_rate = 0.1
log = tf.keras.callbacks.TensorBoard("log")
losses = model.fit(frame[["x"]].to_numpy(), frame["y"].to_numpy(), epochs=40, verbose=0,
                   callbacks=[log]).history["loss"]
answers = [float(total(tf.range(4.0))), losses[-1] < 0.01 < losses[0]]
for name in ("model.keras", "model.h5"):
    model.save(name)
    again = tf.keras.models.load_model(name, compile=False)
    answers.append(bool(numpy.allclose(again.predict(frame[["x"]].to_numpy(), verbose=0),
                                       model.predict(frame[["x"]].to_numpy(), verbose=0))))
image = tf.io.decode_png(tf.io.encode_png(tf.zeros((2, 3, 1), tf.uint8)))
answers += [list(image.shape), any("events" in name for _, _, names in os.walk("log")
                                   for name in names)]
print(json.dumps(answers))
"""


@pytest.mark.parametrize("user", [None, "2000:0"])
def test_a_model_learns_and_is_saved(python, user):
    assert python(NAME, COMPUTE, user=user) == [14, True, True, True, [2, 3, 1], True]


def test_operations_of_ones_own_find_what_they_are_compiled_with(python):
    # The headers are there for `tf.load_op_library`, in images that add a compiler.
    script = """
import json, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
folder = tf.sysconfig.get_include()
print(json.dumps([
    os.path.exists(f"{folder}/tensorflow/core/framework/op.h"),
    os.path.exists(f"{tf.sysconfig.get_lib()}/libtensorflow_framework.so.2"),
    len(tf.config.list_physical_devices("CPU")),
]))
"""
    assert python(NAME, script) == [True, True, 1]


def test_what_is_imported_was_compiled_before(python):
    # Else each new container compiles some thousand modules at its first import.
    script = """
import importlib.util, json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow, keras
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
sources = [file for file in files if file.startswith(sys.prefix) and file.endswith(".py")]
compiled = importlib.util.cache_from_source
late = [file for file in sources if not os.path.exists(compiled(file))]
print(json.dumps([len(sources) > 1000, late]))
"""
    assert python(NAME, script, user="2000:0") == [True, []]


def test_the_parent_is_kept_as_it_is(engine, image, python):
    script = """
import importlib.metadata, json
print(json.dumps({item.name: item.version for item in importlib.metadata.distributions()}))
"""
    parent, child = python("scipy-notebook", script), python(NAME, script)
    assert {name: child[name] for name in parent} == parent
    layers = [
        engine.images.get(image(name)).attrs["RootFS"]["Layers"]
        for name in ("scipy-notebook", NAME)
    ]
    assert layers[1][:-1] == layers[0]
