"""Wheels of a pylock.toml: the one that fits best, as a pin that can be fetched."""

from __future__ import annotations

import pytest

from buildlib.build.lock.wheels import Interpreter, best_wheels
from buildlib.core.model.lock import Item
from buildlib.errors import ActionError
from tests.support.workspace import digest

PYTHON = Interpreter("3.11", "x86_64")
HEAD = 'lock-version = "1.0"\ncreated-by = "uv"\nrequires-python = ">=3.11"\n'


def lock(*wheels: str, version: str = "1.0") -> str:
    package = f'[[packages]]\nname = "thing-x"\nversion = "{version}"\n'
    return f"{HEAD}{package}wheels = [{', '.join(wheels)}]"


def wheel(tag: str, *, hashes: str = "", size: str = ", size = 7", version: str = "1.0") -> str:
    url = f"https://index.example.com/files/thing_x-{version}-{tag}.whl"
    hashes = hashes or f'sha256 = "{digest(tag)}"'
    return f'{{ url = "{url}"{size}, hashes = {{ {hashes} }} }}'


def test_the_pin_names_the_project_and_no_index() -> None:
    best = "cp311-cp311-manylinux_2_17_x86_64"
    listed = lock(wheel("py3-none-any"), wheel(best), wheel("cp312-cp312-manylinux_2_17_x86_64"))
    pin = Item("1.0", digest(best), 7, "thing-x")
    assert best_wheels(listed, PYTHON) == {f"thing_x-1.0-{best}.whl": pin}


def test_an_index_may_tell_no_size() -> None:
    (pin,) = best_wheels(lock(wheel("py3-none-any", size="")), PYTHON).values()
    assert pin.size == 0


def test_a_file_is_called_as_it_is_and_not_as_in_its_address() -> None:
    listed = lock(wheel("py3-none-any", version="1.0%2Bcpu"), version="1.0+cpu")
    assert list(best_wheels(listed, PYTHON)) == ["thing_x-1.0+cpu-py3-none-any.whl"]


@pytest.mark.parametrize(
    "listed",
    [
        lock(wheel("cp312-cp312-manylinux_2_17_x86_64")),
        lock(wheel("py3-none-any", hashes='md5 = "ab"')),
        HEAD.replace("3.11", "3.12"),
        '[[packages]]\nname = "x"',
    ],
)
def test_what_cannot_be_installed_or_checked_is_refused(listed: str) -> None:
    with pytest.raises(ActionError, match="no wheel of a requirement") as refused:
        best_wheels(listed, PYTHON)
    assert refused.value.detail
