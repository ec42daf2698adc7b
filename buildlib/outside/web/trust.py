"""Which certificates are trusted: those of the host, of one registry, or any.

Python's own rule holds: the host's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR, which
is how a site with a proxy that inspects TLS names its own. Nothing here asks the network.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from buildlib.errors import InputError

if TYPE_CHECKING:
    import ssl

DOCKERS = "/etc/docker/certs.d"
"""Where Docker looks for the authorities of one registry, in a folder of its name."""
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS
)
_NAMED = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def find_ca(environ: Mapping[str, str]) -> str:
    """The host's CA bundle, or an empty text where it has none."""
    named = [environ.get(name, "") for name in _NAMED]
    return next((path for path in (*named, *_BUNDLES) if path and os.path.isfile(path)), "")


def host_trust() -> ssl.SSLContext:
    """What this host trusts; see `has_authorities` whether that is anything at all."""
    import ssl

    context = ssl.create_default_context()
    if not has_authorities(context) and not os.environ.get("SSL_CERT_FILE"):
        # A Python built elsewhere may look for the bundle where this host has none.
        for bundle in filter(os.path.exists, _BUNDLES):
            context.load_verify_locations(bundle)
            break
    return context


def has_authorities(context: ssl.SSLContext) -> bool:
    """Whether any certificate at all would be trusted."""
    import ssl

    if context.cert_store_stats()["x509_ca"]:
        return True
    folder = ssl.get_default_verify_paths().capath
    # OpenSSL looks there for certificates under their hashed names when it needs them.
    return bool(folder) and any(name.endswith(".0") for name in os.listdir(folder))


def registry_trust(host: str, *, folder: str = "") -> ssl.SSLContext:
    """What is trusted of a registry: what the host trusts, and what Docker does for it.

    Args:
        host: The registry's name.
        folder: Where authorities lie, in a folder for each registry; Docker's if empty. As for
            Docker, NAME.crt is an authority, NAME.cert with NAME.key is what we show of ourselves.

    Raises:
        InputError: A file there cannot be used.
    """
    context = host_trust()
    folder = os.path.join(folder or DOCKERS, host)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return context
    for name in names:
        path = os.path.join(folder, name)
        try:
            if name.endswith(".crt"):
                context.load_verify_locations(path)
            elif name.endswith(".cert"):
                context.load_cert_chain(path, path.removesuffix(".cert") + ".key")
        except OSError as error:  # ssl.SSLError is one
            raise InputError(
                f"{path} cannot be used: {error.strerror or 'it is not what its name says'}",
                fix=f"ls -l {folder}  # NAME.crt: an authority; NAME.cert and NAME.key: a pair",
            ) from None
    return context


def no_trust() -> ssl.SSLContext:
    """For loopback, where Docker takes any certificate: nobody is between us and ourselves."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
