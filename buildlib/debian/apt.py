"""What apt would add to an image: resolved by apt itself, in a throw-away container of the image.

Knows no engine: the caller runs the script (`run`) and takes the container away. Apt checks the
signatures with the keyring in the image. Nothing of the image's own apt state is used or changed,
nor are its settings and preferences: what counts of the image is the packages that it has.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from urllib.parse import unquote

from buildlib.debian.archive import BOOKWORM, Suite
from buildlib.debian.package import DebPackage
from buildlib.errors import ActionError, InputError
from buildlib.suggest import did_you_mean

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")
_URI = re.compile(
    r"'(?P<uri>[^']+)' (?P<file>\S+)\.deb (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})"
)
_END = "end of answer"

_SCRIPT = """\
set -eu
dir=$(mktemp -d)
mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
cat > "$dir/sources.list" <<'END_OF_SOURCES'
{sources}
END_OF_SOURCES
cat > "$dir/ca.pem" <<'END_OF_CA'
{ca}
END_OF_CA
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
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
END_OF_CONF
if [ -s "$dir/ca.pem" ] && grep -q BEGIN "$dir/ca.pem"; then
    echo "Acquire::https::CAInfo \\"$dir/ca.pem\\";" >> "$dir/apt.conf"
fi
export APT_CONFIG="$dir/apt.conf" LC_ALL=C DEBIAN_FRONTEND=noninteractive
apt-get -qq update < /dev/null >&2
apt-cache pkgnames < /dev/null | sort > "$dir/names"
unknown=
for name in {wanted}; do
    grep -qxF "$name" "$dir/names" || unknown="$unknown $name"
done
if [ -n "$unknown" ]; then
    for name in $unknown; do echo "unknown $name"; done
    sed 's/^/known /' "$dir/names"
else
    apt-get -qq --yes --no-install-recommends --no-remove --print-uris install {wanted} < /dev/null
fi
echo "{end}"
"""


def lock_packages(
    wanted: Sequence[str],
    run: Callable[[str], str],
    *,
    mirror: str,
    ca: str = "",
    suites: Sequence[Suite] = BOOKWORM,
) -> list[DebPackage]:
    """Exactly the packages that installing `wanted` adds to (or upgrades in) an image.

    Args:
        wanted: Package names, as in the declaration; none need no container.
        run: Runs a shell script as root in a throw-away container of the image, with network,
            given to `sh` on standard input, and returns standard output. It raises when the
            script fails.
        mirror: Root of the mirror (`Settings.network.apt`).
        ca: PEM text of the certificates to trust, for a mirror behind https.
        suites: Suites to install from.

    Returns:
        Packages sorted by name.

    Raises:
        InputError: A name is unknown or malformed.
        ActionError: The answer is not apt's.
    """
    if not wanted:
        return []
    return parse_result(run(apt_script(wanted, mirror=mirror, ca=ca, suites=suites)), mirror)


def apt_script(
    wanted: Sequence[str], *, mirror: str, ca: str = "", suites: Sequence[Suite] = BOOKWORM
) -> str:
    """The script that asks apt; arguments as of `lock_packages`.

    Expired suites are accepted (a mirror may stand still on purpose; `archive.read_archive` says
    so when the lock is refreshed). Names are looked up exactly first: apt would take an unknown
    name with a dot or plus for a pattern and install all that matches. Removing packages of the
    image is refused.

    Raises:
        InputError: A name is not of the form of a package name.
    """
    for name in wanted:
        if not _NAME.match(name):
            raise InputError(f"{name!r} is not a Debian package name")
    sources = [f"deb [signed-by={KEYRING}] {mirror}/{s.root} {s.name} main" for s in suites]
    return _SCRIPT.format(
        sources="\n".join(sources),
        ca=ca.strip(),
        wanted=" ".join(map(shlex.quote, sorted(wanted))),
        end=_END,
    )


def parse_result(output: str, mirror: str) -> list[DebPackage]:
    """Read what the script printed.

    Args:
        output: Its standard output.
        mirror: The mirror it was made with.

    Raises:
        InputError: A wanted package does not exist.
        ActionError: The output is cut off, or a line is not of apt's form.
    """
    lines = output.splitlines()
    if not lines or lines.pop() != _END:
        raise ActionError("apt's answer is cut off", detail="\n".join(lines[-3:]))
    unknown = [line.removeprefix("unknown ") for line in lines if line.startswith("unknown ")]
    if unknown:
        known = [line.removeprefix("known ") for line in lines if line.startswith("known ")]
        raise InputError(f"Debian has no package {unknown[0]!r}{did_you_mean(unknown[0], known)}")
    return sorted(_package(line, mirror) for line in lines if line)


def _package(line: str, mirror: str) -> DebPackage:
    """One line of --print-uris: `'URI' name_version_arch.deb size SHA256:hex`."""
    match = _URI.fullmatch(line)
    # apt quotes underscores and colons in the parts of the file name, so the split is exact.
    parts = match["file"].split("_") if match else []
    if match is None or len(parts) != 3 or not match["uri"].startswith(f"{mirror}/"):  # noqa: PLR2004
        raise ActionError("apt's answer cannot be read", detail=line)
    name, version, arch = map(unquote, parts)
    path = unquote(match["uri"].removeprefix(f"{mirror}/"))
    return DebPackage(name, version, arch, match["sha256"], int(match["size"]), path)
