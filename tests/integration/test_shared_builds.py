"""Builds with a registry: what is pulled, what is built, what is published, and what is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from workshop import Verbs, Workshop

from buildlib.build.execution.session import Session, build_in_order
from buildlib.core.model.label import parse_label
from buildlib.core.model.output import Output
from buildlib.core.rules.kernel_check import KernelCheck
from buildlib.errors import ActionError
from tests.fakes.sharing import Shelf

HOST = "registry.test:5000"
CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"
BASE, MIDDLE, TOP, ARCHIVE = "//images/base", "//images/middle", "//images/top", "//pack:t"


@pytest.fixture
def shelf() -> Shelf:
    """The registry."""
    return Shelf()


@pytest.fixture(autouse=True)
def laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    """These machines are no CI, unless a test says so."""
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def machine(tmp_path: Path, shelf: Shelf) -> Callable[[str], Workshop]:
    """`machine("ci")`: a machine with an engine, a store and a checkout of its own."""

    def make(name: str) -> Workshop:
        shop = Workshop(tmp_path / name)
        shop.shelf = shelf
        shop.setting("registry", HOST)
        shop.image("images/base")
        shop.image("images/middle", f'parent="{BASE}"', CHILD)
        shop.image("images/top", f'parent="{MIDDLE}", srcs=["{ARCHIVE}"]', CHILD + "ADD t.tar /\n")
        shop.file("pack/x", "x").build("pack", 'tarball(name="t", parts={"a": {"x": "x"}})')
        return shop

    return make


@pytest.fixture
def ci(machine: Callable[[str], Workshop], shelf: Shelf) -> Workshop:
    """A machine that has built and published everything."""
    shop = machine("ci")
    share(shop, default="write")
    publish(shop, "//...")
    share(shop, default="read")
    shelf.asked.clear()
    return shop


@pytest.fixture
def shop(machine: Callable[[str], Workshop]) -> Workshop:
    """A laptop, on which nothing was built."""
    return machine("laptop")


def share(shop: Workshop, **roles: str) -> None:
    """Set `[tool.buildlib.share]`."""
    text = (shop.root / "pyproject.toml").read_text().partition("[tool.buildlib.share]")[0]
    rows = "".join(f'{name} = "{role}"\n' for name, role in roles.items())
    shop.file("pyproject.toml", f"{text}[tool.buildlib.share]\n{rows}")


def publish(shop: Workshop, *labels: str) -> Session:
    """A build, and what comes after it."""
    session = shop.build_targets(*labels)
    session.publish()
    return session


def built(shop: Workshop) -> list[str]:
    """The images that were built, in order."""
    return [request.shown_as.split("/")[1] for request in shop.builder.requests]


# -- pulled instead of built -----------------------------------------------------------------------


def test_what_one_machine_published_another_pulls(
    ci: Workshop, shop: Workshop, shelf: Shelf
) -> None:
    assert sorted(shelf.published) == [BASE, MIDDLE, TOP]
    session = shop.build_targets("//images/...")
    assert built(shop) == []
    assert sorted(map(str, session.pulled)) == [BASE, MIDDLE, TOP]
    assert shop.tag(TOP) == ci.tag(TOP) is not None
    assert shop.action(TOP) == "fresh"
    assert session.labels() == []


def test_nothing_below_what_the_registry_has_is_asked_for(
    ci: Workshop, shop: Workshop, shelf: Shelf
) -> None:
    shop.build_targets(TOP)
    assert (shelf.asked, shelf.pulled) == ([TOP], [TOP])
    assert shop.tag(BASE) is None
    assert not shop.step(TOP).reason


def test_what_the_registry_lacks_is_built_on_what_it_has(
    ci: Workshop, shop: Workshop, shelf: Shelf
) -> None:
    shop.file("pack/x", "edited")
    shop.build_targets(TOP)
    assert shelf.pulled == [MIDDLE]
    assert built(shop) == ["top"]
    assert shop.action(TOP) == "fresh"


def test_what_a_pulled_target_is_made_of_is_known_to_why(ci: Workshop, shop: Workshop) -> None:
    shop.build_targets(TOP)
    shop.file("images/base/Dockerfile", "FROM scratch\nLABEL x=1\n")
    assert shop.step(TOP).reason == "file Dockerfile changed in //images/base"


def test_files_that_took_their_time_are_shared(
    machine: Callable[[str], Workshop], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildlib.build.sharing.shared_store._WORTH_SECONDS", 0.0)
    first, second = machine("first"), machine("second")
    share(first, default="write")
    publish(first, ARCHIVE)
    shop = second.build_targets(ARCHIVE)
    assert list(map(str, shop.pulled)) == shelf.pulled == [ARCHIVE]
    assert second.made(ARCHIVE, "t.tar").read_bytes() == first.made(ARCHIVE, "t.tar").read_bytes()


def test_an_archive_that_lacks_what_its_rule_makes_is_built(
    machine: Callable[[str], Workshop], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildlib.build.sharing.shared_store._WORTH_SECONDS", 0.0)
    first, second = machine("first"), machine("second")
    share(first, default="write")
    publish(first, ARCHIVE)
    (key,) = shelf.keys_of(ARCHIVE)
    shelf.entries[key] = shelf.entries[key]._replace(files={})
    shop = second.build_targets(ARCHIVE)
    assert shop.pulled == []
    assert second.made(ARCHIVE, "t.tar").exists()
    (warning,) = [line for line in second.said if line.startswith("warning: ")]
    assert "its record lacks t.tar" in warning


def test_what_is_to_be_built_anyway_is_not_pulled(
    ci: Workshop, shop: Workshop, shelf: Shelf
) -> None:
    shop.build_targets(MIDDLE, force=True)
    assert shelf.pulled == [BASE]
    assert built(shop) == ["middle"]


def test_proofs_of_another_machine_count(
    machine: Callable[[str], Workshop],
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = b'{"cases": [], "columns": [], "rows": []}'
    runs: list[str] = []

    def prove(self: object, target: object, parts: object, context) -> Output:
        runs.append("run")
        return Output(files={"report.json": context.keep_bytes(report)})

    monkeypatch.setattr(KernelCheck, "build", prove)
    monkeypatch.setattr(
        "buildlib.build.sharing.shared_store._WORTH_SECONDS", 0.0
    )  # real ones take seconds
    first, second = machine("first"), machine("second")
    for each in (first, second):
        text = (each.root / "images/top/BUILD.py").read_text()
        each.file("verify/x").file("verify/BUILD.py", "from buildlib.rules import filegroup\n")
        each.build("verify", 'filegroup(name="verify", srcs=["x"])')
        check = 'kernel_check(name="verify", image=":top")\n'
        each.file(
            "images/top/BUILD.py",
            text.replace("import ", "import kernel_check, ", 1) + check,
        )
    share(first, default="write")
    assert Verbs(first, monkeypatch, capsys)("verify", "top").code == 0
    assert runs == ["run"]
    told = Verbs(second, monkeypatch, capsys)("verify", "top")
    assert told.code == 0, told.err
    assert runs == ["run"]
    assert shelf.pulled == ["//images/top:verify"]  # and not the image: it is proved
    assert built(second) == []


# -- what goes wrong -------------------------------------------------------------------------------


def test_what_cannot_be_pulled_is_built_with_a_warning(
    ci: Workshop, shop: Workshop, shelf: Shelf
) -> None:
    shelf.fails.add(TOP)
    shop.build_targets(TOP)
    assert shelf.pulled == [TOP, MIDDLE]  # now that it is built, its parent is wanted
    assert built(shop) == ["top"]
    assert warnings(shop) == [f"warning: top cannot be pulled: {HOST} cut the line"]


def test_a_registry_that_goes_away_meanwhile_costs_one_warning(
    ci: Workshop, shop: Workshop, shelf: Shelf
) -> None:
    workspace = shop.open()
    shared = workspace.shared_store_of(HOST)
    bring = shared.pull

    def cut(*arguments: object) -> Output:
        shelf.down = True
        return bring(*arguments)

    shared.pull = cut
    workspace.shared_store_of = lambda name: shared
    session = shop.session(workspace)
    session.start(workspace.resolve(["//images/..."]))
    build_in_order(session)
    assert sorted(built(shop)) == ["base", "middle", "top"]
    (warning,) = warnings(shop)
    assert warning.endswith(f"cannot be pulled: {HOST} does not answer")
    assert warning.count("top") == warning.count("base") == 1


def test_a_writer_without_its_registry_builds_and_says_what_is_not_published(
    shop: Workshop, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.down = True
    monkeypatch.setenv("CI", "true")
    publish(shop, "//images/...")
    assert built(shop) == ["base", "middle", "top"]
    first, last = warnings(shop)
    assert first.endswith("going on without it")
    assert last == f"warning: base, middle, top cannot be published: {HOST} does not answer"


def test_a_writer_that_may_not_write_is_told_before_and_after_the_build(
    shop: Workshop, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.read_only = True
    monkeypatch.setenv("CI", "true")
    publish(shop, "//images/...")
    first, last = warnings(shop)
    assert (
        first
        == shop.said[0]
        == (
            f"warning: what is built cannot be published to {HOST}: {HOST} takes nothing from you"
            "\n  fix: docker login"
        )
    )
    assert built(shop) == ["base", "middle", "top"]
    assert last == f"warning: base, middle, top cannot be published: {HOST} takes nothing from you"
    assert shelf.published == []


def test_a_registry_that_is_down_costs_one_warning(
    ci: Workshop, shop: Workshop, shelf: Shelf
) -> None:
    shelf.down = True
    publish(shop, "//...")
    assert built(shop) == ["base", "middle", "top"]
    assert len(warnings(shop)) == 1


def test_a_registry_that_refuses_costs_one_warning(
    ci: Workshop, shop: Workshop, shelf: Shelf
) -> None:
    shelf.refuses = True
    shop.build_targets(TOP)
    assert built(shop) == ["base", "middle", "top"]
    assert warnings(shop) == [
        f"warning: {HOST} does not let you in; going on without the shared store"
    ]


def test_an_entry_that_is_not_valid_is_built_and_replaced(
    ci: Workshop, shop: Workshop, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.invalid.add(BASE)
    shelf.published.clear()
    monkeypatch.setenv("CI", "true")
    publish(shop, BASE)
    assert built(shop) == ["base"]
    assert shelf.published == [BASE]
    assert len(warnings(shop)) == 1


def warnings(shop: Workshop) -> list[str]:
    """The warnings that were said."""
    return [line for line in shop.said if line.startswith("warning")]


# -- who asks, and who writes ----------------------------------------------------------------------


def test_a_build_with_nothing_stale_asks_nothing(
    ci: Workshop, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    publish(ci, "//...")
    assert shelf.asked == []


@pytest.mark.parametrize("how", ["offline", "off", "no registry", "only named"])
def test_nothing_is_asked_or_published_where_the_registry_is_not_used(
    ci: Workshop, shop: Workshop, shelf: Shelf, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    shelf.published.clear()
    if how == "off":
        share(shop, default="write", ci="off")
    elif how == "no registry":
        shop.setting("registry", "")
    shop.file("images/base/Dockerfile", "FROM scratch\nLABEL x=1\n")
    workspace = shop.open()
    workspace.offline = how == "offline"
    if how == "only named":
        workspace.plan(workspace.resolve(["//..."]))
        assert workspace.explainer.changes(parse_label(TOP)) is None
    else:
        session = shop.session(workspace)
        session.start(workspace.resolve(["//..."]))
        build_in_order(session)
        session.publish()
        assert built(shop) == ["base", "middle", "top"]
    assert (shelf.asked, shelf.published) == ([], [])


def test_a_laptop_never_writes(shop: Workshop, shelf: Shelf) -> None:
    publish(shop, "//...")
    assert built(shop) == ["base", "middle", "top"]
    assert shelf.entries == {}


def test_a_writer_publishes_what_it_made_and_no_more(
    ci: Workshop, shop: Workshop, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.published.clear()
    shelf.now = 2**33
    shop.file("pack/x", "edited")
    monkeypatch.setenv("CI", "true")
    publish(shop, "//...")
    assert shelf.published == [TOP]  # the rest was pulled; the archive took no time
    assert shop.said[-1].startswith("published top in ")


def test_what_was_published_meanwhile_is_told(
    ci: Workshop, shop: Workshop, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.published.clear()
    monkeypatch.setenv("CI", "true")
    session = shop.build_targets(BASE, force=True)
    session.publish()
    assert shelf.published == []
    assert shop.said[-1] == "base: another build has published the same keys"


def test_what_cannot_be_published_is_a_warning_and_no_failure(
    shop: Workshop,
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shelf.fails.add(MIDDLE)
    monkeypatch.setenv("CI", "true")
    told = Verbs(shop, monkeypatch, capsys)("build")
    assert told.code == 0, told.err
    assert sorted(shelf.published) == [BASE, TOP]
    assert f"warning: middle cannot be published: {HOST} cut the line\n" in told.out


def test_what_was_built_before_a_failure_is_published(
    shop: Workshop,
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop.file("images/top/Dockerfile", CHILD + "ADD t.tar /\nRUN false\n")
    monkeypatch.setenv("CI", "true")
    assert Verbs(shop, monkeypatch, capsys)("build", "top").code == 1
    assert shelf.published == [BASE, MIDDLE]


# -- what is said ----------------------------------------------------------------------------------


def test_the_front_door_says_what_it_pulled(
    ci: Workshop,
    shop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = Verbs(shop, monkeypatch, capsys)("build", "top")
    first, second, last = told.out.splitlines()
    assert told.code == 0
    assert first == f"pulling 1 target, 2.5 MB, from {HOST}"
    assert second.startswith("pulled top in ")
    assert last == "nothing left to build"
    assert "pull  1/1 targets  2.5/2.5 MB" in told.err


def test_what_is_pulled_counts_for_the_bound_on_old_images(
    machine: Callable[[str], Workshop],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A laptop that only pulls does not fill its disk either."""
    first, second = machine("first"), machine("second")
    share(first, default="write")
    second.file(
        "pyproject.toml", (second.root / "pyproject.toml").read_text() + "keep_images = 1\n"
    )
    verb = Verbs(second, monkeypatch, capsys)
    for number in range(3):
        for each in (first, second):
            each.file("images/base/Dockerfile", f"FROM scratch\nLABEL x={number}\n")
        publish(first, BASE)
        told = verb("build", "base")
        assert "pulled base" in told.out
    assert "removed 2 old images" in told.out
    assert len(second.engine.tags(f"{HOST}/elyra/base:key-*")) == 1


def test_plan_asks_the_registry_when_told_to(
    ci: Workshop,
    shop: Workshop,
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    verb = Verbs(shop, monkeypatch, capsys)
    assert verb("plan", "top").out.splitlines()[-1].startswith("4 to do")
    assert shelf.asked == []
    shop.file("pack/x", "edited")
    assert verb("plan", "--remote", "top").out.splitlines() == [
        "pull     middle  (2.5 MB)",
        "build    pack:t",
        "build    top",
        "not built yet: 3 targets",
        "3 to do, 0 up to date",
    ]
    assert shelf.pulled == []
    shop.setting("registry", "")
    told = verb("plan", "--remote")
    assert told.code == 3
    assert told.err.startswith("error: plan --remote needs a registry, and none is set\n")


def test_a_refused_pull_does_not_hide_a_failing_build(
    ci: Workshop, shop: Workshop, shelf: Shelf
) -> None:
    shelf.fails.add(BASE)
    shop.builder.fail_next("no space left on device")
    with pytest.raises(ActionError, match="the build of images/base/Dockerfile failed"):
        shop.build_targets(BASE)
