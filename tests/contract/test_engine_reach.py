"""One engine, reached in every way an endpoint can name: socket, TCP, TLS, ssh."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from buildlib.engine import connect
from buildlib.engine.about import about
from buildlib.engine.find import find_engine
from buildlib.engine.sdk import client_of, explained
from buildlib.errors import ActionError, EngineUnavailable
from tests.support.reach import ASKED, both_sides, certificate, fake_ssh, over_tls, reached, relay

pytestmark = pytest.mark.engine


def works(environ: dict[str, str]) -> None:
    """Ask in each way there is: a question, many at once, one that changes nothing; the SDK."""
    engine = connect(environ=environ)
    engine.ping()
    assert engine.platform() == connect().platform()
    assert engine.inspect(["buildlib-test/no:a", "buildlib-test/no:b"]) == {
        "buildlib-test/no:a": None,
        "buildlib-test/no:b": None,
    }
    assert engine.untag("buildlib-test/no:a") is False
    endpoint = find_engine(environ)
    assert about(endpoint) == about(find_engine())
    with closing(client_of(endpoint, timeout=60)) as client:
        assert client.version()["Version"] == about(endpoint).version
        assert client.info()["ID"]
        with pytest.raises(ActionError, match="refused to look"), explained(endpoint, "look"):
            client.inspect_image("buildlib-test/no:a")


def test_over_tcp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # a site's proxy is for the web
    with reached("tcp", tmp_path, monkeypatch) as environ:
        works(environ)


def test_over_tls_with_certificates_of_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A site's bundle is for the web; the engine's certificate has an authority of its own.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate(tmp_path / "site") / "ca.pem"))
    certs = certificate(tmp_path / "certs")
    with relay(both_sides(certs)) as port:
        works(over_tls(port, certs))
        other = certificate(tmp_path / "other")
        with pytest.raises(EngineUnavailable, match="from DOCKER_HOST") as caught:
            connect(environ=over_tls(port, other)).ping()
        assert "certificate verify failed" in caught.value.what
        (other / "ca.pem").write_bytes((certs / "ca.pem").read_bytes())
        with pytest.raises(EngineUnavailable, match="from DOCKER_HOST"):  # ours it does not know
            connect(environ=over_tls(port, other)).ping()
        (other / "key.pem").write_text("no key")
        with pytest.raises(EngineUnavailable, match=f"files in {other} cannot be used"):
            connect(environ=over_tls(port, other)).ping()


def test_over_tls_to_an_engine_that_speaks_none(tmp_path: Path) -> None:
    with relay() as port, pytest.raises(EngineUnavailable, match="from DOCKER_HOST"):
        connect(environ=over_tls(port, certificate(tmp_path / "certs"))).ping()


def test_a_context_may_trust_any_certificate(tmp_path: Path) -> None:
    certs = certificate(tmp_path / "certs")
    (tmp_path / "certs" / "ca.pem").unlink()
    endpoint = find_engine(over_tls(1, certs))
    context = both_sides(certificate(tmp_path / "engine"))
    context.verify_mode = type(context.verify_mode).CERT_NONE
    with relay(context) as port:
        there = endpoint._replace(url=f"tcp://127.0.0.1:{port}")
        with pytest.raises(EngineUnavailable, match="certificate verify failed"):
            connect(there).ping()
        assert there.tls
        connect(there._replace(tls=there.tls._replace(verify=False))).ping()


def test_over_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with reached("ssh", tmp_path, monkeypatch) as environ:
        works(environ)
    asked = (tmp_path / ASKED).read_text()
    assert "-l me -p 2222 -- box docker system dial-stdio" in asked


def test_over_ssh_to_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ssh(tmp_path, monkeypatch, "echo ssh: no route to box >&2; exit 255\n")
    environ = {"DOCKER_HOST": "ssh://me@box"}
    with pytest.raises(EngineUnavailable, match=r"me@box.* does not answer: ssh: no route"):
        connect(environ=environ).ping()


def test_over_ssh_that_breaks_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reached("ssh", tmp_path, monkeypatch) as environ:
        endpoint = find_engine(environ)
        with closing(client_of(endpoint, timeout=60)) as client:
            fake_ssh(tmp_path, monkeypatch, "read question; echo ssh: cut off >&2; exit 255\n")
            with (
                pytest.raises(EngineUnavailable, match="does not answer: ssh: cut off"),
                explained(endpoint, "answer"),
            ):
                client.info()
