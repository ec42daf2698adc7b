"""What engines of both image stores answered is understood (tests/fakes/engines)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from buildlib.engine.api import info_of, tagged
from buildlib.engine.build import EXPORTED, result_names
from buildlib.engine.buildkit_output import Progress, Status
from buildlib.engine.transfer import Layers, unobserved

FILES = sorted((Path(__file__).parents[1] / "fakes" / "engines").glob("docker-*.json"))
BUILDS = [
    pytest.param(json.loads(file.read_bytes()), client, id=f"{file.stem}, {client}")
    for file in FILES
    for client in json.loads(file.read_bytes())["builds"]
]


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def engine(request: pytest.FixtureRequest) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads(request.param.read_bytes())
    return answers


@pytest.mark.parametrize(("engine", "client"), BUILDS)
def test_what_was_built_is_found_by_one_of_its_names(
    engine: dict[str, Any], client: str, tmp_path: Path
) -> None:
    built = engine["builds"][client]
    iid, metadata = tmp_path / "iid", tmp_path / "metadata"
    iid.write_text(built["iidfile"])
    if built.get("metadata"):
        metadata.write_text(json.dumps(built["metadata"]))
    assert info_of(engine["inspect"]).id in result_names(str(iid), str(metadata))


@pytest.mark.parametrize("stream", ["push", "push again"])
def test_a_push_tells_the_digest(engine: dict[str, Any], stream: str) -> None:
    layers = Layers(unobserved)
    told = [digest for message in engine[stream] if (digest := layers.take(message))]
    (repo_digest,) = [
        text
        for text in engine["inspect after the push"]["RepoDigests"]
        if text.startswith("registry.test:5000/")
    ]
    assert set(told) == {repo_digest.partition("@")[2]}


def test_the_digest_that_an_image_was_pulled_by_is_no_tag(engine: dict[str, Any]) -> None:
    assert info_of(engine["inspect after the pull by digest"]).tags == ()
    assert tagged(engine["images after the pull by digest"], "registry.test:5000/*/*") == {}
    layers = Layers(unobserved)
    told = [digest for message in engine["pull by digest"] if (digest := layers.take(message))]
    assert engine["inspect after the pull by digest"]["RepoDigests"][0].endswith(f"@{told[-1]}")


@pytest.mark.parametrize(
    ("line", "digest"),
    [
        (f"#6 exporting config sha256:{'a' * 64} 0.0s done", f"sha256:{'a' * 64}"),
        (f"#5 0.123 #6 exporting config sha256:{'b' * 64} 0.0s done", ""),  # a step says so
        (f"exporting config sha256:{'c' * 64}", ""),
    ],
)
def test_only_the_builder_tells_an_identity(line: str, digest: str) -> None:
    progress = Progress()
    progress.feed("#6 exporting to image")
    event = progress.feed(line)
    told = EXPORTED.match(event.text) if isinstance(event, Status) else None
    assert (told[1] if told else "") == digest
