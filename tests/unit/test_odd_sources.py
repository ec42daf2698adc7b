"""Sources out of the ordinary: ignore files, empty folders, links, modes, what may not be read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from buildlib.build.execution.stage import Stage, dockerfile_for
from buildlib.core.model.inputs import Source
from buildlib.core.store.content import ContentStore
from buildlib.core.trees import working
from tests.support.workspace import WorkspaceBuilder


def image(folder: Path, lines: str, srcs: str) -> WorkspaceBuilder:
    """The image `x` in a workspace with some files in its package."""
    made = WorkspaceBuilder(folder).file("x/a", "").file("x/data/real", "")
    return made.image("x", f"srcs={srcs}", f"FROM scratch\n{lines}\n")


def files(made: WorkspaceBuilder) -> list[str]:
    (target,) = made.graph().targets.values()
    return [file.name for file in target.files]


# -- ignore files ----------------------------------------------------------------------------------


def test_an_ignore_file_in_srcs_is_copied_as_any_file(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY .dockerignore /x", 'glob(["**"])').file("x/.dockerignore", "a\n")
    assert files(made) == [".dockerignore", "Dockerfile", "data/real"]
    made.build("x", 'docker_image(name="x", srcs=[".dockerignore"])')
    assert files(made) == [".dockerignore", "Dockerfile"]


@pytest.mark.parametrize("pattern", [".dockerignore", ".*"])
def test_an_ignore_file_may_leave_itself_out(tmp_path: Path, pattern: str) -> None:
    made = image(tmp_path, "COPY a /x", 'glob(["**"])').file("x/.dockerignore", pattern + "\n")
    assert ".dockerignore" not in files(made)
    made.file("x/Dockerfile", "FROM scratch\nCOPY .dockerignore /x\n")
    assert "reads .dockerignore, which x/.dockerignore leaves out" in made.error()


def test_what_is_ours_is_in_the_context_whatever_the_ignore_file_says(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).image("base").file("x/.dockerignore", "*\n!a\n").file("x/a")
    lines = "ARG BASE_CONTAINER=base\nFROM $BASE_CONTAINER\nCOPY a /a\n"
    lines += "RUN --mount=source=apt,target=/tmp/apt true\n"
    made.image("x", 'parent="//base", apt=["curl"], srcs=["a"]', lines).lock_all()
    assert made.keys()


def test_a_builder_does_not_obey_an_ignore_file_a_second_time(tmp_path: Path) -> None:
    stage = Stage(str(tmp_path / "stage"), ContentStore(str(tmp_path / "store")))
    sources = {"Dockerfile": "FROM scratch\nCOPY . /\n", ".dockerignore": "b\n", "b": ""}
    for name, text in sources.items():
        path = tmp_path / "package" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        from buildlib.core.keys.index import file_sha256

        stage.add_source(name, Source(str(path), f"644 {file_sha256(str(path))}"))
    stage.finish()
    handed = dockerfile_for(stage.folder, "Dockerfile", lambda text: text)
    assert Path(handed).read_text() == sources["Dockerfile"]
    own = Path(f"{handed}.dockerignore").read_text()
    assert own, "BuildKit takes an empty one for none"
    assert all(line.startswith("#") for line in own.splitlines())
    assert sorted(os.listdir(stage.folder)) == sorted(sources)
    assert not handed.startswith(stage.folder + "/")


def test_without_an_ignore_file_the_dockerfile_of_the_context_is_handed_over(
    tmp_path: Path,
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    handed = dockerfile_for(str(tmp_path), "Dockerfile", lambda text: text)
    assert handed == str(tmp_path / "Dockerfile")


# -- empty folders, and folders of others ----------------------------------------------------------


def run_fix(made: WorkspaceBuilder) -> None:
    """What the first half of a fix says, as a shell takes it."""
    command = made.error().rpartition("fix: ")[2]
    subprocess.run(command, shell=True, cwd=made.root, check=True)


def test_an_empty_folder_is_called_so_and_the_fix_works(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY empty/ /e/", '["a"]')
    (made.root / "x/empty").mkdir()
    message = made.error()
    assert message.startswith(
        "x/Dockerfile:2: error: COPY reads empty, which is an empty folder: git keeps none"
    )
    assert 'srcs = [..., "empty/.gitkeep"]' in message
    run_fix(made)
    made.replace("x/BUILD.py", '["a"]', '["a", "empty/.gitkeep"]')
    assert made.keys()


@pytest.mark.parametrize("srcs", ['["empty"]', '["empty/"]', 'glob(["empty/**"])'])
def test_an_empty_folder_in_srcs(tmp_path: Path, srcs: str) -> None:
    made = image(tmp_path, "COPY a /a", srcs)
    (made.root / "x/empty/deep").mkdir(parents=True)
    assert "an empty folder: git keeps none" in made.error()
    run_fix(made)
    made.build("x", 'docker_image(name="x", srcs=["a", *glob(["empty/**"])])')
    assert made.keys()


def test_a_folder_of_another_package_is_called_so_and_the_fix_works(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY sub/file /f", '["a"]').file("x/sub/file").build("x/sub")
    message = made.error()
    assert "COPY reads sub/file, which belongs to the package //x/sub" in message
    assert 'srcs = [..., "//x/sub:files"]' in message
    made.build("x/sub", 'filegroup(name="files", srcs=glob(["**"]))')
    made.replace("x/BUILD.py", '["a"]', '["a", "//x/sub:files"]')
    made.file("x/Dockerfile", "FROM scratch\nCOPY file /f\n")
    assert made.keys()


def test_the_fix_for_a_folder_takes_what_is_in_it(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY data /d", '["a"]')
    assert 'fix: srcs = [..., *glob(["data/**"])]' in made.error()


# -- links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", ["COPY link /d", "COPY . /d"])
def test_a_link_to_what_is_not_in_srcs(tmp_path: Path, lines: str) -> None:
    made = image(tmp_path, lines, '["a", "link"]').link("x/link", "data/real")
    message = made.error()
    assert message.startswith(
        "x/BUILD.py:2: error: x/link is a link to data/real, which is not in srcs"
    )
    assert message.endswith('fix: srcs = [..., "data/real"]')
    made.replace("x/BUILD.py", '"link"', '"link", "data/real"')
    assert made.keys()


def test_a_link_to_a_folder_and_a_link_to_a_link(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY . /d", '["folder", "again"]')
    made.link("x/folder", "data").link("x/again", "folder/real")
    assert 'fix: srcs = [..., *glob(["data/**"])]' in made.error()
    made.replace("x/BUILD.py", '"folder"', '"folder", "data/real"')
    made.file("x/Dockerfile", "FROM scratch\nCOPY again /a\nCOPY folder/real /b\nCOPY folder /c\n")
    assert made.keys()


def test_what_is_behind_a_link_is_no_file_of_the_package(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY link /d", '["a", "data/real"]').link("x/link", "data")
    assert made.error().endswith('fix: srcs = [..., "link"]')
    made.replace("x/BUILD.py", '"a"', '"link"')
    assert made.keys()


@pytest.mark.parametrize(
    "text", ["/usr/bin/python3", "libx.so.1", "../../../etc/passwd", "/data/real"]
)
def test_a_link_into_the_image_is_let_through(tmp_path: Path, text: str) -> None:
    made = image(tmp_path, "COPY . /d", '["files/link"]').link("x/files/link", text)
    assert made.keys()


def test_copy_follows_its_source_in_the_context_alone(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY link /d", '["link"]').link("x/link", "/usr/bin/python3")
    assert "COPY reads link, a link to usr/bin/python3, which does not exist" in made.error()


@pytest.mark.parametrize("name", ["Dockerfile", "link"])
def test_a_link_out_of_its_package_is_told_as_that_and_the_fix_works(
    tmp_path: Path, name: str
) -> None:
    made = image(tmp_path, "COPY a /d", '["a", "link"]').file("x/link")
    made.file("common/it", (made.root / "x" / name).read_text()).link(f"x/{name}", "../common/it")
    message = made.error()
    assert message.startswith(f"x/BUILD.py:2: error: x/{name} is a link out of its package")
    assert message.endswith(f"fix: rm x/{name} && cp -R common/it x/{name}")
    run_fix(made)
    assert made.keys()


def test_an_absolute_link_into_the_workspace(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY . /d", '["data/real", "deep/link"]')
    made.link("x/deep/link", str(made.root / "x/data/real"))
    assert "x/deep/link is an absolute link into the workspace" in made.error()
    run_fix(made)
    assert os.readlink(made.root / "x/deep/link") == "../data/real"
    assert made.keys()


def test_a_link_to_what_the_ignore_file_leaves_out_is_as_for_docker(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY . /d", 'glob(["**"])').link("x/link", "data/real")
    made.file("x/.dockerignore", "data\n")
    assert made.keys()
    made.file("x/Dockerfile", "FROM scratch\nCOPY link /d\n")
    message = made.error()
    assert "COPY reads link, a link to data/real, which x/.dockerignore leaves out" in message


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_a_link_out_of_the_workspace_is_told_as_that(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("FROM scratch\n")
    made = image(tmp_path, "COPY a /d", '["a"]').link(f"x/{name}", "../../outside")
    message = made.error()
    assert message.startswith(f"x/BUILD.py:2: error: x/{name} is a link out of its package")


def test_an_ignore_file_that_links_to_another_package_is_refused(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY a /d", '["a"]').file("bases/ign", "b\n")
    made.link("x/.dockerignore", "../bases/ign")
    message = made.error()
    assert message.startswith("x/BUILD.py:2: error: x/.dockerignore is a link out of its package")
    assert message.endswith("fix: rm x/.dockerignore && cp -R bases/ign x/.dockerignore")


@pytest.mark.parametrize("links", [{"l": "l"}, {"l": "m", "m": "l"}])
def test_a_loop_of_links_is_refused_at_the_declaration(
    tmp_path: Path, links: dict[str, str]
) -> None:
    made = image(tmp_path, "COPY l /d", repr(list(links)))
    for name, text in links.items():
        made.link(f"x/{name}", text)
    message = made.error()
    assert message.startswith("x/BUILD.py:2: error: x/l is a link to ")
    assert "which leads back to it" in message


def test_a_link_to_a_file_of_the_machine_that_a_copy_reads(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY l /d", '["l"]').link("x/l", "/etc/passwd")
    message = made.error()
    assert message.startswith("x/Dockerfile:2: error: COPY reads l, a link to etc/passwd, which")
    assert message.endswith("fix: write l as a file, or make the link in the Dockerfile")


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY p /d", '["p"]')
    os.mkfifo(made.root / "x/p")
    message = made.error()
    assert message.startswith("x/BUILD.py:2: error: x/p is neither a file nor a link")
    assert message.endswith("fix: leave x/p out of srcs")


def test_the_fix_for_what_the_ignore_file_leaves_out_works(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY a /d", '["a"]').file("x/.dockerignore", "a")
    subprocess.run(made.error().rpartition("fix: ")[2], shell=True, cwd=made.root, check=True)
    assert made.keys()


def test_where_files_are_packed_a_link_is_refused_before_the_action(tmp_path: Path) -> None:
    made = WorkspaceBuilder(tmp_path).file("x/a").link("x/link", "a")
    made.build("x", 'filegroup(name="f", srcs=["link"])')
    assert made.error().startswith("x/BUILD.py:2: error: x/link is a symlink, and only files")


# -- modes -----------------------------------------------------------------------------------------


def test_of_a_mode_the_executable_bit_counts_and_nothing_else(tmp_path: Path) -> None:
    made = image(tmp_path, "COPY a /a", '["a"]')
    keys = {}
    for mode in (0o644, 0o600, 0o664, 0o755, 0o700):
        (made.root / "x/a").chmod(mode)
        keys[mode] = made.keys()["//x"]
    assert keys[0o644] == keys[0o600] == keys[0o664]
    assert keys[0o755] == keys[0o700] != keys[0o644]


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6711])
def test_a_file_with_setuid_is_refused_and_the_fix_works(tmp_path: Path, mode: int) -> None:
    made = image(tmp_path, "COPY a /a", '["a"]')
    (made.root / "x/a").chmod(mode)
    message = made.error()
    assert message.startswith("x/a: error: x/a runs as its owner or group (setuid, setgid)")
    run_fix(made)
    assert made.keys()


# -- what may not be read --------------------------------------------------------------------------


class Closed:
    """Calls of `os`, of which one is refused for a path, as for a user who may not read it."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name != "scandir":
            return real

        def scandir(path: str) -> Any:
            if path == self._folder:
                raise PermissionError(13, "Permission denied", path)
            return real(path)

        return scandir


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = image(tmp_path, "COPY a /a", '["a"]').file("kept out/x")
    monkeypatch.setattr(working, "os", Closed(made.root / "kept out"))
    assert made.error() == (
        "kept out: error: kept out cannot be read: Permission denied\n  fix: chmod u+rx 'kept out'"
    )


def test_a_folder_that_may_be_listed_and_not_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = image(tmp_path, "COPY data /a", 'glob(["data/**"])')
    real = os.lstat

    def lstat(path: Any, **how: Any) -> os.stat_result:
        if str(path) == str(made.root / "x/data/real"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, **how)

    monkeypatch.setattr(os, "lstat", lstat)
    message = made.error()
    assert message.startswith("x/data: error: x/data cannot be read: Permission denied")
    assert message.endswith("fix: chmod u+rx x/data")


def test_a_folder_of_another_user_is_opened_as_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = image(tmp_path, "COPY a /a", '["a"]').file("data/x")
    monkeypatch.setattr(working, "os", Closed(made.root / "data"))
    monkeypatch.setattr(os, "geteuid", lambda: os.lstat(made.root).st_uid + 1)
    assert made.error().endswith("fix: sudo chmod a+rx data")
