"""Fixtures: a workspace with fakes, its front door, and servers that stand for the outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from simple_index import SimpleIndex
from workshop import Verbs, Workshop

from tests.unit.fetch_server import Server


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """An empty workspace with a fake engine and builder."""
    return Workshop(tmp_path)


@pytest.fixture
def verb(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verbs:
    """`verb("lock", "--check")`: the front door of `shop`."""
    return Verbs(shop, monkeypatch, capsys)


@pytest.fixture(autouse=True)
def no_site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine: neither proxies nor indexes nor uv's cache, nor CI's role."""
    monkeypatch.delenv("CI", raising=False)  # a machine of CI publishes what it builds
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))


@pytest.fixture
def outside() -> Iterator[Server]:
    """A web server: a Debian mirror, or where downloads are."""
    with Server() as server:
        yield server


@pytest.fixture
def index() -> Iterator[SimpleIndex]:
    """A simple index (PEP 691)."""
    with SimpleIndex() as server:
        yield server
