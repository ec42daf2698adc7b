"""The contract that docker-stacks' images give to what is built on them."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.engine
NAME = "minimal-notebook"


def test_environment_and_start(config):
    found = config(NAME)
    environment = dict(line.split("=", 1) for line in found["Env"])
    assert environment.pop("PATH").startswith("/opt/conda/bin:/usr/local/sbin:/usr/local/bin:")
    assert environment == {
        "CONDA_DIR": "/opt/conda",
        "HOME": "/home/jovyan",
        "LANG": "C.UTF-8",
        "LANGUAGE": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "NB_GID": "100",
        "NB_UID": "1000",
        "NB_USER": "jovyan",
        "SHELL": "/bin/bash",
    }
    assert found["Entrypoint"] == ["tini", "-g", "--"]
    assert found["WorkingDir"] == "/home/jovyan"
    assert "ExposedPorts" not in found


def test_jovyan(run):
    assert run(NAME, "id").strip() == "uid=1000(jovyan) gid=100(users) groups=100(users)"
    entry = run(NAME, "getent", "passwd", "jovyan").strip().split(":")
    assert (entry[0], entry[5], entry[6]) == ("jovyan", "/home/jovyan", "/bin/bash")


def test_tini_is_the_first_process(run):
    assert run(NAME, "cat", "/proc/1/comm").strip() == "tini"


def test_tools_are_there(run):
    tools = ("wget", "curl", "bzip2", "unzip", "tini", "fix-permissions")
    found = run(NAME, "which", *tools).split()
    assert [path.rsplit("/", 1)[1] for path in found] == list(tools)


def test_python_is_whole(python):
    # Modules that Debian splits off, or that need a library of their own.
    script = """
import bz2, ctypes, distutils, json, lzma, readline, socket, sqlite3, ssl, sys, time, zoneinfo
context = ssl.create_default_context()
moment = time.struct_time((2024, 7, 1, 12, 0, 0, 0, 0, 1))
print(json.dumps({
    "version": sys.version_info[:2],
    "prefix": sys.prefix,
    "authorities": context.cert_store_stats()["x509_ca"] > 100,
    "zone": str(zoneinfo.ZoneInfo("Europe/Berlin")),
    "service": socket.getservbyname("https"),
    "text": sys.stdout.encoding,
}))
"""
    assert python(NAME, script) == {
        "version": [3, 11],
        "prefix": "/opt/conda",
        "authorities": True,
        "zone": "Europe/Berlin",
        "service": 443,
        "text": "utf-8",
    }


FIX_PERMISSIONS = """
umask 077
mkdir -p /tmp/tree/inner && cd /tmp/tree
touch plain inner/right other && touch tool && chmod u+x tool
ln -s /etc/passwd link && ln -s nowhere dangling
chgrp 100 inner/right && chmod 0664 inner/right
touch -d 2001-01-01 stamp && before=$(stat -c %Z inner/right) && sleep 1.1
fix-permissions /tmp/tree
stat -c '%n %a %g' . plain tool inner inner/right other
[ "$(stat -c %Z inner/right)" = "$before" ] && echo untouched
stat -c '%n %a %g' /etc/passwd
mkdir inner/later && stat -c '%n %g' inner/later
"""


def test_fix_permissions_gives_a_tree_to_the_group_and_touches_nothing_else(run):
    # "My stuff" of root, as after a `pip install` in somebody's Dockerfile.
    lines = run(NAME, "bash", "-e", "-c", FIX_PERMISSIONS, user="0").splitlines()
    assert lines == [
        ". 2770 100",
        "plain 660 100",
        "tool 770 100",
        "inner 2770 100",
        "inner/right 664 100",
        "other 660 100",
        "untouched",
        "/etc/passwd 644 0",
        "inner/later 100",
    ]


def test_fix_permissions_without_a_folder_is_an_error(run):
    script = "fix-permissions; echo $?; fix-permissions /no/such; echo $?"
    assert run(NAME, "bash", "-c", script).split() == ["2", "1"]
