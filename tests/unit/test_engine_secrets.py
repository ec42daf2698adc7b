"""What a Dockerfile becomes when every RUN is lent files, and what is lent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from buildlib.core.model.settings import Network
from buildlib.engine.protocol import Grant
from buildlib.engine.secrets import grants_for, lend
from buildlib.errors import InputError
from buildlib.outside.web.trust import find_ca
from tests.support.dockerfiles import dockerfiles

CA = Grant("ca", ("SSL_CERT_FILE", "PIP_CERT"), path="/host/ca.pem")
FLAG = "--mount=type=secret,id=ca,target=/run/secrets/ca,mode=0444"
ARG = "ARG SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca"


def lent(*lines: str) -> list[str]:
    return lend("\n".join(lines) + "\n", [CA]).splitlines()


def test_each_stage_knows_the_files_and_each_run_has_them() -> None:
    assert lent("# mine", "FROM a AS one", "RUN x", "", "FROM b", "COPY --from=one /x /") == [
        "# mine",
        "FROM a AS one",
        ARG,
        f"RUN {FLAG} x",
        "",
        "FROM b",
        ARG,
        "COPY --from=one /x /",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["RUN a && b"], [f"RUN {FLAG} a && b"]),
        (["run\ta"], [f"run {FLAG}\ta"]),
        (["  RUN a"], [f"  RUN {FLAG} a"]),
        (['RUN ["sh", "-c", "RUN x"]'], [f'RUN {FLAG} ["sh", "-c", "RUN x"]']),
        (["RUN --network=none a"], [f"RUN {FLAG} --network=none a"]),
        (
            ["RUN \\", "  # why", "", "  RUN \\", "  b"],
            [f"RUN {FLAG} \\", "  # why", "", "  RUN \\", "  b"],
        ),
        (["\\", "RUN a"], ["\\", f"RUN {FLAG} a"]),
        (["RUN\\", " a"], [f"RUN {FLAG} \\", " a"]),
        (["R\\", "# why", "uN a"], ["R\\", "# why", f"uN {FLAG} a"]),
        (
            ["RUN <<EOF", "RUN not this", "EOF", "RUN a"],
            [f"RUN {FLAG} <<EOF", "RUN not this", "EOF", f"RUN {FLAG} a"],
        ),
        (
            ["RUN cat <<-'X' && y", "RUN no", "\tX", "RUN a"],
            [f"RUN {FLAG} cat <<-'X' && y", "RUN no", "\tX", f"RUN {FLAG} a"],
        ),
        (["COPY <<EOF /x", "RUN not this", "EOF"], ["COPY <<EOF /x", "RUN not this", "EOF"]),
        (["ONBUILD RUN a"], ["ONBUILD RUN a"]),
        (["# RUN a"], ["# RUN a"]),
        (["ENV A=b \\", "  RUN=c"], ["ENV A=b \\", "  RUN=c"]),
        (['LABEL a="x <<EOF y"', "RUN a"], ['LABEL a="x <<EOF y"', f"RUN {FLAG} a"]),
        (
            ['RUN echo "usage: cmd <<EOF ..."', "RUN a"],
            [f'RUN {FLAG} echo "usage: cmd <<EOF ..."', f"RUN {FLAG} a"],
        ),
        (
            ["RUN cat <<END-OF-X", "RUN no", "END-OF-X", "RUN a"],
            [f"RUN {FLAG} cat <<END-OF-X", "RUN no", "END-OF-X", f"RUN {FLAG} a"],
        ),
        (["RUN echo \\\\", "RUN a"], [f"RUN {FLAG} echo \\\\", f"RUN {FLAG} a"]),
        (
            ["RUN [ -e x ] || cat <<EOF", "RUN no", "EOF", "RUN a"],
            [f"RUN {FLAG} [ -e x ] || cat <<EOF", "RUN no", "EOF", f"RUN {FLAG} a"],
        ),
    ],
)
def test_a_run_in_each_of_its_forms(before: list[str], after: list[str]) -> None:
    assert lent(*before) == after


def test_another_escape_character() -> None:
    assert lent("# escape=`", "RUN a `", "RUN", "RUN b \\", "RUN c") == [
        "# escape=`",
        f"RUN {FLAG} a `",
        "RUN",
        f"RUN {FLAG} b \\",
        f"RUN {FLAG} c",
    ]


def test_a_mount_of_the_authors_at_the_same_place_stays() -> None:
    own = "RUN --mount=type=secret,id=mine,target=/run/secrets/ca a"
    elsewhere = "RUN --mount=type=secret,id=mine,target=/run/secrets/cab a"
    assert lent(own) == [own]
    assert lent(elsewhere) == [elsewhere.replace("RUN", f"RUN {FLAG}")]


def test_nothing_to_lend_changes_nothing() -> None:
    text = "FROM a\r\nRUN x"
    assert lend(text, []) == text


@given(dockerfiles())
def test_buildkit_sees_the_flags_at_each_run_and_nothing_else_changed(text: str) -> None:
    buildkit = pytest.importorskip("dockerfile", reason="built for Linux on amd64")
    try:
        before = buildkit.parse_string(text)
        changed = lend(text, [CA])
    except (buildkit.GoParseError, UnicodeDecodeError, InputError):
        return
    expected: list[tuple[object, ...]] = []
    for each in before:
        flags = (FLAG, *each.flags) if each.cmd.upper() == "RUN" else each.flags
        expected.append((each.cmd, flags, each.value, each.heredocs))
        if each.cmd.upper() == "FROM":
            expected.append(("ARG", (), tuple(ARG.split()[1:]), ()))
    after = buildkit.parse_string(changed)
    assert [(each.cmd, each.flags, each.value, each.heredocs) for each in after] == expected


# what is lent


def test_the_bundle_that_the_environment_names_goes_first(tmp_path: Path) -> None:
    bundle = tmp_path / "site.pem"
    bundle.write_text("x")
    assert find_ca({"REQUESTS_CA_BUNDLE": str(bundle)}) == str(bundle)
    assert find_ca({"SSL_CERT_FILE": "/nonexistent", "CURL_CA_BUNDLE": str(bundle)}) == str(bundle)


def test_public_mirrors_are_not_lent(tmp_path: Path) -> None:
    bundle = tmp_path / "site.pem"
    bundle.write_text("x")
    grants = grants_for(Network(), {"SSL_CERT_FILE": str(bundle)}, suite="bookworm")
    variables = {name for grant in grants for name in grant.variables}
    assert {"SSL_CERT_FILE", "PIP_CERT", "WGETRC", "APT_CONFIG"} <= variables
    assert not {"PIP_CONFIG_FILE", "UV_CONFIG_FILE"} & variables
    assert str(bundle) not in "".join(grant.text for grant in grants)


def test_mirrors_of_the_site_are_lent(monkeypatch) -> None:
    monkeypatch.setattr("buildlib.engine.secrets.find_ca", lambda _: "")
    site = Network(apt="http://mirror.site", pypi="http://me:pw@pypi.site:81/simple")
    grants = {grant.id: grant for grant in grants_for(site, {}, suite="bookworm")}
    assert set(grants) == {
        "buildlib-apt.sources",
        "buildlib-pip.conf",
        "buildlib-uv.toml",
    }
    assert "URIs: http://mirror.site/debian-security" in grants["buildlib-apt.sources"].text
    rewritten = lend("FROM a\nRUN b\n", [grants["buildlib-apt.sources"]])
    assert rewritten == (
        "FROM a\nRUN --mount=type=secret,id=buildlib-apt.sources,"
        "target=/etc/apt/sources.list.d/debian.sources,mode=0444 b\n"
    )
    assert "trusted-host = pypi.site\n" in grants["buildlib-pip.conf"].text
    assert "pw@" not in lend("FROM a\nRUN b\n", list(grants.values()))


def test_apt_keeps_its_sources_where_the_suite_is_not_known(monkeypatch) -> None:
    monkeypatch.setattr("buildlib.engine.secrets.find_ca", lambda _: "")
    assert grants_for(Network(apt="http://mirror.site"), {}) == ()
