"""The report of a launcher: decrypt it as the gateway does, and say which rule it breaks.

Pure functions of bytes; the accepted forms are those of gateway 3.3 (docs/verify.md#report-form).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from Cryptodome.Cipher import AES, PKCS1_v1_5
from Cryptodome.Util.Padding import unpad

from verify.rules import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from Cryptodome.PublicKey.RSA import RsaKey

ZMQ_PORTS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
_TEXTS = ("key", "ip", "transport", "signature_scheme")
_LEAST_KEY = 16  # characters; a uuid has 36


def unseal(message: bytes, private_key: RsaKey) -> dict[str, Any]:
    """What the message holds.

    Raises:
        Broken: `report-form`; names the layer that is wrong, and nothing of the content.
    """
    outer = _outer(message)
    try:
        sealed_key = base64.b64decode(outer["key"], validate=True)
        sealed_info = base64.b64decode(outer["conn_info"], validate=True)
    except (ValueError, TypeError) as error:
        raise Broken("report-form", f"key or conn_info is not base64: {error}") from error
    try:
        aes_key = PKCS1_v1_5.new(private_key).decrypt(sealed_key, None)
    except ValueError as error:
        raise Broken("report-form", f"key is not of the size of PUBLIC_KEY: {error}") from error
    if not isinstance(aes_key, bytes) or len(aes_key) not in AES.key_size:
        raise Broken("report-form", "key is no AES key, encrypted for PUBLIC_KEY with PKCS#1 v1.5")
    try:
        text = unpad(AES.new(aes_key, AES.MODE_ECB).decrypt(sealed_info), 16)
        inner = json.loads(text)
    except ValueError as error:
        what = "conn_info is not JSON, padded with PKCS#7, encrypted with AES-ECB"
        raise Broken("report-form", f"{what} ({type(error).__name__})") from None
    if not isinstance(inner, dict):
        raise Broken("report-form", "conn_info holds no JSON object")
    return inner


def _outer(message: bytes) -> dict[str, Any]:
    try:
        outer = json.loads(base64.b64decode(message))
    except ValueError as error:
        hint = "; it looks unencrypted" if b"shell_port" in message else ""
        raise Broken("report-form", f"the message is not JSON in base64{hint}") from error
    if not isinstance(outer, dict):
        raise Broken("report-form", "the message holds no JSON object")
    version = outer.get("version")
    if isinstance(version, bool) or version != 1:
        raise Broken("report-form", f"version is {version!r}; it must be the number 1")
    missing = [name for name in ("key", "conn_info") if name not in outer]
    if missing:
        raise Broken("report-form", f"the message has no {' and no '.join(missing)}")
    return outer


def check_fields(info: dict[str, Any], kernel_id: str) -> None:
    """Check what was in the message.

    Raises:
        Broken: `report-fields`; shows no key.
    """
    for wrong in _wrong_fields(info, kernel_id):
        raise Broken("report-fields", wrong)


def _wrong_fields(info: dict[str, Any], kernel_id: str) -> Iterator[str]:
    if info.get("kernel_id") != kernel_id:
        yield f"kernel_id is {info.get('kernel_id')!r}, KERNEL_ID was {kernel_id!r}"
    yield from (
        f"{name} is missing or no text" for name in _TEXTS if type(info.get(name)) is not str
    )
    if len(info["key"]) < _LEAST_KEY:
        yield f"key has less than {_LEAST_KEY} characters"
    for name, value in (("transport", "tcp"), ("signature_scheme", "hmac-sha256")):
        if info[name] != value:
            yield f"{name} is {info[name]!r}, not {value!r}"
    yield from _wrong_ports(info)
    for name in ("pid", "pgid"):
        if not str(info.get(name, 0)).lstrip("-").isdecimal():
            yield f"{name} is no number"


def _wrong_ports(info: dict[str, Any]) -> Iterator[str]:
    if "comm_port" not in info:
        yield "there is no comm_port: the gateway would signal the kernel by ssh"
    ports = {name: info.get(name) for name in (*ZMQ_PORTS, "comm_port")}
    for name, port in ports.items():
        if type(port) is not int or not 0 < port < 1 << 16:
            yield f"{name} is {port!r}, not the number of a port"
    if len(set(ports.values())) < len(ports):
        yield "two ports are the same"
