"""The family's own choice of Spark's source: what each asks for, and what is said without a pin."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from buildlib.core.model.label import Label, parse_label
from buildlib.core.model.target import Target
from tests.support.workspace import WorkspaceBuilder

REPOSITORY = Path(__file__).parents[2]
DISTRIBUTION = "//images/spark:distribution"


def spark(folder: Path, source: str) -> WorkspaceBuilder:
    """A workspace with the family's packages for Spark, and little else."""
    made = WorkspaceBuilder(folder)
    shutil.copytree(REPOSITORY / "images/spark", made.root / "images/spark")
    shutil.copy(REPOSITORY / "images/defs.py", made.root / "images/defs.py")
    made.image("images/bases/os")
    settings = made.root / "pyproject.toml"
    table = f'\n[tool.buildlib.spark]\nversion = "3.5.9"\nsource = "{source}"\n'
    settings.write_text(settings.read_text() + table)
    return made


def target(made: WorkspaceBuilder, label: str) -> Target:
    targets: dict[Label, Target] = dict(made.graph().targets)
    return targets[parse_label(label)]


def test_by_default_it_is_the_sdist_of_the_index(tmp_path: Path) -> None:
    made = spark(tmp_path, "pypi")
    (pin,) = target(made, "//images/spark:pypi").pins
    assert pin.asked == ("pypi:pyspark/pyspark-3.5.9.tar.gz",)
    assert "bin/sparkR" in " ".join(target(made, DISTRIBUTION).attrs["exclude"])
    assert target(made, "//images/spark").tags == ("3.5.9",)


def test_the_official_archive_has_sparkr(tmp_path: Path) -> None:
    made = spark(tmp_path, "apache")
    (pin,) = target(made, "//images/spark:apache").pins
    assert pin.asked[0].endswith("/spark-3.5.9/spark-3.5.9-bin-hadoop3.tgz")
    files = target(made, DISTRIBUTION).attrs["files"]
    assert files["spark-3.5.9-bin-hadoop3/R/lib/"] == "opt/spark/R/lib/"
    assert "bin/sparkR" not in " ".join(target(made, DISTRIBUTION).attrs["exclude"])


@pytest.mark.parametrize("source", ["pypi", "apache"])
def test_both_have_the_places_that_the_images_rely_on(tmp_path: Path, source: str) -> None:
    placed = target(spark(tmp_path, source), DISTRIBUTION).attrs["files"].values()
    assert {"opt/spark/bin/", "opt/spark/jars/", "opt/spark/python/lib/"} <= set(placed)


def test_a_source_that_is_not_locked_is_told_with_the_way_to_lock_it(tmp_path: Path) -> None:
    told = spark(tmp_path, "apache").error()
    assert "images.lock has no download entry for //images/spark:apache" in told
    assert "fix: ./doitw lock" in told


def test_a_source_that_there_is_not_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    told = spark(tmp_path, "apach").error()
    assert "error: setting spark.source is 'apach', and can be pypi or apache" in told
    assert 'fix: source = "apache"  # or pypi' in told
