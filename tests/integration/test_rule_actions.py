"""What the rules make: tarballs, groups, downloads, kernelspecs, and images that are pulled."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

import pytest
from workshop import Verbs, Workshop

from buildlib.build.execution.executor import Executor
from buildlib.core.model.label import parse_label, parse_reference
from buildlib.core.model.lock import Item
from buildlib.core.model.output import EXPORT
from buildlib.engine import transfer
from buildlib.errors import ActionError, InputError
from buildlib.shipping.releasing.choose import Chooser
from tests.support.workspace import digest
from tests.unit.fetch_server import Server

# -- tarball ---------------------------------------------------------------------------------------


@pytest.fixture
def pack(shop: Workshop) -> Workshop:
    """An archive of two parts and a prefix, used in parts by an image."""
    shop.file("pack/start.sh", "#!/bin/sh\n", mode=0o644)
    shop.file("pack/py/run.py", "1\n", mode=0o755)
    shop.file("pack/r/run.R", "1\n")
    shop.build(
        "pack",
        """
        tarball(
            name="files",
            parts={
                "boot": {"bin/start.sh": "start.sh"},
                "python": {"kernel/run.py": "py/run.py"},
                "r": {"kernel/run.R": "r/run.R"},
            },
            executables=["bin/start.sh"],
            prefix="/usr/local/",
            archive="kernel_files",
        )
        """,
    )
    shop.image(
        "images/py", 'srcs=["//pack:files[boot, python]"]', "FROM scratch\nADD files.tar /\n"
    )
    shop.build_targets("//...")
    return shop


def test_the_tar_for_images_has_the_prefix_its_folders_and_our_modes(pack: Workshop) -> None:
    found = pack.members("//pack:files", "files.tar")
    assert {name: oct(entry.mode) for name, entry in found.items()} == {
        "usr": "0o755",
        "usr/local": "0o755",
        "usr/local/bin": "0o755",
        "usr/local/bin/start.sh": "0o755",
        "usr/local/kernel": "0o755",
        "usr/local/kernel/run.R": "0o644",
        "usr/local/kernel/run.py": "0o644",
    }
    assert {(e.uid, e.gid, e.mtime) for e in found.values()} == {(0, 0, 1_700_000_000)}


def test_a_program_in_a_folder_that_a_label_fills_gets_its_mode(pack: Workshop) -> None:
    for name in ("a", "b"):
        pack.file(f"{name}/run.sh", "#!/bin/sh\n").file(f"{name}/data", "")
        pack.build(name, 'filegroup(name="files", srcs=["run.sh", "data"])')
    pack.build(
        "more",
        """
        tarball(
            name="more",
            parts={"a": {"in/a/": "//a:files"}, "b": {"./": "//b:files"}},
            executables=["in/a/run.sh"],
        )
        """,
    )
    pack.build_targets("//more")
    found = pack.members("//more", "more.tar")
    modes = {name: entry.mode for name, entry in found.items() if entry.isfile()}
    assert modes == {"in/a/run.sh": 0o755, "in/a/data": 0o644, "run.sh": 0o644, "data": 0o644}


def test_a_program_that_is_not_among_a_labels_files_is_told(pack: Workshop) -> None:
    pack.file("a/run.sh", "").build("a", 'filegroup(name="files", srcs=["run.sh"])')
    parts = 'parts={"a": {"in/": "//a:files"}}, executables=["in/rum.sh"]'
    pack.build("more", f'tarball(name="more", {parts})')
    with pytest.raises(InputError, match=r"executables names in/rum\.sh, which is not") as e:
        pack.build_targets("//more")
    assert str(e.value.where).startswith("more/BUILD.py:")


# -- zip_file --------------------------------------------------------------------------------------


def test_a_zip_is_the_same_whatever_the_checkout_is_like(shop: Workshop) -> None:
    import zipfile

    shop.file("pack/run.py", "1\n", mode=0o755).file("pack/lib/b.py", "2\n", mode=0o600)
    shop.build("lib", 'filegroup(name="lib", srcs=["c.py"])').file("lib/c.py", "3\n")
    shop.build(
        "pack",
        """
        zip_file(
            name="pack",
            members={"z.py": "run.py", "a/b.py": "lib/b.py", "one.py": "//lib", "m/": "//lib"},
        )
        """,
    )
    shop.build_targets("//pack")
    with zipfile.ZipFile(shop.made("//pack", "pack.zip")) as made:
        entries = made.infolist()
        assert [entry.filename for entry in entries] == ["a/b.py", "m/c.py", "one.py", "z.py"]
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
        assert [made.read(entry) for entry in entries] == [b"2\n", b"3\n", b"3\n", b"1\n"]


def test_no_member_of_a_zip_hides_another(shop: Workshop) -> None:
    shop.build("lib", 'filegroup(name="lib", srcs=["c.py"])').file("lib/c.py", "3\n")
    shop.file("pack/c.py", "4\n")
    shop.build("pack", 'zip_file(name="pack", members={"m/c.py": "c.py", "m/": "//lib"})')
    with pytest.raises(InputError, match=r"two inputs of //pack would both be m/c\.py"):
        shop.build_targets("//pack")


NAMED = """
    tarball(
        name="named",
        parts={"jar": {"lib/": ":jar"}, "run": {"run.py": "run.py"}},
        archive="named",
        release_names={"lib/a.jar": "lib/a_2.12-{version}.jar"},
    )
    filegroup(name="jar", srcs=["a.jar"])
    """


def exported(shop: Workshop, version: str) -> set[str]:
    """The files of the archive of a version, and nobody has to ask for them again."""
    shop.file("VERSION", f"{version}\n")
    shop.build_targets("//jars:named")
    found = shop.members("//jars:named", EXPORT)
    return {name for name, entry in found.items() if entry.isfile()}


def test_names_in_a_release_file_hold_the_version_and_those_in_images_do_not(
    shop: Workshop,
) -> None:
    shop.file("jars/a.jar").file("jars/run.py").build("jars", NAMED)
    assert exported(shop, "2.5.0.dev3") == {"lib/a_2.12-2.5.0.SNAPSHOT.jar", "run.py"}
    assert exported(shop, "2.5.0rc1") == {"lib/a_2.12-2.5.0rc1.jar", "run.py"}
    inside = shop.members("//jars:named", "named.tar")
    assert {name for name, entry in inside.items() if entry.isfile()} == {"lib/a.jar", "run.py"}


def test_the_version_is_in_the_key_of_the_archive_and_of_no_part(shop: Workshop) -> None:
    shop.file("jars/a.jar").file("jars/run.py").build("jars", NAMED)
    parts = ("//jars:named[jar]", "//jars:named[run]")
    before = shop.keys(parts)
    shop.file("VERSION", "9.9.9\n")
    after = shop.keys(parts)
    assert {name for name in before if before[name] != after[name]} == {"//jars:named"}


def test_a_part_has_the_key_that_it_has_without_names_for_a_release(shop: Workshop) -> None:
    shop.file("jars/a.jar").file("jars/run.py").build("jars", NAMED)
    parts = ("//jars:named[jar]", "//jars:named[run]")
    before = shop.keys(parts)
    text = (shop.root / "jars/BUILD.py").read_text()
    (shop.root / "jars/BUILD.py").write_text(text.replace("a_2.12-", "b-"))
    after = shop.keys(parts)
    assert {name for name in before if before[name] != after[name]} == {"//jars:named"}


def test_a_release_name_for_what_the_label_does_not_have_fails_the_build(shop: Workshop) -> None:
    shop.file("jars/a.jar").file("jars/run.py").build(
        "jars", NAMED.replace('"lib/a.jar":', '"lib/b.jar":')
    )
    with pytest.raises(InputError, match=r"release_names names lib/b.jar, which is not in"):
        shop.build_targets("//jars:named")


# -- tarball, in images ----------------------------------------------------------------------------


def test_an_image_gets_the_parts_it_names(pack: Workshop) -> None:
    import tarfile

    staged = pack.staged("//images/py") / "files.tar"
    with tarfile.open(staged) as tar:
        names = [entry.name for entry in tar if entry.isfile()]
    assert names == ["usr/local/bin/start.sh", "usr/local/kernel/run.py"]


def test_an_edit_of_another_part_leaves_the_image_as_it_is(pack: Workshop) -> None:
    pack.file("pack/r/run.R", "2\n")
    assert pack.action("//pack:files") == "build"
    assert pack.action("//images/py") == "fresh"
    pack.file("pack/py/run.py", "2\n", mode=0o755)
    assert pack.action("//images/py") == "build"


def test_the_release_file_has_no_prefix_and_is_the_same_each_time(pack: Workshop) -> None:
    path = pack.root / "dist/kernel_files-2.5.0.dev0.tar.gz"
    first = path.read_bytes()
    assert gzip.decompress(first) == pack.made("//pack:files", "release.tar").read_bytes()
    assert "bin/start.sh" in pack.members("//pack:files", "release.tar")
    assert first[4:8] == bytes(4), "no time in the header of gzip"
    assert not first[3], "no file name in it either"
    pack.remove("dist").remove(".buildlib").remove("../store")
    pack.build_targets("//pack:files")
    assert path.read_bytes() == first


def test_a_release_file_that_was_removed_or_damaged_comes_back(pack: Workshop) -> None:
    path = pack.root / "dist/kernel_files-2.5.0.dev0.tar.gz"
    first = path.read_bytes()
    for harm in (path.unlink, lambda: path.write_bytes(b"x")):
        harm()
        assert pack.action("//pack:files") == "restore"
        pack.build_targets("//pack:files")
        assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_modes_of_the_checkout_are_not_those_of_the_archive(pack: Workshop) -> None:
    before = pack.made("//pack:files", "files.tar").read_bytes()
    pack.file("pack/r/run.R", "1\n", mode=0o755)
    pack.build_targets("//pack:files")
    assert pack.made("//pack:files", "files.tar").read_bytes() == before


def test_members_may_come_from_other_targets(shop: Workshop) -> None:
    shop.file("lib/a", "a").file("lib/b", "b")
    shop.build(
        "lib",
        'filegroup(name="both", srcs=["a", "b"])',
        'tarball(name="t", parts={"x": {"root/": ":both"}, "y": {"one": ":just"}})',
        'filegroup(name="just", srcs=["a"])',
    )
    shop.build_targets("//lib:t")
    assert [n for n, e in shop.members("//lib:t", "t.tar").items() if e.isfile()] == [
        "one", "root/a", "root/b",
    ]  # fmt: skip


def test_several_files_at_the_place_of_one_are_refused(shop: Workshop) -> None:
    shop.file("lib/a", "a").file("lib/b", "b")
    shop.build(
        "lib",
        'filegroup(name="both", srcs=["a", "b"])',
        'tarball(name="t", parts={"x": {"one": ":both"}})',
    )
    with pytest.raises(InputError, match="has 2 files, but one is one") as caught:
        shop.build_targets("//lib:t")
    assert str(caught.value.where) == "lib/BUILD.py:3"


# -- filegroup and download ------------------------------------------------------------------------


def test_a_group_brings_its_files_and_those_of_what_it_names(shop: Workshop) -> None:
    shop.file("lib/a", "a").file("lib/sub/b", "b")
    shop.build("lib", 'filegroup(name="g", srcs=["a", "sub/b"])')
    shop.file("more/c", "c").build("more", 'filegroup(name="g", srcs=["c", "//lib:g"])')
    shop.image("images/a", 'srcs=["//more:g"]', "FROM scratch\nCOPY . /\n")
    shop.build_targets("//images/a")
    staged = shop.staged("//images/a")
    files = {str(p.relative_to(staged)): p.read_text() for p in staged.rglob("*") if p.is_file()}
    del files["Dockerfile"]
    assert files == {"a": "a", "sub/b": "b", "c": "c"}


def test_an_edit_in_a_group_of_a_group_is_seen_by_the_image(shop: Workshop) -> None:
    shop.file("lib/a", "a").build("lib", 'filegroup(name="g", srcs=["a"])')
    shop.build("more", 'filegroup(name="g", srcs=["//lib:g"])')
    shop.image("images/a", 'srcs=["//more:g"]', "FROM scratch\nCOPY a /\n")
    shop.build_targets("//images/a")
    shop.file("lib/a", "A")
    shop.build_targets("//images/a")
    assert (shop.staged("//images/a") / "a").read_text() == "A"


def test_a_file_of_a_group_that_moves_under_the_build_is_noticed(shop: Workshop) -> None:
    shop.file("lib/a", "a").build("lib", 'filegroup(name="g", srcs=["a"])')
    shop.image("images/a", 'srcs=["//lib:g"]', "FROM scratch\nCOPY a /\n")
    session = shop.session()
    session.start(session.workspace.resolve(["//images/a"]))
    shop.file("lib/a", "moved")
    with pytest.raises(ActionError, match="changed while it was being read"):
        session.run(session.labels()[0])
    assert shop.builder.requests == []


@pytest.mark.parametrize(
    ("more", "name"), [("", "spark.tgz"), ('filename="renamed.tgz"', "renamed.tgz")]
)
def test_a_download_has_the_name_that_was_given(
    shop: Workshop, verb: Verbs, outside: Server, more: str, name: str
) -> None:
    outside.files["/spark.tgz?x=/y.tgz"] = b"spark"
    url = f"{outside.url}/spark.tgz?x=/y.tgz"
    shop.build("tools", f'download(name="spark", urls=["{url}"], {more})')
    shop.image("images/a", 'srcs=["//tools:spark"]', f"FROM scratch\nCOPY {name} /\n")
    assert verb("lock").code == 0
    assert verb("build").code == 0
    assert (shop.staged("//images/a") / name).read_bytes() == b"spark"


# -- kernelspec ------------------------------------------------------------------------------------


@pytest.fixture
def spec(shop: Workshop) -> Workshop:
    """A kernelspec with resources and two images."""
    shop.image("images/py").image("images/exec", 'repository="executor"')
    shop.file("logos/logo-64x64.png", b"\x89PNG").file("logos/logo.svg", "<svg/>")
    shop.build("logos", 'filegroup(name="logos", srcs=["logo-64x64.png", "logo.svg"])')
    shop.file("kernelspecs/launch.py", "1\n")
    shop.build(
        "kernelspecs",
        """
        kernelspec(
            name="python_kubernetes",
            display_name="Python für alle",
            language="python",
            process_proxy="k8s.KubernetesProcessProxy",
            argv=["python", "scripts/launch.py", "{kernel_id}"],
            image="//images/py",
            executor_image="//images/exec",
            config={"authorized_users": "bob"},
            metadata={"debugger": True},
            env={"LAUNCH_OPTS": ""},
            resources={"scripts/launch.py": "launch.py", "icons/": "//logos"},
        )
        """,
    )
    return shop


def test_kernel_json_says_what_was_declared_and_names_the_images(spec: Workshop) -> None:
    spec.build_targets("//kernelspecs:python_kubernetes")
    text = spec.made("//kernelspecs:python_kubernetes", "python_kubernetes/kernel.json").read_text()
    assert json.loads(text) == {
        "language": "python",
        "display_name": "Python für alle",
        "metadata": {
            "debugger": True,
            "process_proxy": {
                "class_name": (
                    "enterprise_gateway.services.processproxies.k8s.KubernetesProcessProxy"
                ),
                "config": {
                    "authorized_users": "bob",
                    "image_name": "elyra/py:dev",
                    "executor_image_name": "elyra/executor:dev",
                },
            },
        },
        "env": {"LAUNCH_OPTS": ""},
        "argv": ["python", "scripts/launch.py", "{kernel_id}"],
    }
    assert "für" in text
    assert text.endswith("}\n")


def test_a_kernelspec_is_a_folder_with_its_resources(spec: Workshop) -> None:
    spec.build_targets("//kernelspecs:python_kubernetes")
    record = spec.record("//kernelspecs:python_kubernetes")
    assert record is not None
    assert sorted(record.files) == [
        "python_kubernetes/icons/logo-64x64.png",
        "python_kubernetes/icons/logo.svg",
        "python_kubernetes/kernel.json",
        "python_kubernetes/scripts/launch.py",
    ]


def test_several_resources_at_the_place_of_one_are_refused(spec: Workshop) -> None:
    spec.replace("kernelspecs/BUILD.py", '"icons/": "//logos"}', '"icon": "//logos"}')
    with pytest.raises(InputError):
        spec.build_targets("//kernelspecs:python_kubernetes")


def test_a_kernelspec_needs_the_name_of_its_image_not_the_image(spec: Workshop) -> None:
    spec.build_targets("//kernelspecs:python_kubernetes")
    assert spec.builder.requests == []
    before = spec.key("//kernelspecs:python_kubernetes")
    spec.file("images/py/Dockerfile", "FROM scratch\nLABEL x=1\n")
    assert spec.key("//kernelspecs:python_kubernetes") == before
    spec.image("images/py", 'repository="renamed"')
    assert spec.key("//kernelspecs:python_kubernetes") != before


@pytest.mark.parametrize(
    ("setting", "value", "name"),
    [
        ("organization", "acme", "acme/py:dev"),
        ("registry", "registry.example.com:5000", "registry.example.com:5000/elyra/py:dev"),
    ],
)
def test_names_are_in_the_key_of_the_kernelspec_and_in_no_other(
    spec: Workshop, setting: str, value: str, name: str
) -> None:
    before = spec.keys()
    spec.setting(setting, value)
    after = spec.keys()
    changed = {label for label in before if before[label] != after[label]}
    assert changed == {"//kernelspecs:python_kubernetes"}
    spec.build_targets("//kernelspecs:python_kubernetes")
    made = spec.made("//kernelspecs:python_kubernetes", "python_kubernetes/kernel.json")
    assert f'"{name}"' in made.read_text()


def test_a_release_is_in_the_key_of_the_kernelspec_and_in_no_other(spec: Workshop) -> None:
    before = spec.keys()
    workspace = spec.open(version="2.5.0")
    for label in workspace.graph.order:
        same = workspace.keys.key(parse_reference(str(label))) == before[label.short]
        assert same == (workspace.graph[label].rule.kind != "kernelspec"), label


def test_one_file_that_two_groups_bring_is_one(shop: Workshop) -> None:
    shop.file("p/c.txt", "c").file("p/other/c.txt", "another").build(
        "p/other", 'filegroup(name="other", srcs=["c.txt"])'
    )
    shop.build(
        "p",
        'filegroup(name="c", srcs=["c.txt"])',
        'filegroup(name="a", srcs=[":c"])',
        'filegroup(name="b", srcs=[":c"])',
        'filegroup(name="both", srcs=[":a", ":b"])',
        'filegroup(name="clash", srcs=[":a", "//p/other"])',
    )
    shop.image("images/x", 'srcs=["//p:both"]', "FROM scratch\nCOPY c.txt /\n")
    shop.image("images/y", 'srcs=["//p:clash"]', "FROM scratch\nCOPY c.txt /\n")
    shop.build_targets("//images/x")
    with pytest.raises(InputError, match=r"would both be c\.txt"):
        shop.build_targets("//images/y")


# -- external_image --------------------------------------------------------------------------------


@pytest.fixture
def foreign(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> tuple[Workshop, list[Any]]:
    """A locked image of a registry, and the pulls that were asked for."""
    pulls: list[Any] = []

    def pull(reference: str, *, platform: str) -> None:
        pulls.append((reference, platform))
        if reference.startswith("gone"):
            raise ActionError(
                f"{reference} cannot be pulled: manifest unknown", fix=f"docker pull {reference}"
            )
        shop.engine.add(reference)

    monkeypatch.setattr(transfer, "pull", pull)
    shop.build("images/deb", 'external_image(name="deb", image="docker.io/library/debian:12")')
    pin = Item("12", digest("debian"), 0, "docker.io/library/debian:12")
    shop.pin("image", "//images/deb", {"docker.io/library/debian:12": pin})
    return shop, pulls


def test_an_image_is_pulled_by_the_digest_of_the_lock(foreign) -> None:
    shop, pulls = foreign
    shop.build_targets("//images/deb")
    reference = f"docker.io/library/debian@sha256:{digest('debian')}"
    assert pulls == [(reference, "linux/amd64")]
    assert shop.engine.resolve("elyra/deb:dev") == shop.engine.resolve(reference)
    shop.build_targets("//images/deb")
    assert len(pulls) == 1


def test_a_child_of_a_pulled_image_is_built_on_that_content(foreign) -> None:
    shop, _ = foreign
    shop.image("images/a", 'parent="//images/deb"', "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n")
    shop.build_targets("//images/a")
    args = dict(shop.builder.requests[0].args)
    assert args == {"BASE_CONTAINER": shop.content_tag("//images/deb")}


def test_an_image_that_cannot_be_pulled_says_what_to_try(foreign) -> None:
    shop, _ = foreign
    shop.build("images/deb", 'external_image(name="deb", image="gone/debian:12")')
    pin = Item("12", digest("debian"), 0, "gone/debian:12")
    shop.pin("image", "//images/deb", {"gone/debian:12": pin})
    with pytest.raises(ActionError, match="cannot be pulled") as caught:
        shop.build_targets("//images/deb")
    assert str(caught.value.fix).startswith("docker pull gone/debian@sha256:")


def test_an_image_that_would_run_something_in_builds_on_it_is_refused(foreign, monkeypatch) -> None:
    """No check sees its Dockerfile: it could fetch what no pin holds."""
    shop, _ = foreign
    inspect = shop.engine.inspect
    triggers = ("ADD http://example.org/x /x",)

    def with_triggers(refs: list[str]) -> dict[str, Any]:
        found = inspect(refs)
        return {ref: info and info._replace(triggers=triggers) for ref, info in found.items()}

    monkeypatch.setattr(shop.engine, "inspect", with_triggers)
    with pytest.raises(ActionError, match="has ONBUILD triggers") as caught:
        shop.build_targets("//images/deb")
    assert "ONBUILD ADD http://example.org/x /x" in str(caught.value.detail)
    assert shop.record("//images/deb") is None


def test_a_proof_sees_nothing_of_the_callers_environment(shop: Workshop, monkeypatch) -> None:
    shop.build("images/a", 'filegroup(name="a", srcs=["BUILD.py"])')
    shop.file("proof/__init__.py").file(
        "proof/__main__.py",
        "import json, os, sys\njson.dump(dict(os.environ), open(sys.argv[-1], 'w'))\n",
    )
    for name in ("PYTHONOPTIMIZE", "EG_KERNEL_LAUNCH_TIMEOUT", "HTTP_PROXY_PASSWORD"):
        monkeypatch.setenv(name, "2")
    monkeypatch.setenv("TERM", "dumb")
    context = Executor(shop.open(), say=print)._context(print, None)
    target = shop.open().graph[parse_label("//images/a")]
    code, report = context.run_module(target, "proof", [])
    seen = json.loads(report)
    assert code == 0
    assert {"PATH", "TERM", "PYTHONPATH"} <= set(seen)
    assert not {"PYTHONOPTIMIZE", "EG_KERNEL_LAUNCH_TIMEOUT", "HTTP_PROXY_PASSWORD"} & set(seen)


def test_a_proof_says_what_it_is_doing(shop: Workshop) -> None:
    shop.build("images/a", 'filegroup(name="a", srcs=["BUILD.py"])')
    shop.file("proof/__init__.py").file(
        "proof/__main__.py",
        "import sys\nprint('>> idle, 2 of 9')\nprint('a line')\nopen(sys.argv[-1], 'w')\n",
    )
    said: list[str] = []
    does: list[str] = []
    context = Executor(shop.open(), say=print)._context(said.append, None, doing=does.append)
    context.run_module(shop.open().graph[parse_label("//images/a")], "proof", [])
    assert does == ["idle, 2 of 9"]
    assert context.tail() == "a line"
    assert said[1:] == ["a line"]


def test_a_release_does_not_claim_images_of_others(foreign) -> None:
    shop, _ = foreign
    shop.image("images/ours")
    workspace = shop.open()
    assert Chooser(workspace, workspace).images == [parse_label("//images/ours")]


# -- container_files, as far as the fake goes ------------------------------------------------------


def test_two_outputs_of_one_name_are_refused(shop: Workshop) -> None:
    shop.file("t/Dockerfile", "FROM scratch\n")
    shop.build("t", 'container_files(name="f", outputs=["a/x.jar", "b/x.jar"])')
    assert "x.jar" in shop.error()


def test_an_output_that_was_not_made_is_told_with_where_to_put_it(shop: Workshop) -> None:
    shop.file("t/Dockerfile", "FROM scratch\nCOPY a /a\n").file("t/a", "a")
    shop.build("t", 'container_files(name="f", srcs=["a"], outputs=["b"])')
    with pytest.raises(InputError) as caught:
        shop.build_targets("//t:f")
    assert str(caught.value.where) == "t/BUILD.py:2"
    assert caught.value.fix == "COPY it to /b in the last stage of Dockerfile"
    assert shop.record("//t:f") is None
    assert list((shop.root / ".buildlib/stage").glob("*.tar")) == []


def test_a_file_is_taken_as_it_is(shop: Workshop) -> None:
    shop.file("t/Dockerfile", "FROM scratch\nCOPY a /out/\n").file("t/a", "content")
    shop.build("t", 'container_files(name="f", srcs=["a"], outputs=["/out/a"])')
    shop.build_targets("//t:f")
    assert hashlib.sha256(b"content").hexdigest() in str(shop.made("//t:f", "a")).replace("/", "")
