"""Which certificates are trusted: those of the host, of one registry, or any.

As always in Python, these are the host's CA certificates, or those of SSL_CERT_FILE and
SSL_CERT_DIR. A site with a proxy that inspects TLS sets these. Sends no request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from buildlib.errors import InputError

if TYPE_CHECKING:
    import ssl

DOCKERS = "/etc/docker/certs.d"
"""Where Docker looks for the CA certificates of one registry, in a folder of its name."""
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS
)
_NAMED = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def find_ca(environ: Mapping[str, str]) -> str:
    """Path of the host's CA bundle, or "" where it has none."""
    named = [environ.get(name, "") for name in _NAMED]
    return next((path for path in (*named, *_BUNDLES) if path and os.path.isfile(path)), "")


def host_trust() -> ssl.SSLContext:
    """An SSL context that trusts what this host trusts; ask `has_authorities` if it is empty."""
    import ssl

    context = ssl.create_default_context()
    if not has_authorities(context) and not os.environ.get("SSL_CERT_FILE"):
        # A Python that was built elsewhere may look for the bundle in another place.
        for bundle in filter(os.path.exists, _BUNDLES):
            context.load_verify_locations(bundle)
            break
    return context


def has_authorities(context: ssl.SSLContext) -> bool:
    """Whether it trusts any certificate at all."""
    import ssl

    if context.cert_store_stats()["x509_ca"]:
        return True
    folder = ssl.get_default_verify_paths().capath
    # OpenSSL loads certificates from there when it needs them, by their hashed names.
    return bool(folder) and any(name.endswith(".0") for name in os.listdir(folder))


def registry_trust(host: str) -> ssl.SSLContext:
    """An SSL context that trusts what the host trusts, and what Docker trusts for this registry.

    As for Docker, NAME.crt in `DOCKERS`/host is a CA certificate, NAME.cert with NAME.key is our
    client certificate.
    """
    context = host_trust()
    folder = os.path.join(DOCKERS, host)
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
    """For loopback, where Docker takes any certificate too: nobody can be in between."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
