"""The room that asks the outside: what is tried again, what errors mean, what is trusted."""

from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request
from email.utils import formatdate
from time import time

import pytest
from fetch_server import Server, page, status

from buildlib.outside.web.errors import HttpError, status_error
from buildlib.outside.web.http import HttpClient
from buildlib.outside.web.relay import relay
from buildlib.outside.web.retry import PATIENT, QUICK, Attempts, Retry, Stopped, retrying
from buildlib.outside.web.trust import has_authorities, host_trust

TWICE = Retry(attempts=2, first_delay=0.0)


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        yield running


def passing(reason: str = "went silent", after: float | None = None) -> HttpError:
    return HttpError(reason, "broken", transient=True, retry_after=after)


# what is tried again


def test_attempts_end_and_the_last_failure_is_told():
    failures = [passing("one"), passing("two"), passing("three")]
    waits: list[float] = []

    def call() -> None:
        raise failures.pop(0)

    with pytest.raises(HttpError, match="two"):
        retrying(call, TWICE, waits.append)
    assert len(waits) == 1


def test_what_is_permanent_is_not_tried_again():
    waits: list[float] = []
    with pytest.raises(HttpError, match="no"):
        Attempts(PATIENT, waits.append).failed(HttpError("no", "refused"))
    assert waits == []


def test_whoever_has_come_further_than_ever_begins_to_count_anew():
    attempts = Attempts(TWICE, lambda _: None)
    for progress in (1, 2, 3):
        attempts.failed(passing(), progress)
    with pytest.raises(HttpError):
        attempts.failed(passing(), 2)  # it was further already


def test_what_is_tried_again_is_told_where_it_takes_a_second():
    told: list[str] = []
    retry = Retry(attempts=4, first_delay=0.1, longest_delay=9.0)
    attempts = Attempts(retry, lambda _: None, tell=lambda what, _: told.append(what))
    attempts.failed(passing("went silent"))
    attempts.failed(passing("answers 503", after=2.0))
    attempts.failed(passing("answers 429", after=5.0))
    assert told == [
        "answers 503; trying again in 2.0 s (attempt 3 of 4)",
        "answers 429; trying again in 5.0 s (attempt 4 of 4)",
    ]


@pytest.mark.parametrize("retry", [Retry(), QUICK, PATIENT])
def test_waits_double_and_are_as_long_as_the_server_asks_within_bounds(retry):
    for failures in range(1, 20):
        usual = retry.first_delay * 2 ** (failures - 1)
        low, high = min(retry.longest_delay, usual / 2), min(retry.longest_delay, usual * 1.5)
        assert low <= retry.delay(failures, None) <= high
    assert retry.delay(1, retry.longest_delay - 0.1) == retry.longest_delay - 0.1
    assert retry.delay(1, 3600) == retry.longest_delay


def test_a_wait_can_be_ended(server):
    stop = threading.Event()
    server.script["/f"] = [status(503, Retry_After=20)]
    threading.Timer(0.2, stop.set).start()
    started = time()
    with pytest.raises(Stopped):
        HttpClient(Retry(), stop).page(f"{server.url}/f", "*/*")
    assert time() - started < 5


# what errors mean


@pytest.mark.parametrize(
    ("code", "kind", "transient"),
    [
        (400, "refused", False),
        (401, "refused", False),
        (404, "absent", False),
        (408, "unavailable", True),
        (410, "absent", False),
        (425, "unavailable", True),
        (429, "unavailable", True),
        (500, "unavailable", True),
        (501, "refused", False),
        (503, "unavailable", True),
        (508, "refused", False),
        (599, "unavailable", True),
    ],
)
def test_what_a_status_means(code, kind, transient):
    error = status_error(code, "Some Words", url="https://ada:pw@h/f?token=1")
    assert (error.kind, error.transient, error.status) == (kind, transient, code)
    assert str(error) == f"https://h/f answers {code} Some Words"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        ("", None),
        ("soon", None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_how_long_a_server_asks_to_wait(header, seconds):
    assert status_error(503, "", retry_after=header).retry_after == seconds


@pytest.mark.parametrize(("offset", "seconds"), [(1000, 1000), (-1000, 0)])
def test_a_server_may_name_the_time(offset, seconds):
    found = status_error(503, "", retry_after=formatdate(time() + offset, usegmt=True)).retry_after
    assert found == pytest.approx(seconds, abs=60)


def test_a_server_without_tls_is_told_as_such_and_asked_once(server):
    url = server.url.replace("http:", "https:")
    with pytest.raises(HttpError, match="speaks plain HTTP, and only TLS will do") as error:
        HttpClient(Retry()).page(f"{url}/f", "*/*")
    assert error.value.kind == "plain"


def test_a_page_that_redirects_says_where_it_came_from(server):
    server.script["/a"] = [status(301, Location="/b")]
    server.script["/b"] = [page("text", "text/plain")]
    url, found = HttpClient(Retry()).page(f"{server.url}/a", "*/*")
    assert (url, found.data) == (f"{server.url}/b", b"text")
    assert found.headers["Content-Type"] == "text/plain"


# what is trusted


def test_a_python_that_finds_no_authorities_is_given_those_of_the_host(monkeypatch, tmp_path):
    import trustme

    bundle = tmp_path / "bundle.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    paths = ssl.get_default_verify_paths()._replace(cafile=None, capath=None)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    monkeypatch.setattr("buildlib.outside.web.trust._BUNDLES", ("/nowhere", str(bundle)))
    monkeypatch.setenv("SSL_CERT_FILE", "/named/and/not/there")
    assert not has_authorities(host_trust())
    monkeypatch.delenv("SSL_CERT_FILE")
    assert has_authorities(host_trust())


# what is asked for a program that knows none of our certificates, proxies and logins


def test_a_relay_answers_with_what_lies_below_its_address(server):
    server.add("/m2/a/b.pom", b"\x00pom")
    with relay(f"{server.url}/m2", HttpClient(TWICE)) as running:
        with urllib.request.urlopen(f"{running.url}/a/b.pom") as answer:
            assert answer.read() == b"\x00pom"
        assert asked(f"{running.url}/a/none.pom") == 404
        assert running.failures == []
    with pytest.raises(urllib.error.URLError):  # it ends with the block
        asked(f"{running.url}/a/b.pom")


def test_a_relay_tells_why_it_could_not_ask(server):
    server.script["/m2/a"] = [status(403)]
    with relay(f"{server.url}/m2", HttpClient(TWICE)) as running:
        assert asked(f"{running.url}/a") == 502
        assert [str(failure) for failure in running.failures] == [
            f"{server.url}/m2/a answers 403 Forbidden"
        ]


def test_a_relay_serves_nobody_who_does_not_know_its_address(server):
    server.add("/m2/a", b"secret")
    with relay(f"{server.url}/m2", HttpClient(TWICE)) as running:
        port = running.url.split("/")[2]
        for path in ("/a", "/m2/a", "//m2/a", "/x/a"):
            assert asked(f"http://{port}{path}") == 404
    assert server.requests == []


def test_a_relay_asks_for_nothing_above_its_address(server):
    """A program on this machine is not lent our logins for all of a server."""
    server.add("/private", b"secret")
    with relay(f"{server.url}/m2", HttpClient(TWICE)) as running:
        assert asked(f"{running.url}/../private") == 404
        assert asked(f"{running.url}/%2e%2e/private") == 404
    assert server.seen("/private") == []


def asked(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
