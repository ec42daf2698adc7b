"""The puller's names: what texts hold, what a name means, whose password goes with it."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2] / "images/kernel-image-puller"))

from kernel_image_puller.credentials import Credentials, find_credentials
from kernel_image_puller.names import kernelspec_names, names_of
from kernel_image_puller.references import InvalidReference, parse_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


# -- Names in texts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a/b:1,c",
        " a/b:1 , c ,, ",
        "a/b:1\nc\n",
        "- a/b:1\n- c",
        "# images\n- 'a/b:1'  # the first\n- \"c\"\n",
        "['a/b:1', c]",
        "[\n  a/b:1,\n  c,\n]",
    ],
)
def test_a_list_may_be_written_as_people_write_lists(text):
    assert names_of(text) == ("a/b:1", "c")


@pytest.mark.parametrize("text", ["", " ", ",", "\n\n", "[]", "-", "# nothing", "''", "- ''"])
def test_an_empty_list_names_nothing(text):
    assert names_of(text) == ()


@given(st.lists(st.from_regex(r"\A[a-z0-9]+([.:/_-][a-z0-9]+)*\Z"), max_size=5))
def test_names_come_out_of_each_form_as_they_went_in(names):
    for text in (",".join(names), "\n".join(names), "".join(f"- {name}\n" for name in names)):
        assert names_of(text) == tuple(names)


def test_kernelspecs_name_images_of_kernels_and_executors_in_both_stanzas():
    def spec(stanza, **config):
        return {"spec": {"metadata": {stanza: {"config": config}}}}

    specs = {
        "a": spec("process_proxy", image_name="a"),
        "b": spec("process_proxy", image_name=" b ", executor_image_name="c"),
        "d": spec("kernel_provisioner", image_name="d", executor_image_name="e"),
        "none": spec("process_proxy", image_name=None, executor_image_name=""),
        "local": {"spec": {"metadata": {}}},
        "odd": {"spec": {"metadata": None}},
        "odder": {"spec": {"metadata": {"process_proxy": ["x"]}}},
        "oddest": None,
    }
    assert kernelspec_names({"kernelspecs": specs}) == ("a", "b", "c", "d", "e")
    assert kernelspec_names({"kernelspecs": {}}) == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_what_is_no_list_of_kernelspecs_is_a_value_error_and_nothing_else(answer):
    specs = answer.get("kernelspecs") if isinstance(answer, dict) else None
    if isinstance(specs, dict):
        kernelspec_names(answer)
    else:
        with pytest.raises(ValueError, match="no kernelspecs"):
            kernelspec_names(answer)


@given(json_values)
def test_a_strange_kernelspec_spoils_nothing(strange):
    good = {"spec": {"metadata": {"process_proxy": {"config": {"image_name": "good"}}}}}
    for answer in (
        {"strange": strange, "good": good},
        {"strange": {"spec": strange}, "good": good},
    ):
        assert "good" in kernelspec_names({"kernelspecs": answer})


# -- References ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("python", "docker.io/library/python:latest"),
        ("elyra/kernel-py:dev", "docker.io/elyra/kernel-py:dev"),
        ("a/b/c:1", "docker.io/a/b/c:1"),
        ("docker.io/python:3", "docker.io/library/python:3"),
        ("index.docker.io/elyra/x", "docker.io/elyra/x:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x:tag", "localhost:5000/x:tag"),
        ("host:5000/x", "host:5000/x:latest"),
        (f"host:5000/a/b@{DIGEST}", f"host:5000/a/b@{DIGEST}"),
        (f"a/b:tag@{DIGEST}", f"docker.io/a/b@{DIGEST}"),
        ("quay.io/jupyter/r-notebook:r-4.5.2", "quay.io/jupyter/r-notebook:r-4.5.2"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("a__b/c-d.e:V_1.0-x", "docker.io/a__b/c-d.e:V_1.0-x"),
    ],
)
def test_names_mean_what_the_engine_takes_them_for(text, full):
    assert str(parse_reference(text)) == full
    assert str(parse_reference(full)) == full


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("python", "mirror.example.com/python:latest"),
        ("elyra/x:1", "mirror.example.com/elyra/x:1"),
        ("a/b/c:1", "mirror.example.com/a/b/c:1"),  # three parts, and still no registry
        ("quay.io/x:1", "quay.io/x:1"),  # two parts, and a registry
        ("localhost/x:1", "localhost/x:1"),
        ("host:5000/x", "host:5000/x:latest"),
        ("docker.io/python", "docker.io/library/python:latest"),
    ],
)
def test_the_default_registry_goes_before_names_without_one(text, full):
    assert str(parse_reference(text, "mirror.example.com")) == full


def test_the_default_registry_may_have_a_path():
    found = parse_reference("elyra/x:1", "mirror.example.com:5000/hub")
    assert (found.registry, found.path) == ("mirror.example.com:5000", "hub/elyra/x")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "A/b", "a b", "a//b", "/a", "a/", "a:", "a:b c", "a@sha256:12", "a@", "-a", "a_-b",
        "a..b/c", "$(id)", "a;b", "a\nb", "é", "http://host/x", "host:port/x", "a:" + "x" * 129,
        "a" * 256, DIGEST, DIGEST.removeprefix("sha256:"), "localhost:5000/", "a?b", "x/../y",
    ],
)  # fmt: skip
def test_what_names_no_image_is_refused_in_one_line(text):
    with pytest.raises(InvalidReference) as caught:
        parse_reference(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.text(max_size=300))
def test_any_text_is_a_reference_that_reads_the_same_again_or_is_refused(text):
    try:
        found = parse_reference(text)
    except InvalidReference:
        return
    assert parse_reference(str(found)) == found


# -- Credentials -----------------------------------------------------------------------------------


def auth(user, password):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def find(tmp_path):
    def find(name, config, file="config.json"):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        return find_credentials(str(tmp_path), parse_reference(name))

    return find


HERE = Credentials(username="u", password="p:w")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("host:5000", "host:5000/x"),
        ("https://host:5000", "host:5000/x"),
        ("http://host:5000/v2/", "host:5000/x"),
        ("host:5000/team", "host:5000/team/x"),
        ("*.example.com", "registry.example.com/x"),
        ("https://index.docker.io/v1/", "elyra/x"),
        ("docker.io", "x"),
        ("registry-1.docker.io", "x"),
    ],
)
@pytest.mark.parametrize("file", ["config.json", ".dockerconfigjson", "one/.dockerconfigjson"])
def test_credentials_are_found_by_the_registry(find, key, name, file):
    assert find(name, {"auths": {key: auth("u", "p:w")}}, file) == HERE


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("host:5000", "host:5001/x"),
        ("host:5000", "docker.io/host/x"),
        ("host:5000/team", "host:5000/teamwork/x"),
        ("*.example.com", "example.com/x"),
        ("*.example.com", "a.b.example.com/x"),
        ("*", "registry.example.com/x"),
        ("example.com", "evil-example.com/x"),
        ("docker.io.example.com", "x"),
    ],
)
def test_and_shown_to_no_other(find, key, name):
    assert find(name, {"auths": {key: auth("u", "p:w")}}) is None


def test_the_longest_path_wins(find):
    auths = {"h.x": auth("all", "1"), "h.x/a/b": auth("ab", "1"), "h.x/a": auth("a", "1")}
    found = [find(f"h.x/{path}", {"auths": auths}) for path in ("c", "a/c", "a/b/c")]
    assert [item.username for item in found] == ["all", "a", "ab"]


def test_every_form_of_a_secret_is_understood(find):
    entries = {
        "a.x": {"username": "u", "password": "p:w"},
        "b.x": {"identitytoken": "t"},
        "c.x": {"registrytoken": "t"},
    }
    assert find("a.x/i", {"auths": entries}) == HERE
    assert find("b.x/i", {"auths": entries}) == Credentials(identity_token="t")
    assert find("c.x/i", {"auths": entries}) == Credentials(registry_token="t")


@pytest.mark.parametrize(
    "config",
    [
        "no json: s3cret", "[]", '"s3cret"', "{}", {"auths": []}, {"auths": {"h.x": "s3cret"}},
        {"auths": {"h.x": {}}}, {"auths": {"h.x": {"auth": "s3cret!"}}}, {"auths": {"h.x": None}},
        {"auths": {"h.x": {"auth": "//79s3cret=="}}}, {"credsStore": "there-is-none"},
        {"credHelpers": {"h.x": "../s3cret"}}, {"credHelpers": {"h.x": 3}},
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_passed_over_and_never_repeated(find, config, caplog):
    assert find("h.x/i", config) is None
    if "../" not in str(config):
        assert "s3cret" not in caplog.text


def test_a_broken_secret_does_not_hide_the_next(find, tmp_path):
    (tmp_path / "config.json").write_text("{")
    assert find("h.x/i", {"auths": {"h.x": auth("u", "p:w")}}, "z/.dockerconfigjson") == HERE


def test_without_a_folder_there_are_none(tmp_path):
    assert find_credentials("", parse_reference("x")) is None
    assert find_credentials(str(tmp_path / "none"), parse_reference("x")) is None


def test_a_helper_is_asked_if_it_is_there(find, tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    helper = folder / "docker-credential-mine"
    config = {"credHelpers": {"h.x": "mine"}, "auths": {"h.x": auth("u", "p:w")}}
    assert find("h.x/i", config) == HERE  # not there: what else the file says
    helper.write_text(
        '#!/bin/sh\nread server; test "$server,$1" = h.x,get || exit 1\n'
        'echo \'{"Username": "h", "Secret": "s"}\'\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    assert find("h.x/i", config) == Credentials(username="h", password="s")
    assert find("h.y/i", config) is None
    helper.write_text('#!/bin/sh\necho \'{"Username": "<token>", "Secret": "s"}\'\n')
    assert find("h.x/i", config) == Credentials(identity_token="s")
    helper.write_text("#!/bin/sh\necho credentials not found; exit 1\n")
    assert find("h.x/i", config) == HERE


def test_credentials_are_not_shown():
    found = Credentials("user", "s3cret", "t0ken", "r3gistry")
    assert not [word for word in ("user", "s3cret", "t0ken", "r3gistry") if word in repr(found)]
    assert found.hidden_in("bad password s3cret, t0ken") == "bad password ***, ***"
