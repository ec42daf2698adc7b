"""Our client of registries: who it says it is and to whom, what it trusts, how it goes on."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from token_registry import TokenRegistry

from buildlib.core.model.settings import HUB
from buildlib.errors import ActionError, InputError
from buildlib.outside.registry import http
from buildlib.outside.registry.address import is_loopback, server_of
from buildlib.outside.registry.challenge import Challenge, parse_challenge
from buildlib.outside.registry.client import connect
from buildlib.outside.registry.protocol import RegistryUnavailable
from buildlib.outside.registry.upload import CHUNK
from buildlib.outside.web.credentials import docker_login
from buildlib.outside.web.retry import PATIENT, Retry
from tests.support.pace import promptly
from tests.support.registry import registry

HASTY = Retry(attempts=2, first_delay=0.01, longest_delay=0.05, connect_timeout=5, read_timeout=30)
SECRET = "open sesame"
BASIC = "Basic " + base64.b64encode(f"puller:{SECRET}".encode()).decode()
A, B = "elyra/a", "elyra/b"


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.fixture
def server() -> Iterator[TokenRegistry]:
    with TokenRegistry() as there:
        yield there


@pytest.fixture(autouse=True)
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's configuration, which is empty."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def configure(folder: Path, host: str, **entry: str) -> None:
    found = entry or {"auth": BASIC.removeprefix("Basic ")}
    (folder / "config.json").write_text(json.dumps({"auths": {host: found}}))


def helper(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A credential helper called `docker-credential-tests`."""
    program = folder / "docker-credential-tests"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (folder / "config.json").write_text(json.dumps({"credHelpers": {host: "tests"}}))


# tokens


def test_nobody_in_particular_gets_a_token_to_read(server):
    server.blobs[sha(b"x")] = b"x"
    client = connect(server.host, retry=HASTY)
    assert client.has_blob(A, sha(b"x"))
    assert b"".join(client.read_blob(A, sha(b"x"))) == b"x"
    ((method, query, shown),) = server.asked
    assert (method, shown) == ("GET", "")
    assert query == {"service": ["tests"], "scope": [f"repository:{A}:pull"]}


def test_a_token_is_asked_once_for_what_it_allows(server, docker):
    configure(docker, server.host)
    client = connect(server.host, retry=HASTY)
    for _ in range(3):
        client.has_blob(A, sha(b"x"))
        client.has_blob(B, sha(b"x"))
        client.put_blob(A, b"y")
    scopes = [query["scope"][0] for _, query, _ in server.asked]
    assert sorted(scopes) == sorted(
        [f"repository:{A}:pull", f"repository:{B}:pull", f"repository:{A}:pull,push"]
    )
    assert {shown for _, _, shown in server.asked} == {BASIC}
    assert SECRET not in str(server.seen)
    assert BASIC not in {shown for _, _, shown in server.seen}


def test_a_token_that_ends_is_renewed(server):
    server.lifetime = 0.000001
    client = connect(server.host, retry=HASTY)
    client.has_blob(A, sha(b"x"))
    client.has_blob(A, sha(b"x"))
    assert len(server.tokens) > 1


def test_a_token_that_is_refused_is_renewed(server):
    client = connect(server.host, retry=HASTY)
    client.has_blob(A, sha(b"x"))
    server.tokens["token-0"] = []
    assert not client.has_blob(A, sha(b"x"))
    assert len(server.tokens) == 2


def test_an_identity_token_is_exchanged(server, docker, monkeypatch):
    answer = json.dumps({"Username": "<token>", "Secret": SECRET})
    helper(docker, f"cat >/dev/null; echo '{answer}'", monkeypatch, server.host)
    connect(server.host, retry=HASTY).ping()
    ((method, form, shown),) = server.asked
    assert (method, shown) == ("POST", "")
    assert form["grant_type"] == ["refresh_token"]
    assert form["refresh_token"] == [SECRET]


def test_no_token_for_the_credentials_is_told_without_them(server, docker):
    configure(docker, server.host)
    server.denied = True
    with pytest.raises(ActionError) as told:
        connect(server.host, retry=HASTY).ping()
    assert told.value.fix == f"docker login {server.host}"
    assert not isinstance(told.value, RegistryUnavailable)
    for word in (SECRET, "sesame", BASIC):
        assert word not in str(told.value)


def test_credentials_are_not_sent_in_the_clear_to_others(server, docker):
    configure(docker, server.host)
    server.realm = "http://tokens.example.com/token"
    with pytest.raises(ActionError, match="not safe"):
        connect(server.host, retry=HASTY).ping()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="x"', ("basic", "x", "", "")),
        (
            'Bearer realm="https://a/t?x=1,2",service="s",scope="repository:a/b:pull,push"',
            ("bearer", "https://a/t?x=1,2", "s", "repository:a/b:pull,push"),
        ),
        ('basic realm="x", bearer realm="https://a", error="y"', ("bearer", "https://a", "", "")),
        ('Bearer  realm = "https://a", service = "s\\"t"', ("bearer", "https://a", 's"t', "")),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_what_a_registry_asks_for_is_read(header, expected):
    assert parse_challenge([header]) == (Challenge(*expected) if expected else None)


# credentials


def test_there_are_none(docker):
    assert docker_login("registry.test") is None


def test_docker_hub_is_known_under_its_old_address(docker):
    configure(docker, "https://index.docker.io/v1/")
    found = docker_login(HUB)
    assert (found.user, found.password) == ("puller", SECRET)
    assert SECRET not in repr(found)
    assert SECRET not in f"{found}"


def test_an_identity_token_of_the_configuration_is_found(docker):
    configure(docker, "registry.test", auth="", identitytoken=SECRET)
    assert docker_login("registry.test").token == SECRET


@pytest.mark.parametrize("script", [f"echo '{SECRET}' >&2; echo '{SECRET}'; exit 1", "echo '['"])
def test_a_helper_that_fails_is_named_and_not_quoted(docker, monkeypatch, script):
    helper(docker, script, monkeypatch, "registry.test")
    with pytest.raises(ActionError, match="docker-credential-tests") as told:
        docker_login("registry.test")
    assert SECRET not in str(told.value)
    assert told.value.fix == "docker login registry.test"


def test_a_helper_that_is_missing_is_named(docker, recwarn):
    (docker / "config.json").write_text('{"credsStore": "nowhere"}')
    with pytest.raises(ActionError, match="docker-credential-nowhere"):
        docker_login("registry.test")
    assert not recwarn.list


# on the way


def test_whom_a_registry_redirects_to_gets_no_credentials(server):
    with TokenRegistry() as other:
        other.open = True
        other.blobs[sha(b"x")] = server.blobs[sha(b"x")] = b"x"
        server.elsewhere = other.host
        client = connect(server.host, retry=HASTY)
        assert b"".join(client.read_blob(A, sha(b"x"))) == b"x"
        assert client.has_blob(A, sha(b"x"))
    assert other.seen[0] == ("GET", f"/cdn/{sha(b'x')}?signature=secret", "")
    assert {shown for _, _, shown in other.seen} == {""}


def test_a_redirect_is_not_quoted(server):
    server.open = True
    server.blobs[sha(b"x")] = b"x"
    server.elsewhere = "127.0.0.1:1"
    with pytest.raises(RegistryUnavailable) as told:
        list(connect(server.host, retry=HASTY).read_blob(A, sha(b"x")))
    assert "secret" not in str(told.value)


def test_wrong_bytes_are_noticed(server):
    server.blobs[sha(b"right")] = b"wrong"
    with pytest.raises(ActionError, match=f"has {sha(b'wrong')} in its place"):
        list(connect(server.host, retry=HASTY).read_blob(A, sha(b"right")))


def test_all_pages_of_tags_are_read(server):
    server.pages = [["c", "a"], ["b"], [], ["d"]]
    assert connect(server.host, retry=HASTY).tags(A) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("after", [0, 1000, CHUNK - 1])
def test_an_upload_goes_on_in_the_middle_of_a_chunk(server, tmp_path, after):
    data = os.urandom(CHUNK + 5)
    path = tmp_path / "file"
    path.write_bytes(data)
    server.cut_after = after
    client = connect(server.host, retry=HASTY)
    client.put_file(A, str(path), sha(data))
    assert server.blobs[sha(data)] == data
    assert server.received == len(data)


# whom to ask, and whom to trust


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST:5000", True),
        ("127.0.0.1:5000", True),
        ("127.1.2.3", True),
        ("[::1]:5000", True),
        ("::1", True),
        ("10.0.0.1:5000", False),
        ("localhost.example.com", False),
        ("registry.example.com:5000", False),
        ("[fe80::1]:5000", False),
    ],
)
def test_loopback_is_known_by_name(host, loopback):
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_a_server_of_another_name(host):
    server = server_of(host)
    assert (server.host, server.server) == ("docker.io", "registry-1.docker.io")
    assert server.repository("debian") == "library/debian"
    assert server.repository("elyra/a") == "elyra/a"
    assert server_of("quay.io").repository("debian") == "debian"


@pytest.mark.parametrize(
    "host", ["https://quay.io", "quay.io/elyra", "", "a b", "user:pass@quay.io", "q:99999"]
)
def test_what_is_no_registry_is_refused(host):
    with pytest.raises(InputError):
        connect(host)


@pytest.fixture
def by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """registry.test leads to this machine."""
    real = socket.getaddrinfo

    def lookup(host: str, *rest: object, **more: object) -> object:
        return real("127.0.0.1" if host == "registry.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


# a registry that is not there


@pytest.fixture
def nobody() -> str:
    """A port of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def unheard() -> Iterator[str]:
    """A port that takes no connection, as behind a firewall that drops what comes."""
    with socket.socket() as deaf, contextlib.ExitStack() as at_end:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(3):
            waiting = at_end.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        yield f"127.0.0.1:{deaf.getsockname()[1]}"


def test_a_registry_that_refuses_is_told_within_three_seconds(nobody):
    told: list[str] = []
    with promptly(3), pytest.raises(RegistryUnavailable, match="Connection refused"):
        connect(nobody, retry=PATIENT, tell=told.append).ping()
    assert told == [], "no attempt is promised that is not made"


def test_a_registry_whose_name_nobody_knows_is_told_within_three_seconds(monkeypatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with promptly(3), pytest.raises(RegistryUnavailable, match="does not resolve"):
        connect("registry.test").ping()


@pytest.mark.parametrize("why", ["no connection", "a slow name server"])
def test_a_registry_that_keeps_us_waiting_is_told_meanwhile(unheard, monkeypatch, why):
    assert http._SOON < 3
    monkeypatch.setattr(http, "_SOON", 0.1)
    host, told = unheard, []
    if why == "a slow name server":
        real = socket.getaddrinfo

        def slow(*asked: object, **more: object) -> object:
            time.sleep(0.4)
            return real(*asked, **more)

        monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(RegistryUnavailable, match="no connection in time"):
        connect(host, retry=HASTY._replace(connect_timeout=0.3), tell=told.append).ping()
    assert told[0] == f"warning: registry {host} has not answered yet"


def test_a_registry_that_was_there_is_waited_for_and_that_is_told():
    told: list[str] = []
    waits: list[float] = []
    retry = HASTY._replace(attempts=4, first_delay=2.0, longest_delay=20)
    with registry() as there:
        client = connect(there.host, retry=retry, wait=waits.append, tell=told.append)
        client.ping()
        there.kill()
        with pytest.raises(RegistryUnavailable, match="Connection refused"):
            client.ping()
    assert len(waits) == 3
    assert re.fullmatch(
        rf"warning: registry {there.host} .+; trying again in \d\.\d s \(attempt 2 of 4\)", told[0]
    )


def test_an_authority_beside_dockers_is_trusted_for_its_registry_only(
    by_name, tmp_path, docker, monkeypatch
):
    with registry(tls=True, auth=True) as there:
        host = f"registry.test:{there.host.rpartition(':')[2]}"
        configure(docker, host)
        folder = tmp_path / "certs.d"
        monkeypatch.setattr("buildlib.outside.web.trust.DOCKERS", str(folder))
        with pytest.raises(RegistryUnavailable, match="certificate") as told:
            connect(host, retry=HASTY).ping()
        assert f"/etc/docker/certs.d/{host}" in str(told.value.fix)
        for name, works in (("elsewhere.test", False), (host, True)):
            (folder / name).mkdir(parents=True)
            (folder / name / "ca.crt").write_bytes(Path(str(there.ca)).read_bytes())
            client = connect(host, retry=HASTY)
            if works:
                client.ping()
            else:
                with pytest.raises(RegistryUnavailable):
                    client.ping()


def test_a_file_there_that_is_no_certificate_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("buildlib.outside.web.trust.DOCKERS", str(tmp_path))
    folder = tmp_path / "registry.test"
    folder.mkdir()
    (folder / "ca.crt").write_text("none")
    with pytest.raises(InputError, match=r"ca\.crt"):
        connect("registry.test")


def test_a_registry_of_another_host_has_to_speak_tls(by_name):
    with registry() as there:
        port = there.host.rpartition(":")[2]
        with pytest.raises(RegistryUnavailable, match="plain HTTP") as told:
            connect(f"registry.test:{port}", retry=HASTY).ping()
        assert "localhost" in str(told.value.fix)


def test_a_proxy_of_the_site_is_not_used_for_loopback(server, monkeypatch):
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    connect(server.host, retry=HASTY).ping()
