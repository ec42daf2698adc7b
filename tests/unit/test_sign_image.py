"""Signatures of images lie where cosign looks for them, in its form, beside those of others."""

from __future__ import annotations

import base64
import json

import pytest

from buildlib.errors import ActionError
from buildlib.outside.registry.protocol import OCI_MANIFEST, Manifest
from buildlib.shipping.releasing import cosign_image
from buildlib.shipping.releasing.cosign_image import Signature
from tests.fakes.registry import FakeRegistry
from tests.support.signing import PUBLIC, check_image, signer_for_tests

DIGEST = "sha256:3a1aac305e140c83724a0df2eb6c59fde40ca4bf752a4e2f11d767d426f4bbe2"
OTHER = "sha256:" + "0" * 64
TAG = "sha256-3a1aac305e140c83724a0df2eb6c59fde40ca4bf752a4e2f11d767d426f4bbe2.sig"
NAME = "registry.test/acme/a"
# What cosign 2.4.3 wrote for the same image and key on 127.0.0.1:36373 (its signature is its own).
COSIGN_SIGNED = (
    b'{"critical":{"identity":{"docker-reference":"127.0.0.1:36373/acme/a"},"image":'
    b'{"docker-manifest-digest":"sha256:3a1aac305e140c83724a0df2eb6c59fde40ca4bf752a4e2f11d767d42'
    b'6f4bbe2"},"type":"cosign container image signature"},"optional":null}'
)
COSIGN_SIGNATURE = (
    "MEUCIQCNePYFpCQbHvKMcUB3Txfb2NYghuTwI5dyz1Zhk4esMwIg"
    "HxXf5vrowwtf5DfamDKlc6vrimZxFOT/E/FW7AisL9E="
)
COSIGN_MANIFEST = "sha256:985c107eedd5d867dda6020ab4ceb9a60bfae11f4e3127bd64c453a92417b27a"


def theirs() -> Signature:
    return Signature(COSIGN_SIGNED, base64.b64decode(COSIGN_SIGNATURE))


@pytest.fixture
def shelf() -> FakeRegistry:
    return FakeRegistry()


def sign(shelf: FakeRegistry, digest: str = DIGEST, reference: str = NAME) -> bool:
    return signer_for_tests().sign_image(shelf, "acme/a", digest, reference)


def there(shelf: FakeRegistry, digest: str = DIGEST) -> list[Signature]:
    return cosign_image.signatures(shelf, "acme/a", digest)


def check(shelf: FakeRegistry, digest: str = DIGEST) -> None:
    check_image(shelf, "acme/a", digest, PUBLIC)


def artifact(shelf: FakeRegistry) -> Manifest:
    found = shelf.manifest("acme/a", TAG)
    assert found is not None
    return found


def layers(shelf: FakeRegistry) -> list[dict[str, object]]:
    found = artifact(shelf).plain["layers"]
    assert isinstance(found, list)
    return found


def put_other(shelf: FakeRegistry, plain: object) -> None:
    text = json.dumps(plain).encode()
    shelf.put_manifest("acme/a", TAG, Manifest(OCI_MANIFEST, text))


# --- the form ---


def test_the_payload_is_what_cosign_signs() -> None:
    assert cosign_image.payload("127.0.0.1:36373/acme/a", DIGEST) == COSIGN_SIGNED


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("elyra/kernel-py", "index.docker.io/elyra/kernel-py"),
        ("docker.io/elyra/kernel-py", "index.docker.io/elyra/kernel-py"),
        ("localhost/a", "localhost/a"),
        ("registry:5000/team/a", "registry:5000/team/a"),
        ("quay.io/team/a", "quay.io/team/a"),
    ],
)
def test_the_payload_names_the_image_as_cosign_does(reference: str, said: str) -> None:
    payload = json.loads(cosign_image.payload(reference, DIGEST))
    assert payload["critical"]["identity"]["docker-reference"] == said


def test_the_artifact_is_that_of_cosign_to_the_byte(shelf: FakeRegistry) -> None:
    cosign_image.add(shelf, "acme/a", DIGEST, theirs())
    assert artifact(shelf).digest == COSIGN_MANIFEST


def test_a_signature_of_cosign_is_accepted(shelf: FakeRegistry) -> None:
    cosign_image.add(shelf, "acme/a", DIGEST, theirs())
    check(shelf)


# --- signing ---


def test_a_signed_image_passes_the_check(shelf: FakeRegistry) -> None:
    assert sign(shelf)
    check(shelf)


def test_an_image_is_signed_once(shelf: FakeRegistry) -> None:
    assert sign(shelf)
    assert not sign(shelf)
    assert shelf.count("put_manifest") == len(layers(shelf)) == 1


def test_signing_has_the_same_bytes_on_every_machine(shelf: FakeRegistry) -> None:
    sign(shelf)
    other = FakeRegistry()
    sign(other)
    assert artifact(other).data == artifact(shelf).data


def test_cosigns_signature_of_the_same_key_is_enough(shelf: FakeRegistry) -> None:
    cosign_image.add(shelf, "acme/a", DIGEST, theirs())
    assert not sign(shelf, reference="127.0.0.1:36373/acme/a")
    assert shelf.count("put_manifest") == 1


def test_a_signature_of_somebody_else_stays_and_does_not_count(shelf: FakeRegistry) -> None:
    payload = cosign_image.payload(NAME, DIGEST)
    foreign = Signature(payload, b"somebody else's")
    cosign_image.add(shelf, "acme/a", DIGEST, foreign)
    with pytest.raises(ActionError, match="not signed"):
        check(shelf)
    before = layers(shelf)[0]
    assert sign(shelf)
    assert layers(shelf)[0] == before
    assert [signed == foreign for signed in there(shelf)] == [True, False]
    check(shelf)


def test_what_others_wrote_on_their_layers_stays(shelf: FakeRegistry) -> None:
    cosign_image.add(shelf, "acme/a", DIGEST, theirs())
    plain = artifact(shelf).plain
    plain["layers"][0]["annotations"]["dev.sigstore.cosign/bundle"] = "{}"
    put_other(shelf, plain)
    assert sign(shelf)
    assert layers(shelf)[0] == plain["layers"][0]


def test_something_else_under_the_tag_is_not_overwritten(shelf: FakeRegistry) -> None:
    put_other(shelf, {"manifests": []})
    with pytest.raises(ActionError, match="holds no signatures"):
        sign(shelf)
    assert artifact(shelf).plain == {"manifests": []}


# --- checking ---


def test_an_image_without_signatures_does_not_pass(shelf: FakeRegistry) -> None:
    with pytest.raises(ActionError, match=r"registry.test/acme/a@sha256:3a1a.* is not signed"):
        check(shelf)


def test_the_signature_of_another_image_does_not_pass(shelf: FakeRegistry) -> None:
    sign(shelf, OTHER)
    moved = there(shelf, OTHER)[0]
    cosign_image.add(shelf, "acme/a", DIGEST, moved)
    with pytest.raises(ActionError, match="not signed"):
        check(shelf)
    assert sign(shelf), "it must not count as one of this image either"
    check(shelf)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"{}", COSIGN_SIGNED.replace(b"cosign container image", b"any")],
    ids=["nothing", "a list", "an empty object", "of another type"],
)
def test_a_signed_text_that_is_not_of_an_image_does_not_pass(
    shelf: FakeRegistry, payload: bytes
) -> None:
    signed = Signature(payload, signer_for_tests().key.sign(payload))
    cosign_image.add(shelf, "acme/a", DIGEST, signed)
    with pytest.raises(ActionError, match="not signed"):
        check(shelf)


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": None},
        {"annotations": {}},
        {"annotations": {cosign_image.ANNOTATION: "!"}},
        {"annotations": {cosign_image.ANNOTATION: "\u00e4"}},
        {"mediaType": "application/octet-stream"},
        {"size": 1 << 40},
        {"size": "many"},
    ],
    ids=str,
)
def test_a_layer_that_is_no_signature_is_passed_over(
    shelf: FakeRegistry, change: dict[str, object]
) -> None:
    sign(shelf)
    good = layers(shelf)[0]
    put_other(shelf, {"layers": [{**good, **change}]})
    with pytest.raises(ActionError, match="not signed"):
        check(shelf)
    put_other(shelf, {"layers": [{**good, **change}, good]})
    check(shelf)
