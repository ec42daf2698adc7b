"""The fetcher against a real server that behaves, and does not."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import trustme
from fetch_server import (
    Server,
    hang,
    nameless,
    page,
    sha,
    slow,
    status,
    truncate,
    whole,
)

from buildlib.core.model.settings import Network
from buildlib.core.store.content import ContentStore, HashMismatch, stamp_ns
from buildlib.errors import ActionError, InputError
from buildlib.outside.fetch.air_gap import export_to
from buildlib.outside.fetch.failures import FetchFailed, NotInStore, NotServed
from buildlib.outside.fetch.fetcher import Fetcher
from buildlib.outside.fetch.source import Download
from buildlib.outside.web.retry import Retry
from tests.support.pace import promptly

FAST = Retry(first_delay=0.01, longest_delay=2.0, connect_timeout=2.0, read_timeout=0.5)
BIG = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def store(tmp_path):
    return ContentStore(str(tmp_path / "store"))


def fetch(store, *downloads, network=None, **options):
    Fetcher(store, network or Network(), retry=FAST, **options).fetch(downloads)


def content(store, download):
    with open(store.path(download.sha256), "rb") as file:
        return file.read()


def leftovers(store):
    found = []
    for name in ("part", "incoming", "corrupt"):
        folder = os.path.join(store.root, name)
        found += sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return found


def half(store, download, data):
    os.makedirs(os.path.dirname(store.partial(download.sha256)), exist_ok=True)
    with open(store.partial(download.sha256), "wb") as file:
        file.write(data)


def test_fetches_what_is_missing_and_only_that(server, store):
    downloads = [server.add(f"/f{number}", f"{number}".encode() * 1000) for number in range(20)]
    fetch(store, *downloads[:5])
    fetch(store, *downloads, *downloads)
    assert [content(store, d) for d in downloads] == [
        server.files[f"/{d.filename}"] for d in downloads
    ]
    assert sorted(path for path, _ in server.requests) == sorted(server.files)  # each once
    assert leftovers(store) == []
    assert os.stat(store.path(downloads[0].sha256)).st_mtime_ns == stamp_ns(downloads[0].sha256)


def test_runs_in_parallel_over_kept_connections(server, store):
    downloads = [server.add(f"/f{n}", f"{n}".encode(), slow(0.1, 1)) for n in range(16)]
    fetch(store, *downloads, jobs=4)
    assert server.most_busy == 4
    assert server.connections == 4


def test_the_largest_comes_first(server, store):
    downloads = [server.add(f"/f{size}", b"x" * size) for size in (2, 30, 1, 200)]
    fetch(store, *downloads, jobs=1)
    assert [path for path, _ in server.requests] == ["/f200", "/f30", "/f2", "/f1"]


def test_an_empty_file_and_one_of_unknown_size(server, store):
    empty = server.add("/empty", b"")
    unknown = server.add("/unknown", BIG)._replace(size=None)
    fetch(store, empty, unknown)
    assert content(store, empty) == b""
    assert content(store, unknown) == BIG


def test_a_body_without_a_length(server, store):
    known = server.add("/known", b"a" * 5000, nameless)
    unknown = server.add("/unknown", b"b" * 5000, nameless)._replace(size=None)
    fetch(store, known, unknown)
    assert content(store, known) == b"a" * 5000
    assert content(store, unknown) == b"b" * 5000


def test_a_broken_body_is_resumed(server, store):
    download = server.add("/big", BIG, truncate(100_000), truncate(600_000), truncate(600_001))
    fetch(store, download)
    first, *rest = server.seen("/big")
    assert "Range" not in first
    assert [headers["Range"] for headers in rest] == [
        "bytes=100000-",
        "bytes=600000-",
        "bytes=600001-",
    ]
    assert {headers["If-Range"] for headers in rest} == {f'"{download.sha256[:12]}"'}
    assert content(store, download) == BIG
    assert leftovers(store) == []


def test_more_breaks_than_attempts_are_fine_while_it_comes_on(server, store):
    download = server.add("/big", BIG, *(truncate(n * 50_000) for n in range(1, 20)))
    fetch(store, download)
    assert content(store, download) == BIG


def test_breaks_without_progress_end(server, store):
    download = server.add("/big", BIG, *(truncate(1000) for _ in range(20)))
    with pytest.raises(FetchFailed, match="broke the connection"):
        fetch(store, download)
    assert len(server.seen("/big")) == FAST.attempts
    assert leftovers(store) == [f"{download.sha256}.from", f"{download.sha256}.part"]


def test_a_half_file_of_an_earlier_run_is_continued(server, store):
    download = server.add("/big", BIG)
    half(store, download, BIG[:300_000])
    fetch(store, download)
    assert [headers.get("Range") for headers in server.seen("/big")] == ["bytes=300000-"]
    assert content(store, download) == BIG
    assert leftovers(store) == []


def test_a_server_that_ignores_range(server, store):
    download = server.add("/big", BIG, whole)
    half(store, download, BIG[:300_000])
    fetch(store, download)
    assert len(server.requests) == 1
    assert content(store, download) == BIG


def test_a_server_with_other_content_by_now_sends_it_whole(server, store):
    old = b"old" * 1000
    download = server.add("/big", BIG)
    server.files["/big"] = old
    server.script["/big"] = [truncate(1000)]

    def now_new(handler, _):
        server.files["/big"] = BIG
        status(503)(handler, None)

    server.script["/big"].append(now_new)
    fetch(store, download._replace(size=None))
    last = server.seen("/big")[-1]
    assert last["Range"] == "bytes=1000-"
    assert last["If-Range"] == f'"{sha(old)[:12]}"'
    assert content(store, download) == BIG


def test_pieces_that_do_not_fit_are_fetched_again(server, store):
    download = server.add("/big", BIG)
    half(store, download, b"rubbish")
    fetch(store, download)
    assert [headers.get("Range") for headers in server.seen("/big")] == ["bytes=7-", None]
    assert content(store, download) == BIG


def test_a_half_file_longer_than_the_whole(server, store):
    download = server.add("/small", b"small")
    half(store, download, b"far too long")
    fetch(store, download)
    assert content(store, download) == b"small"


def test_a_half_file_that_is_whole_needs_no_request(server, store):
    download = server.add("/big", BIG)
    half(store, download, BIG)
    fetch(store, download)
    assert server.requests == []
    assert content(store, download) == BIG


@pytest.mark.parametrize("trouble", [500, 502, 503, 504, 408])
def test_trouble_of_the_server_passes(server, store, trouble):
    download = server.add("/f", b"x", status(trouble), status(trouble))
    fetch(store, download)
    assert len(server.requests) == 3


def test_retry_after_is_waited_for(server, store):
    download = server.add("/f", b"x", status(429, Retry_After=1))
    start = time.monotonic()
    fetch(store, download)
    assert time.monotonic() - start >= 1.0


def test_a_wait_is_told_once_however_many_files_wait(server, store):
    downloads = [server.add(f"/{n}", b"%d" % n, status(503, Retry_After=1)) for n in range(4)]
    told: list[tuple[str, str]] = []

    def tell(line: str) -> None:
        told.append((line, threading.current_thread().name))

    Fetcher(store, Network(), retry=FAST._replace(longest_delay=1.0), tell=tell).fetch(downloads)
    [(line, thread)] = told
    assert line == (
        "warning: localhost answers 503 Service Unavailable; trying again in 1.0 s"
        f" (attempt 2 of {FAST.attempts})"
    )
    assert thread == threading.current_thread().name


def test_retry_after_is_not_waited_for_longer_than_we_would(server, store):
    download = server.add("/f", b"x", status(429, Retry_After=3600))
    patience = FAST._replace(longest_delay=0.1)
    with promptly(1):
        Fetcher(store, Network(), retry=patience).fetch([download])


def test_patience_ends(server, store):
    download = server.add("/f", b"x", *(status(503) for _ in range(9)))
    with pytest.raises(FetchFailed, match=r"cannot fetch f: \S+/f answers 503 Service Unavail"):
        fetch(store, download)
    assert len(server.requests) == FAST.attempts
    assert leftovers(store) == []


def test_a_silent_server_is_left_and_asked_again(server, store):
    download = server.add("/f", BIG, hang(9), hang(9, after=70_000))
    with promptly(8):
        fetch(store, download)
    assert [headers.get("Range") for headers in server.seen("/f")] == [None, None, "bytes=70000-"]
    assert content(store, download) == BIG


def test_a_slow_server_is_not_a_silent_one(server, store):
    download = server.add("/f", BIG, slow(1.2))
    fetch(store, download)
    assert len(server.requests) == 1
    assert content(store, download) == BIG


def test_404_is_not_asked_twice_and_carries_the_download(server, store):
    gone = server.add("/gone", b"x", status(404), status(404))
    there = server.add("/there", b"y")
    with pytest.raises(NotServed) as error:
        fetch(store, gone, there)
    assert error.value.download == gone
    assert error.value.downloads == (gone,)
    assert isinstance(error.value, ActionError)
    assert error.value.fix.startswith("name another address")  # lock would find none, either
    assert len(server.seen("/gone")) == 1
    assert store.has(there.sha256)
    assert leftovers(store) == []


def test_wrong_bytes_are_an_error_and_not_kept(server, store):
    wanted = sha(b"what was locked")
    download = Download(wanted, 15, "tool.tgz", (f"{server.url}/tool.tgz?token=s3cret",))
    server.files["/tool.tgz?token=s3cret"] = b"what is served!"
    with pytest.raises(FetchFailed) as error:
        fetch(store, download)
    text = error.value.render()
    assert wanted in text
    assert sha(b"what is served!") in text
    assert f"{server.url}/tool.tgz" in text
    assert "  fix: ./doitw lock --check" in text
    assert "s3cret" not in text
    assert not isinstance(error.value, NotServed)
    assert not store.has(wanted)
    assert leftovers(store) == []


def test_another_size_is_noticed_before_the_body(server, store):
    login = page("<html>please log in</html>", "text/html; charset=utf-8")
    download = server.add("/f", BIG, login)
    with pytest.raises(FetchFailed, match=r"is 26 bytes, the lock says 1048576 .*web page"):
        fetch(store, download)
    assert leftovers(store) == []


def test_a_body_longer_than_the_lock_says(server, store):
    download = server.add("/f", b"x" * 100, nameless)._replace(size=50)
    with pytest.raises(FetchFailed, match="is longer, the lock says 50 bytes"):
        fetch(store, download)
    assert leftovers(store) == []


def test_all_failures_are_in_one_error(server, store):
    gone = [server.add(f"/gone{n}", b"%d" % n, status(404)) for n in range(30)]
    wrong = server.add("/wrong", b"right")
    server.files["/wrong"] = b"wrong"
    good = server.add("/good", b"good")
    with pytest.raises(FetchFailed, match="cannot fetch 31 files") as error:
        fetch(store, *gone, wrong, good)
    assert not isinstance(error.value, NotServed)
    assert set(error.value.downloads) == {*gone, wrong}
    assert [f.download for f in error.value.failures if not f.not_served] == [wrong]
    assert "... and 11 more" in error.value.detail
    assert "lock --check" in error.value.fix  # wrong bytes come before what is only gone
    assert store.has(good.sha256)


def test_the_next_address_is_tried(server, store):
    download = server.add("/good", b"good")
    server.files["/bad"] = b"evil"
    urls = [f"{server.url}{path}" for path in ("/gone", "/bad", "/good")]
    fetch(store, download._replace(addresses=tuple(urls)))
    assert [path for path, _ in server.requests] == ["/gone", "/bad", "/good"]
    assert content(store, download) == b"good"


def test_redirects_are_followed(server, store):
    download = server.add("/there", BIG)
    server.script["/a"] = [status(302, Location="/b?x=1")]
    server.script["/b?x=1"] = [status(308, Location=f"{server.url}/there")]
    fetch(store, download._replace(addresses=(f"{server.url}/a",)))
    assert content(store, download) == BIG
    assert server.connections == 1


def test_a_circle_of_redirects_ends(server, store):
    download = server.add("/a", b"x", *(status(302, Location="/a") for _ in range(40)))
    with pytest.raises(FetchFailed, match="redirects more than"):
        fetch(store, download)


def test_a_login_goes_to_its_origin_only(server, store):
    with Server() as other:
        download = other.add("/file", b"x")
        server.script["/a"] = [status(302, Location="/b")]
        server.script["/b"] = [status(302, Location=f"{other.url}/file")]
        address = server.url.replace("//", "//ada:pass%20word@") + "/a"
        fetch(store, download._replace(addresses=(address,)))
        assert [h.get("Authorization") for _, h in server.requests] == [
            "Basic YWRhOnBhc3Mgd29yZA==",
            "Basic YWRhOnBhc3Mgd29yZA==",
        ]
        assert "Authorization" not in other.seen("/file")[0]


def test_netrc(server, store, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login ada password hush\n")
    monkeypatch.setenv("NETRC", str(netrc))
    download = server.add("/f", b"x")
    fetch(store, download)
    assert server.seen("/f")[0]["Authorization"] == "Basic YWRhOmh1c2g="


@pytest.mark.parametrize(
    "behaviour", [status(401), status(403), status(404), status(500), truncate(1)]
)
def test_no_message_shows_a_secret(server, store, behaviour, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine localhost login bob password netrcpass\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with_login = server.url.replace("//", "//ada:hunter2@")
    secrets = ("hunter2", "netrcpass", "t0ken", "ada:", "YWRh")
    first = server.add("/a", b"aaa", *[behaviour] * 9)
    second = server.add("/b?key=t0ken", b"bbb", *[behaviour] * 9)
    downloads = [
        first._replace(addresses=(f"{with_login}/a",)),
        second._replace(filename="b", addresses=(f"{with_login}/b?key=t0ken",)),
    ]
    with pytest.raises(FetchFailed) as error:
        fetch(store, *downloads)
    assert not [word for word in secrets if word in error.value.render()]
    kept = b""
    for name in leftovers(store):
        with open(os.path.join(store.root, "part", name), "rb") as file:
            kept += file.read()
    assert not [word for word in secrets if word.encode() in kept]


def test_401_says_where_a_login_goes(server, store):
    with pytest.raises(FetchFailed) as error:
        fetch(store, server.add("/f", b"x", status(401)))
    assert error.value.fix == "echo 'machine localhost login NAME password WORD' >> ~/.netrc"


def test_a_host_that_does_not_answer_is_given_up_once(server, store):
    good = server.add("/good", b"good")
    with Server() as gone:
        dead = gone.url
    downloads = [Download(sha(b"%d" % n), 1, f"f{n}", (f"{dead}/f{n}",)) for n in range(100)]
    patience = FAST._replace(first_delay=0.1, attempts=4)  # at least 0.35 s until given up
    with (
        promptly(6),  # each in its turn: 9 s and more
        pytest.raises(FetchFailed, match="cannot fetch 100 files") as error,
    ):
        Fetcher(store, Network(), retry=patience, jobs=4).fetch([*downloads, good])
    assert "Connection refused" in error.value.detail
    assert "https_proxy" in error.value.fix
    assert store.has(good.sha256)


@pytest.mark.parametrize("url", ["ftp://localhost/f", "no address", "http://", "http://[::1"])
def test_what_is_no_address_is_said_at_once(store, url):
    with pytest.raises(FetchFailed, match="is not an http or https address"):
        fetch(store, Download(sha(b"x"), 1, "f", (url,)))


def test_no_address_at_all(store):
    with pytest.raises(FetchFailed, match="no address is given"):
        fetch(store, Download(sha(b"x"), 1, "f", ()))


def test_debian_and_python_files_through_the_mirrors(server, store):
    deb = server.add("/mirror/debian/pool/main/g/gcc/libstdc%2B%2B6_12.2~1_amd64.deb", b"deb")
    wheel = server.add("/files/Nice_Thing-1.0-py3-none-any.whl", b"wheel")
    server.script["/simple/nice-thing/"] = [
        page('<a href="../../files/Nice_Thing-1.0-py3-none-any.whl#sha256=0">x</a>', "text/html")
    ]
    path = "debian/pool/main/g/gcc/libstdc++6_12.2~1_amd64.deb"
    fetch(
        store,
        deb._replace(addresses=(f"debian:{path}",)),
        wheel._replace(addresses=("pypi:Nice.Thing/Nice_Thing-1.0-py3-none-any.whl",)),
        network=Network(apt=f"{server.url}/mirror", pypi=f"{server.url}/simple"),
    )
    assert content(store, deb) == b"deb"
    assert content(store, wheel) == b"wheel"


def test_offline_lists_what_is_missing(server, store):
    one, two = server.add("/one", b"1"), server.add("/two", b"2")
    fetch(store, one)
    server.requests.clear()
    fetch(store, one, offline=True)
    with pytest.raises(NotInStore, match="1 file is not in the content store") as error:
        fetch(store, one, two, offline=True)
    assert error.value.downloads == (two,)
    assert two.sha256 in error.value.detail
    assert "--to DIR" in error.value.fix
    assert server.requests == []


def test_a_folder_carried_to_a_site_without_network(server, store, tmp_path):
    downloads = [server.add(f"/{n}", b"%d" % n) for n in range(3)]
    fetch(store, *downloads)
    folder = str(tmp_path / "usb")
    assert export_to(store, downloads, folder) == 3
    assert export_to(store, downloads, folder) == 0
    assert ContentStore(folder).verify(downloads[0].sha256)  # it is a store itself

    there = ContentStore(folder)
    fetch(there, *downloads, offline=True)
    assert [content(there, download) for download in downloads] == [b"0", b"1", b"2"]
    assert len(server.requests) == 3


def test_a_damaged_file_does_not_get_into_a_folder_to_carry(server, store, tmp_path):
    download = server.add("/f", b"data")
    folder = ContentStore(str(tmp_path / "usb"))
    fetch(folder, download)
    os.chmod(folder.path(download.sha256), 0o644)
    with open(folder.path(download.sha256), "wb") as file:
        file.write(b"DATA")
    with pytest.raises(HashMismatch):
        export_to(folder, [download], store.root)
    assert not store.has(download.sha256)
    assert not folder.has(download.sha256)  # what was to be exported is fetched anew
    with pytest.raises(ActionError, match="not in the content store"):
        export_to(folder, [download], store.root)


def test_the_observer_sees_it_all_in_the_callers_thread(server, store):
    downloads = [server.add(f"/f{n}", b"%d" % n + BIG[1:], slow(0.6)) for n in range(3)]
    half(store, downloads[0], b"0" + BIG[1:1000])
    calls, threads, start = [], set(), time.monotonic()

    def observer(*numbers):
        calls.append(numbers)
        threads.add(threading.current_thread())

    fetch(store, *downloads, observer=observer)
    passed = time.monotonic() - start
    assert calls[-1] == (3 * len(BIG), 3 * len(BIG), 3, 3)
    assert any(0 < done < 3 * len(BIG) for done, *_ in calls)
    assert threads == {threading.current_thread()}
    assert len(calls) <= passed * 10 + 5


def test_the_observer_learns_unknown_sizes(server, store):
    download = server.add("/f", BIG, slow(0.4))._replace(size=None)
    calls = []
    fetch(store, download, observer=lambda *numbers: calls.append(numbers))
    assert any(0 < done < total == len(BIG) for done, total, *_ in calls)
    assert calls[-1] == (len(BIG), len(BIG), 1, 1)


def test_a_fault_in_the_observer_ends_the_fetch(server, store):
    download = server.add("/f", BIG, slow(5))

    def broken(*_):
        raise KeyError

    with promptly(3), pytest.raises(KeyError):
        fetch(store, download, observer=broken)


def test_a_store_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ActionError, match="cannot write to the content store"):
        fetch(ContentStore(str(tmp_path / "file" / "store")), server.add("/f", b"x"))


def test_a_proxy_from_the_environment(server, store, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.replace("//", "//ada:hunter2@"))
    monkeypatch.setenv("no_proxy", "inside.example")
    server.files["http://outside.example/f"] = b"x"
    download = Download(sha(b"x"), 1, "f", ("http://outside.example/f",))
    fetch(store, download)
    asked = server.seen("http://outside.example/f")[0]
    assert asked["Proxy-Authorization"] == "Basic YWRhOmh1bnRlcjI="
    assert asked["Host"] == "outside.example"
    monkeypatch.setenv("no_proxy", "localhost")
    fetch(store, server.add("/direct", b"direct"))
    assert [path for path, _ in server.requests][-1] == "/direct"


def test_a_proxy_that_cannot_be_used(store, monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://ada:hunter2@localhost:1")
    with pytest.raises(InputError, match="kind 'socks5'") as error:
        fetch(store, Download(sha(b"x"), 1, "f", ("http://outside.example/f",)))
    assert "hunter2" not in error.value.render()


@pytest.fixture
def authority(monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    return trustme.CA()


@pytest.fixture
def trust(authority, monkeypatch, tmp_path):
    """Makes this process trust the authority, when called."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return lambda: monkeypatch.setenv("SSL_CERT_FILE", str(bundle))


@pytest.fixture
def secure(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Server(context) as running:
        yield running


def test_tls_with_an_authority_of_ones_own(secure, trust, store):
    download = secure.add("/f", BIG)
    with pytest.raises(FetchFailed, match="certificate that is not trusted") as error:
        fetch(store, download)
    assert secure.connections <= 1  # asking again would not help
    assert error.value.fix.startswith("export SSL_CERT_FILE=")
    trust()
    fetch(store, download)
    assert content(store, download) == BIG


def test_tls_through_a_proxy(server, secure, trust, store, monkeypatch):
    trust()
    monkeypatch.setenv("https_proxy", server.url.replace("//", "//ada:hunter2@"))
    download = secure.add("/f", BIG)
    fetch(store, download)
    assert content(store, download) == BIG
    (tunnel,) = server.seen(secure.url.replace("https://", ""))
    assert tunnel["Proxy-Authorization"] == "Basic YWRhOmh1bnRlcjI="
    assert "Proxy-Authorization" not in secure.seen("/f")[0]


CHILD = textwrap.dedent("""
    import signal, sys
    from buildlib.outside.fetch.fetcher import Fetcher
    from buildlib.outside.fetch.source import Download
    from buildlib.outside.web.retry import Retry
    from buildlib.core.model.settings import Network
    from buildlib.core.store.content import ContentStore

    signal.signal(signal.SIGINT, signal.default_int_handler)
    root, sha256, url = sys.argv[1:]
    fetcher = Fetcher(ContentStore(root), Network(), retry=Retry(first_delay=0.01))
    fetcher.fetch([Download(sha256, None, "f", (url,))])
""")


def child(store, download):
    arguments = [store.root, download.sha256, download.addresses[0]]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], stderr=subprocess.PIPE, text=True
    )


def wait_for_bytes(store, download, count):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if os.stat(store.partial(download.sha256)).st_size >= count:
                return
        except FileNotFoundError:
            pass
        time.sleep(0.01)
    pytest.fail("nothing has arrived")


def test_two_processes_fetch_it_once(server, store):
    download = server.add("/f", BIG, slow(1.0))
    both = [child(store, download), child(store, download)]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert len(server.requests) == 1
    assert content(store, download) == BIG
    assert leftovers(store) == []


def test_the_second_takes_over_when_the_first_is_killed(server, store):
    download = server.add("/f", BIG, slow(30, pieces=60))
    first = child(store, download)
    wait_for_bytes(store, download, 30_000)
    second = child(store, download)
    time.sleep(0.5)
    assert second.poll() is None
    assert len(server.requests) == 1
    first.kill()
    first.communicate()
    assert second.communicate()[1] == ""
    assert second.returncode == 0
    assert "Range" in server.seen("/f")[1]
    assert content(store, download) == BIG


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_then_resumed(server, store, how):
    download = server.add("/f", BIG, slow(30, pieces=60))
    process = child(store, download)
    wait_for_bytes(store, download, 50_000)
    with promptly(8):  # the server would take 30
        process.send_signal(how)
        error = process.communicate(timeout=120)[1]
    assert process.returncode in (-how, 130)
    assert ("KeyboardInterrupt" in error) == (how == signal.SIGINT)
    assert not store.has(download.sha256)
    assert leftovers(store) == [f"{download.sha256}.from", f"{download.sha256}.part"]
    kept = os.stat(store.partial(download.sha256)).st_size
    fetch(store, download)
    resumed = server.seen("/f")[-1]
    assert resumed["Range"] == f"bytes={kept}-"
    assert "If-Range" in resumed
    assert content(store, download) == BIG
    assert leftovers(store) == []


def test_nothing_heavy_is_loaded_while_nothing_is_missing(store):
    digest = store.add_bytes(b"x")
    store.save()
    code = (
        "import sys\n"
        "from buildlib.outside.fetch.source import Download, missing\n"
        "from buildlib.core.store.content import ContentStore\n"
        "download = Download(sys.argv[2], 1, 'x', ())\n"
        "assert missing(ContentStore(sys.argv[1]), [download]) == []\n"
        "print(*sys.modules)\n"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code, store.root, digest], text=True)
    assert not {"urllib3", "ssl", "threading", "hashlib", "http.client"} & set(loaded.split())
