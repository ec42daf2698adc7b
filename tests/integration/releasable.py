"""A small product that can be released on fakes: in git, with proofs, and what a release starts.

    product = Releasable(shop, monkeypatch)      # usually a fixture
    product.build_and_prove(verb)
    verb("release", "VERSION=2.5.0")

Proofs, syft and the process that puts tags are acted out, as near to the outside as can be: what
the rest of a release does is real. `base` has no proof of its own, `py` has one, `server` carries
the version and is proved with `py`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from workshop import Verbs, Workshop

from buildlib.build.execution.action_context import ActionContext
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import Reference, parse_label
from buildlib.core.model.target import Target
from buildlib.shipping.releasing import claims_and_tags, detached_tags, sbom
from tests.fakes.engine import FakeBuilder, FakeEngine
from tests.fakes.transport import FakeTransport

CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\nADD files.tar /\n"
CHECKS = """\
from buildlib.rules import kernel_check
kernel_check(name="py", image="//images/py", srcs=[])
kernel_check(name="server", image="//images/server", with_images={"//images/py": ""}, srcs=[])
"""
HOST = "registry.test"
IMAGES = ("base", "py", "server")
ALL = (*IMAGES, "releases")
"""The repositories of a release."""


class Machine(NamedTuple):
    """What a machine has of its own."""

    engine: FakeEngine
    builder: FakeBuilder
    transport: FakeTransport
    store: Path


class Releasable:
    """See the module.

    Args:
        shop: An empty workshop.
        monkeypatch: Undoes what is changed of the process.
    """

    def __init__(self, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shop = shop
        self.proved: list[str] = []
        self.lies_about = ""
        """Proofs say that they ran this image, if it is set."""
        self._monkeypatch = monkeypatch
        for name in [name for name in os.environ if name.startswith(("GIT_", "COSIGN_"))]:
            monkeypatch.delenv(name)
        monkeypatch.delenv("CI", raising=False)
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        monkeypatch.setattr(ActionContext, "run_module", lambda _, *asked: self._prove(*asked))
        monkeypatch.setattr(sbom, "_scan", _scan)
        monkeypatch.setattr(
            claims_and_tags, "claim", partial(claims_and_tags.claim, wait=lambda _: None)
        )
        self._put_tags_in_process()
        self._write()

    def _write(self) -> None:
        shop = self.shop
        shop.file("images/base/data", "one\n")
        shop.image("images/base", 'srcs=["data"]', "FROM scratch\nCOPY data /\n")
        shop.image("images/py", 'parent="//images/base", srcs=["//pack:files[all]"]', CHILD)
        shop.file("pack/run.py", "1\n")
        shop.build(
            "pack",
            """
            tarball(
                name="files", archive="kernel_files", parts={"all": {"run.py": "run.py"}},
                release_names={"run.py": "run-{version}.py"},
            )
            """,
            """
            kernelspec(
                name="python", display_name="Python", language="python",
                process_proxy="k8s.KubernetesProcessProxy", argv=["python"], image="//images/py",
            )
            """,
            'tarball(name="specs", archive="kernelspecs", parts={"all": {"./": ":python"}})',
        )
        shop.image("images/server", 'srcs=["//pack:specs"]', "FROM scratch\nADD specs.tar /\n")
        shop.file("checks/BUILD.py", CHECKS)
        shop.start_git()

    # -- doing -------------------------------------------------------------------------------

    def publishable(self) -> None:
        """Set a registry, and commit that."""
        self.shop.setting("registry", HOST)
        self.shop.commit_all()

    def build_and_prove(self, verb: Verbs, *words: str) -> None:
        """What one does before a release."""
        for name in ("build", "verify"):
            told = verb(name, *words)
            assert told.code == 0, told.out + told.err

    def another_machine(self, *, containerd: bool = False) -> None:
        """An empty one, whose engine has other image IDs for the same contents."""
        self.shop.new_machine(containerd=containerd)
        engine = self.shop.engine
        make = engine.make
        self._monkeypatch.setattr(
            engine, "make", lambda content, *rest: make(f"{content} again", *rest)
        )

    def machine(self) -> Machine:
        """The machine that is worked on."""
        shop = self.shop
        return Machine(shop.engine, shop.builder, shop.transport, shop.store)

    @contextlib.contextmanager
    def on(self, machine: Machine) -> Iterator[None]:
        """Work on another machine for a while."""
        shop, own = self.shop, self.machine()
        shop.engine, shop.builder, shop.transport, shop.store = machine
        try:
            yield
        finally:
            shop.engine, shop.builder, shop.transport, shop.store = own

    # -- asking ------------------------------------------------------------------------------

    def in_release(self, version: str = "2.5.0") -> Workspace:
        """The workspace as a release sees it."""
        return self.shop.open(version=version)

    def built(self, label: str, version: str = "2.5.0") -> str:
        """The image that was built for a release."""
        workspace = self.in_release(version)
        record = workspace.records.get(workspace.keys.key(Reference(parse_label(label))))
        assert record is not None
        return record.images[0]

    def tags(self, tag: str = "2.5.0") -> dict[str, str | None]:
        """What a tag stands for in the engine."""
        return {name: self.shop.tag(f"//images/{name}", tag) for name in IMAGES}

    def visible(self, tag: str = "2.5.0") -> dict[str, str | None]:
        """What a tag stands for in the registry."""
        return {name: self.shop.registry.head(f"elyra/{name}", tag) for name in ALL}

    def listed(self, version: str = "2.5.0") -> dict[str, dict[str, Any]]:
        """The images of a release by name, as its images.json lists them."""
        plain = json.loads((self.shop.root / f"dist/{version}/images.json").read_bytes())
        return {image["name"]: image for image in plain["images"]}

    def files(self) -> dict[str, bytes]:
        """The files of the workspace, but for what git and the builds keep for themselves."""
        return {
            name: data
            for name, data in self.shop.snapshot().items()
            if not name.startswith(".git/")
        }

    def dist(self, version: str = "2.5.0") -> dict[str, bytes]:
        """The files of a release."""
        folder = f"dist/{version}/"
        return {
            name.removeprefix(folder): data
            for name, data in self.files().items()
            if name.startswith(folder)
        }

    def refs(self) -> str:
        """All that git has names for."""
        return self.shop.git("for-each-ref")

    # -- what is acted out -------------------------------------------------------------------

    def _prove(self, target: Target, module: str, arguments: Sequence[str]) -> tuple[int, bytes]:
        """A proof that starts nothing: it looks which images there are, and all is well."""
        del module
        self.proved.append(target.label.short)
        ran = {name: self.lies_about or self.shop.engine.resolve(name) for name in arguments}
        assert all(ran.values()), f"{target.label} has no image to run"
        case = {"name": "runs", "ok": True, "tried": True, "seconds": 0.1, "message": ""}
        report = {
            "schema": 1,
            "image": arguments[0],
            "image_id": ran[arguments[0]],
            "kernel_image_ids": dict(list(ran.items())[1:]),
            "verdict": "works",
            "columns": [],
            "rows": [],
            "cases": [case],
        }
        return 0, json.dumps(report).encode()

    def _put_tags_in_process(self) -> None:
        """Run what `tagging` starts as a process within this one, on the fake registry."""
        shop, patch = self.shop, self._monkeypatch

        class Child:
            def __init__(self, *_: object, **__: object) -> None:
                self.returncode = -1

            def communicate(self, request: bytes) -> tuple[bytes, bytes]:
                errors = io.StringIO()
                with pytest.MonkeyPatch.context() as within, contextlib.redirect_stderr(errors):
                    within.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(request)))
                    self.returncode = detached_tags.main(lambda _: shop.registry)
                return b"", errors.getvalue().encode()

        patch.setattr(
            detached_tags, "subprocess", SimpleNamespace(Popen=Child, PIPE=-1, DEVNULL=-3)
        )
        names = ("SIG_IGN", "SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE")
        quiet = SimpleNamespace(signal=lambda *_: None, **dict.fromkeys(names, 0))
        patch.setattr(detached_tags, "signal", quiet)


def _scan(
    workspace: object, images: Mapping[str, str], say: object, keep: Callable[..., None]
) -> None:
    """What syft would say of images: something else each time, but for what is in them."""
    del workspace, say
    for name, image in images.items():
        metadata = {"timestamp": os.urandom(4).hex(), "component": {"name": "made up"}}
        components = [{"bom-ref": image, "type": "library", "name": name}]
        serial = os.urandom(4).hex()
        plain = {"metadata": metadata, "serialNumber": serial, "components": components}
        keep(name, plain, 0.1)
