"""`lock python`: uv resolves against a local index, and one wheel of each project is pinned."""

from __future__ import annotations

import pytest
from simple_index import SimpleIndex
from workshop import Verbs, Workshop

from buildlib.core.model.lock import parse_lock

pytestmark = pytest.mark.slow

X86 = "manylinux_2_17_x86_64"
NEWEST = "manylinux_2_35_x86_64"


@pytest.fixture
def site(shop: Workshop, index: SimpleIndex) -> Workshop:
    """An image that wants `thing`."""
    shop.network(pypi=index.url)
    return want(shop, "images/a", "thing")


def want(
    shop: Workshop, package: str, *wanted: str, more: str = "", parent: bool = False
) -> Workshop:
    shop.file(f"{package}/requirements.in", "".join(f"{name}\n" for name in wanted))
    dockerfile = "FROM scratch\n"
    if parent:
        dockerfile = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"
    return shop.image(package, f'python="requirements.in", {more}', dockerfile)


def wheels(shop: Workshop, label: str = "//images/a") -> list[str]:
    """The pinned file names."""
    return list(shop.read_lock()["python"][label].items)


@pytest.mark.parametrize(
    ("tags", "best"),
    [
        (["py3-none-any", f"cp311-cp311-{X86}", f"cp310-abi3-{X86}"], f"cp311-cp311-{X86}"),
        (["py3-none-any", f"cp38-abi3-{X86}"], f"cp38-abi3-{X86}"),
        ([f"cp312-cp312-{X86}", f"py3-none-{X86}", "py3-none-any"], f"py3-none-{X86}"),
        ([f"cp311-cp311-{X86}", f"cp311-cp311-{NEWEST}"], f"cp311-cp311-{NEWEST}"),
        (["cp311-cp311-manylinux_2_36_x86_64", "py3-none-any"], "py3-none-any"),
        (["cp311-cp311-musllinux_1_2_x86_64", "py3-none-any"], "py3-none-any"),
        (["cp311-cp311-manylinux_2_17_aarch64", "cp311-cp311-macosx_11_0_arm64",
          "cp311-cp311-win_amd64", "py2.py3-none-any"], "py2.py3-none-any"),
        (["cp312-abi3-manylinux_2_17_x86_64", "py3-none-any"], "py3-none-any"),
        ([f"cp311-cp311-{X86}.manylinux2014_x86_64"], f"cp311-cp311-{X86}.manylinux2014_x86_64"),
    ],
)  # fmt: skip
def test_the_wheel_that_fits_best_is_pinned(
    site: Workshop, verb: Verbs, index: SimpleIndex, tags: list[str], best: str
) -> None:
    index.add("thing", "1.0", *tags)
    told = verb("lock", "python")
    assert told.code == 0, told.err
    (name,) = wheels(site)
    assert name == f"thing-1.0-{best}.whl"
    pin = site.read_lock()["python"]["//images/a"].items[name]
    assert pin == ("1.0", index.sha256(name), len(index.files[name]), "thing")


def test_an_image_of_another_platform_gets_its_own_wheels(
    shop: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    shop.network(pypi=index.url)
    want(shop, "images/a", "thing", more='platform="linux/arm64"')
    index.add("thing", "1.0", f"cp311-cp311-{X86}", "cp311-cp311-manylinux_2_17_aarch64")
    assert verb("lock").code == 0
    assert wheels(shop) == ["thing-1.0-cp311-cp311-manylinux_2_17_aarch64.whl"]


def test_a_platform_without_wheels_is_an_error_at_the_declaration(
    shop: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    shop.network(pypi=index.url)
    want(shop, "images/a", "thing", more='platform="linux/s390x"')
    told = verb("lock", "python")
    assert told.code == 3
    assert "images/a/BUILD.py:2: error: no Python wheels are known for linux/s390x" in told.err


def test_what_has_no_wheel_at_all_is_told_with_the_file_to_edit(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0", "cp311-cp311-musllinux_1_2_x86_64")
    before = site.snapshot()
    told = verb("lock", "python")
    assert told.code == 1
    assert "uv finds no solution for images/a/requirements.in" in told.err
    assert "edit images/a/requirements.in" in told.fixes[0]
    assert site.snapshot() == before


def test_dependencies_are_pinned_too_with_hashes(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0", needs=("other>=2",))
    index.add("other", "1.0")
    index.add("other", "2.5")
    assert verb("lock").code == 0
    assert wheels(site) == ["other-2.5-py3-none-any.whl", "thing-1.0-py3-none-any.whl"]
    _, other, digest, *thing = (site.root / "images/a/requirements.lock").read_text().splitlines()
    assert other == "other==2.5 \\"
    assert digest == f"    --hash=sha256:{index.sha256('other-2.5-py3-none-any.whl')}"
    assert thing[0] == "thing==1.0 \\"


def test_a_child_does_not_change_what_its_parents_have(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    want(site, "images/b", "extra", more='parent="//images/a"', parent=True)
    want(site, "images/c", "top", more='parent="//images/b"', parent=True)
    index.add("thing", "1.0", needs=("shared<2",))
    index.add("shared", "1.0")
    index.add("shared", "2.0")
    index.add("extra", "1.0")
    index.add("top", "1.0", needs=("shared",))
    assert verb("lock").code == 0
    assert wheels(site, "//images/c") == ["shared-1.0-py3-none-any.whl", "top-1.0-py3-none-any.whl"]


def test_a_child_that_contradicts_its_parent_is_an_error(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    want(site, "images/b", "thing>=2", more='parent="//images/a"', parent=True)
    index.add("thing", "1.0")
    assert verb("lock", "python", "//images/a").code == 0
    index.add("thing", "2.0")
    told = verb("lock", "python", "//images/b")
    assert told.code == 1
    assert "images/b/BUILD.py:2: error: uv finds no solution" in told.err
    assert "thing" in told.err


def test_present_pins_stay_until_upgrade_moves_them(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0")
    assert verb("lock").code == 0
    index.add("thing", "2.0")
    before = site.snapshot()
    told = verb("lock", "python")
    assert "no pin moved" in told.out
    assert site.snapshot() == before
    told = verb("lock", "python", "--upgrade")
    assert told.code == 0
    assert wheels(site) == ["thing-2.0-py3-none-any.whl"]
    assert "thing-1.0-py3-none-any.whl 1.0 removed" in told.out
    assert "thing-2.0-py3-none-any.whl 2.0 added" in told.out


def test_a_requirements_file_that_was_removed_is_made_without_memory(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0")
    assert verb("lock").code == 0
    index.add("thing", "2.0")
    site.remove("images/a/requirements.lock")
    assert verb("lock").code == 0
    assert wheels(site) == ["thing-2.0-py3-none-any.whl"]


def test_neither_host_nor_path_of_this_machine_get_into_the_lock(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    want(site, "images/b", "thing", more='parent="//images/a"', parent=True)
    index.add("thing", "1.0")
    assert verb("lock").code == 0
    for name in ("images.lock", "images/a/requirements.lock", "images/b/requirements.lock"):
        text = (site.root / name).read_text()
        assert "thing" in text
        assert index.host not in text
        assert "127.0.0.1" not in text
        assert str(site.root) not in text
        assert "/tmp" not in text


def test_the_same_index_gives_the_same_files_elsewhere(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0", "py3-none-any", f"cp311-cp311-{X86}", needs=("other",))
    index.add("other", "1.0")
    assert verb("lock").code == 0
    first = {name: data for name, data in site.snapshot().items() if name.endswith(".lock")}
    for name in first:
        site.remove(name)
    site.remove(".buildlib")
    assert verb("lock").code == 0
    assert {n: d for n, d in site.snapshot().items() if n.endswith(".lock")} == first


def test_check_reports_drift_and_writes_nothing(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0")
    assert verb("lock").code == 0
    assert verb("lock", "--check").code == 0
    index.add("thing", "2.0")
    assert verb("lock", "--check").code == 0
    before = site.snapshot()
    told = verb("lock", "--check", "--upgrade")
    assert told.code == 1
    assert "thing-2.0-py3-none-any.whl 2.0 added" in told.out
    assert "2 pins have drifted" in told.out
    assert site.snapshot() == before


def test_check_of_what_was_never_locked_is_drift_not_a_fault(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0")
    before = site.snapshot()
    told = verb("lock", "--check")
    assert told.code == 1, told.err
    assert site.snapshot() == before


def test_an_edited_in_file_is_refused_until_it_is_locked(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0")
    assert verb("lock").code == 0
    site.file("images/a/requirements.in", "thing>=1\n")
    told = verb("build")
    assert told.code == 3
    assert "images/a/BUILD.py:2: error: images/a/requirements.in changed" in told.err
    (fix,) = told.fixes
    assert fix.startswith("./doitw lock python //images/a")
    assert verb(*fix.split()[1:]).code == 0
    assert verb("plan").fixes == []


def mended(verb: Verbs) -> None:
    """A build is refused; what it says to paste is enough."""
    told = verb("build")
    assert told.code == 3, told.out
    (fix,) = told.fixes
    told = verb(*fix.split()[1:])
    assert told.code == 0, told.err
    told = verb("plan")
    assert told.code == 0, told.err


def test_an_edited_file_that_the_in_file_includes_is_refused_until_it_is_locked(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0")
    index.add("other", "1.0")
    site.file("images/a/more.in", "thing\n").file("images/a/requirements.in", "-r more.in\n")
    site.file("images/a/Dockerfile", "FROM scratch\nCOPY wheels/ /w/\nCOPY requirements.lock /\n")
    assert verb("lock").code == 0
    assert verb("build").code == 0
    site.file("images/a/more.in", "thing\nother\n")
    told = verb("build")
    assert told.code == 3
    assert "images/a/BUILD.py:2: error: images/a/more.in changed after images.lock" in told.err
    assert verb("lock", "--check").code == 1
    mended(verb)
    assert wheels(site) == ["other-1.0-py3-none-any.whl", "thing-1.0-py3-none-any.whl"]
    assert site.action("//images/a") == "build"


def test_an_edited_constraint_is_refused_until_it_is_locked(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0")
    index.add("thing", "2.0")
    site.file("images/limits.in", "thing<2\n")
    site.file("images/a/requirements.in", "thing\n-c ../limits.in\n")
    assert verb("lock").code == 0
    assert wheels(site) == ["thing-1.0-py3-none-any.whl"]
    site.file("images/limits.in", "thing>=2\n")
    mended(verb)
    assert wheels(site) == ["thing-2.0-py3-none-any.whl"]


def test_a_file_that_several_include_is_mended_by_one_command(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0")
    index.add("other", "1.0")
    site.file("images/more.in", "thing\n").file("images/a/requirements.in", "-r ../more.in\n")
    want(site, "images/b", "-r ../more.in")
    want(site, "images/c", "-r ../more.in", more='parent="//images/b"', parent=True)
    assert verb("lock").code == 0
    site.file("images/more.in", "thing\nother\n")
    mended(verb)
    assert len(wheels(site, "//images/c")) == 2


def test_uv_is_shown_nothing_but_what_the_request_names(
    site: Workshop, verb: Verbs, index: SimpleIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were an include overlooked, the lock would fail and not hold what nobody knows of."""
    index.add("thing", "1.0")
    site.file("images/a/more.in", "thing\n").file("images/a/requirements.in", "-r more.in\n")
    monkeypatch.setattr("buildlib.core.model.requirements._includes", lambda path, data: iter(()))
    told = verb("lock", "python")
    assert told.code == 1
    assert "more.in" in told.err
    assert not (site.root / "images.lock").exists()


def test_an_edit_while_uv_resolves_is_in_no_request(
    site: Workshop, verb: Verbs, index: SimpleIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    from buildlib.build.lock import python

    index.add("thing", "1.0")
    index.add("thing", "2.0")
    resolve = python._resolve

    def resolve_slowly(*arguments, **options) -> str:
        text = resolve(*arguments, **options)
        site.file("images/a/requirements.in", "thing<2\n")
        return text

    with monkeypatch.context() as patched:
        patched.setattr(python, "_resolve", resolve_slowly)
        assert verb("lock").code == 0
    mended(verb)
    assert wheels(site) == ["thing-1.0-py3-none-any.whl"]


def family(site: Workshop, index: SimpleIndex) -> None:
    """A chain a <- b <- c, and d beside b; what all but a want is limited by a."""
    for package, parent in (("b", "a"), ("c", "b"), ("d", "a")):
        want(site, f"images/{package}", "shared", more=f'parent="//images/{parent}"', parent=True)
    index.add("thing", "1.0", needs=("shared<2",))
    index.add("thing", "2.0", needs=("shared<3",))
    index.add("shared", "1.0")
    index.add("shared", "2.0")
    site.file("images/a/requirements.in", "thing<2\n")


def test_what_stands_on_an_image_is_locked_with_it(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    family(site, index)
    assert verb("lock").code == 0
    site.file("images/a/requirements.in", "thing\n")
    assert verb("plan").fixes == ["./doitw lock python //images/a"]
    told = verb("lock", "python", "--upgrade", "//images/a")
    assert told.code == 0, told.err
    assert "python of //images/c, which was resolved on other pins" in told.out
    assert verb("plan").fixes == []
    for label in ("//images/a", "//images/b", "//images/c", "//images/d"):
        assert "shared-2.0-py3-none-any.whl" in wheels(site, label)
    assert verb("lock", "--check").code == 0


def test_requirements_of_a_parent_that_came_with_a_merge_are_mended_by_one_command(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    """The lock of the parent is right, those of all that stand on it are not."""
    family(site, index)
    assert verb("lock").code == 0
    ours = {name: data for name, data in site.snapshot().items() if name.endswith(".lock")}
    site.file("images/a/requirements.in", "thing\n")
    assert verb("lock", "python", "--upgrade").code == 0
    theirs = site.read_lock()["python"]["//images/a"]
    for label in ("b", "c", "d"):
        site.file(f"images/{label}/requirements.lock", ours[f"images/{label}/requirements.lock"])
    merged = parse_lock(ours["images.lock"].decode())
    site.lock({"python": {**merged["python"], "//images/a": theirs}})
    told = verb("build")
    assert "images/b/BUILD.py:2: error: the python entry of //images/b" in told.err
    assert "was resolved on other pins of its parents" in told.err
    assert verb("lock", "--check").code == 1
    mended(verb)
    for label in ("//images/b", "//images/c", "//images/d"):
        assert "shared-2.0-py3-none-any.whl" in wheels(site, label)


def test_another_parent_is_another_request(site: Workshop, verb: Verbs, index: SimpleIndex) -> None:
    family(site, index)
    assert verb("lock").code == 0
    site.replace("images/d/BUILD.py", "//images/a", "//images/b")
    mended(verb)


def test_what_a_child_stands_on_is_locked_with_it_where_it_never_was(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    family(site, index)
    told = verb("lock", "python", "//images/b")
    assert told.code == 0, told.err
    assert "python of //images/a, which is needed: images.lock has no entry" in told.out
    assert set(site.read_lock()["python"]) == {"//images/a", "//images/b"}


HOSTILE: dict[str, tuple[str, str]] = {
    "UV_RESOLUTION": ("", "lowest"),
    "UV_PRERELEASE": ("", "allow"),
    "UV_CONSTRAINT": ("thing<2\n", "@"),
    "UV_OVERRIDE": ("thing==1.0\n", "@"),
    "UV_EXCLUDE_NEWER": ("", "2001-01-01"),
    "UV_EXTRA_INDEX_URL": ("", "http://127.0.0.1:9/simple"),
    "UV_INDEX": ("", "http://127.0.0.1:9/simple"),
    "UV_FIND_LINKS": ("", "http://127.0.0.1:9/links"),
    "UV_CONFIG_FILE": ('resolution = "lowest"\n', "@"),
    "uv.toml": ('resolution = "lowest"\n', ""),
    "pyproject.toml": ('\n[tool.uv.pip]\nresolution = "lowest"\n', ""),
    ".config/uv/uv.toml": ('resolution = "lowest"\n', ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_lock_does_not_depend_on_who_makes_it(
    site: Workshop,
    verb: Verbs,
    index: SimpleIndex,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    index.add("thing", "1.0")
    index.add("thing", "2.0")
    index.add("thing", "3.0a1")
    text, value = HOSTILE[name]
    monkeypatch.setenv("HOME", str(site.root.parent))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    if name.startswith("UV_"):
        file = site.root.parent / "said"
        file.write_text(text)
        monkeypatch.setenv(name, str(file) if value == "@" else value)
    elif name.startswith("."):
        file = site.root.parent / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    else:
        before = (site.root / name).read_text() if (site.root / name).exists() else ""
        site.file(name, before + text)
    told = verb("lock", "python")
    assert told.code == 0, told.err
    assert wheels(site) == ["thing-2.0-py3-none-any.whl"]


def test_check_sees_an_edit_that_moves_no_version(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    """Else CI says the lock is up to date, and every build refuses it."""
    index.add("thing", "1.0")
    assert verb("lock").code == 0
    site.file("images/a/requirements.in", "thing>=1\n")
    assert verb("build").code == 3
    assert verb("lock", "--check").code == 1


def test_a_requirements_lock_edited_by_hand_is_refused(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0")
    assert verb("lock").code == 0
    site.replace("images/a/requirements.lock", "thing==1.0", "thing==0.9")
    told = verb("build")
    assert told.code == 3
    assert told.fixes[0].startswith("./doitw lock python")


def test_an_index_that_speaks_html_only_will_do(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    """As the fetcher takes it; many company mirrors have no JSON."""
    index.add("thing", "1.0")
    index.html = True
    told = verb("lock", "python")
    assert told.code == 0, told.err
    assert site.read_lock()["python"]["//images/a"].items[
        "thing-1.0-py3-none-any.whl"
    ].sha256 == index.sha256("thing-1.0-py3-none-any.whl")


def test_what_was_locked_can_be_fetched_and_built(
    site: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    index.add("thing", "1.0", f"cp311-cp311-{X86}", "py3-none-any")
    assert verb("lock").code == 0
    site.file("images/a/Dockerfile", "FROM scratch\nCOPY wheels/ /w/\nCOPY requirements.lock /\n")
    told = verb("build")
    assert told.code == 0, told.err
    (request,) = site.builder.requests
    staged = site.staged("//images/a") / "wheels"
    assert [path.name for path in staged.iterdir()] == [f"thing-1.0-cp311-cp311-{X86}.whl"]
    assert request.network == "none"


def test_a_missing_in_file_is_told_where_it_is_named(shop: Workshop) -> None:
    shop.image("images/a", 'python="requirements.in"')
    assert "'requirements.in' in python does not exist" in shop.error()


def test_a_wheel_that_comes_while_uv_resolves_is_not_pinned(
    site: Workshop, verb: Verbs, index: SimpleIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The requirements file does not allow it, so a build could not install it."""
    from buildlib.build.lock import python

    index.add("thing", "1.0")
    resolve = python._resolve

    def resolve_slowly(*arguments, **options) -> str:
        text = resolve(*arguments, **options)
        index.add("thing", "1.0", f"cp311-cp311-{X86}")
        return text

    before = site.snapshot()
    with monkeypatch.context() as patched:
        patched.setattr(python, "_resolve", resolve_slowly)
        told = verb("lock")
    assert told.code == 1
    assert f"the index got thing-1.0-cp311-cp311-{X86}.whl while uv resolved" in told.err
    assert site.snapshot() == before
    assert verb(*told.fixes[0].split()[1:]).code == 0
    assert wheels(site) == [f"thing-1.0-cp311-cp311-{X86}.whl"]


def test_an_index_that_does_not_answer_is_no_traceback(site: Workshop, verb: Verbs) -> None:
    site.network(pypi="http://127.0.0.1:9/simple")
    told = verb("lock", "python")
    assert told.code == 1
    assert "the Python index cannot be reached" in told.err


# -- what a target stands for ----------------------------------------------------------------------


@pytest.fixture
def kernel(shop: Workshop, index: SimpleIndex) -> Workshop:
    """A kernel image that has its requirements in another target of its folder, on a base."""
    shop.network(pypi=index.url)
    index.add("thing", "1.0")
    index.add("other", "1.0")
    want(shop, "images/base", "thing")
    shop.file("images/kernel-py/requirements.in", "thing\n")
    shop.file("images/kernel-py/Dockerfile", "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n")
    return shop.build(
        "images/kernel-py",
        'docker_image(name="environment", parent="//images/base", python="requirements.in",'
        ' repository="kernel-py-environment")',
        'docker_image(name="kernel-py", parent=":environment")',
    )


def test_a_target_stands_for_its_folder(kernel: Workshop, verb: Verbs) -> None:
    assert verb("lock").code == 0
    kernel.file("images/kernel-py/requirements.in", "thing\nother\n")
    told = verb("lock", "kernel-py", "--check")
    assert told.code == 1
    assert "is up to date" not in told.out
    told = verb("lock", "kernel-py")
    assert told.code == 0, told.err
    assert "no pin moved" not in told.out
    assert "other-1.0-py3-none-any.whl" in wheels(kernel, "//images/kernel-py:environment")
    assert verb("build", "--check", "kernel-py").fixes == []
    assert verb("lock", "kernel-py", "--check").code == 0


def test_what_a_target_needs_is_locked_with_it(kernel: Workshop, verb: Verbs) -> None:
    assert verb("lock").code == 0
    kernel.file("images/base/requirements.in", "thing\nother\n")
    told = verb("lock", "kernel-py", "--check")
    assert told.code == 1
    assert "is up to date" not in told.out
    told = verb("lock", "kernel-py")
    assert "python of //images/base, which is needed: images/base/requirements.in" in told.out
    assert verb("build", "--check", "kernel-py").fixes == []


def test_what_a_target_needs_stays_where_nothing_is_wrong(
    kernel: Workshop, verb: Verbs, index: SimpleIndex
) -> None:
    assert verb("lock").code == 0
    index.add("thing", "2.0")
    told = verb("lock", "kernel-py", "--upgrade")
    assert told.code == 0, told.err
    assert "python of //images/kernel-py:environment" in told.out
    assert "python of //images/base" not in told.out


def test_a_target_of_another_name_stands_for_itself(kernel: Workshop, verb: Verbs) -> None:
    """Its neighbours are refreshed only if they are named."""
    kernel.file("images/kernel-py/more.in", "other\n")
    text = (kernel.root / "images/kernel-py/BUILD.py").read_text()
    more = 'docker_image(name="more", python="more.in", dockerfile="more.Dockerfile")\n'
    kernel.file("images/kernel-py/more.Dockerfile", "FROM scratch\n")
    kernel.file("images/kernel-py/BUILD.py", text + more)
    told = verb("lock", "//images/kernel-py:more")
    assert told.out.splitlines()[0] == "python of //images/kernel-py:more"
    assert "environment" not in told.out
    assert "python of //images/kernel-py:more" in verb("lock", "kernel-py").out


def test_a_section_that_a_build_still_needs_is_told(kernel: Workshop, verb: Verbs) -> None:
    """Never that no pin moved, or all is up to date, while a build is refused."""
    assert verb("lock").code == 0
    kernel.file("images/base/requirements.in", "thing\nother\n")
    for words in (("apt", "kernel-py"), ("apt", "--check")):
        told = verb("lock", *words)
        assert told.code == 0, told.err
        assert "no pin moved" not in told.out
        assert "up to date" not in told.out
        assert told.fixes == ["./doitw lock python //images/base"]
