"""Images of several threads go to the engine together; each thread learns what came of its own."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
from typing import Any

import pytest

from buildlib.engine.layer import FILE, Entry
from buildlib.engine.loader import Loader, Packed, pack_layer
from buildlib.errors import ActionError
from buildlib.parallel import Slots


class Engine:
    """Takes archives; the first stays on its way until `release` is set."""

    def __init__(self, *, bad: str = "") -> None:
        self.release = threading.Event()
        self.archives: list[list[str]] = []
        self.bad = bad

    def load(self, archive: Any, size: int) -> None:
        data = b"".join(archive)
        assert len(data) == size
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            index = tar.extractfile("manifest.json")
            assert index is not None
            images = json.load(index)
            for image in images:
                config = tar.extractfile(image["Config"])
                assert config is not None
        names = [image["Config"] for image in images]
        self.archives.append(names)
        self.release.wait(10)
        if any(self.bad and self.bad in name for name in names):
            raise ActionError("the engine refused to load an image")


def image(number: int) -> Packed:
    return Packed(b'{"number": %d}' % number, [f"sha256:{number:064}"], [])


def load_all(loader: Loader, images: list[Packed], engine: Engine) -> dict[str, str]:
    said: dict[str, str] = {}

    def run(one: Packed) -> None:
        try:
            loader.load(one)
            said[one.id] = "there"
        except ActionError as error:
            said[one.id] = error.what

    threads = [threading.Thread(target=run, args=(each,)) for each in images]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while len(loader._waiting) + sum(map(len, engine.archives)) < len(images):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    engine.release.set()
    for thread in threads:
        thread.join(10)
    return said


def test_who_comes_while_an_archive_is_on_its_way_goes_into_the_next_one():
    engine = Engine()
    images = [image(number) for number in range(9)]
    said = load_all(Loader(engine), images, engine)  # type: ignore[arg-type]
    assert said == {each.id: "there" for each in images}
    assert sorted(name for archive in engine.archives for name in archive) == sorted(
        each.config_name for each in images
    )
    assert len(engine.archives) < len(images)


def test_an_image_that_is_refused_does_not_take_the_others_with_it():
    images = [image(number) for number in range(9)]
    engine = Engine(bad=images[4].config_name)
    said = load_all(Loader(engine), images, engine)  # type: ignore[arg-type]
    assert said.pop(images[4].id) == "the engine refused to load an image"
    assert set(said.values()) == {"there"}
    assert len(said) == 8


def test_layers_that_the_engine_has_are_named_and_not_sent(tmp_path):
    (tmp_path / "f").write_text("x" * 600)
    layer = pack_layer({"f": Entry(FILE, 0o644, 0, 0, 1, origin=(str(tmp_path / "f"), 0, 600))})
    seen: dict[str, Any] = {}

    class Reader(Engine):
        def load(self, archive: Any, size: int) -> None:
            with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
                seen["names"] = tar.getnames()
                index = tar.extractfile("manifest.json")
                assert index is not None
                seen["layers"] = json.load(index)[0]["Layers"]

    Loader(Reader()).load(Packed(b"{}", ["sha256:below"], [layer]))  # type: ignore[arg-type]
    assert seen["layers"] == ["below.tar", f"{layer.sha256}.tar"]
    assert set(seen["names"]) == {
        "manifest.json",
        Packed(b"{}", [], []).config_name,
        seen["layers"][1],
    }


def test_a_thread_that_waits_for_the_engine_leaves_its_slot_to_others():
    engine, slots, worked = Engine(), Slots(1), threading.Event()
    loader = Loader(engine)  # type: ignore[arg-type]

    def first() -> None:
        slots.take()
        loader.load(image(1))
        assert worked.is_set()
        slots.give_back()

    thread = threading.Thread(target=first)
    thread.start()
    while not engine.archives:
        time.sleep(0.005)
    slots.take()  # would wait for ever if the other thread had it
    worked.set()
    slots.give_back()
    engine.release.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_slot_is_given_back_once():
    slots = Slots(1)
    slots.take()
    slots.give_back()
    slots.give_back()
    slots.take()
    taken = threading.Event()
    other = threading.Thread(target=lambda: (slots.take(), taken.set()), daemon=True)
    other.start()
    assert not taken.wait(0.2)
    slots.give_back()
    assert taken.wait(10)


@pytest.mark.parametrize("error", [ValueError("x"), ActionError("y")])
def test_no_thread_waits_for_ever_when_sending_fails(error):
    class Broken(Engine):
        def load(self, archive: Any, size: int) -> None:
            raise error

    with pytest.raises(ActionError):
        Loader(Broken()).load(image(1))  # type: ignore[arg-type]
