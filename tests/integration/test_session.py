"""A build from start to end: what is fetched when, what needs an engine, what is left undone."""

from __future__ import annotations

import json
import threading

import pytest
from workshop import Verbs, Workshop, deb

from buildlib.build.execution.session import downloads_of
from buildlib.core.model.label import parse_label
from buildlib.core.model.lock import Item
from buildlib.core.model.secret import Secret
from buildlib.engine.protocol import BuildRequest
from buildlib.errors import ActionError, EngineUnavailable
from tests.support.workspace import digest
from tests.unit.fetch_server import Server, proper

CHILD = "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n"


@pytest.fixture
def stack(shop: Workshop, outside: Server) -> Workshop:
    """base <- a (curl) <- b (a download, through a group of files); a tarball with one, too."""
    path, data, pin = deb("curl", "8")
    shop.network(apt=outside.url)
    shop.image("images/base")
    shop.image("images/a", 'parent="//images/base", apt=["curl"]', CHILD + "COPY apt/ /a/\n")
    shop.image("images/b", 'parent="//images/a", srcs=["//tools:group"]', CHILD + "COPY f /f\n")
    shop.build(
        "tools",
        f'download(name="f", urls=["{outside.url}/f"])',
        f'download(name="g", urls=["{outside.url}/g"])',
        'filegroup(name="group", srcs=[":f"])',
        'tarball(name="t", archive="kit", parts={"one": {"g": ":g"}})',
    )
    shop.pin("apt", "//images/a", {"curl": pin})
    for name in ("f", "g"):
        outside.add(f"/{name}", name.encode())
        shop.pin("download", f"//tools:{name}", {name: Item("-", digest(name), 1, "x")})
    outside.add(f"/{path}", data)
    return shop


def test_everything_is_fetched_before_the_first_action(stack: Workshop, outside: Server) -> None:
    fetched_before: list[int] = []
    stack.builder.during = lambda request: fetched_before.append(len(outside.requests))
    stack.build_targets("//...")
    assert fetched_before == [3, 3, 3]
    assert len(outside.requests) == 3


def test_much_is_fetched_while_targets_are_made(
    stack: Workshop, outside: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's files first, since they may have to be locked anew; the rest beside the build."""
    monkeypatch.setattr("buildlib.build.execution.session._PREFETCH_ABOVE", 1)
    asked: list[list[str]] = []
    stack.builder.during = lambda request: asked.append([path for path, _ in outside.requests])
    released = threading.Event()

    def late(handler: object, data: bytes) -> None:
        released.wait(10)
        proper(handler, data)

    outside.script["/f"] = [late]
    session = stack.session()
    session.start(session.workspace.resolve(["//images/..."]))
    assert [path.rpartition("/")[2] for path in asked_for(outside)][:1] == ["curl_8_amd64.deb"]
    assert session.fetching.startswith("fetching")
    session.run(parse_label("//images/base"))
    session.run(parse_label("//images/a"))
    assert len(asked) == 2  # two images are made, and the file of the third is not there yet
    released.set()
    for label in session.labels()[2:]:
        session.run(label)
    assert stack.action("//images/b") == "fresh"


def test_what_cannot_be_fetched_beside_a_build_fails_the_target_that_needs_it(
    stack: Workshop, outside: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildlib.build.execution.session._PREFETCH_ABOVE", 1)
    outside.files["/f"] = b"?"
    session = stack.session()
    session.start(session.workspace.resolve(["//images/..."]))
    prefetcher = session._prefetcher
    assert prefetcher is not None
    prefetcher.join()
    assert stack.said[-1].startswith("warning: cannot fetch f")
    assert stack.said[-1].endswith("the target that needs it will try again")
    session.run(parse_label("//images/base"))
    session.run(parse_label("//images/a"))
    with pytest.raises(ActionError, match="cannot fetch f"):
        session.run(parse_label("//images/b"))
    assert stack.action("//images/a") == "fresh"


def asked_for(outside: Server) -> list[str]:
    """Paths that were asked for."""
    return [path for path, _ in outside.requests]


def test_only_what_the_plan_needs_is_fetched(stack: Workshop, outside: Server) -> None:
    stack.build_targets("//images/a")
    assert [path.rpartition("/")[2] for path, _ in outside.requests] == ["curl_8_amd64.deb"]
    stack.build_targets("//tools:t")
    assert [path for path, _ in outside.requests[1:]] == ["/g"]


def test_what_a_part_of_an_archive_reads_is_fetched_for_who_takes_the_part(
    stack: Workshop, outside: Server
) -> None:
    stack.image("images/c", 'srcs=["//tools:t[one]"]', "FROM scratch\nADD t.tar /\n")
    at_build: list[list[str]] = []
    stack.builder.during = lambda request: at_build.append(asked_for(outside))
    stack.build_targets("//images/c")
    assert at_build == [["/g"]]
    assert stack.record("//tools:t") is None


def test_a_forced_build_fetches_ahead_too(stack: Workshop, outside: Server) -> None:
    stack.build_targets("//...")
    for name in ("f", "g"):
        (stack.store / "sha256" / digest(name)[:2] / digest(name)[2:]).unlink()
    at_build: list[int] = []
    stack.builder.during = lambda request: at_build.append(len(outside.requests))
    stack.build_targets("//images/b", force=True)
    assert at_build == [4]


def test_a_second_build_does_nothing_and_asks_no_network(
    stack: Workshop, outside: Server, verb: Verbs
) -> None:
    assert verb("build").code == 0
    requests, builds = len(outside.requests), len(stack.builder.requests)
    told = verb("build")
    assert told.out.startswith("nothing to build")
    assert (len(outside.requests), len(stack.builder.requests)) == (requests, builds)


def test_a_full_store_builds_without_network(stack: Workshop, verb: Verbs, outside: Server) -> None:
    assert verb("fetch").code == 0
    seen = len(outside.requests)
    told = verb("build", "--offline")
    assert told.code == 0, told.err
    assert len(outside.requests) == seen


def test_an_empty_store_without_network_says_what_to_carry(stack: Workshop, verb: Verbs) -> None:
    told = verb("build", "--offline")
    assert told.code == 1
    assert "offline, and 3 files are not in the content store" in told.err
    assert "./doitw fetch --to DIR" in told.fixes[0]
    assert stack.builder.requests == []


def test_nothing_is_built_where_something_cannot_be_fetched(
    stack: Workshop, outside: Server
) -> None:
    outside.files["/f"] = b"?"
    with pytest.raises(ActionError, match="cannot fetch f"):
        stack.build_targets("//...")
    assert stack.builder.requests == []


def test_a_download_used_twice_is_one_file(stack: Workshop) -> None:
    workspace = stack.open()
    stack.build("more", 'filegroup(name="again", srcs=["//tools:f", "//tools:group"])')
    workspace = stack.open()
    found = downloads_of(workspace, workspace.resolve(["//more:again"]))
    assert {entry.filename for entry in found} == {"f"}


def test_fetch_counts_each_file_once(stack: Workshop, verb: Verbs) -> None:
    told = verb("fetch")
    assert "fetching 3 files" in told.out
    assert told.out.splitlines()[-1] == "3 files, 0.0 MB, are in the store; 3 were fetched"
    assert verb("fetch").out.splitlines()[-1] == "3 files, 0.0 MB, are in the store; 0 were fetched"


def test_fetch_lays_files_out_for_another_machine(
    stack: Workshop, verb: Verbs, tmp_path, outside: Server
) -> None:
    assert verb("fetch", "--to", str(tmp_path / "carried")).code == 0
    seen = len(outside.requests)
    stack.store = tmp_path / "carried"
    stack.build_targets("//...")
    assert len(outside.requests) == seen


# -- engines ---------------------------------------------------------------------------------------


def test_archives_are_built_without_an_engine(stack: Workshop, verb: Verbs) -> None:
    stack.engine.down = True
    told = verb("build", "//tools:t")
    assert told.code == 0, told.err
    assert (stack.root / "dist/kit-2.5.0.dev0.tar.gz").exists()


@pytest.mark.parametrize("built", [False, True])
def test_images_without_an_engine_say_what_to_do(stack: Workshop, verb: Verbs, built: bool) -> None:
    if built:
        assert verb("build").code == 0
    stack.engine.down = True
    told = verb("build", "//images/base")
    assert told.code == 1
    assert told.err == (
        "error: no Docker Engine is here: /var/run/docker.sock does not exist\n"
        "  fix: sudo systemctl start docker\n"
    )


def test_plans_without_an_engine_say_that_presence_is_unknown(stack: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    stack.engine.down = True
    told = verb("plan")
    assert told.code == 0
    assert "no engine answers" in told.out
    assert {step.action for step in stack.plan().steps} == {"unknown"}


def test_files_from_containers_need_an_engine(shop: Workshop) -> None:
    shop.file("t/Dockerfile", "FROM scratch\n")
    shop.build("t", 'container_files(name="jre", outputs=["opt/"])')
    shop.engine.down = True
    with pytest.raises(EngineUnavailable):
        shop.build_targets("//t:jre")


def test_an_engine_that_comes_back_is_asked_before_anything_is_built(stack: Workshop) -> None:
    stack.build_targets("//...")
    session = stack.session()
    stack.engine.down = True
    roots = session.workspace.resolve(["//images/b"])
    assert session.make_plan(roots).steps[0].action == "unknown"
    stack.engine.down = False
    assert session.start(roots).steps == ()


# -- which targets ---------------------------------------------------------------------------------


def test_what_is_built_comes_after_what_it_needs(stack: Workshop) -> None:
    stack.build_targets("//images/b")
    names = [request.shown_as for request in stack.builder.requests]
    assert names == [f"images/{name}/Dockerfile" for name in ("base", "a", "b")]


def test_a_parent_is_named_by_its_content(stack: Workshop) -> None:
    stack.build_targets("//images/a")
    request = stack.builder.requests[-1]
    assert dict(request.args)["BASE_CONTAINER"] == stack.content_tag("//images/base")
    assert request.network == "none"
    assert request.grants == ()


def test_force_builds_what_is_fresh(stack: Workshop) -> None:
    stack.build_targets("//images/a")
    stack.builder.requests.clear()
    stack.build_targets("//images/a", force=True)
    assert [r.shown_as for r in stack.builder.requests] == ["images/a/Dockerfile"]
    assert stack.action("//images/a") == "fresh"


def test_force_of_the_front_door(stack: Workshop, verb: Verbs) -> None:
    assert verb("build").code == 0
    stack.builder.requests.clear()
    assert verb("build", "-a", "//images/base").code == 0
    assert len(stack.builder.requests) == 1


def test_fresh_targets_have_a_past_for_why(stack: Workshop, verb: Verbs) -> None:
    """Another clone found them in the store and built nothing; `why` still knows what changed."""
    stack.build_targets("//...")
    stack.remove(".buildlib")
    stack.build_targets("//...")
    stack.file("images/base/Dockerfile", "FROM scratch\nLABEL x=1\n")
    told = verb("why", "//images/a")
    assert "file Dockerfile" in told.out
    assert "path: //images/a <- //images/base" in told.out


def test_what_was_built_before_a_failure_is_kept(stack: Workshop, verb: Verbs) -> None:
    def fail(request: BuildRequest) -> None:
        if request.shown_as == "images/a/Dockerfile":
            stack.builder.fail_next("no space left on device")

    stack.builder.during = fail
    told = verb("build", "-n", "1")
    assert told.code == 1
    assert "no space left on device" in told.err
    assert stack.action("//images/base") == "fresh"
    assert stack.action("//images/a") == "build"
    assert stack.tag("//images/a") is None
    assert "Traceback" not in told.err
    stack.builder.during = None
    assert verb("build").code == 0
    assert stack.action("//images/b") == "fresh"


def test_several_targets_are_built_at_once(shop: Workshop, verb: Verbs) -> None:
    for name in "abcd":
        shop.image(f"images/{name}", f'build_args={{"X": "{name}"}}', "FROM scratch\nARG X\n")
    shop.builder.delay = 0.3
    assert verb("build", "-n", "4").code == 0
    assert shop.builder.most_at_once > 1


def test_a_record_of_an_image_that_names_a_file_is_no_endless_loop(shop: Workshop) -> None:
    """A damaged record: no plan looks at files of an image."""
    shop.image("images/a")
    shop.image("images/b", 'parent="//images/a"', "ARG BASE_CONTAINER\nFROM ${BASE_CONTAINER}\n")
    shop.build_targets("//images/b")
    key = shop.key("//images/a")
    path = shop.store / "records" / key[:2] / f"{key[2:]}.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "files": {"x": ["ab" * 32, 3, False]}}))
    shop.build_targets("//images/b", force=True)
    assert shop.action("//images/b") == "fresh"


# -- secrets of the user's own ---------------------------------------------------------------------

SECRET = "FROM scratch\nRUN --mount=type=secret,id=token x\n"


@pytest.fixture
def secretive(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """An image with a secret in a variable that is not set, and one beside it."""
    monkeypatch.delenv("MY_TOKEN", raising=False)
    return shop.image("images/a", 'secrets={"token": "env:MY_TOKEN"}', SECRET).image("images/b")


def test_a_secret_that_is_not_there_is_told_before_anything_is_built(
    secretive: Workshop, verb: Verbs
) -> None:
    told = verb("build")
    assert told.code == 3
    assert "images/a/BUILD.py:2: error: the secret token is the variable MY_TOKEN" in told.err
    assert told.fixes == ["export MY_TOKEN=…"]
    assert secretive.builder.requests == []
    assert "build    a  not built yet  [not hermetic: secrets]" in verb("plan", "a").out
    assert verb("build", "b").code == 0


def test_a_build_hands_secrets_on_by_name_and_another_value_builds_nothing(
    secretive: Workshop, verb: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cr3t")
    told = verb("build", "a")
    assert told.code == 0, told.err
    (request,) = secretive.builder.requests
    assert request.secrets == (Secret("token", variable="MY_TOKEN"),)
    assert "s3cr3t" not in repr(request)
    monkeypatch.delenv("MY_TOKEN")
    assert "nothing to build" in verb("build", "a").out
    kept = [path.read_bytes() for path in secretive.root.parent.rglob("*") if path.is_file()]
    assert not any(b"s3cr3t" in data for data in kept), "neither in the workspace nor in the store"
