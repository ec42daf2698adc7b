"""Where the engine is looked for, as docker itself does, and what is said if it fails."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path

import pytest

from buildlib.engine.find import DEFAULT_SOCKET, Endpoint, find_engine, probe, unavailable
from buildlib.errors import InputError


def context(home: Path, name: str, host: str, *, tls: bool = False, chosen: bool = False) -> None:
    """What `docker context create` and `docker context use` write."""
    folder = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker/contexts/meta" / folder
    meta.mkdir(parents=True)
    document = {"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (meta / "meta.json").write_text(json.dumps(document))
    if tls:
        material = home / ".docker/contexts/tls" / folder / "docker"
        material.mkdir(parents=True)
        (material / "ca.pem").write_text("x")
    if chosen:
        (home / ".docker/config.json").write_text(json.dumps({"currentContext": name}))


@pytest.mark.parametrize(
    ("host", "scheme", "address", "tls"),
    [
        ("tcp://box:1234", "tcp", ("box", 1234), False),
        ("tcp://box", "tcp", ("box", 2375), False),
        ("box:1234", "tcp", ("box", 1234), False),
        ("tcp://[::1]:99", "tcp", ("::1", 99), False),
        ("tcp://[::1]", "tcp", ("::1", 2375), False),
        ("ssh://me@box", "ssh", None, False),
        ("https://box:1", "https", ("box", 1), True),
    ],
)
def test_docker_host_in_its_forms(host: str, scheme: str, address: object, tls: bool) -> None:
    found = find_engine({"DOCKER_HOST": host, "HOME": "/nonexistent"})
    assert (found.scheme, found.tls is not None, found.origin) == (scheme, tls, "DOCKER_HOST")
    assert address is None or found.address == address


def test_docker_host_goes_before_any_context(tmp_path: Path) -> None:
    context(tmp_path, "work", "tcp://work:1", chosen=True)
    env = {"HOME": str(tmp_path), "DOCKER_CONTEXT": "work", "DOCKER_HOST": "unix:///x.sock"}
    found = find_engine(env)
    assert found.path == "/x.sock"
    assert found.client_environ(env) == {"HOME": str(tmp_path), "DOCKER_HOST": "unix:///x.sock"}


def test_a_context_named_in_the_environment_goes_before_the_chosen_one(tmp_path: Path) -> None:
    context(tmp_path, "chosen", "tcp://chosen:1", chosen=True)
    context(tmp_path, "named", "tcp://named:1")
    env = {"HOME": str(tmp_path)}
    assert find_engine(env).url == "tcp://chosen:1"
    found = find_engine({**env, "DOCKER_CONTEXT": "named"})
    assert (found.url, found.origin) == ("tcp://named:1", "docker context named")
    assert found.client_environ(env) == {**env, "DOCKER_CONTEXT": "named"}


def test_docker_config_moves_the_contexts(tmp_path: Path) -> None:
    context(tmp_path, "work", "tcp://work:1", chosen=True)
    env = {"HOME": "/nonexistent", "DOCKER_CONFIG": str(tmp_path / ".docker")}
    assert find_engine(env).url == "tcp://work:1"


def test_the_default_context_is_the_usual_socket(tmp_path: Path) -> None:
    context(tmp_path, "work", "tcp://work:1", chosen=True)
    found = find_engine({"HOME": str(tmp_path), "DOCKER_CONTEXT": "default"})
    assert (found.scheme, found.origin) == ("unix", "")


def test_tls_of_the_environment_and_of_a_context(tmp_path: Path) -> None:
    context(tmp_path, "work", "tcp://work", tls=True, chosen=True)
    found = find_engine({"HOME": str(tmp_path)})
    assert found.address == ("work", 2376)
    assert found.tls
    assert found.tls.file("ca.pem")
    assert found.tls.file("key.pem") is None
    env = {"DOCKER_HOST": "tcp://box", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    found = find_engine(env)
    assert found.tls
    assert found.tls.folder == "/certs"


def test_an_unknown_context_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    context(tmp_path, "staging", "tcp://work:1")
    env = {"HOME": str(tmp_path), "DOCKER_CONTEXT": "stagign"}
    with pytest.raises(InputError, match="did you mean staging") as caught:
        find_engine(env)
    assert caught.value.fix == "unset DOCKER_CONTEXT"


def test_a_context_of_windows_is_refused(tmp_path: Path) -> None:
    context(tmp_path, "desktop", "npipe:////./pipe/docker_engine", chosen=True)
    with pytest.raises(InputError, match="reached from Windows") as caught:
        find_engine({"HOME": str(tmp_path)})
    assert caught.value.fix == "docker context use default"


@pytest.mark.parametrize(
    "host", ["npipe:////./pipe/x", "unixx:///var/run/docker.sock", "tcp://", "unix://"]
)
def test_a_docker_host_that_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="no address") as caught:
        find_engine({"DOCKER_HOST": host, "HOME": "/nonexistent"})
    assert caught.value.fix.startswith("export DOCKER_HOST=unix:")


def test_a_broken_config_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text("{")
    assert find_engine({"HOME": str(tmp_path)}).origin == ""


def test_of_several_sockets_the_one_that_answers(tmp_path: Path, monkeypatch) -> None:
    dead, live = tmp_path / "dead.sock", tmp_path / "run/docker.sock"
    live.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(dead))
    monkeypatch.setattr("buildlib.engine.find.DEFAULT_SOCKET", str(dead))
    env = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(live.parent)}
    assert find_engine(env).path == str(dead)  # to be explained
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(live))
        server.listen()
        assert find_engine(env).path == str(live)


# why it does not answer


def explain(url: str, **more: str) -> tuple[str, str]:
    endpoint = Endpoint(url, **more)
    error = probe(endpoint, timeout=1)
    assert error is not None
    shown = unavailable(endpoint, error)
    assert shown.exit_code == 1
    return shown.what, shown.fix or ""


def test_no_socket(tmp_path: Path) -> None:
    what, fix = explain(f"unix://{tmp_path}/no.sock")
    assert "does not exist" in what
    assert "systemctl start docker" in fix
    assert "apt-get install" in fix


def test_a_socket_nobody_listens_on(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(f"{tmp_path}/old.sock")
    what, fix = explain(f"unix://{tmp_path}/old.sock")
    assert "is not running: connection refused" in what
    assert "systemctl start docker" in fix


def test_a_socket_one_may_not_use() -> None:
    shown = unavailable(
        Endpoint(f"unix://{DEFAULT_SOCKET}"), PermissionError(13, "Permission denied")
    )
    assert "permission denied" in shown.what
    assert "usermod -aG docker" in shown.fix


@pytest.mark.skipif(os.geteuid() != 0, reason="changes its user to meet a closed socket")
def test_a_closed_socket_is_met_as_such(tmp_path: Path) -> None:
    path = tmp_path / "closed.sock"
    tmp_path.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0o600)
        os.seteuid(65534)
        try:
            error = probe(Endpoint(f"unix://{path}"))
        finally:
            os.seteuid(0)
    assert isinstance(error, PermissionError)


def test_a_refused_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        what, fix = explain(f"tcp://127.0.0.1:{taken.getsockname()[1]}", origin="DOCKER_HOST")
    assert "(from DOCKER_HOST) is not running" in what
    assert fix.startswith("unset DOCKER_HOST")


def test_a_host_that_does_not_exist() -> None:
    what, fix = explain("tcp://nowhere.invalid:1", origin="docker context far", context="far")
    assert "no such host: nowhere.invalid" in what
    assert "docker context far" in what
    assert fix.startswith("docker context use default")
