"""Metadata of a release, as bytes: images.json, provenance, test results, checksums.

The same release gives the same bytes anywhere, at any time: the only time in them is the commit's.
The statements are attestations of in-toto (Statement v1, SLSA provenance v1, test-result v0.1).
They claim only what the data say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from buildlib.errors import ActionError
from buildlib.shipping.releasing.model import Proof, Release, ReleasedImage, names_of

SCHEMA = 1
"""Version of the format of images.json."""
STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
BUILD_TYPE = "urn:buildlib:release:v1"
"""The meaning of `externalParameters` and `resolvedDependencies`: docs/release-files.md."""
BUILDER = "urn:buildlib:doitw"
"""The builder: this build system, on a machine of which we claim nothing."""
WORKS = "works"
"""Verdict of a proof in which no case failed."""


class Pin(NamedTuple):
    """An entry of images.lock that the images use.

    Attributes:
        sha256: Of its content, in hex.
    """

    section: str
    name: str
    version: str
    sha256: str


def name_of(release: Release, image: ReleasedImage) -> str:
    """An image's name without registry and organisation."""
    prefix = f"{release.organization}/"
    if release.registry:
        prefix = f"{release.registry}/{prefix}"
    return image.repository.removeprefix(prefix)


def images_json(release: Release) -> bytes:
    """The content of `images.json`: the images, sorted by name."""
    images = [
        {"name": name_of(release, image), **image._asdict(), "label": str(image.label)}
        for image in release.images
    ]
    return _json(
        {
            "schema": SCHEMA,
            "version": release.version,
            "commit": release.commit,
            "registry": release.registry,
            "organization": release.organization,
            "published": bool(release.images and release.registry),
            "images": sorted(images, key=lambda image: str(image["name"])),
        },
        indent=2,
    )


def provenance(
    release: Release, files: Mapping[str, str], pins: Iterable[Pin], *, flavour: str
) -> bytes:
    """The SLSA provenance: what the release was made from.

    Args:
        files: Name -> sha256 of the other files of the release.
    """
    sorted_pins = sorted(set(pins))
    subjects = [_subject(image) for image in _sorted(release)]
    subjects += [{"name": name, "digest": {"sha256": files[name]}} for name in sorted(files)]
    commit = {
        "name": "source",
        "digest": {"gitCommit": release.commit},
        "annotations": {"committed": _time(release.epoch)},
    }
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "version": release.version,
                "organization": release.organization,
                "registry": release.registry,
                "flavour": flavour,
            },
            "resolvedDependencies": [
                commit,
                *(
                    {
                        "name": f"{pin.section}/{pin.name}",
                        "digest": {"sha256": pin.sha256},
                        "annotations": {"version": pin.version},
                    }
                    for pin in sorted_pins
                ),
            ],
        },
        "runDetails": {"builder": {"id": BUILDER}},
    }
    return _json(_statement(subjects, PROVENANCE, predicate))


def test_results(release: Release, reports: Mapping[str, str]) -> bytes:
    """The test-result statements, a line for each image that has a proof of its own.

    Args:
        reports: Key of a proof -> sha256 of its report, as it was written.
    """
    lines = b""
    for image in _sorted(release):
        proofs = sorted(
            (proof for proof in release.proofs if proof.image == image.label),
            key=lambda proof: proof.label,
        )
        if not proofs:
            continue
        passed: list[str] = []
        configuration = []
        for proof in proofs:
            passed += [f"{proof.label} {case}" for case in passed_cases(proof, image)]
            configuration.append(
                {
                    "name": str(proof.label),
                    "digest": {"sha256": reports[proof.key]},
                    "annotations": {"key": proof.key, "images": proved_images(proof.report)},
                }
            )
        predicate = {"result": "PASSED", "configuration": configuration, "passedTests": passed}
        lines += _json(_statement([_subject(image)], TEST_RESULT, predicate))
    return lines


def proved_images(report: Mapping[str, Any]) -> dict[str, str]:
    """The images that a proof ran: the name that it uses, and the identity of each.

    Args:
        report: As `python -m verify --json` wrote it, with the identities that `kernel_check` knew.
    """
    ids = {str(report.get("image", "")): str(report.get("image_id", ""))}
    ids |= report.get("kernel_image_ids") or {}
    identities = report.get("identities") or {}
    return {name: str(identities.get(image, image)) for name, image in ids.items()}


def has_run(report: Mapping[str, Any], names: set[str]) -> bool:
    """Whether a proof ran an image that has one of these names."""
    return bool(names & set(proved_images(report).values()))


def passed_cases(proof: Proof, image: ReleasedImage) -> list[str]:
    """The names of the cases of a proof; refuses a failed proof, or one of another image."""
    fix = f"./doitw verify {image.label} --always"
    if not has_run(proof.report, names_of(image)):
        raise ActionError(
            f"{proof.label} did not run the image of {image.label} that is released"
            f" ({image.image_id})",
            fix=fix,
        )
    cases: Sequence[Mapping[str, Any]] = proof.report.get("cases") or ()
    failed = [str(case["name"]) for case in cases if not case["ok"] or not case.get("tried", True)]
    if proof.report.get("verdict") != WORKS or failed or not cases:
        which = f": {', '.join(failed)}" if failed else ""
        raise ActionError(f"{proof.label} did not pass{which}", fix=fix)
    return [str(case["name"]) for case in cases]


def checksums(files: Mapping[str, str]) -> bytes:
    """A text that `sha256sum -c` reads.

    Args:
        files: Name -> sha256, in hex.
    """
    return "".join(f"{files[name]}  {name}\n" for name in sorted(files)).encode()


def _sorted(release: Release) -> list[ReleasedImage]:
    return sorted(release.images, key=lambda image: image.repository)


def _subject(image: ReleasedImage) -> dict[str, Any]:
    """An image as an in-toto subject: by the digest of its manifest if known, else by image ID."""
    digest = image.digest or image.image_id
    return {
        "name": image.repository,
        "digest": {"sha256": digest.removeprefix("sha256:")},
        "annotations": {"image_id": image.image_id, "key": image.key},
    }


def _statement(
    subject: list[dict[str, Any]], kind: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    return {"_type": STATEMENT, "subject": subject, "predicateType": kind, "predicate": predicate}


def _time(epoch: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: object, indent: int | None = None) -> bytes:
    """JSON with a final newline; compact and on one line unless indented."""
    separators = None if indent else (",", ":")
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=False)
    return text.encode() + b"\n"
