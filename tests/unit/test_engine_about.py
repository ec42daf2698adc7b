"""What engines say of themselves: parts of recorded answers to `/version`."""

from __future__ import annotations

from typing import Any

import pytest

from buildlib.engine.about import About, about_of


def answer(version: str, api: str, least_api: str, *parts: str) -> dict[str, Any]:
    return {
        "Components": [{"Name": name, "Version": "1", "Details": {}} for name in parts],
        "Version": version,
        "ApiVersion": api,
        "MinAPIVersion": least_api,
    }


DEBIAN_12 = answer("20.10.24+dfsg1", "1.41", "1.12", "Engine", "containerd", "runc", "docker-init")
PODMAN_4 = answer("4.3.1", "1.41", "1.24", "Podman Engine")
PODMAN_5 = answer("5.4.2", "1.41", "1.24", "Podman Engine", "Conmon", "OCI Runtime (crun)")


@pytest.mark.parametrize(
    ("said", "about"),
    [
        (DEBIAN_12, About("Docker Engine", "20.10.24+dfsg1", "1.41", "1.12")),
        (PODMAN_4, About("podman", "4.3.1", "1.41", "1.24")),
        (PODMAN_5, About("podman", "5.4.2", "1.41", "1.24")),
        ({"Version": "17.09.0-ce"}, About("Docker Engine", "17.09.0-ce", "", "")),
    ],
)
def test_a_product_is_known_by_its_parts(said: dict[str, Any], about: About) -> None:
    assert about_of(said) == about
