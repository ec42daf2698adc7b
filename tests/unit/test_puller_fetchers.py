"""Where the puller's names come from: a gateway that answers anything, lists, ConfigMaps."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

sys.path.append(str(Path(__file__).parents[2] / "images/kernel-image-puller"))

from kernel_image_puller.errors import FetchFailed
from kernel_image_puller.fetchers import combined, make_fetcher
from kernel_image_puller.settings import read_settings
from kernel_image_puller.web import get_json

from tests.support.pace import promptly

TOKEN = "s3cret-t0ken"


@contextmanager
def server(answer, tls=None):
    """A server whose every GET is answered by `answer(handler)`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"{'http' if tls is None else 'https'}://localhost:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()


def reply(handler, body, status=200, **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def spec(image):
    return {"spec": {"metadata": {"process_proxy": {"config": {"image_name": image}}}}}


def fetch(url, account="/nonexistent", **env):
    env = {"KIP_GATEWAY_HOST": url, "KIP_AUTH_TOKEN": TOKEN, **env}
    return list(make_fetcher(read_settings(env), env, account)())


def failure(url, **env):
    with pytest.raises(FetchFailed) as caught:
        fetch(url, **env)
    assert TOKEN not in str(caught.value)
    return str(caught.value)


def test_the_gateway_is_asked_with_its_token_in_the_header_alone():
    asked = []

    def answer(handler):
        asked.append((handler.path, handler.headers["Authorization"]))
        reply(handler, {"kernelspecs": {"a": spec("x"), "b": spec("y")}})

    with server(answer) as url:
        assert fetch(f"{url}/base/") == ["x", "y"]
        assert fetch(url, KIP_AUTH_TOKEN="") == ["x", "y"]
    assert asked == [("/base/api/kernelspecs", f"token {TOKEN}"), ("/api/kernelspecs", None)]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"message": "no"}, 401, "answers 401"),
        (b"<html>", 500, "answers 500"),
        (b"<html>hello", 200, "no JSON"),
        (b"", 200, "no JSON"),
        (b"\xff\xfe\x00", 200, "no JSON"),
        (b"[" * 100_000, 200, "no JSON"),
        ([], 200, "no kernelspecs"),
        ({"kernelspecs": None}, 200, "no kernelspecs"),
        ({"kernelspecs": [1]}, 200, "no kernelspecs"),
    ],
)
def test_what_is_no_list_of_kernelspecs_is_told_in_a_sentence(body, status, said):
    with server(lambda handler: reply(handler, body, status)) as url:
        assert said in failure(url)


def test_the_token_does_not_follow_a_redirection():
    asked = []
    with (
        server(lambda handler: (asked.append(handler.path), reply(handler, {}))) as elsewhere,
        server(lambda handler: reply(handler, b"", 302, Location=f"{elsewhere}/x")) as url,
    ):
        assert "answers 302" in failure(url)
    assert asked == []


def test_nobody_there_and_answers_cut_short_are_told():
    with server(lambda handler: None) as url:
        pass
    assert "does not answer" in failure(url)
    assert "does not answer" in failure("http://no-such-host.invalid")
    assert "does not answer" in failure(f"http://{'x' * 70}.example")

    def short(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"{")

    with server(short) as url:
        assert "no JSON" in failure(url) or "does not answer" in failure(url)


def test_a_gateway_that_says_nothing_or_never_ends_is_left_after_a_while():
    over = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        while not over.wait(0.05):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    for answer, said in ((lambda _: over.wait(60), "no answer within"), (drip, "longer than")):
        with server(answer) as url, promptly(5), pytest.raises(FetchFailed, match=said):
            get_json(url, timeout=0.5)
    over.set()


def test_certificates_are_checked_if_that_is_wanted():
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with server(lambda handler: reply(handler, {"kernelspecs": {"a": spec("x")}}), tls) as url:
        assert fetch(url) == ["x"]
        assert "CERTIFICATE_VERIFY_FAILED" in failure(url, KIP_VALIDATE_CERT="True")


def test_a_list_may_be_empty():
    env = {"KIP_IMAGE_FETCHER": "StaticListFetcher"}
    assert fetch("http://localhost:1", **env) == []
    assert fetch("http://localhost:1", KIP_IMAGES="a,,b", **env) == ["a", "b"]


# -- Several at once -------------------------------------------------------------------------------


def failing():
    raise FetchFailed("out of order")


def test_a_fetcher_that_fails_takes_nothing_from_the_others(caplog):
    found = combined({"One": lambda: ["a"], "Two": failing, "Three": lambda: ["b"]})()
    assert found == ["a", "b"]
    [record] = caplog.records
    assert "Two: out of order" in record.message


def test_if_all_fail_there_are_no_names_rather_than_none():
    with pytest.raises(FetchFailed, match=r"One: out of order; Two: out of order"):
        combined({"One": failing, "Two": failing})()


def test_the_settings_choose_what_is_combined(caplog):
    env = {
        "KIP_IMAGE_FETCHER": "CombinedImagesFetcher",
        "KIP_INTERNAL_FETCHERS": "KernelSpecsFetcher,ConfigMapImagesFetcher,StaticListFetcher",
        "KIP_IMAGES": "mine",
    }
    with server(lambda handler: reply(handler, b"", 500)) as url:
        assert fetch(url, **env) == ["mine"]
    assert "KernelSpecsFetcher" in caplog.text
    assert "this is no pod" in caplog.text


# -- ConfigMaps ------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path):
    """An API server with a certificate of its own authority, and a pod's account."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    state = {"status": 200, "body": {"data": {"image-names": "- a:1\n- b\n"}}, "asked": []}

    def answer(handler):
        state["asked"].append((handler.path, handler.headers["Authorization"]))
        reply(handler, state["body"], state["status"])

    with server(answer, tls) as url:
        state["env"] = {
            "KIP_IMAGE_FETCHER": "ConfigMapImagesFetcher",
            "account": str(tmp_path),
            "KUBERNETES_SERVICE_HOST": "localhost",
            "KUBERNETES_SERVICE_PORT": url.rpartition(":")[2],
        }
        yield state


def test_a_config_map_is_read_with_the_pods_account(cluster):
    assert fetch("http://localhost:1", **cluster["env"]) == ["a:1", "b"]
    path = "/api/v1/namespaces/enterprise-gateway/configmaps/kernel-images"
    assert cluster["asked"] == [(path, f"Bearer {TOKEN}")]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, {}, "answers 403"),
        (404, {}, "answers 404"),
        (200, {}, "no key 'image-names'"),
        (200, {"data": {"other": "x"}}, "no key 'image-names'"),
        (200, [], "no key"),
    ],
)
def test_a_config_map_that_is_not_for_us_is_told(cluster, status, body, said):
    cluster.update(status=status, body=body)
    assert said in failure("http://localhost:1", **cluster["env"])


def test_an_account_that_is_not_there_or_an_authority_that_is_another_is_told(cluster, tmp_path):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    assert "CERTIFICATE_VERIFY_FAILED" in failure("http://localhost:1", **cluster["env"])
    (tmp_path / "token").unlink()
    assert "service account cannot be read" in failure("http://localhost:1", **cluster["env"])
    assert cluster["asked"] == []
