"""Asks apt, in a throw-away container of an image, what it would install.

    packages_script   asks what a list of packages adds to the image
    system_script     asks for a whole Debian system; only apt and the keyring are the image's
    parse_answer      parses the output of either

Knows no engine: the caller runs a script, as root and with network. Apt checks signatures with the
keyring in the image. The script neither uses nor changes the image's own apt state, settings and
preferences; of the image, at most the installed packages count.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from buildlib.core.model.lock import Item
from buildlib.errors import ActionError, InputError
from buildlib.suggest import did_you_mean, nearest

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MINIMAL = ("apt", "usr-is-merged")
"""Packages of a minimal system besides the required ones. `usr-is-merged` declares what `rootfs.py`
does (bin, sbin and lib are links into usr); without it, apt installs `usrmerge` and perl."""
_REQUIRED = ("?priority(required)", "?essential")
"""Patterns (apt-patterns(7)) for the packages that every Debian system has."""


BOOKWORM = (
    "debian bookworm",
    "debian bookworm-updates",
    "debian-security bookworm-security",
)
"""The suites of `/etc/apt/sources.list.d/debian.sources` in `//images/bases/os`: the folder of each
one's archive below the mirror's root, and its name."""


class Archive(NamedTuple):
    """The archive that apt reads.

    Attributes:
        mirror: Root of the mirror (`Settings.network.apt`).
        ca: CA bundle for an https mirror, a path in the container; "" for the image's own.
        suites: Suites to install from.
    """

    mirror: str
    ca: str = ""
    suites: Sequence[str] = BOOKWORM


class Answer(NamedTuple):
    """What apt would install.

    Attributes:
        packages: By name, sorted; each lies below the mirror's root, so that the mirror can change
            without the lock.
        expired: Suites whose signed `Valid-Until` is past: the mirror is frozen, or withholds
            updates. Worth a warning and no more, as companies often freeze mirrors on purpose.
    """

    packages: dict[str, Item]
    expired: list[str]


UNREAD = "the lists of the mirror cannot be read, or Debian did not sign them"
"""The last line on stderr of a script that failed for this reason."""
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")
_URI = re.compile(
    r"'(?P<uri>[^']+)' (?P<file>\S+)\.deb (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})"
)
_END = "end of answer"
_SCRIPT = """\
set -eu
dir=$(mktemp -d)
mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
: > "$dir/status"
cat > "$dir/sources.list" <<'END_OF_SOURCES'
{sources}
END_OF_SOURCES
cat > "$dir/apt.conf" <<END_OF_CONF
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir/cache";
Acquire::ForceHash "SHA256";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
{settings}
END_OF_CONF
export APT_CONFIG="$dir/apt.conf" LC_ALL=C DEBIAN_FRONTEND=noninteractive
if ! apt-get -qq update < /dev/null >&2; then
    if [ -r {keyring} ]; then
        echo "{unread}" >&2
    else
        echo "this is no Debian image: it has no {keyring}" >&2
    fi
    exit 100
fi
for list in "$dir"/lists/*Release; do
    [ -e "$list" ] || continue
    until=$(sed -n 's/^Valid-Until: //p' "$list")
    if [ -n "$until" ] && [ "$(date -d "$until" +%s)" -lt "$(date +%s)" ]; then
        sed -n 's/^Codename: /expired /p' "$list"
    fi
done
apt-cache pkgnames < /dev/null | sort > "$dir/names"
unknown=
for name in {names}; do
    grep -qxF "$name" "$dir/names" || unknown="$unknown $name"
done
if [ -n "$unknown" ]; then
    for name in $unknown; do echo "unknown $name"; done
    sed 's/^/known /' "$dir/names"
else
    apt-get -qq --yes --no-install-recommends --no-remove --print-uris install {asked} < /dev/null
fi
echo "{end}"
"""
_FROM_NOTHING = """\
Dir::State::Status "$dir/status";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};"""
"""No package counts as installed, and the image's architecture does not matter."""


def packages_script(names: Sequence[str], archive: Archive) -> str:
    """Ask what installing packages adds to, or upgrades in, the image; removals are refused.

    Names are looked up first, as apt takes an unknown name with a dot or plus for a pattern, and
    installs all that match. Expired suites are accepted and reported.
    """
    return _script(names, archive)


def system_script(names: Sequence[str], archive: Archive, *, arch: str) -> str:
    """Ask for the required packages, `MINIMAL`, `names`, and their dependencies.

    `arch` is Debian's name of the system's architecture; the image may have another.
    """
    settings = _FROM_NOTHING.format(arch=arch)
    return _script({*MINIMAL, *names}, archive, patterns=_REQUIRED, settings=settings)


def _script(
    names: Collection[str], archive: Archive, *, patterns: Sequence[str] = (), settings: str = ""
) -> str:
    for name in names:
        if not _NAME.match(name):
            raise InputError(f"{name!r} is not a Debian package name")
    sources = [
        f"deb [signed-by={KEYRING}] {archive.mirror}/{suite} main" for suite in archive.suites
    ]
    trust = [f'Acquire::https::CAInfo "{archive.ca}";'] if archive.ca else []
    quoted = [shlex.quote(name) for name in sorted(names)]
    return _SCRIPT.format(
        keyring=KEYRING,
        unread=UNREAD,
        sources="\n".join(sources),
        settings="\n".join([*trust, settings]).strip(),
        names=" ".join(quoted),
        asked=" ".join([*map(shlex.quote, patterns), *quoted]),
        end=_END,
    )


def parse_answer(output: str, mirror: str) -> Answer:
    """Parse the output of a script that was made for this mirror.

    Raises:
        InputError: A package does not exist.
        ActionError: The output is cut off, or a line is not of apt's form.
    """
    lines = output.splitlines()
    if not lines or lines.pop() != _END:
        raise ActionError("apt's answer is cut off", detail="\n".join(lines[-3:]))
    reported: dict[str, list[str]] = {"expired": [], "unknown": [], "known": []}
    packages = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        if word in reported:
            reported[word].append(rest)
        elif line:
            name, item = _package(line, mirror)
            packages[name] = item
    if reported["unknown"]:
        name = reported["unknown"][0]
        meant = nearest(name, reported["known"])
        raise InputError(
            f"Debian has no package {name!r}{did_you_mean(name, reported['known'])}",
            fix=f'write "{meant}"' if meant else f'remove "{name}"',
        )
    return Answer(dict(sorted(packages.items())), sorted(reported["expired"]))


def _package(line: str, mirror: str) -> tuple[str, Item]:
    """One line of --print-uris: `'URI' name_version_arch.deb size SHA256:hex`."""
    match = _URI.fullmatch(line)
    # apt quotes underscores and colons in the parts of the file name, so the split is exact.
    parts = match["file"].split("_") if match else []
    if match is None or len(parts) != 3 or not match["uri"].startswith(f"{mirror}/"):  # noqa: PLR2004
        raise ActionError("apt's answer cannot be read", detail=line)
    name, version, _ = map(unquote, parts)
    path = unquote(match["uri"].removeprefix(f"{mirror}/"))
    return name, Item(version, match["sha256"], int(match["size"]), path)
