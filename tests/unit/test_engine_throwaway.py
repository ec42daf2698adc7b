"""A throw-away container never outlives the build, at whatever moment that is told to stop."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from buildlib.engine import process, throwaway


@pytest.fixture(autouse=True)
def again() -> Iterator[None]:
    yield
    process._stopping.clear()


class Engine:
    """Notes the removals; the first comes while the container is starting, and changes nothing."""

    endpoint = SimpleNamespace(url="unix:///none")

    def __init__(self) -> None:
        self.removed = 0

    def remove(self, container: str) -> None:
        assert container.startswith("buildlib-")
        self.removed += 1


class Client:
    """The SDK's client of a container that the build is stopped in the start of."""

    def create_container_from_config(self, config: object, name: str) -> None:
        del config, name

    def start(self, name: str) -> None:
        del name
        process.stop_all()

    def wait(self, name: str, timeout: object) -> dict[str, int]:
        raise AssertionError("waits for a container that nobody will stop")

    def close(self) -> None:
        pass


def test_a_stop_while_it_starts_is_no_wait_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throwaway, "client_of", lambda *_, **__: Client())
    engine = Engine()
    with pytest.raises(process.Stopped):
        throwaway.run_script(
            engine,  # type: ignore[arg-type]
            "an/image", "sleep 60", network="none", files=(), user="",
        )  # fmt: skip
    assert engine.removed == 2, "by the stop, and once more when it runs"
