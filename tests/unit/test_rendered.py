"""`rendered`: names of images in a file of the workspace, kept as the build makes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildlib.build.execution.cleaning import clean
from buildlib.build.execution.session import Session, build_in_order
from buildlib.build.workspace import Workspace
from buildlib.core.model.label import parse_label
from buildlib.errors import InputError
from tests.support.workspace import WorkspaceBuilder

LABEL = parse_label("//d:file")
TEXT = "image: @ONE@\nkernels: @ALL@ # a@B.org @no@\nlevel: @LEVEL@, again @ONE@\n"


def declared(folder: Path, **changes: str) -> WorkspaceBuilder:
    made = WorkspaceBuilder(folder).image("images/one").image("images/two").file("d/t.in", TEXT)
    given = {
        "template": '"t.in"',
        "out": '"t.yaml"',
        "images": '{"ONE": "//images/one"}',
        "names": '{"ALL": ["//images/two", "//images/one"]}',
        "values": '{"LEVEL": "7"}',
        **changes,
    }
    arguments = ", ".join(f"{name}={value}" for name, value in given.items())
    return made.build("d", f'rendered(name="file", {arguments})')


def build(workspace: Workspace) -> None:
    session = Session(workspace, say=lambda line: None)
    session.start([LABEL])
    build_in_order(session)
    workspace.save()


def test_placeholders_become_names_and_all_else_stays(tmp_path):
    made = declared(tmp_path)
    build(made.open())
    assert (made.root / "d/t.yaml").read_text() == (
        "image: elyra/one:dev\nkernels: two,one # a@B.org @no@\nlevel: 7, again elyra/one:dev\n"
    )


def test_images_have_the_names_of_this_build(tmp_path):
    made = declared(tmp_path)
    given = {"organization": "acme", "registry": "registry.example.com:5000"}
    build(made.open(overrides=given, version="2.5.0"))
    assert (
        "image: registry.example.com:5000/acme/one:2.5.0\n" in (made.root / "d/t.yaml").read_text()
    )


@pytest.mark.parametrize("change", ["gone", "edited"])
def test_a_file_that_is_gone_or_edited_is_written_again(tmp_path, change):
    made = declared(tmp_path)
    build(made.open())
    file = made.root / "d/t.yaml"
    wanted = file.read_text()
    if change == "gone":
        file.unlink()
    else:
        file.write_text(wanted + "mine\n")
    (step,) = made.open().plan([LABEL]).steps
    assert (step.action, "t.yaml" in step.reason) == ("restore", True)
    build(made.open())
    assert file.read_text() == wanted
    assert made.open().plan([LABEL]).steps == ()


def test_the_file_is_in_no_key_and_goes_with_clean(tmp_path):
    made = declared(tmp_path)
    before = made.keys()
    build(made.open())
    assert made.keys() == before
    assert clean(made.open(), [LABEL]).lines() == [f"remove {os.path.relpath('d/t.yaml', '.')}"]
    assert not (made.root / "d/t.yaml").exists()


def test_a_new_image_of_the_same_name_leaves_the_file_as_it_is(tmp_path):
    made = declared(tmp_path)
    key = made.keys()["//d:file"]
    made.file("images/one/Dockerfile", "FROM scratch\nLABEL a=b\n")
    assert made.keys()["//d:file"] == key


def test_another_template_name_or_value_is_another_key(tmp_path):
    keys = {declared(tmp_path / "0", values='{"LEVEL": "8"}').keys()["//d:file"]}
    keys.add(declared(tmp_path / "1", names='{"ALL": ["//images/one"]}').keys()["//d:file"])
    keys.add(declared(tmp_path / "2").file("d/t.in", TEXT + "more\n").keys()["//d:file"])
    keys.add(declared(tmp_path / "3").setting("organization", "acme").keys()["//d:file"])
    keys.add(declared(tmp_path / "4").keys()["//d:file"])
    assert len(keys) == 5


def test_what_is_named_as_an_image_must_be_one(tmp_path):
    made = declared(tmp_path, images='{"ONE": "//images/one:group"}')
    made.build("images/one", 'filegroup(name="group", srcs=[])', 'filegroup(name="one", srcs=[])')
    with pytest.raises(InputError) as refused:
        build(made.open())
    assert refused.value.what == "//images/one:group is no image, but a filegroup"
    assert str(refused.value.where) == "d/BUILD.py:2"
