"""The engine of this machine, reached in every way an endpoint can name: socket, TCP, TLS, ssh."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from buildlib.engine.find import find_engine

WAYS = ("unix", "tcp", "tls", "ssh")
ASKED = "asked"
"""File in the folder of `reached` that has the arguments of each run of ssh."""


@contextmanager
def reached(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An environment in which the engine is reached that way.

    Args:
        way: One of `WAYS`.
        folder: For certificates and a stand-in for ssh.
        monkeypatch: Puts that into the PATH.
    """
    if way != "unix" and find_engine().scheme != "unix":
        pytest.skip("the engine has no socket here that other ways could lead to")
    if way == "tcp":
        with relay() as port:
            yield {"DOCKER_HOST": f"tcp://127.0.0.1:{port}"}
    elif way == "tls":
        certs = certificate(folder / "certs")
        with relay(both_sides(certs)) as port:
            yield over_tls(port, certs)
    elif way == "ssh":
        fake_ssh(folder, monkeypatch, 'while [ "$1" != docker ]; do shift; done\nexec "$@"\n')
        yield {"DOCKER_HOST": "ssh://me@box:2222"}
    else:
        yield dict(os.environ)


def fake_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Put a program called ssh first in the PATH: `ssh me@box -- command` is run here."""
    script = folder / "ssh"
    engine = f"export DOCKER_HOST={find_engine().url}"
    script.write_text(f'#!/bin/sh\necho "$*" >>{folder / ASKED}\n{engine}\n{does}')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


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


def over_tls(port: int, certs: Path) -> dict[str, str]:
    """The environment of a user who has these certificates."""
    host = f"tcp://127.0.0.1:{port}"
    return {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certs)}


def both_sides(certs: Path) -> ssl.SSLContext:
    """A server that wants a certificate, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs / "cert.pem", certs / "key.pem")
    context.load_verify_locations(certs / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def certificate(folder: Path) -> Path:
    """A key with a certificate that is its own authority, under docker's names for both sides."""
    folder.mkdir()
    made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    files = ["-keyout", "key.pem", "-out", "cert.pem"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv = ["openssl", "req", *made, *files, *names]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    (folder / "ca.pem").write_bytes((folder / "cert.pem").read_bytes())
    return folder
