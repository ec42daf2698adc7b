"""A key pair of cosign's that signs nothing but what tests make, and a signer that has it.

`cosign generate-key-pair` (2.4.3) made it; everybody knows its passphrase.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from buildlib.core.model.settings import Settings, Signing
from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import Registry
from buildlib.shipping.releasing import cosign_image
from buildlib.shipping.releasing.cosign_key import PublicKey
from buildlib.shipping.releasing.sign import Signer, signer

PASSPHRASE = "only for tests"
KEY = Path(__file__).parent / "keys" / "only-for-tests.key"
PUBLIC = KEY.with_suffix(".pub").read_text()


@cache
def signer_for_tests() -> Signer:
    """A signer with the key, which takes a quarter of a second to open."""
    settings = Settings(signing=Signing(str(KEY)))
    made = signer(settings, {"COSIGN_PASSWORD": PASSPHRASE}, "/nowhere")
    assert made is not None
    return made


def check_image(registry: Registry, repository: str, digest: str, public_key: str) -> None:
    """Check that an image was signed with a key, as `cosign verify` does.

    Args:
        registry: Where it is.
        repository: Its name there, without the registry's host.
        digest: Of its manifest.
        public_key: The text of a `cosign.pub`.

    Raises:
        ActionError: No signature beside it is of this key and this image.
    """
    key = PublicKey.read(public_key)
    for there in cosign_image.signatures(registry, repository, digest):
        if key.verifies(*there) and _digest_in(there.payload) == digest:
            return
    raise ActionError(f"{registry.host}/{repository}@{digest} is not signed with this key")


def _digest_in(payload: bytes) -> str:
    """The digest in a payload; empty if it is no payload of an image."""
    try:
        critical = json.loads(payload)["critical"]
        if critical["type"] != "cosign container image signature":
            return ""
        return str(critical["image"]["docker-manifest-digest"])
    except (KeyError, TypeError, ValueError):
        return ""
