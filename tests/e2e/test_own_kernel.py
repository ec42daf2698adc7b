"""The kernel of one's own in docs/build-files.md, followed to the letter: locked, built, proved.

It asks an index and Debian's archive, as a user's first lock does. Bases are those of the family,
as the engine has them: their records are copied into a store of the test's own.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from e2e_process import Family
from e2e_sample import ROOT

from buildlib.core.store.content import default_root

if TYPE_CHECKING:
    from e2e_engine import Images

pytestmark = [pytest.mark.slow, pytest.mark.engine]
FROM_ROOT = (
    "buildlib", "deploy", "images", "kernelspecs", "launchers", "verify", "doitw", "dodo.py",
    "VERSION", "images.lock", "pyproject.toml", "requirements.lock", "requirements-release.lock",
    "benchmarks", "tools", "requirements-dev.lock", "docs/build-files.md",
)  # fmt: skip
"""What is copied, and the page: tests/support/kept."""
SITE = ("SSL_CERT_FILE", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "https_proxy")
"""How this machine reaches an index: the lock asks one."""
RECORDS = Path(default_root()) / "records"
"""The user's: a test gets a store of its own only as it begins."""
FOLDER = "images/my-kernel/"
SECTION = (ROOT / "docs/build-files.md").read_text("utf-8").partition("\n## An image\n")[2]
BLOCKS = re.findall(
    r"^```(\w*)\n(.*?)^```", SECTION.partition("\n## ")[0], re.MULTILINE | re.DOTALL
)
FILES = {
    block.partition("\n")[0].removeprefix("# "): block
    for _, block in BLOCKS
    if block.startswith(f"# {FOLDER}")
}
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for language, block in BLOCKS
    for line in block.splitlines()
    if language == "sh" and line.startswith("./doitw ")
]


@pytest.fixture
def family(tmp_path: Path, images: Images) -> Iterator[Family]:
    """The project's own files, with what the page adds."""
    family = Family(tmp_path / "own", images.organization, "")
    family.env |= {name: os.environ[name] for name in SITE if name in os.environ}
    keep_out = shutil.ignore_patterns(".*", "__pycache__", "dist", "docs", "tests")
    shutil.copytree(ROOT, family.root, symlinks=True, ignore=keep_out)
    shutil.copytree(RECORDS, family.store / "records")
    family.replace("pyproject.toml", '= "elyra"', f'= "{family.organization}"')
    for name, text in FILES.items():
        family.write(name, text)
    yield family
    family.close()


def test_the_page_makes_a_kernel_that_is_proved(family: Family) -> None:
    assert {name.removeprefix(FOLDER) for name in FILES} >= {
        "BUILD.py", "Dockerfile", "requirements.in"
    }  # fmt: skip
    assert [command[0] for command in COMMANDS] == ["lock", "build", "verify"]
    for command in COMMANDS:
        done = family.run(*command)
        assert done.code == 0, done.text
    assert re.search(r"^my-kernel .* well$", done.out, re.MULTILINE), done.text
    assert "FAILED" not in done.text
