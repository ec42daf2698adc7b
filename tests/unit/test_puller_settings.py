"""The puller's variables: upstream's names and defaults, and what is said of faulty values."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "images/kernel-image-puller"))

from kernel_image_puller.errors import SettingsError
from kernel_image_puller.runtimes import explain, speaks_docker
from kernel_image_puller.settings import read_settings

FOLDER = Path(__file__).parents[2] / "images/kernel-image-puller"

DEFAULTS = {
    "KIP_GATEWAY_HOST": "http://localhost:8888", "KIP_AUTH_TOKEN": "", "KIP_VALIDATE_CERT": "False",
    "KIP_INTERVAL": "300", "KIP_LOG_LEVEL": "INFO", "KIP_NUM_PULLERS": "2", "KIP_NUM_RETRIES": "3",
    "KIP_PULL_POLICY": "IfNotPresent", "KIP_DEFAULT_CONTAINER_REGISTRY": "", "KIP_IMAGES": "",
    "KIP_CRI_ENDPOINT": "unix:///run/containerd/containerd.sock",
    "KIP_IMAGE_FETCHER": "KernelSpecsFetcher", "KIP_INTERNAL_FETCHERS": "KernelSpecsFetcher",
    "KIP_CM_NAMESPACE": "enterprise-gateway", "KIP_CM_NAME": "kernel-images",
    "KIP_CM_KEY_NAME": "image-names", "KIP_HEARTBEAT_FILE": "/tmp/kernel-image-puller.heartbeat",
    "DOCKER_CONFIG": "",
}  # fmt: skip


def refusal(**env):
    with pytest.raises(SettingsError) as caught:
        read_settings(env)
    return str(caught.value).splitlines()


def test_the_defaults_are_upstreams_and_an_empty_value_is_as_good_as_none():
    given = read_settings(DEFAULTS)
    assert read_settings({}) == given
    assert read_settings(dict.fromkeys(DEFAULTS, "")) == given
    assert (given.interval, given.num_pullers, given.num_retries, given.always) == (
        300,
        2,
        3,
        False,
    )
    assert given.log_level == logging.INFO


def test_the_page_has_each_variable_with_its_default():
    page = (FOLDER.parents[1] / "docs/images/kernel-image-puller.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", page, re.MULTILINE))
    assert {name: value.strip("`") for name, value in rows.items()} == DEFAULTS


def test_values_are_read():
    found = read_settings({
        "KIP_GATEWAY_HOST": "https://gateway:8443/base/", "KIP_VALIDATE_CERT": "true",
        "KIP_INTERVAL": " 10 ", "KIP_LOG_LEVEL": "debug", "KIP_NUM_RETRIES": "0",
        "KIP_PULL_POLICY": "Always", "KIP_CRI_ENDPOINT": "/run/crio/crio.sock",
        "KIP_DEFAULT_CONTAINER_REGISTRY": "host:5000/hub/", "KIP_IMAGES": "a, b",
        "KIP_IMAGE_FETCHER": "CombinedImagesFetcher",
        "KIP_INTERNAL_FETCHERS": "StaticListFetcher, KernelSpecsFetcher,StaticListFetcher",
    })  # fmt: skip
    assert (found.gateway, found.validate_cert) == ("https://gateway:8443/base", True)
    assert (found.interval, found.log_level, found.num_retries) == (10, logging.DEBUG, 0)
    assert (found.always, found.endpoint) == (True, "unix:///run/crio/crio.sock")
    assert (found.default_registry, found.images) == ("host:5000/hub", ("a", "b"))
    assert found.fetchers == ("StaticListFetcher", "KernelSpecsFetcher")
    assert read_settings({"KIP_LOG_LEVEL": "10"}).log_level == logging.DEBUG


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KIP_INTERVAL", "0"), ("KIP_INTERVAL", "soon"), ("KIP_INTERVAL", "-1"),
        ("KIP_INTERVAL", "1.5"), ("KIP_INTERVAL", "9" * 5000), ("KIP_INTERVAL", "٣"),
        ("KIP_NUM_PULLERS", "0"), ("KIP_NUM_RETRIES", "-1"), ("KIP_LOG_LEVEL", "LOUD"),
        ("KIP_PULL_POLICY", "Never"), ("KIP_PULL_POLICY", "always"), ("KIP_VALIDATE_CERT", "maybe"),
        ("KIP_GATEWAY_HOST", "gateway:8888"), ("KIP_GATEWAY_HOST", "file:///etc/passwd"),
        ("KIP_GATEWAY_HOST", "http://"), ("KIP_GATEWAY_HOST", "http://h:port"),
        ("KIP_CRI_ENDPOINT", "containerd.sock"), ("KIP_CRI_ENDPOINT", "npipe://x"),
        ("KIP_DEFAULT_CONTAINER_REGISTRY", "elyra"), ("KIP_DEFAULT_CONTAINER_REGISTRY", "http://h"),
        ("KIP_IMAGE_FETCHER", "MyFetcher"), ("KIP_INTERNAL_FETCHERS", "StaticListFetcher,X"),
        ("KIP_INTERNAL_FETCHERS", "CombinedImagesFetcher"), ("KIP_CM_NAME", "../secrets/x"),
        ("KIP_CM_NAMESPACE", "a/b"), ("KIP_AUTH_TOKEN", "a\nX-Evil: b"),
    ],
)  # fmt: skip
def test_a_value_that_is_none_is_refused_with_the_variables_name(name, value):
    [line] = refusal(**{name: value})
    assert line.startswith(f"{name}: ")
    assert len(line) < 400


def test_all_faults_are_told_at_once():
    lines = refusal(KIP_INTERVAL="x", KIP_PULL_POLICY="y", KIP_LOG_LEVEL="z")
    assert {line.partition(":")[0] for line in lines} == {
        "KIP_INTERVAL", "KIP_PULL_POLICY", "KIP_LOG_LEVEL",
    }  # fmt: skip


def test_secrets_are_not_repeated():
    assert "s3cret" not in str(refusal(KIP_GATEWAY_HOST="http://me:s3cret@gateway:8888"))
    assert "s3cret" not in str(refusal(KIP_AUTH_TOKEN="s3cret with spaces"))
    assert "s3cret" not in repr(read_settings({"KIP_AUTH_TOKEN": "s3cret"}))


@pytest.mark.parametrize(
    ("endpoint", "docker"),
    [
        ("unix:///var/run/docker.sock", True),
        ("tcp://127.0.0.1:2375", True),
        ("unix:///run/containerd/containerd.sock", False),
        ("unix:///run/crio/crio.sock", False),
        ("unix:///run/cri-dockerd.sock", False),  # has the engine's name, and speaks CRI
        ("unix:///run/k3s/containerd/containerd.sock", False),
    ],
)
def test_the_api_is_told_from_the_sockets_name(endpoint, docker):
    assert speaks_docker(endpoint) is docker


def test_why_nobody_answers(tmp_path):
    assert "No such file" in explain(f"unix://{tmp_path}/none")
    assert "no socket" in explain(f"unix://{tmp_path}")
