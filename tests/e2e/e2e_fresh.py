"""What a build must have made: what a fresh one makes of the same sources.

Fresh: in a new folder, with an empty store, and by a builder that looks nothing up.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import shutil
import tarfile
from pathlib import Path

from e2e_engine import Images
from e2e_process import Family
from e2e_sample import pyproject

Content = dict[str, str]
"""What a result holds, line by line: where, and what is there."""

_CLIENT = """\
#!/bin/sh
case "$1 $2" in
"buildx build") shift 2; exec {client} buildx build --no-cache "$@" ;;
"build "*) shift; exec {client} build --no-cache "$@" ;;
esac
exec {client} "$@"
"""
_LONG = 60


class Fresh:
    """Fresh builds of a family, and where what it has made differs from them.

    Args:
        family: Its folder; nothing of it is changed.
        images: Its images.
        names: The images to look at.
    """

    def __init__(self, family: Family, images: Images, names: tuple[str, ...]) -> None:
        self._family = family
        self._images = images
        self._names = names
        self._own = Images(images.client, f"fresh-{secrets.token_hex(4)}")
        self._folder = family.folder / "fresh"
        self._path = f"{_client_without_cache(self._folder)}:{family.env['PATH']}"

    def differences(self) -> list[str]:
        """Where the family's images and exported files are not what a fresh build makes."""
        made = Family(self._folder / secrets.token_hex(8), self._own.organization)
        store = str(made.folder / "store")
        made.env = {**self._family.env, "PATH": self._path, "BUILDLIB_STORE": store}
        keep_out = shutil.ignore_patterns(".buildlib", "dist", "text")
        shutil.copytree(self._family.root, made.root, symlinks=True, ignore=keep_out)
        made.write("pyproject.toml", pyproject(made.organization))
        try:
            done = made.run("build")
            if done.code:
                return [f"a fresh build fails: {done.text}"]
            logs = [log.read_text() for log in made.path(".buildlib/logs").iterdir()]
            looked_up = [step for log in logs for step in _looked_up(log)]
            assert not looked_up, looked_up
            wanted = self._content(made, self._own)
        finally:
            self._own.remove()
            shutil.rmtree(made.folder)
        found = self._content(self._family, self._images)
        return [
            f"{where} is {found.get(where)}, and not {wanted.get(where)}"
            for where in sorted({*found, *wanted})
            if found.get(where) != wanted.get(where)
        ]

    def _content(self, family: Family, images: Images) -> Content:
        """The images and the exported files of a family."""
        found = {}
        for name in self._names:
            for where, what in content_of(images, name).items():
                found[f"{name}: {where}"] = what
        for export in [*family.path("dist").glob("*"), *family.root.glob("*/text")]:
            found[str(export.relative_to(family.root))] = _shown(export.read_bytes())
        return found


def _looked_up(log: str) -> list[str]:
    """The steps that a builder did not run; contexts and parents are no steps."""
    steps = dict(re.findall(r"^#(\d+) (\[.*)$", log, re.MULTILINE))
    cached = re.findall(r"^#(\d+) CACHED$", log, re.MULTILINE)
    found = [steps.get(number, number) for number in cached]
    return [step for step in found if not re.match(r"\[internal\]|\[[^\]]*\] FROM ", step)]


def content_of(images: Images, name: str) -> Content:
    """The configuration and the layers of an image, but times and its organisation."""
    data = b"".join(images.client.api.get_image(f"{images.organization}/{name}:dev"))
    found: Content = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as saved:
        (manifest,) = json.loads(_read(saved, "manifest.json"))
        config = json.loads(_read(saved, manifest["Config"]))
        for field in ("architecture", "os", "variant"):
            found[field] = str(config.get(field))
        for field, value in config["config"].items():
            found[field] = json.dumps(value, sort_keys=True)
        for number, step in enumerate(config["history"]):
            found[f"step {number}"] = json.dumps({**step, "created": ""}, sort_keys=True)
        for number, layer in enumerate(manifest["Layers"]):
            with tarfile.open(fileobj=io.BytesIO(_read(saved, layer))) as entries:
                for entry in entries:
                    about = f"{entry.type!r} {entry.mode:o} {entry.uid}:{entry.gid}"
                    what = entry.linkname
                    if entry.isreg():
                        plain = _read(entries, entry.name)
                        what = _shown(plain.replace(images.organization.encode(), b"ORGANIZATION"))
                    found[f"layer {number} {entry.name}"] = f"{about} {what}"
    return found


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, name
    return file.read()


def _shown(data: bytes) -> str:
    """All of a short file; of a long one, what differs where the bytes do."""
    if len(data) <= _LONG:
        return repr(data)
    return f"{len(data)} bytes of sha256 {hashlib.sha256(data).hexdigest()[:12]}"


def _client_without_cache(folder: Path) -> str:
    """A folder for PATH: its `docker` is the one that would build, and looks nothing up."""
    from buildlib.engine.client import find_client

    program = folder / "bin/docker"
    program.parent.mkdir(parents=True)
    program.write_text(_CLIENT.format(client=find_client(os.environ).path))
    program.chmod(0o755)
    return str(program.parent)
