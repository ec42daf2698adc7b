"""Which addresses a download has at a site."""

from __future__ import annotations

import json
from threading import Event

import pytest
from fetch_server import Server, page

from buildlib.core.model.settings import Network
from buildlib.outside.fetch.locate import Locator
from buildlib.outside.web.address import parse_url, redacted
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.http import HttpClient
from buildlib.outside.web.retry import Retry

JSON = "application/vnd.pypi.simple.v1+json"
WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def find(server, monkeypatch):
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    web = HttpClient(Retry(attempts=2, first_delay=0.01), Event())
    return Locator(Network(apt="http://deb.example", pypi=f"{server.url}/simple"), web).find


def test_debian_is_below_the_mirror(find):
    assert find(("debian:debian/pool/main/d/dash/dash_0.5.12-2_amd64.deb",)) == [
        "http://deb.example/debian/pool/main/d/dash/dash_0.5.12-2_amd64.deb"
    ]


def test_debian_names_are_quoted_as_object_stores_want_it(find):
    assert find(("debian:debian/g++_1%3a2~3.deb",)) == [
        "http://deb.example/debian/g%2B%2B_1%253a2~3.deb"
    ]


@pytest.mark.parametrize(
    ("coordinates", "path"),
    [
        (
            "org.apache.hadoop:hadoop-hdfs:3.3.6",
            "org/apache/hadoop/hadoop-hdfs/3.3.6/hadoop-hdfs-3.3.6.jar",
        ),
        ("log4j:log4j:1.2.17:tests", "log4j/log4j/1.2.17/log4j-1.2.17-tests.jar"),
        ("g:a:1+b", "g/a/1%2Bb/a-1%2Bb.jar"),
    ],
)
def test_a_jar_is_below_the_repository(coordinates, path):
    web = HttpClient(Retry(), Event())
    found = Locator(Network(maven="https://maven.example/m2"), web).find([f"maven:{coordinates}"])
    assert found == [f"https://maven.example/m2/{path}"]


def test_addresses_of_its_own(find):
    assert find(("http://a/x", "http://b/x")) == ["http://a/x", "http://b/x"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://files.example/ab/" + WHEEL, "https://files.example/ab/" + WHEEL),
        ("../../packages/" + WHEEL, "{server}/packages/" + WHEEL),
        ("/root/" + WHEEL, "{server}/root/" + WHEEL),
        (WHEEL, "{server}/simple/demo/" + WHEEL),
    ],
)
def test_json_page(server, find, address, expected):
    files = [
        {"filename": "demo-1.0.tar.gz", "url": "demo-1.0.tar.gz", "hashes": {}},
        {"filename": WHEEL, "url": address, "hashes": {}, "yanked": "broken"},
    ]
    server.script["/simple/demo/"] = [page(json.dumps({"files": files}), JSON)]
    assert find((f"pypi:demo/{WHEEL}",)) == [expected.format(server=server.url)]
    assert JSON in server.requests[0][1]["Accept"]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (f'<a href="../../p/{WHEEL}#sha256=00" data-yanked="">{WHEEL}</a>', "{server}/p/" + WHEEL),
        (
            f'<A HREF="https://f.example/{WHEEL}?a=1&amp;b=2">\n x</A>',
            f"https://f.example/{WHEEL}?a=1&b=2",
        ),
        (
            f'<head><base href="https://b.example/x/"></head><a href="{WHEEL}">',
            f"https://b.example/x/{WHEEL}",
        ),
        (
            f'<a name="top">top</a><a href="{WHEEL.replace("-", "%2D")}">',
            "{server}/simple/demo/" + WHEEL.replace("-", "%2D"),
        ),
    ],
)
def test_html_page(server, find, html, expected):
    server.script["/simple/demo/"] = [page(f"<!DOCTYPE html><html>{html}", "text/html")]
    found = find((f"pypi:demo/{WHEEL}",))
    assert [url.partition("#")[0] for url in found] == [expected.format(server=server.url)]


def test_an_address_in_the_index_is_where_the_page_says(server, find):
    sdist = "demo-1.0.tar.gz"
    server.script["/simple/demo/"] = [page(f'<a href="../../p/{sdist}">', "text/html")]
    server.script["/simple/other/"] = [page("", "text/html")]
    found = find((f"pypi:Other/{sdist}", f"pypi:Demo/{sdist}", "http://b/x"))
    assert found == [f"{server.url}/p/{sdist}", "http://b/x"]


def test_an_address_that_the_index_lacks_is_told(server, find):
    server.script["/simple/demo/"] = [page("", "text/html")]
    with pytest.raises(HttpError, match=r"does not list demo-1\.0\.tar\.gz"):
        find(("pypi:demo/demo-1.0.tar.gz",))


@pytest.mark.parametrize("name", ["Typing_Extensions", "typing.extensions", "typing-_.extensions"])
def test_project_names_are_normalised(server, find, name):
    server.script["/simple/typing-extensions/"] = [page(f'<a href="{WHEEL}">', "text/html")]
    assert find((f"pypi:{name}/{WHEEL}",)) == [f"{server.url}/simple/typing-extensions/{WHEEL}"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f'<a href="{WHEEL}">', "text/html"),
        (json.dumps({"files": [{"filename": WHEEL, "url": WHEEL, "hashes": {}}]}), JSON),
    ],
)
def test_relative_to_where_the_page_came_from(server, find, text, kind):
    server.script["/simple/demo/"] = [
        lambda handler, _: handler.head(301, Content_Length=0, Location="/other/demo/")
    ]
    server.script["/other/demo/"] = [page(text, kind)]
    assert find((f"pypi:demo/{WHEEL}",)) == [f"{server.url}/other/demo/{WHEEL}"]


def test_a_page_is_read_once(server, find):
    server.script["/simple/demo/"] = [page('<a href="a.whl"><a href="b.whl">', "text/html")]
    find(("pypi:demo/a.whl",))
    find(("pypi:demo/b.whl",))
    assert len(server.requests) == 1


def test_what_the_index_does_not_have(server, find):
    server.script["/simple/demo/"] = [page('<a href="a.whl">', "text/html")]
    with pytest.raises(HttpError, match=r"does not list b\.whl") as error:
        find(("pypi:demo/b.whl",))
    assert error.value.kind == "absent"
    with pytest.raises(HttpError, match="answers 404") as error:
        find(("pypi:nothing/b.whl",))
    assert error.value.kind == "absent"


@pytest.mark.parametrize("text", ["{", "[]", '{"files": [{}]}', '{"files": 3}', "null"])
def test_a_page_that_is_none(server, find, text):
    server.script["/simple/demo/"] = [page(text, JSON)]
    with pytest.raises(HttpError, match="is not a page of a simple index"):
        find((f"pypi:demo/{WHEEL}",))


def test_a_login_in_the_index_address_reaches_files_and_no_message(server, monkeypatch):
    with_login = server.url.replace("//", "//ada:hunter2@")
    monkeypatch.setenv("PIP_INDEX_URL", f"{with_login}/simple")
    web = HttpClient(Retry(attempts=1), Event())
    server.script["/simple/demo/"] = [page(f'<a href="{server.url}/f/{WHEEL}">', "text/html")]
    server.files[f"/f/{WHEEL}"] = b"x"
    url = Locator(Network(), web).find((f"pypi:demo/{WHEEL}",))[0]
    web.get(url, {}).response.close()
    assert [h["Authorization"] for _, h in server.requests] == ["Basic YWRhOmh1bnRlcjI="] * 2
    with pytest.raises(HttpError) as error:
        Locator(Network(), web).find((f"pypi:gone/{WHEEL}",))
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/p", "http://h/p"),
        ("https://u:p@h:8443/p?q=1#f", "https://h:8443/p"),
        ("https://u:p%40x@[::1]:1/p", "https://[::1]:1/p"),
        ("https://a@b@h/p", "https://h/p"),
        ("http://[bad", "(an address that cannot be read)"),
    ],
)
def test_what_is_shown_of_an_address(url, expected):
    assert redacted(url) == expected


def test_an_address_taken_apart():
    address = parse_url("HTTPS://Ada:p%3Aw@Host.Example/x%20y?q=1#part")
    assert address.origin == ("https", "host.example", 443)
    assert address.url == "https://Host.Example/x%20y?q=1"
    assert address.login == "Basic QWRhOnA6dw=="
