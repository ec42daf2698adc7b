"""The program by which YARN's containers run as their users: hostile arguments come to nothing.

It runs as root, and its caller is not trusted. So whatever is wrong has to be refused before it
makes a folder, becomes somebody or starts anything; the tests let none of these happen.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "images/demo-base/container_executor.py"
APPLICATION, CONTAINER = "application_1_0001", "container_e01_1_0001_01_000001"
LOCAL, LOGS = "/var/lib/hadoop/yarn/local", "/var/lib/hadoop/yarn/logs"
PRIVATE = f"{LOCAL}/nmPrivate/{APPLICATION}/{CONTAINER}"
TOKENS, SCRIPT_FILE = f"{PRIVATE}/{CONTAINER}.tokens", f"{PRIVATE}/launch_container.sh"
WORK = f"{LOCAL}/usercache/bob/appcache/{APPLICATION}/{CONTAINER}"
PID = f"{PRIVATE}/{CONTAINER}.pid"
LAUNCH = [APPLICATION, CONTAINER, WORK, SCRIPT_FILE, TOKENS, "--http", PID, LOCAL, LOGS,
          "cgroups=none"]  # fmt: skip
INITIALIZE = [APPLICATION, CONTAINER, TOKENS, LOCAL, LOGS, "/opt/java/bin/java", "-version"]


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location("container_executor", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found  # dataclasses look there
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def settings(module):
    return module.Settings(
        manager=1000, group=1110, local_dirs=(LOCAL,), log_dirs=(LOGS,),
        banned=frozenset({"root", "nobody", "carol"}), least_id=1000,
    )  # fmt: skip


@pytest.fixture
def obey(module, settings, monkeypatch):
    """Ask as the NodeManager does; to get as far as doing something is an error of its own."""
    users = {"bob": 1112, "carol": 1113, "daemon": 1, "hadoop": 1114, "toor": 2000}

    def entry(name: str):
        uid = users[name]
        group = {"hadoop": 1110, "toor": 0}.get(name, 100)
        return pwd.struct_passwd((name, "x", uid, group, "", f"/home/{name}", "/bin/bash"))

    def reached(*words, **named):
        raise AssertionError(f"it did something: {words} {named}")

    monkeypatch.setattr(module, "read_settings", lambda _path, _caller: settings)
    monkeypatch.setattr(module.pwd, "getpwnam", entry)
    for name in ("become", "give_folder", "acting_as", "run", "remove"):
        monkeypatch.setattr(module, name, reached)
    for name in ("fork", "killpg", "kill", "execve", "setsid"):
        monkeypatch.setattr(module.os, name, reached)
    return lambda *words: module.obey(list(words), 1000)


def refused(module, obey, *words: str) -> int:
    with pytest.raises(module.Refused) as caught:
        obey(*words)
    assert str(caught.value)
    return caught.value.code


def test_the_right_words_get_as_far_as_doing_it(obey):
    """Else the tests below would hold for words that are wrong anyway."""
    assert obey("--checksetup") == 0
    for words in (["0", *INITIALIZE], ["1", *LAUNCH], ["2", "77", "15"], ["3", WORK],
                  ["3", APPLICATION, LOGS], ["5", WORK]):  # fmt: skip
        with pytest.raises(AssertionError, match="it did something"):
            obey("bob", "bob", *words)


@pytest.mark.parametrize(
    "name",
    ["root", "daemon", "carol", "toor", "hadoop", "mallory", "", "0", "1112", "bob ", "Bob",
     "bob\n", "../bob", "bob/..", "-u", "bób"],
)  # fmt: skip
def test_a_container_runs_as_no_user_of_the_system_and_no_unknown_one(module, obey, name):
    assert refused(module, obey, name, name, "1", *LAUNCH) == 2


def test_the_user_is_one(module, obey):
    assert refused(module, obey, "bob", "alice", "2", "77", "15") == 2


@pytest.mark.parametrize("words", [[], ["bob"], ["bob", "bob"], ["--mount-cgroups"], ["--x", "y"]])
def test_too_few_words(module, obey, words):
    assert refused(module, obey, *words) == 1


@pytest.mark.parametrize("command", ["4", "6", "7", "", "-1", "01", "launch", "--run-docker"])
def test_commands_that_there_are_not(module, obey, command):
    assert refused(module, obey, "bob", "bob", command, *LAUNCH) == 3


HOSTILE = {
    "an application that is a path": (0, "application_1_0001/../../../../etc"),
    "an application with a line's end": (0, "application_1_0001\n"),
    "a container that is a path": (1, "../../alice/appcache"),
    "the folder of another user": (2, WORK.replace("bob", "alice")),
    "the folder of another container": (2, WORK.replace("_000001", "_000002")),
    "a folder outside": (2, "/etc"),
    "a way out": (2, f"{WORK}/../../../../../../../../etc"),
    "a script of somewhere": (3, "/etc/shadow"),
    "a script of somewhere, the long way": (3, f"{LOCAL}/../../../../../etc/shadow"),
    "tokens of somewhere": (4, "/root/.ssh/id_rsa"),
    "https": (5, "--https"),
    "a pid file of somewhere": (6, "/etc/cron.d/x"),
    "a pid file next to the folders": (6, f"{LOCAL}-x/y"),
    "a pid file with two slashes": (6, f"{LOCAL}//../x"),
    "local folders of somewhere": (7, f"{LOCAL}%/etc"),
    "no local folder": (7, ""),
    "log folders of somewhere": (8, "/etc"),
    "control groups": (9, "cgroups=/sys/fs/cgroup/x"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_launch_with_a_hostile_word(module, obey, what):
    place, word = HOSTILE[what]
    words = list(LAUNCH)
    words[place] = word
    assert refused(module, obey, "bob", "bob", "1", *words) in (5, 32, 37)


@pytest.mark.parametrize("count", [0, 5, 9])
def test_a_launch_with_too_few_words(module, obey, count):
    assert refused(module, obey, "bob", "bob", "1", *LAUNCH[:count]) == 1


def test_a_launch_with_too_many_words(module, obey):
    assert refused(module, obey, "bob", "bob", "1", *LAUNCH, "tc") == 1


@pytest.mark.parametrize(
    ("place", "word"),
    [(0, ".."), (1, "container_1"), (2, "/etc/shadow"), (3, "/"), (4, "/var/log")],
)
def test_what_is_fetched_with_a_hostile_word(module, obey, place, word):
    words = list(INITIALIZE)
    words[place] = word
    assert refused(module, obey, "bob", "bob", "0", *words) in (5, 37)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["0", "9"], 1),  # its own group
        (["1", "9"], 1),  # init, and by -1 everybody
        (["-1", "9"], 37),
        (["77", "19"], 1),  # STOP is none that the NodeManager sends
        (["77", "-9"], 37),
        (["7 7", "9"], 37),
        (["\u0667\u0667", "9"], 37),  # digits, but not ours
        (["77777777777777", "9"], 37),
        (["77"], 1),
        (["77", "9", "78"], 1),
    ],
)
def test_signals(module, obey, words, code):
    assert refused(module, obey, "bob", "bob", "2", *words) == code


@pytest.mark.parametrize(
    "words",
    [["/etc"], [LOCAL], [f"{LOCAL}/"], [f"{LOCAL}/x/../../z"], [""], ["../logs", LOCAL],
     ["x", "/etc"], ["/etc", LOGS], [f"{LOCAL}\0/x"], ["x", LOGS, "/"]],
)  # fmt: skip
def test_what_is_deleted_lies_below_the_folders(module, obey, words):
    assert refused(module, obey, "bob", "bob", "3", *words) == 5


def test_settings_that_others_may_write_are_not_taken(module, tmp_path):
    file = tmp_path / "container-executor.cfg"
    file.write_text("min.user.id=0\n")
    file.chmod(0o666)
    with pytest.raises(module.Refused, match="others than root may write it") as caught:
        module.read_settings(str(file), 1000)
    assert caught.value.code == 24
    with pytest.raises(module.Refused):
        module.read_settings(str(tmp_path / "none"), 1000)


def test_no_link_is_followed_to_a_folder(module, settings, tmp_path):
    (tmp_path / "real/usercache").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    bob = module.User("bob", 1112, 100, "/home/bob", "/bin/bash")
    for place in ("link/usercache/bob", "real/usercache/eve"):
        (tmp_path / "real/usercache/eve").unlink(missing_ok=True)
        (tmp_path / "real/usercache/eve").symlink_to("/etc")
        with pytest.raises(module.Refused) as caught:
            module.give_folder(str(tmp_path / place), bob, settings)
        assert caught.value.code == 35


def test_a_folder_of_somebody_else_is_not_given_away(module, settings, tmp_path):
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob/precious").touch()
    bob = module.User("bob", os.getuid() + 1, 100, "/home/bob", "/bin/bash")
    with pytest.raises(module.Refused, match="belongs to user"):
        module.give_folder(str(tmp_path / "bob"), bob, settings)
    assert (tmp_path / "bob").stat().st_uid == os.getuid()


def test_a_link_is_deleted_and_not_what_it_names(module, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "folder/inner").mkdir(parents=True)
    (tmp_path / "folder/inner/link").symlink_to(tmp_path / "kept")
    module.remove(str(tmp_path / "link"))
    module.remove(str(tmp_path / "folder"))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "kept"]


def test_a_file_of_the_user_is_not_written_through_a_link(module, tmp_path):
    (tmp_path / "target").write_text("kept")
    (tmp_path / "script").symlink_to("target")
    module.write_as_user(str(tmp_path / "script"), b"new", 0o700)
    assert (tmp_path / "target").read_text() == "kept"
    assert (tmp_path / "script").read_bytes() == b"new"


def test_without_root_it_asks_sudo_for_itself_and_nothing_else(module, monkeypatch):
    called = []
    monkeypatch.setattr(module.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(module.os, "execv", lambda *words: called.append(words) or exit_())

    def exit_():
        raise SystemExit

    with pytest.raises(SystemExit):
        module.main(["--checksetup"])
    assert called == [("/usr/bin/sudo", ["sudo", "--non-interactive", module.SELF, "--checksetup"])]
