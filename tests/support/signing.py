"""A key pair of cosign's that signs nothing but what tests make, and a signer that has it.

`cosign generate-key-pair` (2.4.3) made it; everybody knows its passphrase.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from buildlib.model.settings import Settings, Signing
from buildlib.releasing.sign import Signer, signer

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
