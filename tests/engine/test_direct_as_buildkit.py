"""An image that is made without a builder is the image that BuildKit makes.

Dockerfiles come at random from a grammar of what is understood, each is built in both ways, and the
two are compared field by field and file by file. By hand for longer, with the seed that is printed:

    export BUILDLIB_DIRECT=300 BUILDLIB_DIRECT_SEED=7
    .venv/bin/python -m pytest tests/engine/test_direct_as_buildkit.py
"""

from __future__ import annotations

import os
import random
import tempfile

import pytest

from buildlib.core.dockerfile.plain import NotPlainError
from buildlib.core.pack.tar import Member, write_tar
from buildlib.core.store.content import EPOCH
from buildlib.errors import BuildError
from tests.support.same_image import pair

pytestmark = pytest.mark.engine

ROUNDS = int(os.environ.get("BUILDLIB_DIRECT", "6"))
SEED = int(os.environ.get("BUILDLIB_DIRECT_SEED", "0")) or random.randrange(1, 10**6)
_JSON_VOLUME = '["/j v"]'
_COMMANDS = 'echo $A  "x"', '["a", "b c"]'
_ENTRYPOINTS = "exec x", '["/t", "--"]'
_USERS = "0", "1000:100", "7:8", "root"
_WORKDIRS = "/", "/opt/app", "/w/d", "rel", "/usr/local/", ".."
PARENT = f"buildlib-direct/parent:{os.getpid()}"


class Dockerfiles:
    """Random Dockerfiles and contexts."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0

    def context(self, above: str) -> str:
        """Make a context: files, nested folders, links, and an archive of ours.

        At a path of its own: BuildKit takes a file of equal size and time for the one that it was
        sent from the same path before.
        """
        folder = tempfile.mkdtemp(dir=above)
        pick = self.random
        for top in ("a", "b", "b/deep", "c d"):
            os.makedirs(f"{folder}/{top}", exist_ok=True)
            for _ in range(pick.randrange(3)):
                self.file(folder, f"{top}/{self.name()}")
        os.symlink("../a", f"{folder}/b/deep/link")
        self.file(folder, "one.txt")
        self.file(folder, "two.sh")
        with open(f"{folder}/x.tar", "wb") as out:
            write_tar(self.members(), out, epoch=EPOCH - 1)
        for here, _, names in os.walk(folder):
            for name in names:
                os.utime(f"{here}/{name}", (EPOCH, EPOCH), follow_symlinks=False)
        return folder

    def file(self, folder: str, path: str) -> None:
        with open(f"{folder}/{path}", "wb") as out:
            out.write(self.random.randbytes(self.random.choice((0, 1, 511, 512, 3000))))
        os.chmod(f"{folder}/{path}", self.random.choice((0o644, 0o755, 0o444, 0o555)))

    def name(self) -> str:
        long = "n" * self.random.choice((1, 3, 90, 120))
        return self.random.choice(("x", "y.txt", "ä", "z" + long, "sp ace"))

    def members(self) -> list[Member]:
        pick = self.random
        members = [Member("usr/local/bin/run.sh", 0o755, b"#!/bin/sh\n")]
        if pick.random() < 0.5:
            members.append(
                Member("usr/local/bin/aa", kind="hardlink", target="usr/local/bin/run.sh")
            )
        if pick.random() < 0.5:
            members.append(Member("usr/local/bin/zz", kind="link", target="run.sh"))
        if pick.random() < 0.5:
            members.append(Member("etc/x.conf", data=pick.randbytes(700)))
        if pick.random() < 0.3:
            members.append(Member("opt/" + "long/" * 30 + "name", data=b"x"))
        if pick.random() < 0.3:
            members.append(Member("bin/through", data=b"x"))
        return members

    def place(self, *, folder: bool = True) -> str:
        pick = self.random
        path = pick.choice(
            ("/", "/opt", "/opt/app", "/opt/app/deep/er", "/usr/local", "/a b", "rel", "rel/x", ".")
        )
        if path == "/a b":
            return "/ab/" if folder else "/ab"
        return path + ("/" if folder and not path.endswith(("/", ".")) else "")

    def copy(self) -> str:
        pick = self.random
        owner = pick.choice(("", "", "--chown=7:8 ", "--chown=1000:100 ", "--chown=0:0 "))
        kind = pick.randrange(5)
        if kind == 0:
            return f"COPY {owner}{pick.choice(('a', 'b', 'b/deep', './a/'))} {self.place()}"
        if kind == 1:
            return f"COPY {owner}{pick.choice(('one.txt', '/two.sh'))} {self.place()}"
        if kind == 2:
            return f"COPY {owner}one.txt {self.place(folder=False)}"
        if kind == 3:
            return f"COPY {owner}one.txt b two.sh {self.place()}"
        return f'COPY {owner}["c d", "one.txt", "{self.place()}"]'

    def value(self) -> str:
        return self.random.choice(
            ("x", '"two words"', "'single $A'", "$A", "${A:-d}/y", "a\\ b", '"q\\"q"', "${B:+set}")
        )

    def instruction(self) -> str:
        pick = self.random
        self.count += 1
        n = self.count
        return pick.choice(
            (
                self.copy,
                self.copy,
                self.copy,
                lambda: "ADD x.tar /",
                lambda: f"ENV A={self.value()} V{n}={self.value()}",
                lambda: f"ENV PATH=/opt/bin:$PATH B={self.value()}",
                lambda: f'LABEL l{n}={self.value()} "a b"={self.value()}',
                lambda: f"ARG G{n}={self.value()}",
                lambda: f"ARG GIVEN{n}\nENV W=$GIVEN{n}",
                lambda: f"USER {pick.choice(_USERS)}",
                lambda: f"WORKDIR {pick.choice(_WORKDIRS)}",
                lambda: f"EXPOSE {pick.choice(('80', '80/tcp 53/udp', '${P:-443}'))}",
                lambda: f"VOLUME {pick.choice(('/v', '/v /w', _JSON_VOLUME))}",
                lambda: f"STOPSIGNAL {pick.choice(('SIGINT', 'SIGTERM'))}",
                lambda: 'SHELL ["/bin/bash", "-c"]',
                lambda: f"CMD {pick.choice(_COMMANDS)}",
                lambda: f"ENTRYPOINT {pick.choice(_ENTRYPOINTS)}",
                lambda: pick.choice(
                    (
                        "HEALTHCHECK NONE",
                        'HEALTHCHECK --interval=90s --timeout=1h2m3s --retries=3 CMD ["x", "y"]',
                        'HEALTHCHECK --start-period=5s \\\n  CMD ["x"]',
                        "HEALTHCHECK CMD curl x || exit 1",
                    )
                ),
            )
        )()

    def text(self, parent: str) -> str:
        lines = [self.instruction() for _ in range(self.random.randrange(2, 11))]
        return "\n".join([f"ARG P={parent}", "FROM ${P}", *lines]) + "\n"


def test_random_dockerfiles_give_the_same_image_in_both_ways():
    print(f"seed {SEED}")
    made, left = 0, {}
    for number in range(ROUNDS):
        source = Dockerfiles(SEED + number)
        with pair() as (both, folder):
            below = both.request(source.context(folder), source.text("scratch"))
            try:
                both.engine.tag(both.theirs(below), PARENT)
            except BuildError as error:  # BuildKit refuses it: no parent
                print(number, "no parent:", error)
                continue
            try:
                for parent in ("scratch", PARENT):
                    context, text = source.context(folder), source.text(parent)
                    request = both.request(
                        context,
                        text,
                        args=(("GIVEN3", "given"), ("G2", "g")),
                        labels=(("l1", "ours"), ("z", "")),
                        platform="linux/amd64",
                    )
                    try:
                        found = both.differences(request)
                    except NotPlainError as error:
                        left[str(error)] = left.get(str(error), 0) + 1
                        continue
                    assert not found, "\n".join([f"seed {SEED + number}", text, *found])
                    made += 1
            finally:
                both.engine.untag(PARENT)
    print(made, "made,", left)
    assert made >= ROUNDS // 2
