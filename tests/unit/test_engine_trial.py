"""The trial of an engine: steps go on after one that failed; only what is its own is removed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from docker.errors import APIError, NotFound

from tools import engine_trial, engine_trial_steps
from tools.engine_trial import Result, row, run_steps
from tools.engine_trial_steps import Step, Trial, is_of_organization

ABOUT = {
    "engine": "29.0.1",
    "api": "1.52",
    "store": "containerd (overlayfs)",
    "client": "29.0.1",
    "buildx": "0.30.0",
}


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    (tmp_path / "clone").mkdir()
    return Trial(tmp_path, "trial-7")


def build(trial: Trial) -> None:
    trial.run("sh", "-c", "echo one; echo two >&2; exit 3")


def push(trial: Trial) -> None:
    trial.run("true")


def prune(trial: Trial) -> None:
    raise OSError("nobody is there")


def test_steps_that_need_a_failed_one_are_not_run_and_others_are(trial: Trial):
    steps = [Step(build), Step(push, ("build",)), Step(prune, ("push",)), Step(prune), Step(push)]
    found = [(each.name, each.state) for each in run_steps(trial, steps)]
    assert found == [
        ("build", "failed"),
        ("push", "not run"),
        ("prune", "not run"),
        ("prune", "failed"),
        ("push", "ok"),
    ]


def test_a_failed_step_tells_what_its_command_said_and_why(trial: Trial):
    (result,) = run_steps(trial, [Step(build)])
    assert sorted(result.log[-3:-1]) == ["one", "two"]
    assert result.log[-1].endswith("exit code 3")
    (result,) = run_steps(trial, [Step(prune)])
    assert result.log == ["OSError: nobody is there"]


def release(trial: Trial) -> str:
    return "a\nb"


def test_a_step_that_went_well_may_have_something_to_tell(trial: Trial):
    (result,) = run_steps(trial, [Step(release)])
    assert (result.state, result.log) == ("ok", ["a", "b"])


def test_the_log_of_one_step_is_not_told_by_the_next(trial: Trial):
    _, result = run_steps(trial, [Step(build), Step(prune)])
    assert result.log == ["OSError: nobody is there"]


def test_commands_have_a_store_of_their_own_and_do_not_publish(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CI", "true")
    said = trial.run("sh", "-c", "echo $BUILDLIB_STORE ${CI-none} $EXTRA", environ={"EXTRA": "1"})
    assert said.split() == [str(trial.store), "none", "1"]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("trial-7/kernel-py:dev", True),
        ("127.0.0.1:5000/trial-7/kernel-py:dev", True),
        ("127.0.0.1:5000/trial-7/kernel-py@sha256:00", True),
        ("trial-71/kernel-py:dev", False),
        ("elyra/trial-7:dev", False),
        ("registry.example.com/elyra/trial-7:dev", False),
        ("trial-7:dev", False),
        ("<none>:<none>", False),
    ],
)
def test_only_names_of_the_organization_are_its_own(name: str, own: bool):
    assert is_of_organization(name, "trial-7") is own


class Client:
    """An engine's images, each with its tags and digests; one of them a container stands on."""

    def __init__(self) -> None:
        self.gone: list[str] = []

    def images(self) -> list[dict[str, list[str] | None]]:
        return [
            {"RepoTags": ["trial-7/kernel-py:dev", "acme/kernel-py:dev"], "RepoDigests": None},
            {"RepoTags": None, "RepoDigests": ["r:1/trial-7/kernel-py@sha256:00"]},
            {"RepoTags": ["trial-7/used:dev"], "RepoDigests": ["trial-7/used@sha256:00"]},
            {"RepoTags": ["trial-7/kernel-py:key-1", "trial-71/a:dev"], "RepoDigests": []},
        ]

    def remove_image(self, name: str) -> None:
        if "/used" in name:
            raise (NotFound if "@" in name else APIError)("409", explanation="it is used")
        self.gone.append(name)

    def close(self) -> None:
        pass


def test_names_of_others_stay_and_an_image_that_stays_stops_nothing(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    client = Client()
    monkeypatch.setattr(engine_trial_steps, "client_of", lambda *_, **__: client)
    engine_trial_steps.remove(trial)
    assert client.gone == [
        "trial-7/kernel-py:dev",
        "r:1/trial-7/kernel-py@sha256:00",
        "trial-7/kernel-py:key-1",
    ]
    assert capsys.readouterr().err == "warning: trial-7/used:dev stays: it is used\n"


def test_of_one_image_only_what_is_on_it_now_is_removed(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
):
    client = Client()
    monkeypatch.setattr(engine_trial_steps, "client_of", lambda *_, **__: client)
    engine_trial_steps.remove(trial, only="trial-7/kernel-py:")
    assert client.gone == ["trial-7/kernel-py:dev"]


def test_the_row_says_what_does_not_work():
    results = [Result("build", "ok", 1.0, []), Result("push", "failed", 1.0, [])]
    assert row(ABOUT, results, small=False).startswith(
        "| 29.0.1 | containerd (overlayfs) | 29.0.1 | 0.30.0 | all but push | 20"
    )
    assert "| none | all of build |" in row({**ABOUT, "buildx": ""}, results[:1], small=True)


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A trial of no engine; the list says what was cleaned up."""
    removed: list[str] = []
    monkeypatch.setattr(engine_trial, "describe", lambda: ABOUT)
    monkeypatch.setattr(engine_trial, "_prepare", lambda trial: trial.clone.mkdir())
    monkeypatch.setattr(engine_trial, "remove", lambda trial, host: removed.append(host))
    return removed


@pytest.mark.parametrize(("step", "code"), [(push, 0), (build, 1)])
def test_the_exit_code_and_the_file_say_whether_all_went_well(
    step, code: int, tried: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engine_trial, "STEPS", (Step(step),))
    file = tmp_path / "answer.json"
    assert engine_trial.main(["--registry", "r:1", "--json", str(file)]) == code
    answer = json.loads(file.read_text())
    assert answer["engine"] == "29.0.1"
    assert [each["state"] for each in answer["steps"]] == ["failed" if code else "ok"]
    assert tried == [""]


def test_both_engines_are_cleaned_even_where_the_trial_breaks_off(
    tried: list[str], monkeypatch: pytest.MonkeyPatch
):
    def stopped(trial: Trial) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine_trial, "STEPS", (Step(stopped),))
    with pytest.raises(KeyboardInterrupt):
        engine_trial.main(["--registry", "r:1", "--second-engine", "unix:///run/other.sock"])
    assert sorted(tried) == ["", "unix:///run/other.sock"]


def test_a_release_is_of_the_whole_family(tried: list[str], monkeypatch: pytest.MonkeyPatch):
    ran: list[str] = []

    def release(trial: Trial) -> None:
        ran.append("release")

    monkeypatch.setattr(engine_trial, "STEPS", (Step(release),))
    assert engine_trial.main(["--registry", "r:1", "--small"]) == 0
    assert ran == []
    assert engine_trial.main(["--registry", "r:1"]) == 0
    assert ran == ["release"]
    assert engine_trial.main(["--registry", "r:1", "--without", "release"]) == 0
    assert ran == ["release"]


def test_every_needed_step_is_there_before_the_one_that_needs_it():
    names = [step.name for step in engine_trial.STEPS]
    assert len(set(names)) == len(names)
    for at, step in enumerate(engine_trial.STEPS):
        assert set(step.needs) <= set(names[:at])


def test_the_launcher_file_that_is_edited_is_there():
    tracked = subprocess.run(
        ["git", "ls-files", engine_trial_steps.EDITED],
        cwd=engine_trial.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert tracked.stdout.strip() == engine_trial_steps.EDITED
