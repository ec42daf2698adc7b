"""Our HTTP against servers that answer in every way HTTP allows, and in some it does not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildlib.engine.api import EngineClient
from buildlib.engine.find import Endpoint
from buildlib.engine.wire import PIPELINE, Connection, ConnectionBrokenError, Pipeline, connect
from buildlib.errors import ActionError, EngineUnavailable
from tests.support.chance import examples


def plain(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@contextmanager
def served(folder: Path, *answers: bytes, per_link: int = 1000) -> Iterator[Endpoint]:
    """A server that gives out answers, one a request, `per_link` on a connection."""
    path = str(folder / "s.sock")
    left = list(answers)

    def serve(link: socket.socket) -> None:
        with link, link.makefile("rb") as lines:
            for _ in range(per_link):
                while (line := lines.readline()) not in {b"\r\n", b""}:
                    pass
                if not line or not left:
                    return
                link.sendall(left.pop(0))

    def accept() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            serve(link)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        threading.Thread(target=accept, daemon=True).start()
        yield Endpoint(f"unix://{path}")
        server.shutdown(socket.SHUT_RDWR)


def ask(endpoint: Endpoint, count: int = 1) -> list[bytes]:
    paths = [f"/{number}" for number in range(count)]
    answers = Pipeline(lambda: connect(endpoint, 5), paths).collect()
    return [answer.body for answer in answers]


@given(
    bodies=st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 40)), max_size=5),
    cuts=st.lists(st.integers(1, 50), min_size=1, max_size=30),
)
@settings(max_examples=examples(60))
def test_answers_are_read_however_they_are_cut(
    bodies: list[tuple[bytes, int]], cuts: list[int]
) -> None:
    data = b"".join(chunked(body, size) if size else plain(body) for body, size in bodies)
    ours, theirs = socket.socketpair()
    link = Connection(ours)

    def send() -> None:
        at = 0
        for number in range(len(data)):
            if at >= len(data):
                break
            step = cuts[number % len(cuts)]
            theirs.sendall(data[at : at + step])
            at += step
        theirs.close()

    thread = threading.Thread(target=send)
    thread.start()
    with ours:
        assert [link.receive().body for _ in bodies] == [body for body, _ in bodies]
    thread.join()


def test_many_questions_go_through_in_order(tmp_path: Path) -> None:
    bodies = [b"%d" % number * 500 for number in range(3 * PIPELINE + 1)]
    with served(tmp_path, *map(plain, bodies)) as endpoint:
        assert ask(endpoint, len(bodies)) == bodies


@pytest.mark.parametrize("extra", ["", "Connection: close\r\n"])
def test_a_server_that_takes_one_question_at_a_time_is_asked_again(
    tmp_path: Path, extra: str
) -> None:
    bodies = [b"a", b"b", b"c"]
    answers = [plain(body, extra=extra) for body in bodies]
    with served(tmp_path, *answers, per_link=1) as endpoint:
        assert ask(endpoint, 3) == bodies


def test_an_answer_without_a_length_ends_with_the_connection(tmp_path: Path) -> None:
    with served(tmp_path, b"HTTP/1.1 200 OK\r\n\r\nall of it", per_link=1) as endpoint:
        assert ask(endpoint) == [b"all of it"]


def test_answers_without_a_body(tmp_path: Path) -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\n"
    with served(tmp_path, early + b"HTTP/1.1 204 No Content\r\n\r\n", plain(b"x")) as endpoint:
        assert ask(endpoint, 2) == [b"", b"x"]


@pytest.mark.parametrize(
    "answer",
    [
        plain(b"long enough")[:-3],
        chunked(b"long enough", 4)[:-9],
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"",
    ],
)
def test_a_broken_answer_is_an_error(tmp_path: Path, answer: bytes) -> None:
    with served(tmp_path, answer, per_link=1) as endpoint, pytest.raises(ConnectionBrokenError):
        ask(endpoint)


def test_an_engine_that_vanishes_in_the_middle_is_explained(tmp_path: Path) -> None:
    with served(tmp_path, plain(b"long enough")[:-3], per_link=1) as endpoint:
        engine = EngineClient(endpoint._replace(origin="DOCKER_HOST"))
        collect = engine.start_inspect(["a"])
        with pytest.raises(EngineUnavailable, match=r"from DOCKER_HOST.*does not answer") as caught:
            collect()
    assert caught.value.fix.startswith("unset DOCKER_HOST")


def test_an_engine_that_hangs_is_given_up(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("buildlib.engine.api._QUICK", 0.1)
    path = tmp_path / "mute.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(EngineUnavailable, match="no answer in time"):
            EngineClient(Endpoint(f"unix://{path}")).inspect(["a"])


def test_the_engines_own_words_are_shown(tmp_path: Path) -> None:
    body = plain(b'{"message":"disk full"}', status="500 Internal Server Error")
    with served(tmp_path, body, body) as endpoint:
        engine = EngineClient(endpoint)
        with pytest.raises(ActionError, match="refused to look up a") as caught:
            engine.inspect(["a"])
        assert caught.value.detail == "disk full"
        with pytest.raises(ActionError, match="refused to tag a as b"):
            engine.tag("a", "b")


def test_names_cannot_change_the_question(tmp_path: Path) -> None:
    seen = []
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            link, _ = server.accept()
            with link:
                seen.append(link.recv(4096))
                link.sendall(plain(b"{}", status="404 Not Found"))

        thread = threading.Thread(target=serve)
        thread.start()
        name = "a b?force=1 HTTP/1.1\r\nX: y"
        assert EngineClient(Endpoint(f"unix://{path}")).inspect([name]) == {name: None}
        thread.join()
    assert seen[0].splitlines()[0].count(b" ") == 2
    assert len(seen[0].splitlines()) == 3
