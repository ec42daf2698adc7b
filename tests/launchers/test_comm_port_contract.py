"""The comm port under fire: it stays open and prompt, and the gateway's requests are obeyed."""

from __future__ import annotations

import contextlib
import socket
import statistics
import time

import pytest
from fake_gateway import wait_for
from launched import Capability, needs

pytestmark = pytest.mark.slow

GATEWAY_PATIENCE = 0.005  # seconds: EG_SOCKET_TIMEOUT, for connecting and for sending
DROPPED = 1.0  # seconds until the system tries again what a full queue has dropped
GARBAGE = [
    b"",
    b"}",
    b"{",
    b"null",
    b"[]",
    b"{}",
    b'"signum"',
    b'{"signum": "9"}',
    b'{"signum": "2"}',
    b'{"signum": true}',
    b'{"signum": -9}',
    b'{"signum": -15}',
    b'{"signum": 9.0}',
    b'{"signum": 15.0}',
    b'{"signum": 65}',
    b'{"signum": 99999}',
    b'{"signum": ' + b"9" * 3000 + b"}",
    b'{"signum": 15} x',
    b'{"signum":15',
    b'{"shutdown": "1"}',
    b'{"shutdown": 0}',
    b"[" * 4000,
    b'{"a":' * 5000,
    b"x" * 100_000,
    b'{"signum": 15, "a": "' + b"x" * 1_000_000 + b'"}',
    b"\xff\x00",
    b"\xff\xfe\x00}",
    b"GET / HTTP/1.1\r\nHost: kernel\r\n\r\n",
    b'{"signum": 2',
]


@pytest.fixture
def kernel(launch, launcher):
    kernel = launch()
    kernel.remember()
    before = len(kernel.log)
    yield kernel
    # whatever has happened: it is up, knows what it knew, obeys, and has not filled the log
    assert kernel.process.poll() is None
    assert kernel.remembers()
    cell = kernel.begin_cell("sleep")
    kernel.request(signum=2)
    kernel.assert_interrupted(cell)
    assert kernel.remembers()
    assert len(kernel.log) < before + 3
    kernel.request(shutdown=1)
    assert kernel.wait() == launcher.shutdown_code
    kernel.assert_nothing_left()


def send_carelessly(kernel, data: bytes) -> None:
    # refused while we are still writing: its good right
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        kernel.send(data)


def seconds_to_poll(kernel) -> float:
    began = time.monotonic()
    kernel.send(b'{"signum": 0}')
    return time.monotonic() - began


def crowd_of(kernel) -> list[socket.socket]:
    """Senders that begin a request and never end it."""
    address = ("127.0.0.1", kernel.info["comm_port"])
    crowd = [socket.create_connection(address) for _ in range(kernel.crowd)]
    for sock in crowd:
        sock.sendall(b'{"signum": ')
    return crowd


def test_garbage_and_a_storm_of_requests_beside_senders_that_never_end(kernel):
    crowd = crowd_of(kernel)
    for data in GARBAGE:
        send_carelessly(kernel, data)
    polls = []
    for number in range(kernel.storm):
        send_carelessly(kernel, GARBAGE[number % len(GARBAGE)] if number % 2 else b'{"signum": 0}')
        if number % 50 == 0:
            polls.append(seconds_to_poll(kernel))
    assert statistics.median(polls) < GATEWAY_PATIENCE
    assert kernel.remembers()
    wait_for(lambda: "dropped a connection" in kernel.output)
    assert kernel.output.count("dropped a connection") == 1
    for sock in crowd:
        sock.close()


def test_a_thousand_requests_are_taken_and_none_waits_for_room(kernel):
    assert max(seconds_to_poll(kernel) for _ in range(1000)) < DROPPED


def test_senders_that_never_end_are_dropped_and_hold_up_nobody(kernel):
    crowd = crowd_of(kernel)
    polls = [seconds_to_poll(kernel) for _ in range(100)]
    assert statistics.median(polls) < GATEWAY_PATIENCE
    assert kernel.remembers()

    def is_dropped(sock: socket.socket) -> bool:
        sock.settimeout(0.01)
        try:
            return sock.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True

    for sock in crowd:
        wait_for(lambda sock=sock: is_dropped(sock))
        sock.close()


@pytest.mark.parametrize(
    "pieces",
    [(b'{"note": {"a": 1}', b', "signum"', b": 2}"), (b' {"sig', b'num"', b": 2", b"} ")],
    ids=["nested", "spaced"],
)
def test_a_request_in_pieces_is_obeyed_before_the_sender_closes(kernel, pieces):
    cell = kernel.begin_cell("sleep")
    with socket.create_connection(("127.0.0.1", kernel.info["comm_port"])) as sock:
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(0.02)  # so that they travel alone
        kernel.assert_interrupted(cell)


@needs(Capability.ONE_IS_A_NUMBER)
def test_a_shutdown_that_is_true_is_not_1(kernel):
    kernel.send(b'{"shutdown": true}')
    assert kernel.comm_port_is_open()
