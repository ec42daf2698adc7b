"""What the engine reports of a transfer, added up and judged; and several transfers at once."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any, ClassVar

import pytest

from buildlib.build.sharing import transfers
from buildlib.engine import transfer
from buildlib.engine.transfer import Layers, is_transient
from buildlib.errors import ActionError
from buildlib.parallel import map_threads


def progress(status: str, layer: str, current: int, total: int) -> dict[str, Any]:
    detail = {"current": current, "total": total}
    return {"status": status, "id": layer, "progressDetail": detail}


@pytest.mark.parametrize(
    "said",
    [
        'Get "https://r.test/v2/": net/http: TLS handshake timeout',
        "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
        "context deadline exceeded",
        "toomanyrequests: You have reached your pull rate limit",
        "received unexpected HTTP status: 429 Too Many Requests",
        "received unexpected HTTP status: 500 Internal Server Error",
        "received unexpected HTTP status: 503 Service Unavailable",
        "dial tcp 127.0.0.1:5000: connect: connection refused",
        "read tcp 10.0.0.1:4->10.0.0.2:443: read: connection reset by peer",
        "write: broken pipe",
        'Head "http://r.test/v2/a/blobs/sha256:00": EOF',
        "blob upload unknown to registry",
        "unknown: unknown error",
        "lookup r.test: Temporary failure in name resolution",
    ],
)
def test_what_may_pass(said: str) -> None:
    assert is_transient(said)


@pytest.mark.parametrize(
    "said",
    [
        "denied: requested access to the resource is denied",
        "unauthorized: authentication required",
        "no basic auth credentials",
        "manifest for r.test/a:1 not found: manifest unknown: manifest unknown",
        "An image does not exist locally with the tag: r.test/a",
        "received unexpected HTTP status: 403 Forbidden",
        "x509: certificate signed by unknown authority",
        "http: server gave HTTP response to HTTPS client",
        "lookup r.test on 10.0.0.1:53: no such host",
        "write /var/lib/docker/tmp/x: no space left on device",
        "no matching manifest for linux/arm64 in the manifest list entries",
        "anything that nobody has thought of",
    ],
)
def test_what_cannot(said: str) -> None:
    assert not is_transient(said)


def test_the_bytes_of_all_layers_are_added_up() -> None:
    told: list[tuple[int, int]] = []
    layers = Layers(lambda *sums: told.append(sums))
    for message in (
        {"status": "The push refers to repository [r.test/a]"},
        {"status": "Preparing", "id": "a", "progressDetail": {}},
        {"status": "Layer already exists", "id": "z", "progressDetail": {}},
        progress("Pushing", "a", 10, 100),
        progress("Pushing", "b", 5, 50),
        progress("Pushing", "b", 5, 50),
        progress("Pushing", "b", 70, 50),  # with headers of the tar it may be more than was said
        {"status": "Pushed", "id": "a", "progressDetail": {}},
        {"status": "Pushed", "id": "b", "progressDetail": {}},
    ):
        assert layers.take(message) == ""
    assert told == [(10, 100), (15, 150), (80, 170), (170, 170)]
    assert layers.finished == 2


def test_unpacking_counts_nothing_and_the_digest_is_found() -> None:
    told: list[tuple[int, int]] = []
    layers = Layers(lambda *sums: told.append(sums))
    layers.take(progress("Downloading", "a", 10, 20))
    layers.take({"status": "Download complete", "id": "a", "progressDetail": {}})
    layers.take(progress("Extracting", "a", 5, 20))
    layers.take({"status": "Pull complete", "id": "a", "progressDetail": {}})
    assert told == [(10, 20), (20, 20)]
    assert layers.take({"status": "Digest: sha256:12"}) == "sha256:12"
    assert layers.take({"progressDetail": {}, "aux": {"Tag": "1", "Digest": "sha256:34"}}) == (
        "sha256:34"
    )


class Client:
    """Stands for docker-py's: each push is the next of the answers."""

    answers: ClassVar[list[list[dict[str, Any]]]] = []

    def push(self, name: str, tag: str, *, stream: bool, decode: bool) -> list[dict[str, Any]]:
        return self.answers.pop(0)

    def close(self) -> None:
        """Closes nothing."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(transfer, "back_off", found.append)
    monkeypatch.setattr("buildlib.engine.sdk.client_of", lambda *_, **__: Client())
    return found


PUSHED = [{"aux": {"Digest": "sha256:1"}}]


def failed(text: str, *before: dict[str, Any]) -> list[dict[str, Any]]:
    return [*before, {"errorDetail": {"message": text}, "error": text}]


def test_an_error_in_the_middle_is_tried_again_and_told(
    waits: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    Client.answers = [failed("EOF"), failed("toomanyrequests: slow\n down"), PUSHED]
    assert transfer.push("r.test/a:1") == "sha256:1"
    assert waits == [1, 2]
    assert capsys.readouterr().err.splitlines() == [
        "warning: r.test/a:1: EOF; trying again (attempt 2 of 6)",
        "warning: r.test/a:1: toomanyrequests: slow down; trying again (attempt 3 of 6)",
    ]


def test_tries_come_to_an_end(waits: list[int]) -> None:
    Client.answers = [failed("connection refused")] * 10
    with pytest.raises(ActionError) as refused:
        transfer.push("r.test/a:1")
    assert len(Client.answers) == 10 - transfer.TRIES
    assert refused.value.what == (
        f"r.test/a:1 cannot be pushed after {transfer.TRIES} tries: connection refused"
    )
    assert refused.value.fix == "docker push r.test/a:1"


def test_what_the_engine_tried_in_vain_is_not_begun_again(waits: list[int]) -> None:
    """A full disk: the engine has waited for a minute by itself, and nothing came over."""
    retrying = {"status": "Retrying in 5 seconds", "id": "a", "progressDetail": {}}
    full = "received unexpected HTTP status: 500 Internal Server Error"
    Client.answers = [failed(full, progress("Pushing", "a", 9, 9), retrying), PUSHED]
    with pytest.raises(ActionError) as refused:
        transfer.push("r.test/a:1")
    assert waits == []
    assert refused.value.fix == (
        "docker push r.test/a:1  # its own log says more: is its disk full?"
    )
    # With a layer that came over there is hope.
    pushed = {"status": "Pushed", "id": "a", "progressDetail": {}}
    Client.answers = [
        failed(full, progress("Pushing", "a", 9, 9), retrying, pushed),
        PUSHED,
    ]
    assert transfer.push("r.test/a:1") == "sha256:1"


def test_the_digest_of_a_push_stands_in_an_aux_or_in_the_last_line(waits: list[int]) -> None:
    """With the containerd store there is no aux (Docker 29)."""
    Client.answers = [[{"status": "key-1: digest: sha256:ab12 size: 741"}]]
    assert transfer.push("r.test/a:1") == "sha256:ab12"


def test_a_push_without_a_digest_is_none(waits: list[int]) -> None:
    Client.answers = [[{"status": "done"}]]
    with pytest.raises(ActionError, match="tells no digest"):
        transfer.push("r.test/a:1")


def test_transfers_share_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, ...]] = []
    shown = threading.Event()

    def show(*numbers: int) -> None:
        told.append(numbers)
        if numbers == (5_000_000, 10_000_000, 1, 2):
            shown.set()

    def first(observe: transfer.Observe) -> str:
        observe(1_000_000, 4_000_000)
        observe(4_000_000, 4_000_000)
        return "first"

    def second(observe: transfer.Observe) -> str:
        observe(1_000_000, 6_000_000)
        assert shown.wait(30)
        observe(6_000_000, 6_000_000)
        return "second"

    monkeypatch.setattr(transfers, "_shown", lambda _: nullcontext(show))
    done = transfers.transfer("push", {"a": first, "b": second})
    assert done == {"a": "first", "b": "second"}
    assert told[-1] == (10_000_000, 10_000_000, 2, 2)


def test_map_threads_keeps_the_order_and_the_limit() -> None:
    running, most, lock = 0, 0, threading.Lock()
    meet = threading.Barrier(3)

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meet.wait(30)  # all three must be here at once, or nobody goes on
        with lock:
            running -= 1
        return -number

    assert map_threads(work, range(6), threads=3) == [0, -1, -2, -3, -4, -5]
    assert most == 3
    assert map_threads(work, [], threads=3) == []


def test_map_threads_begins_nothing_after_a_failure_and_waits_no_longer_than_it_may() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 1:
            raise ValueError(number)
        done.append(number)

    with pytest.raises(ValueError, match="1"):
        map_threads(work, range(9), threads=1)
    assert done == [0]
    never = threading.Event()
    with pytest.raises(TimeoutError):
        map_threads(lambda _: never.wait(30), [1], threads=1, timeout=0.01)
    never.set()


def test_map_threads_lets_whoever_waits_show_how_far_it_is() -> None:
    ticks: list[threading.Thread] = []
    came = threading.Event()

    def tick() -> None:
        ticks.append(threading.current_thread())
        came.set()

    assert map_threads(lambda _: came.wait(30), [1, 2], threads=2, tick=tick) == [True, True]
    assert set(ticks) == {threading.current_thread()}
    never = threading.Event()
    with pytest.raises(TimeoutError):
        map_threads(lambda _: never.wait(30), [1], threads=1, timeout=0.01, tick=tick)
    never.set()
