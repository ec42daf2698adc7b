"""An image in a real registry is signed beside what others signed, through our own client."""

from __future__ import annotations

from buildlib.outside.registry.client import connect
from buildlib.outside.registry.protocol import OCI_EMPTY, OCI_MANIFEST, Manifest, Registry
from buildlib.shipping.releasing import cosign_image
from buildlib.shipping.releasing.cosign_image import Signature
from tests.support.registry import registry
from tests.support.signing import PUBLIC, check_image, signer_for_tests

REPOSITORY = "acme/team/a"


def put_image(there: Registry) -> str:
    config = there.put_blob(REPOSITORY, b"{}")
    text = (
        f'{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":'
        f'{{"mediaType":"{OCI_EMPTY}","digest":"{config}","size":2}},"layers":[]}}'
    )
    manifest = Manifest(OCI_MANIFEST, text.encode())
    there.put_manifest(REPOSITORY, "dev", manifest)
    return manifest.digest


def test_an_image_in_a_real_registry_is_signed_once_beside_others() -> None:
    with registry() as server:
        there = connect(server.host)
        digest = put_image(there)
        name = f"{server.host}/{REPOSITORY}"
        foreign = Signature(cosign_image.payload(name, digest), b"somebody else's")
        cosign_image.add(there, REPOSITORY, digest, foreign)
        assert signer_for_tests().sign_image(there, REPOSITORY, digest, name)
        assert not signer_for_tests().sign_image(there, REPOSITORY, digest, name)
        check_image(there, REPOSITORY, digest, PUBLIC)
        assert cosign_image.signatures(there, REPOSITORY, digest)[0] == foreign
        assert there.tags(REPOSITORY) == ["dev", cosign_image.tag(digest)]
