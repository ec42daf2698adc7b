"""Passwords for registries, out of Docker's configuration files.

Kubernetes' secrets of type dockerconfigjson have the same form, so a mounted pull secret will do.
Files are read for each pull: who renews a secret need not start the puller again. Nothing here
logs what it found, nor writes it anywhere; https://docs.docker.com/reference/cli/docker/login has
the form of the files and of the helpers' answers.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import glob
import json
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kernel_image_puller.references import Reference

log = logging.getLogger("kernel_image_puller")
HELPER_SECONDS = 30
_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True)
class Credentials:
    """What a registry asks for: a name and a password, or a token instead."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    def hidden_in(self, text: str) -> str:
        """A text without the secrets, should an engine have repeated them in a message."""
        for secret in (self.password, self.identity_token, self.registry_token):
            if len(secret) > 3:  # noqa: PLR2004  # others would tear words apart
                text = text.replace(secret, "***")
        return text


def find_credentials(folder: str, reference: Reference) -> Credentials | None:
    """Credentials for an image, or None: then it is pulled as anybody could.

    Args:
        folder: Looked through for `config.json` and `.dockerconfigjson`, then its subfolders, so
            that several secrets can be mounted side by side. Empty: there are none.
        reference: The image. Of the entries that fit, the one with the longest path wins.
    """
    if not folder:
        return None
    for path in _files(folder):
        try:
            with open(path, encoding="utf-8") as file:
                config = json.load(file)
        except (OSError, ValueError) as error:
            # An error of JSON quotes nothing of the file, but the name of the class is enough.
            log.warning("%s cannot be read as JSON: %s", path, type(error).__name__)
            continue
        found = _in_config(config, reference, path)
        if found is not None:
            return found
    return None


def _files(folder: str) -> Iterator[str]:
    """Configuration files, in the order in which they are asked."""
    for place in (folder, *sorted(glob.glob(os.path.join(glob.escape(folder), "*/")))):
        for name in ("config.json", ".dockerconfigjson"):
            path = os.path.join(place, name)
            if os.path.isfile(path):
                yield path


def _in_config(config: Any, reference: Reference, path: str) -> Credentials | None:
    """What one file says of an image."""
    helpers, auths = (_mapping(config, key) for key in ("credHelpers", "auths"))
    helper = next((name for host, name in helpers.items() if _fits(host, reference)), None)
    helper = helper or (config.get("credsStore") if isinstance(config, dict) else None)
    if isinstance(helper, str) and helper:
        found = _from_helper(helper, reference)
        if found is not None:
            return found
    fitting = sorted((key for key in auths if _fits(key, reference)), key=len, reverse=True)
    for key in fitting:
        found = _from_entry(auths[key])
        if found is not None:
            return found
        log.warning("%s: what it says of %s is no password and no token", path, reference.registry)
    return None


def _mapping(config: Any, key: str) -> dict[str, Any]:
    value = config.get(key) if isinstance(config, dict) else None
    return value if isinstance(value, dict) else {}


def _fits(key: str, reference: Reference) -> bool:
    """Whether an entry is for an image: `host`, `host:port`, `host/path`, `*.host`, or a URL."""
    host, _, path = key.removeprefix("https://").removeprefix("http://").partition("/")
    path = path.strip("/")
    if host in _HUB:
        host = "docker.io"
    path = "" if path in ("v1", "v2") else path
    wanted, given = reference.registry.split("."), host.split(".")
    if len(wanted) != len(given) or not all(map(fnmatch.fnmatchcase, wanted, given)):
        return False
    return not path or f"{reference.path}/".startswith(f"{path}/")


def _from_entry(entry: Any) -> Credentials | None:
    """What an entry of `auths` holds."""
    if not isinstance(entry, dict):
        return None
    texts = {key: value for key, value in entry.items() if isinstance(value, str)}
    username, password = texts.get("username", ""), texts.get("password", "")
    if texts.get("auth"):
        try:
            decoded = base64.b64decode(texts["auth"], validate=True).decode()
        except (binascii.Error, ValueError):
            return None
        username, _, password = decoded.rstrip("\0").partition(":")
    found = Credentials(
        username=username,
        password=password,
        identity_token=texts.get("identitytoken", ""),
        registry_token=texts.get("registrytoken", ""),
    )
    return found if username or found.identity_token or found.registry_token else None


def _from_helper(name: str, reference: Reference) -> Credentials | None:
    """What the program `docker-credential-NAME` says, if the image has it."""
    program = shutil.which(f"docker-credential-{name}") if "/" not in name else None
    if program is None:
        log.warning("there is no program docker-credential-%s: it is not asked", name)
        return None
    hub = reference.registry == "docker.io"
    server = "https://index.docker.io/v1/" if hub else reference.registry
    try:
        done = subprocess.run(
            [program, "get"],
            input=server.encode(), capture_output=True, check=True, timeout=HELPER_SECONDS,
        )  # fmt: skip
        answer = json.loads(done.stdout)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
        log.warning("docker-credential-%s has none for %s: %s", name, server, type(error).__name__)
        return None
    if username == "<token>":
        return Credentials(identity_token=secret)
    return Credentials(username=username, password=secret)
