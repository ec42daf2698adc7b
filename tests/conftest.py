"""What holds for all tests: no test touches the user's store, and a missing engine is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chance import USUAL, examples

REASON = "no Docker Engine answers; start one, or let ./doitw build do it"


def _engine_answers() -> bool:
    from buildlib.engine.find import find_engine, probe

    return probe(find_engine()) is None


def pytest_configure() -> None:
    """What is tried at random is tried a little in each run, and may take its time."""
    from hypothesis import settings

    settings.register_profile("tests", max_examples=examples(USUAL), deadline=None)
    settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first. Without an engine, those marked `engine` are told, and fail in CI."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    wanting = [item for item in items if item.get_closest_marker("engine")]
    if not wanting or _engine_answers():
        return
    in_ci = os.environ.get("CI", "").lower() in ("1", "true", "yes")
    for item in wanting:
        if in_ci:
            item.add_marker(pytest.mark.usefixtures("engine_missing_in_ci"))
        else:
            item.add_marker(pytest.mark.skip(reason=REASON))


@pytest.fixture(autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Whoever asks for the store of this machine gets one of the test's own."""
    folder = tmp_path_factory.mktemp("store")
    before = os.environ.get("BUILDLIB_STORE")
    os.environ["BUILDLIB_STORE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["BUILDLIB_STORE"]
    else:
        os.environ["BUILDLIB_STORE"] = before


@pytest.fixture
def engine_missing_in_ci() -> None:
    """In CI a test that needs an engine and finds none has failed."""
    pytest.fail(REASON)
