"""Package indexes: set-up, fetching, and steps of a build with a network ask the same one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from threading import Event

import pytest
from fetch_server import Server, page

from buildlib.core.model.settings import Network
from buildlib.engine.secrets import grants_for
from buildlib.outside.fetch.locate import Locator
from buildlib.outside.package_index import (
    PUBLIC,
    File,
    configured_in,
    files_of,
    index_url,
    toml_by_line,
)
from buildlib.outside.setup.bootstrap import index_of
from buildlib.outside.web.http import HttpClient
from buildlib.outside.web.retry import Retry
from tests.support.settings import parse_settings

SITE = '[tool.buildlib.network]\npypi = "https://site/simple/"\n'


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "https://pypi.org/simple"),
        ({"PIP_INDEX_URL": "https://pip/simple/"}, "https://pip/simple"),
        ({"PIP_INDEX_URL": "https://pip", "UV_INDEX_URL": "https://uv"}, "https://uv"),
        ({"UV_INDEX_URL": "https://uv", "UV_DEFAULT_INDEX": "https://new"}, "https://new"),
        ({"UV_DEFAULT_INDEX": "corp=https://new/s"}, "https://new/s"),
        ({"UV_DEFAULT_INDEX": "https://new/s?a=b"}, "https://new/s?a=b"),
        ({"UV_DEFAULT_INDEX": " "}, "https://pypi.org/simple"),
    ],
)
def test_index_of_uv_and_pip(tmp_path, environ, expected):
    assert index_url(PUBLIC, {"HOME": str(tmp_path), **environ}) == expected


def test_the_environment_goes_before_the_settings_and_the_settings_before_pip(tmp_path):
    pip = tmp_path / "pip.conf"
    pip.write_text("[global]\nindex-url = https://pip\n")
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(pip)}
    assert index_url("https://mine/simple", {**environ, "PIP_INDEX_URL": "https://env"}) == (
        "https://env"
    )
    assert index_url("https://mine/simple", environ) == "https://mine/simple"
    assert index_url(PUBLIC, environ) == "https://pip"
    assert index_url(PUBLIC, {**environ, "PIP_CONFIG_FILE": "/dev/null"}) == PUBLIC


@pytest.mark.parametrize(
    ("uv_toml", "expected"),
    [
        ('index-url = "https://old/simple/"\n', "https://old/simple"),
        ('index-url = "https://old"\n[pip]\nindex-url = "https://for-pip"\n', "https://for-pip"),
        (
            '[[index]]\nurl = "https://torch"\n[[index]]\nurl = "https://corp"\ndefault = true\n',
            "https://corp",
        ),
        ('[[index]]\nurl = "https://one-more"\n', PUBLIC),
        ("not toml [", PUBLIC),
        ('index = "https://none"\npip = 3\n', PUBLIC),
    ],
)
def test_the_default_index_of_uv_s_configuration(tmp_path, uv_toml, expected):
    file = tmp_path / ".config/uv/uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text(uv_toml)
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}
    assert index_url(PUBLIC, environ) == expected
    assert index_url(PUBLIC, {**environ, "UV_CONFIG_FILE": str(tmp_path / "none")}) == PUBLIC
    assert index_url(PUBLIC, {**environ, "UV_NO_CONFIG": "1"}) == PUBLIC


CHOICES: dict[str, tuple[Mapping[str, str], str, str, str]] = {
    "nothing": ({}, "", "", ""),
    "environment": ({"PIP_INDEX_URL": "@/env"}, SITE, "@/pip", "@/uv"),
    "settings": ({}, SITE.replace("https://site/simple/", "@/site/"), "@/pip", "@/uv"),
    "pip": ({}, "", "@/pip/", "@/uv"),
    "uv": ({}, "", "", "@/uv"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_set_up_and_fetching_and_steps_ask_the_same_index(tmp_path, monkeypatch, name):
    environ, settings, pip, uv = CHOICES[name]
    for folder, text in (
        ("pip/pip.conf", f"[global]\nindex-url = {pip}\n" if pip else ""),
        ("uv/uv.toml", f'index-url = "{uv}"\n' if uv else ""),
    ):
        file = tmp_path / ".config" / folder
        file.parent.mkdir(parents=True)
        file.write_text(text)
    with Server() as server:
        for path in tmp_path.rglob("*.*"):
            if path.is_file():
                path.write_text(path.read_text().replace("@", server.url))
        pyproject = "[tool.buildlib]\n" + settings.replace("@", server.url)
        (tmp_path / "pyproject.toml").write_text(pyproject)
        for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "PIP_CONFIG_FILE"):
            monkeypatch.delenv(variable, raising=False)
        for variable in ("XDG_CONFIG_HOME", "UV_CONFIG_FILE", "UV_NO_CONFIG"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        for variable, value in environ.items():
            monkeypatch.setenv(variable, value.replace("@", server.url))
        network = parse_settings(pyproject).network

        chosen = index_of(tmp_path, os.environ)
        lent = {grant.id: grant.text for grant in grants_for(network)}
        if name == "nothing":
            assert chosen == index_url(network.pypi) == PUBLIC
            assert "buildlib-pip.conf" not in lent
            return
        part = {"environment": "env", "settings": "site"}.get(name, name)
        assert chosen == f"{server.url}/{part}"
        assert f"index-url = {chosen}\n" in lent["buildlib-pip.conf"]
        assert f'url = "{chosen}"\n' in lent["buildlib-uv.toml"]
        server.script[f"/{part}/demo/"] = [page('<a href="demo.whl">', "text/html")]
        find = Locator(network, HttpClient(Retry(attempts=1), Event())).find
        assert find(("pypi:demo/demo.whl",)) == [f"{chosen}/demo/demo.whl"]


def test_the_public_index_is_the_one_of_the_settings():
    assert Network().pypi == PUBLIC


PYPROJECTS = [
    SITE,
    SITE.replace('"', "'"),
    "[project]\nname = 'x'\n\n" + SITE.replace("pypi", "apt = 'http://a' # b\n  pypi"),
    '[tool.buildlib]\nnetwork.pypi = "https://site/simple/"\n',
    '[tool.buildlib]\nname = "a"\n[ tool.buildlib.network ] # ours\npypi = "https://site/simple"',
    SITE.replace("pypi", "# pypi"),
    "[tool.other]\npypi = 'https://no'\n",
    '[[index]]\nurl = "https://a"\n[[index]]\nurl = "b"\ndefault = true\n[index.x]\ny = "z"\n',
    "",
]


@pytest.mark.parametrize("text", PYPROJECTS)
def test_set_up_reads_the_settings_as_everybody_does_and_without_a_reader_of_toml(text):
    tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    document = tomllib.loads(text)
    assert toml_by_line(text) == document
    network = document.get("tool", {}).get("buildlib", {}).get("network", {})
    assert configured_in(text) == network.get("pypi", "").rstrip("/")


@pytest.mark.parametrize(
    "text", ["not toml [", "tool = 3", "[tool]\nbuildlib = 'x'", "a = 'b'\n[[a]]\n[a.b]\n[[a.c]]\n"]
)
def test_settings_that_are_none_are_not_set_up_s_to_judge(text):
    assert configured_in(text) == ""
    assert "network" not in toml_by_line(text)


def test_pages_in_both_formats_say_the_same():
    digest = "a" * 64
    html = (
        '<!DOCTYPE html><html><head><base href="/root/"></head><body>'
        f'<a href="../f/uv-1%2B2.whl#sha256={digest}" data-x="1">uv</a><a name="none">x</a>'
        '<a href="https://files/uv.tar.gz">uv</a></body></html>'
    )
    assert files_of(html, "text/html; charset=utf-8", "https://h/simple/uv/") == [
        File("uv-1+2.whl", "https://h/f/uv-1%2B2.whl", digest, 0),
        File("uv.tar.gz", "https://files/uv.tar.gz", "", 0),
    ]
    page = {
        "files": [
            {
                "filename": "uv.whl",
                "url": "../../f/uv.whl",
                "hashes": {"sha256": digest},
                "size": 7,
            },
            {"filename": "uv.tar.gz", "url": "https://files/uv.tar.gz", "hashes": {}},
        ]
    }
    kind = "application/vnd.pypi.simple.v1+json"
    assert files_of(json.dumps(page), kind, "https://h/simple/uv/") == [
        File("uv.whl", "https://h/f/uv.whl", digest, 7),
        File("uv.tar.gz", "https://files/uv.tar.gz", "", 0),
    ]
