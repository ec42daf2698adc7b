"""What syft finds in an image of the real engine, and what it leaves behind."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from plain_docker import build, docker

from buildlib.build.workspace import Workspace
from buildlib.core.model.label import parse_label
from buildlib.core.model.output import FileOutput
from buildlib.errors import ActionError
from buildlib.shipping.releasing import sbom, sbom_layers
from buildlib.shipping.releasing.model import ReleasedImage
from tests.support.workspace import WorkspaceBuilder

pytestmark = pytest.mark.engine

OF_DEBIAN = """\
Package: zlib1g
Status: install ok installed
Architecture: amd64
Maintainer: Nobody <nobody@example.org>
Source: zlib
Version: 1:1.2.13.dfsg-1

"""
FILES = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
    "var/lib/dpkg/status": OF_DEBIAN,
    "opt/conda/lib/python3.11/site-packages/ipykernel-6.29.5.dist-info/METADATA": (
        "Metadata-Version: 2.1\nName: ipykernel\nVersion: 6.29.5\n"
    ),
    "usr/lib/R/library/IRkernel/DESCRIPTION": (
        "Package: IRkernel\nVersion: 1.3.2\nTitle: x\nLicense: MIT\nBuilt: R 4.2.2\n"
    ),
}
INNER = "META-INF/maven/org.json4s/json4s-core_2.12/pom.properties"
FOUND = {
    "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1",
    "pkg:pypi/ipykernel@6.29.5",
    "pkg:cran/IRkernel@1.3.2",
    "pkg:maven/org.json4s/json4s-core_2.12@3.7.0",
}
"""A package of each kind that the family's images have, the last in a jar of many."""


@pytest.fixture
def image(tmp_path: Path) -> Iterator[str]:
    """The ID of a small image that no other test has."""
    root = tmp_path / "root"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        archive.writestr("org/json4s/A.class", b"code")
        archive.writestr(INNER, "groupId=org.json4s\nartifactId=json4s-core_2.12\nversion=3.7.0\n")
    (root / "opt/toree-assembly.jar").write_bytes(jar.getvalue())
    (root / "unique").write_text(str(tmp_path))
    (root / "usr/lib/libplain.so.1").write_bytes(Path(sys.executable).read_bytes())
    (root / "opt/conda/lib/python3.11/site-packages/gone-1.dist-info").mkdir()
    (root / "opt/conda/lib/python3.11/site-packages/gone-1.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: gone\nVersion: 1\n"
    )
    (root / "opt/conda/lib/python3.11/site-packages/gone.py").write_text("pass\n" * 1000)
    (tmp_path / "bare").mkdir()
    (tmp_path / "Dockerfile").write_text(
        "FROM scratch AS full\nCOPY root /\n"
        "FROM full\nLABEL a=b\nCOPY bare /opt/conda/lib/python3.11/\nCOPY root/etc /etc/\n"
    )
    done = build(tmp_path, "--quiet")
    assert done.returncode == 0, done.stderr.decode()
    made = done.stdout.decode().strip()
    yield made
    docker("image", "rm", made)


def opened(folder: Path) -> Workspace:
    made = WorkspaceBuilder(folder)
    return made.open()


def read(workspace: Workspace, image: str, say: Callable[[str], None]) -> FileOutput:
    (made,) = sbom.sboms(workspace, {"a": released(image)}, say).values()
    return made


def released(image_id: str) -> ReleasedImage:
    return ReleasedImage(
        parse_label("//images/a"), "elyra/a", ("2.5.0",), "", image_id, 1, "k" * 64, "",
        "linux/amd64", stamped=False,
    )  # fmt: skip


def test_packages_of_all_kinds_are_found_and_the_bytes_are_the_same_in_another_store(
    image: str, tmp_path: Path
) -> None:
    told: list[str] = []
    workspace = opened(tmp_path / "a")
    made = read(workspace, image, told.append)
    data = Path(workspace.store.path(made.sha256)).read_bytes()
    purls = {each.get("purl", "") for each in json.loads(data)["components"]}
    plain = {purl.partition("?")[0].replace("@1:", "@1%3A") for purl in purls}
    assert plain >= FOUND
    lines = ["reading the layers of a ...", "reading what is in a ..."]
    assert told == lines
    assert list(Path(workspace.state.path("sbom")).iterdir()) == []
    assert read(workspace, image, told.append) == made
    assert told == lines, "it is read once"
    assert read(opened(tmp_path / "b"), image, told.append) == made


def test_it_is_what_syft_says_of_the_whole_image(image: str, tmp_path: Path) -> None:
    workspace = opened(tmp_path)
    made = read(workspace, image, lambda line: None)
    whole = sbom.normalise(sbom._syft(f"docker:{image}", "a", str(tmp_path)), "a", image)
    assert Path(workspace.store.path(made.sha256)).read_bytes() == whole


def test_layers_that_were_read_are_not_asked_for_again(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = opened(tmp_path)
    (first,) = sbom.sboms(workspace, {"a": released(image)}, lambda line: None).values()
    monkeypatch.setattr(sbom_layers, "_read", None)
    (other,) = sbom.sboms(workspace, {"b": released(image)}, lambda line: None).values()
    assert first != other, "it is called otherwise"


def test_an_image_whose_layers_are_not_understood_is_read_as_a_whole(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = read(opened(tmp_path / "a"), image, lambda line: None)
    monkeypatch.setattr(sbom_layers, "_read", lambda *_: None)
    assert read(opened(tmp_path / "b"), image, lambda line: None) == made


def test_an_image_that_the_engine_has_not_is_told(tmp_path: Path) -> None:
    absent = released("sha256:" + "0" * 64)
    with pytest.raises(ActionError, match=r"//images/a is not in the engine"):
        sbom.sboms(opened(tmp_path), {"a": absent}, lambda line: None)
