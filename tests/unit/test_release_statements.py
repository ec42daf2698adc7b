"""images.json, provenance and test results: what they say, and what they refuse to say."""

from __future__ import annotations

import json
import random
import subprocess
from typing import Any

import jsonschema
import pytest

from buildlib.core.model.label import parse_label
from buildlib.errors import ActionError
from buildlib.shipping.releasing import attest
from buildlib.shipping.releasing.model import Proof, Release, ReleasedImage

GATEWAY_ID, KERNEL_ID, BASE_ID = ("sha256:" + digit * 64 for digit in "abc")
REGISTRY = "registry.example.com:5000"
RESOURCE = {
    "type": "object",
    "required": ["name", "digest"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "digest": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{40,64}$"},
        },
        "annotations": {"type": "object"},
    },
    "additionalProperties": False,
}
STATEMENT = {
    "type": "object",
    "required": ["_type", "subject", "predicateType", "predicate"],
    "properties": {
        "_type": {"const": "https://in-toto.io/Statement/v1"},
        "subject": {"type": "array", "minItems": 1, "items": RESOURCE},
        "predicateType": {"type": "string", "format": "uri"},
        "predicate": {"type": "object"},
    },
    "additionalProperties": False,
}
"""As in-toto's specification of a Statement v1 says; nobody publishes a schema of it."""
PROVENANCE = {
    "type": "object",
    "required": ["buildDefinition", "runDetails"],
    "properties": {
        "buildDefinition": {
            "type": "object",
            "required": ["buildType", "externalParameters"],
            "properties": {
                "buildType": {"type": "string"},
                "externalParameters": {"type": "object"},
                "resolvedDependencies": {"type": "array", "items": RESOURCE},
            },
            "additionalProperties": False,
        },
        "runDetails": {
            "type": "object",
            "required": ["builder"],
            "properties": {"builder": {"type": "object", "required": ["id"]}},
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}
TEST_RESULT = {
    "type": "object",
    "required": ["result", "configuration"],
    "properties": {
        "result": {"enum": ["PASSED", "WARNED", "FAILED"]},
        "configuration": {"type": "array", "items": RESOURCE},
        "passedTests": {"type": "array", "items": {"type": "string"}},
    },
    "additionalProperties": False,
}


def image(label: str, image_id: str, digest: str = "", registry: str = REGISTRY) -> ReleasedImage:
    name = label.rpartition("/")[2]
    return ReleasedImage(
        parse_label(label),
        f"{registry}/acme/{name}".removeprefix("/"),
        ("2.5.0", "latest"),
        digest,
        image_id,
        1000,
        (name[:1] * 64).encode().hex()[:64],
        "os",
        "linux/amd64",
        name == "enterprise-gateway",
    )


def case(name: str, *, ok: bool = True) -> dict[str, object]:
    return {"name": name, "ok": ok, "seconds": 1.0, "tried": True}


ALONE = {
    "image": "acme/kernel-py:key-1",
    "image_id": KERNEL_ID,
    "verdict": "works",
    "cases": [case("report"), case("execute")],
}
UNDER_GATEWAY = {
    "image": "acme/enterprise-gateway:key-2",
    "image_id": GATEWAY_ID,
    "kernel_images": ["acme/kernel-py:key-1"],
    "kernel_image_ids": {"acme/kernel-py:key-1": KERNEL_ID},
    "verdict": "works",
    "cases": [case("python_docker/start")],
}


def proof(name: str, of: str, report: dict[str, Any]) -> Proof:
    return Proof(parse_label(name), parse_label(of), name, report)


RELEASE = Release(
    "2.5.0",
    "acme",
    REGISTRY,
    "0123456789" * 4,
    1_700_000_000,
    (
        image("//images/bases/os", BASE_ID, "sha256:" + "1" * 64),
        image("//images/kernel-py", KERNEL_ID, "sha256:" + "2" * 64),
        image("//images/enterprise-gateway", GATEWAY_ID, "sha256:" + "3" * 64),
    ),
    (
        proof("//images/kernel-py:verify", "//images/kernel-py", ALONE),
        proof("//images/kernel-py:gateway", "//images/kernel-py", UNDER_GATEWAY),
        proof("//images/enterprise-gateway:verify", "//images/enterprise-gateway", UNDER_GATEWAY),
    ),
)
REPORTS = {proof.key: f"{number}" * 64 for number, proof in enumerate(RELEASE.proofs, 1)}
FILES = {"images.json": "e" * 64, "a.tar.gz": "f" * 64}
PINS = [
    attest.Pin("apt", "zlib1g", "1:1.2", "9" * 64),
    attest.Pin("python", "toree", "0.5.0", "8" * 64),
]


def lines(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def shuffled(release: Release, seed: int) -> Release:
    """The same release, told in another order."""
    mixed = random.Random(seed)
    images, proofs = list(release.images), list(release.proofs)
    mixed.shuffle(images)
    mixed.shuffle(proofs)
    return release._replace(images=tuple(images), proofs=tuple(proofs))


# -- images.json -----------------------------------------------------------------------------------


def test_images_are_listed_by_name_with_all_that_is_known_of_each() -> None:
    found = json.loads(attest.images_json(RELEASE))
    assert [each["name"] for each in found["images"]] == ["enterprise-gateway", "kernel-py", "os"]
    head = {key: value for key, value in found.items() if key != "images"}
    assert head == {
        "schema": 1,
        "version": "2.5.0",
        "commit": RELEASE.commit,
        "registry": REGISTRY,
        "organization": "acme",
        "published": True,
    }
    assert found["images"][1] == {
        "name": "kernel-py",
        "label": "//images/kernel-py",
        "repository": f"{REGISTRY}/acme/kernel-py",
        "tags": ["2.5.0", "latest"],
        "digest": "sha256:" + "2" * 64,
        "image_id": KERNEL_ID,
        "size": 1000,
        "key": RELEASE.images[1].key,
        "base": "os",
        "platform": "linux/amd64",
        "stamped": False,
    }


def test_a_local_release_says_that_it_is_not_published() -> None:
    local = RELEASE._replace(
        registry="", images=(image("//images/kernel-py", KERNEL_ID, registry=""),)
    )
    found = json.loads(attest.images_json(local))
    assert (found["published"], found["registry"]) == (False, "")
    assert found["images"][0]["name"] == "kernel-py"


# -- statements ------------------------------------------------------------------------------------


def test_provenance_is_of_all_images_and_files_and_names_all_that_they_were_made_from() -> None:
    (found,) = lines(attest.provenance(RELEASE, FILES, PINS, flavour="debian"))
    jsonschema.validate(found, STATEMENT)
    jsonschema.validate(found["predicate"], PROVENANCE)
    subjects = {each["name"]: each["digest"]["sha256"] for each in found["subject"]}
    assert subjects == {
        f"{REGISTRY}/acme/os": "1" * 64,
        f"{REGISTRY}/acme/kernel-py": "2" * 64,
        f"{REGISTRY}/acme/enterprise-gateway": "3" * 64,
        **FILES,
    }
    build = found["predicate"]["buildDefinition"]
    assert build["externalParameters"] == {
        "version": "2.5.0",
        "organization": "acme",
        "registry": REGISTRY,
        "flavour": "debian",
    }
    commit, *pins = build["resolvedDependencies"]
    assert commit["digest"] == {"gitCommit": RELEASE.commit}
    assert commit["annotations"] == {"committed": "2023-11-14T22:13:20Z"}
    assert [(each["name"], each["digest"]["sha256"]) for each in pins] == [
        ("apt/zlib1g", "9" * 64),
        ("python/toree", "8" * 64),
    ]


def test_an_image_that_was_not_published_is_named_by_its_image_id() -> None:
    local = RELEASE._replace(images=(image("//images/kernel-py", KERNEL_ID),))
    (found,) = lines(attest.provenance(local, {}, [], flavour="debian"))
    assert found["subject"][0]["digest"] == {"sha256": KERNEL_ID.removeprefix("sha256:")}


def test_test_results_say_by_which_cases_of_which_proof_an_image_was_proved() -> None:
    gateway, kernel = lines(attest.test_results(RELEASE, REPORTS))
    for found in (gateway, kernel):
        jsonschema.validate(found, STATEMENT)
        jsonschema.validate(found["predicate"], TEST_RESULT)
    assert kernel["subject"][0]["digest"] == {"sha256": "2" * 64}
    predicate = kernel["predicate"]
    assert predicate["result"] == "PASSED"
    assert predicate["passedTests"] == [
        "//images/kernel-py:gateway python_docker/start",
        "//images/kernel-py:verify report",
        "//images/kernel-py:verify execute",
    ]
    under, alone = predicate["configuration"]
    assert (under["name"], under["digest"]) == (
        "//images/kernel-py:gateway",
        {"sha256": "2" * 64},
    )
    assert under["annotations"]["images"] == {
        "acme/enterprise-gateway:key-2": GATEWAY_ID,
        "acme/kernel-py:key-1": KERNEL_ID,
    }
    assert alone["annotations"]["key"] == "//images/kernel-py:verify"
    assert gateway["subject"][0]["name"].endswith("/enterprise-gateway")


def test_nothing_is_said_of_an_image_without_a_proof_of_its_own() -> None:
    told = attest.test_results(RELEASE, REPORTS).decode()
    assert "acme/os" not in told
    assert attest.test_results(RELEASE._replace(proofs=()), {}) == b""


def replaced(**changes: object) -> Release:
    """The release, with another report of what the kernel image does alone."""
    changed = RELEASE.proofs[0]._replace(report={**ALONE, **changes})
    return RELEASE._replace(proofs=(changed, *RELEASE.proofs[1:]))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"image_id": BASE_ID}, "did not run the image of //images/kernel-py that is released"),
        ({"image_id": ""}, "did not run the image of //images/kernel-py that is released"),
        ({"verdict": "fails"}, "//images/kernel-py:verify did not pass"),
        ({"verdict": "works, with faults"}, "//images/kernel-py:verify did not pass"),
        ({"cases": []}, "//images/kernel-py:verify did not pass"),
        ({"cases": [case("report"), case("stop", ok=False)]}, "did not pass: stop"),
        ({"cases": [{**case("x"), "tried": False}]}, "did not pass: x"),
    ],
)
def test_what_was_not_tested_is_not_claimed(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ActionError) as caught:
        attest.test_results(replaced(**changes), REPORTS)
    assert told in caught.value.what
    assert caught.value.fix == "./doitw verify //images/kernel-py --always"


def test_a_proof_of_a_gateway_says_nothing_of_kernel_images_whose_ids_it_does_not_name() -> None:
    """The content tag of a key may have been put on another build since."""
    report = {key: value for key, value in UNDER_GATEWAY.items() if key != "kernel_image_ids"}
    under = RELEASE.proofs[1]._replace(report=report)
    with pytest.raises(ActionError, match="kernel-py:gateway did not run the image"):
        attest.test_results(RELEASE._replace(proofs=(under,)), REPORTS)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_release_gives_the_same_bytes_in_whatever_order_it_is_told(seed: int) -> None:
    other = shuffled(RELEASE, seed)
    files, pins = dict(reversed(FILES.items())), [*reversed(PINS), PINS[0]]
    assert attest.images_json(other) == attest.images_json(RELEASE)
    assert attest.test_results(other, REPORTS) == attest.test_results(RELEASE, REPORTS)
    assert attest.checksums(files) == attest.checksums(FILES)
    assert attest.provenance(other, files, pins, flavour="debian") == attest.provenance(
        RELEASE, FILES, PINS, flavour="debian"
    )


def test_checksums_are_read_by_sha256sum(tmp_path: Any) -> None:
    import hashlib

    (tmp_path / "sbom").mkdir()
    for name in ("b", "sbom/a"):
        (tmp_path / name).write_text(name)
    files = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("sbom/a", "b")}
    (tmp_path / "SHA256SUMS").write_bytes(attest.checksums(files))
    command = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "b: OK\nsbom/a: OK\n")
