"""What a kernelspec is there for: one thing that its kernel must do, beside saying 42.

By the kernelspec's name as the gateway lists it, without its platform.
"""

from __future__ import annotations

from typing import NamedTuple

from verify.languages import LANGUAGES

PLATFORMS = (
    "_docker",
    "_swarm",
    "_kubernetes",
    "_yarn_client",
    "_yarn_cluster",
    "_distributed",
)


class Task(NamedTuple):
    """Something to do.

    Attributes:
        about: What it is, in a few words.
        code: Does it.
        prints: What it prints, among other things perhaps.
        picture: Whether it shows a PNG.
    """

    about: str
    code: str
    prints: str
    picture: bool = False


_FIT = """
import numpy, tensorflow
x = numpy.linspace(0, 1, 64, dtype="float32").reshape(-1, 1)
model = tensorflow.keras.Sequential([tensorflow.keras.Input((1,)), tensorflow.keras.layers.Dense(1)])
model.compile(optimizer=tensorflow.keras.optimizers.SGD(0.5), loss="mse")
losses = model.fit(x, 3 * x + 1, epochs=40, batch_size=16, verbose=0).history["loss"]
print("fits" if losses[-1] < 0.01 < losses[0] else f"does not fit: {losses[0]}, {losses[-1]}")
"""  # noqa: E501


def _spark(language: str) -> Task:
    snippets = LANGUAGES[language]
    return Task("Spark's sum of 1 to 10", snippets.spark_sum, "55")


TASKS = {
    "python": Task("a plot", LANGUAGES["python"].rich, "png", picture=True),
    "python_tf": Task("a fit by TensorFlow", _FIT, "fits"),
    "r": Task("a plot", LANGUAGES["r"].rich, "png", picture=True),
    "scala": _spark("scala"),
    "spark_python": _spark("python"),
    "spark_r": _spark("r"),
    "spark_scala": _spark("scala"),
}


def task_of(kernelspec: str) -> Task | None:
    """The task of a kernelspec, where it has one."""
    name = kernelspec.lower()
    for platform in PLATFORMS:
        name = name.removesuffix(platform)
    return TASKS.get(name)
