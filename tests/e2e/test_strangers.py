"""Dockerfiles as they lie about, built without an edit: what Docker makes of them is made."""

from __future__ import annotations

import pytest
from e2e_engine import Images
from e2e_process import Family

pytestmark = pytest.mark.engine

DOCKERFILE = """\
ARG NAMESPACE=quay.io/x
ARG VERSION=3
FROM ${NAMESPACE}/base:${VERSION} AS Dev
COPY --from=docker.io/tools/left \\
    /files/one.txt \\
    /one
COPY . /all/
COPY .dockerignore /ignored
COPY a\u00a0b /odd
COPY link /led

FROM quay.io/x/base AS unused
COPY tests/ /t/
"""
FILES = {
    "Dockerfile": DOCKERFILE,
    ".dockerignore": "scrap\n",
    "scrap": "",
    "a\u00a0b": "odd\n",
    "real": "real\n",
}


def stranger(family: Family, target: str = "dev") -> None:
    for name, text in FILES.items():
        family.write(f"images/stranger/{name}", text)
    family.path("images/stranger/link").symlink_to("real")
    family.write(
        "images/stranger/BUILD.py",
        "from buildlib.rules import docker_image, glob\n"
        'bases = {"quay.io/x/base": "//images/base", "*/left": "//images/left"}\n'
        f'docker_image(name="stranger", target="{target}", bases=bases, srcs=glob(["**"]))\n',
    )


def test_a_strangers_dockerfile_is_built_as_it_is(family: Family, images: Images) -> None:
    stranger(family)
    family.build("stranger")
    files = images.files("stranger")
    assert files["etc/motd"].startswith("welcome")
    assert (files["one"], files["odd"], files["led"]) == ("one\n", "odd\n", "real\n")
    assert files["ignored"] == FILES[".dockerignore"]
    assert sorted(name for name in files if name.startswith("all/")) == [
        "all/.dockerignore",
        "all/Dockerfile",
        "all/a\u00a0b",
        "all/link",
        "all/real",
    ]
    assert files["all/Dockerfile"] == DOCKERFILE, "what is handed to the builder is another file"


def test_an_edit_of_what_is_called_by_name_rebuilds(family: Family, images: Images) -> None:
    stranger(family)
    family.build("stranger")
    family.write("images/base/motd", "again\n")
    family.build("stranger")
    assert images.files("stranger")["etc/motd"] == "again\n"


def test_another_stage_is_another_image(family: Family, images: Images) -> None:
    stranger(family)
    family.build("stranger")
    text = DOCKERFILE.replace("COPY tests/ /t/", "COPY real /r")
    family.write("images/stranger/Dockerfile", text)
    bases = 'bases = {"quay.io/x/base": "//images/base"}'
    family.replace("images/stranger/BUILD.py", ', "*/left": "//images/left"}', "}")
    family.replace("images/stranger/BUILD.py", 'target="dev"', 'target="unused"')
    assert bases in family.path("images/stranger/BUILD.py").read_text()
    family.build("stranger")
    files = images.files("stranger")
    assert (sorted(files), files["r"]) == (["etc/motd", "r"], "real\n")
    (log,) = (family.root / ".buildlib/logs").glob("*+stranger+stranger.log")
    if images.client.info()["Driver"] == "overlay2":
        assert "made without a builder" in log.read_text(), (
            "one stage is needed, and nothing ignored"
        )


def test_what_fails_is_told_at_the_line_of_the_authors_file(family: Family) -> None:
    stranger(family)
    family.replace("images/stranger/Dockerfile", "COPY link /led", 'RUN ["/no\u00a0program"]')
    done = family.run("build", "stranger")
    assert done.code == 1
    assert "images/stranger/Dockerfile:10: error: " in done.text
    assert "NO-BREAK SPACE (U+00A0), in line 10, column 10" in done.text
