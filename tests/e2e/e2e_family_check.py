"""What must hold of a built family, told from its sources alone."""

from __future__ import annotations

from e2e_engine import Images
from e2e_process import Family
from e2e_sample import DOWNLOAD, REPOSITORIES

NOTHING = "nothing to build: 7 targets are up to date\n"


def contents(family: Family) -> dict[str, dict[str, str]]:
    """What each image must hold, by repository."""
    base = {"etc/motd": family.read("images/base/motd")}
    scripts = {"opt/scripts/bootstrap.sh": family.read("launchers/bootstrap.sh")}
    return {
        "base": base,
        "base-two": {"etc/motd": family.read("images/other-base/motd")},
        "left": {
            **base,
            **scripts,
            "files/one.txt": family.read("images/left/files/one.txt"),
            "files/run.sh": family.read("images/left/files/run.sh"),
            "files/link": "-> one.txt",
            "opt/scripts/left/left.txt": family.read("launchers/left/left.txt"),
        },
        "right": {
            **base,
            **scripts,
            "data/made.txt": family.read("tools/made.txt"),
            "data/outside.txt": DOWNLOAD.decode(),
            "data/shared.txt": family.read("data/shared.txt"),
            "opt/scripts/right/right.txt": family.read("launchers/right/right.txt"),
        },
    }


def assert_right(family: Family, images: Images) -> None:
    """Every image is what the sources say, under both of its names, and nothing is left to do."""
    looked_at = family.build("--json").json
    assert looked_at["steps"] == []
    keys = {step["label"]: step["key"] for step in looked_at["fresh"]}
    tags = images.tags()
    for target, name in REPOSITORIES.items():
        content = f"{images.organization}/{name}:key-{keys[f'//images/{target}'][:32]}"
        assert tags[content] == tags[f"{images.organization}/{name}:dev"]
        assert images.files(name) == contents(family)[name]
