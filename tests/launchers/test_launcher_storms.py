"""The comm port under fire: it stays open and prompt, and the gateway's requests are obeyed."""

from __future__ import annotations

import contextlib
import socket
import statistics
import time

import pytest
from fake_gateway import wait_for

GATEWAY_PATIENCE = 0.005  # seconds: EG_SOCKET_TIMEOUT, for connecting and for sending
GARBAGE = [
    b"",
    b"}",
    b"{",
    b"null",
    b"[]",
    b"{}",
    b'"signum"',
    b'{"signum": "9"}',
    b'{"signum": true}',
    b'{"signum": -9}',
    b'{"signum": 9.0}',
    b'{"signum": 65}',
    b'{"signum": ' + b"9" * 3000 + b"}",
    b'{"shutdown": "1"}',
    b'{"shutdown": 0}',
    b"[" * 4000,
    b"x" * 100_000,
    b"\xff\xfe\x00}",
    b"GET / HTTP/1.1\r\nHost: kernel\r\n\r\n",
    b'{"signum": 2',
]


@pytest.fixture
def kernel(launch):
    kernel = launch()
    assert kernel.run("kept = 42") == ""
    yield kernel
    # whatever has happened: it is up, knows what it knew, obeys, and has not filled the log
    assert kernel.run("kept") == "42"
    waiting = kernel.begin_endless()
    kernel.request(signum=2)
    assert "KeyboardInterrupt" in kernel.result_of(waiting)
    assert len(kernel.output.splitlines()) < 5
    kernel.request(shutdown=1)
    assert kernel.wait() == 143
    kernel.assert_nothing_left()


def send_carelessly(kernel, data: bytes) -> None:
    # refused while we are still writing: its good right
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        kernel.send(data)


def seconds_to_poll(kernel) -> float:
    began = time.monotonic()
    kernel.send(b'{"signum": 0}')
    return time.monotonic() - began


def test_garbage_and_ten_thousand_rapid_requests(kernel):
    for data in GARBAGE:
        send_carelessly(kernel, data)
    polls = []
    for number in range(10_000):
        send_carelessly(kernel, GARBAGE[number % len(GARBAGE)] if number % 2 else b'{"signum": 0}')
        if number % 50 == 0:
            polls.append(seconds_to_poll(kernel))
    assert statistics.median(polls) < GATEWAY_PATIENCE


def test_senders_that_never_end_are_dropped_and_hold_up_nobody(kernel):
    address = ("127.0.0.1", kernel.info["comm_port"])
    slow = [socket.create_connection(address) for _ in range(300)]
    for sock in slow:
        sock.sendall(b'{"signum": ')
    polls = [seconds_to_poll(kernel) for _ in range(100)]
    assert statistics.median(polls) < GATEWAY_PATIENCE
    assert kernel.run("kept") == "42"

    def is_dropped(sock: socket.socket) -> bool:
        sock.settimeout(0.01)
        try:
            return sock.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True

    for sock in slow:
        wait_for(lambda sock=sock: is_dropped(sock))
        sock.close()


def test_a_request_in_pieces_is_obeyed_before_the_sender_closes(kernel):
    waiting = kernel.begin_endless()
    with socket.create_connection(("127.0.0.1", kernel.info["comm_port"])) as sock:
        for piece in (b'{"note": {"a": 1}', b', "signum"', b": 2}"):
            sock.sendall(piece)
            time.sleep(0.02)  # so that they travel alone
        assert "KeyboardInterrupt" in kernel.result_of(waiting)
