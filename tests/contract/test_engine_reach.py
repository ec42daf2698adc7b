"""One engine, reached in every way an endpoint can name: socket, TCP, TLS, ssh."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from buildlib.engine import connect
from buildlib.engine.about import about
from buildlib.engine.find import find_engine
from buildlib.errors import EngineUnavailable

pytestmark = pytest.mark.engine


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def relay(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A TCP port of this machine that leads to the engine's socket."""
    path = find_engine().path

    def serve(link: socket.socket) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as engine:
            if context is not None:
                link = context.wrap_socket(link, server_side=True)
            engine.connect(path)
            threading.Thread(target=pump, args=(link, engine), daemon=True).start()
            pump(engine, link)
        link.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                link, _ = server.accept()
                threading.Thread(target=serve, args=(link,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def certificate(folder: Path) -> Path:
    """A key with a certificate that is its own authority, under docker's names for both sides."""
    folder.mkdir()
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (folder / "ca.pem").write_bytes((folder / "cert.pem").read_bytes())
    return folder


def works(environ: dict[str, str]) -> None:
    """Ask in each way there is: a question, many at once, one that changes nothing."""
    engine = connect(environ=environ)
    engine.ping()
    assert engine.platform() == connect().platform()
    assert engine.inspect(["buildlib-test/no:a", "buildlib-test/no:b"]) == {
        "buildlib-test/no:a": None,
        "buildlib-test/no:b": None,
    }
    assert engine.untag("buildlib-test/no:a") is False
    assert about(find_engine(environ)) == about(find_engine())


def test_over_tcp() -> None:
    with relay() as port:
        works({"DOCKER_HOST": f"tcp://127.0.0.1:{port}"})


def test_over_tls_with_certificates_of_both_sides(tmp_path: Path, monkeypatch) -> None:
    # A site's bundle is for the web; the engine's certificate has an authority of its own.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate(tmp_path / "site") / "ca.pem"))
    certs = certificate(tmp_path / "certs")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs / "cert.pem", certs / "key.pem")
    context.load_verify_locations(certs / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with relay(context) as port:
        env = {"DOCKER_HOST": f"tcp://127.0.0.1:{port}", "DOCKER_TLS_VERIFY": "1"}
        works({**env, "DOCKER_CERT_PATH": str(certs)})
        other = certificate(tmp_path / "other")
        with pytest.raises(EngineUnavailable, match="from DOCKER_HOST") as caught:
            connect(environ={**env, "DOCKER_CERT_PATH": str(other)}).ping()
        assert "certificate verify failed" in caught.value.what


def test_over_ssh(tmp_path: Path, monkeypatch) -> None:
    # `ssh me@box -- docker system dial-stdio`, but the command is run here
    asked = tmp_path / "asked"
    (tmp_path / "ssh").write_text(
        f'#!/bin/sh\necho "$*" >>{asked}\nunset DOCKER_HOST\n'
        'while [ "$1" != docker ]; do shift; done\nexec "$@"\n'
    )
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    works({"DOCKER_HOST": "ssh://me@box:2222"})
    assert "-l me -p 2222 -- box docker system dial-stdio" in asked.read_text()


def test_over_ssh_to_nowhere(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\necho ssh: no route to box >&2; exit 255\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(EngineUnavailable, match=r"me@box.* does not answer: ssh: no route"):
        connect(environ={"DOCKER_HOST": "ssh://me@box"}).ping()
