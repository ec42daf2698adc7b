"""What syft wrote becomes the same bytes each time, and is found again by all it depends on."""

from __future__ import annotations

import copy
import json
import random
import re
from typing import Any

from buildlib.core.model.label import parse_label
from buildlib.shipping.releasing.model import ReleasedImage
from buildlib.shipping.releasing.sbom import key_record, normalise

IMAGE_ID = "sha256:" + "a" * 64
WRITTEN: dict[str, Any] = {
    "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "serialNumber": "urn:uuid:4defc1a2-9c84-43c5-8733-7f1692ad8d65",
    "version": 1,
    "metadata": {
        "timestamp": "2026-11-23T21:21:01Z",
        "tools": {"components": [{"type": "application", "name": "syft", "version": "1.18.1"}]},
        "component": {"bom-ref": "52ce", "type": "container", "name": "x", "version": "dev"},
    },
    "components": [
        {"bom-ref": f"pkg:deb/{name}", "type": "library", "name": name} for name in "abc"
    ],
    "dependencies": [
        {"ref": "pkg:deb/b", "dependsOn": ["pkg:deb/a", "pkg:deb/c"]},
        {"ref": "pkg:deb/c", "dependsOn": ["pkg:deb/a"]},
    ],
}
IMAGE = ReleasedImage(
    parse_label("//images/kernel-py"), "elyra/kernel-py", ("2.5.0",), "", IMAGE_ID, 1, "k" * 64,
    "os", "linux/amd64", stamped=False,
)  # fmt: skip


def test_time_order_and_chance_leave_no_trace() -> None:
    other = copy.deepcopy(WRITTEN)
    other["serialNumber"] = "urn:uuid:00000000-0000-4000-8000-000000000000"
    other["metadata"]["timestamp"] = "2027-01-01T00:00:00Z"
    other["metadata"]["component"]["version"] = "2.5.0"
    mixed = random.Random(1)
    mixed.shuffle(other["components"])
    mixed.shuffle(other["dependencies"])
    other["dependencies"][0]["dependsOn"].reverse()
    made = normalise(WRITTEN, "kernel-py", IMAGE_ID)
    assert normalise(other, "kernel-py", IMAGE_ID) == made
    assert made == normalise(json.loads(made), "kernel-py", IMAGE_ID)


def test_it_is_of_the_image_by_its_id_and_loses_no_component() -> None:
    found = json.loads(normalise(WRITTEN, "kernel-py", IMAGE_ID))
    assert found["metadata"]["component"] == {
        "bom-ref": IMAGE_ID,
        "type": "container",
        "name": "kernel-py",
        "version": IMAGE_ID,
    }
    assert "timestamp" not in found["metadata"]
    assert found["metadata"]["tools"] == WRITTEN["metadata"]["tools"]
    assert found["components"] == WRITTEN["components"]
    assert found["dependencies"] == WRITTEN["dependencies"]
    assert re.fullmatch(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        found["serialNumber"],
    ), "as CycloneDX's schema wants it"


def test_two_images_have_two_serial_numbers() -> None:
    names = {("a", IMAGE_ID), ("b", IMAGE_ID), ("a", "sha256:" + "b" * 64)}
    made = [json.loads(normalise(WRITTEN, *each))["serialNumber"] for each in names]
    assert len(set(made)) == len(names)


def test_it_is_kept_by_image_and_syft_and_not_by_release() -> None:
    key = key_record(IMAGE, "kernel-py", "1.18.1").key
    assert key_record(IMAGE, "kernel-py", "1.18.2").key != key
    assert key_record(IMAGE._replace(image_id="sha256:b"), "kernel-py", "1.18.1").key != key
    later = IMAGE._replace(tags=("2.6.0",), repository="r.example.com/acme/kernel-py", digest="x")
    assert key_record(later, "kernel-py", "1.18.1").key == key
