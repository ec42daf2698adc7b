"""The report is read as the gateway reads it, and what is wrong with one is named."""

from __future__ import annotations

import base64
import json
import socket

import pytest
from Cryptodome.Cipher import AES, PKCS1_v1_5
from Cryptodome.Util.Padding import pad
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.chance import examples
from verify.listener import KeyPair, Listener
from verify.report import check_fields, unseal
from verify.rules import Broken

KEYS = KeyPair()
OTHER_KEYS = KeyPair()
INFO = {
    "kernel_id": "the-id",
    "shell_port": 1,
    "iopub_port": 2,
    "stdin_port": 3,
    "hb_port": 4,
    "control_port": 5,
    "comm_port": 6,
    "key": "k" * 36,
    "signature_scheme": "hmac-sha256",
    "transport": "tcp",
    "ip": "0.0.0.0",
    "pid": "7",
    "pgid": 7,
}


def seal(info, *, keys=KEYS, aes_key=b"0" * 16, **outer):
    text = info if isinstance(info, bytes) else json.dumps(info).encode()
    message = {
        "version": 1,
        "key": base64.b64encode(
            PKCS1_v1_5.new(keys.private.public_key()).encrypt(aes_key)
        ).decode(),
        "conn_info": base64.b64encode(
            AES.new(aes_key.ljust(16, b"0"), AES.MODE_ECB).encrypt(pad(text, 16))
        ).decode(),
        **outer,
    }
    kept = {name: value for name, value in message.items() if value is not None}
    return base64.encodebytes(json.dumps(kept).encode())  # with newlines, which are accepted


def test_public_key_is_what_the_gateway_hands_out():
    assert len(KEYS.public) == 216
    assert KEYS.public.startswith("MIGfMA0GCSqG")


@given(
    st.dictionaries(st.text(), st.text() | st.integers(), max_size=5), st.sampled_from([16, 24, 32])
)
@settings(max_examples=examples(25))
def test_what_was_sealed_is_read(info, size):
    assert unseal(seal(info, aes_key=b"a" * size), KEYS.private) == info


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (b"", "base64"),
        (b"!!!", "base64"),
        (json.dumps(INFO).encode(), "unencrypted"),
        (base64.b64encode(b"[1]"), "no JSON object"),
        (seal(INFO, version="1"), "version is '1'"),
        (seal(INFO, version=2), "version is 2"),
        (seal(INFO, version=True), "version is True"),
        (seal(INFO, key=None), "no key"),
        (seal(INFO, conn_info=None), "no conn_info"),
        (seal(INFO, key="*"), "not base64"),
        (seal(INFO, key="AAAA"), "size of PUBLIC_KEY"),
        (seal(INFO, keys=OTHER_KEYS), "key"),
        (seal(INFO, aes_key=b"short"), "no AES key"),
        (seal(INFO, conn_info="AAAA"), "AES-ECB"),
        (seal(b"no json"), "conn_info is not JSON"),
        (seal(b"[]"), "no JSON object"),
    ],
)
def test_a_malformed_report_is_named(message, named):
    with pytest.raises(Broken, match=named) as caught:
        unseal(message, KEYS.private)
    assert caught.value.rule == "report-form"


def test_a_good_report_breaks_no_rule():
    check_fields(INFO, "the-id")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"kernel_id": "another"}, "kernel_id"),
        ({"key": None}, "key is missing"),
        ({"key": "short"}, "less than 16"),
        ({"ip": 0}, "ip is missing"),
        ({"transport": "ipc"}, "transport"),
        ({"signature_scheme": "hmac-md5"}, "signature_scheme"),
        ({"hb_port": "4"}, "hb_port"),
        ({"hb_port": True}, "hb_port"),
        ({"hb_port": 65536}, "hb_port"),
        ({"hb_port": 5}, "two ports"),
        ({"comm_port": None}, "comm_port"),
        ({"pid": "x"}, "pid"),
    ],
)
def test_a_wrong_field_is_named(changed, named):
    with pytest.raises(Broken, match=named) as caught:
        check_fields({**INFO, **changed}, "the-id")
    assert caught.value.rule == "report-fields"
    assert INFO["key"] not in caught.value.message


@pytest.mark.parametrize("name", [name for name in INFO if name not in {"pid", "pgid"}])
def test_a_missing_field_is_named(name):
    info = {key: value for key, value in INFO.items() if key != name}
    with pytest.raises(Broken, match=name):
        check_fields(info, "the-id")


def test_the_listener_keeps_messages_apart_and_ignores_scans():
    listener = Listener("127.0.0.1")
    host, _, port = listener.address.partition(":")
    try:
        socket.create_connection((host, int(port))).close()
        for sender, data in (("127.0.0.1", b"a" * 5000), ("127.0.0.2", b"b")):
            with socket.create_connection((host, int(port)), source_address=(sender, 0)) as sock:
                sock.sendall(data)
        message = listener.take("127.0.0.2", 5)
        assert message == (b"b", True)
        assert listener.take("127.0.0.1") == (b"a" * 5000, True)
        assert listener.take("127.0.0.1") is None
    finally:
        listener.close()


def test_a_late_listener_refuses_until_it_listens():
    listener = Listener("127.0.0.1", later=True)
    address = ("127.0.0.1", int(listener.address.partition(":")[2]))
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        listener.listen()
        socket.create_connection(address).close()
    finally:
        listener.close()
