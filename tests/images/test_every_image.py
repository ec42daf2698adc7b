"""What holds for each image of the Python line, whatever it adds."""

from __future__ import annotations

import re

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.engine]

IMAGES = (
    "enterprise-gateway",
    "minimal-notebook",
    "scipy-notebook",
    "kernel-py",
    "kernel-spark-py",
    "tensorflow-notebook",
    "kernel-tf-py",
    "kernel-image-puller",
    "r-notebook",
    "kernel-r",
    "kernel-spark-r",
)
# jovyan as started by the image, jovyan by number, and ids that the image has never heard of.
USERS = (None, "1000:100", "12345:100", "2000:0")

every_image = pytest.mark.parametrize("name", IMAGES)


def find(run, name: str, *expression: str) -> set[str]:
    """Paths of the image (not of what the engine mounts) that match a find expression, as root."""
    return set(run(name, "find", "/", "-xdev", *expression, user="0").splitlines())


@every_image
def test_dpkg_has_nothing_to_complain_about(run, name):
    assert run(name, "dpkg", "--audit") == ""
    assert run(name, "apt-get", "--simulate", "--quiet=2", "check", user="0") == ""


@every_image
def test_python_packages_agree_with_each_other(run, name):
    assert run(name, "pip", "check").strip() == "No broken requirements found."


RECORDS = """
import importlib.metadata, json, pathlib, sys
missing = [str(file) for package in importlib.metadata.distributions(path=[sys.path[-1]])
           for file in package.files or () if not file.locate().exists()]
own = [str(file) for pattern in (".lock", ".wheels", "lib/*/*/*.dist-info/uv_cache.json")
       for file in pathlib.Path(sys.prefix).glob(pattern)]
print(json.dumps([missing, own]))
"""


@every_image
def test_packages_have_the_files_that_they_record_and_none_of_the_installer(python, name):
    assert python(name, RECORDS) == [[], []]


@every_image
def test_nothing_gains_privileges_that_the_root_file_system_does_not_have(run, name):
    privileged = ("-type", "f", "-perm", "/6000")
    assert find(run, name, *privileged) == find(run, "os", *privileged)


@every_image
def test_only_the_temporary_folders_are_world_writable(run, name):
    found = find(run, name, "!", "-type", "l", "!", "-type", "c", "-perm", "-0002")
    assert {"/tmp", "/var/tmp"} <= found <= {"/tmp", "/var/tmp", "/run/lock"}


@every_image
def test_builds_leave_nothing_behind(run, name):
    folders = ("/tmp", "/var/tmp", "/var/cache", "/var/lib/apt/lists", "/var/log", "/root", "/mnt")
    files = run(name, "find", *folders, "-type", "f", user="0").split()
    debian = r"/root/\.(bashrc|profile)|/var/cache/apt/archives/lock|/var/cache/debconf/\w+\.dat"
    assert [file for file in files if not re.fullmatch(debian, file)] == []
    mount_points = run(name, "find", "/tmp", "/run", "/mnt", "-mindepth", "1", user="0").split()
    assert set(mount_points) <= {"/run/lock"}


@every_image
def test_there_is_no_compiler_and_no_server(run, name):
    wanted = "cc gcc g++ make sudo git jupyter-lab jupyter-notebook jupyter-server"
    script = f"for program in {wanted}; do command -v $program || true; done"
    # The gateway is one, and stands on another.
    server = "/opt/conda/bin/jupyter-server\n" if name == "enterprise-gateway" else ""
    assert run(name, "bash", "-c", script) == server


@every_image
def test_the_user_is_given_by_number(config, name):
    # Kubernetes' runAsNonRoot cannot tell from a name that it is not root's.
    assert config(name)["User"] == "1000"


@every_image
def test_the_group_users_may_write_all_of_home_and_environment(run, name):
    script = r"""
        find "$@" ! -type l ! \( -user 1000 -group 100 -perm -0060 \)
        find "$@" -type d ! -perm -2070
        find "$@" -type f -perm -0100 ! -perm -0010
    """
    trees = ("/opt/conda", "/home/jovyan")
    assert run(name, "bash", "-c", script, "check", *trees, user="0") == ""


@every_image
@pytest.mark.parametrize("user", USERS)
def test_python_runs_as_any_user(python, name, user):
    script = "import json, os; print(json.dumps([os.getuid(), os.getgid(), os.access('.', 2)]))"
    uid, gid = (int(part) for part in (user or "1000:100").split(":"))
    # One folder has one group: a foreign user of group 0 alone reads home and may not write it.
    assert python(name, script, user=user) == [uid, gid, gid == 100]


@every_image
def test_who_may_write_the_environment_may_extend_it(run, name):
    script = """
        mkdir /tmp/extra && cd /tmp/extra && echo 'answer = 42' > extra.py
        echo 'from setuptools import setup; setup(name="extra", py_modules=["extra"])' > setup.py
        pip --quiet install --no-index --no-build-isolation --no-cache-dir . 2>&1
        cd / && python -c 'import extra; print(extra.answer, extra.__file__)'
    """
    where = "/opt/conda/lib/python3.11/site-packages/extra.py"
    for user in ("0", "1000", "12345:100"):
        assert run(name, "bash", "-e", "-c", script, user=user).splitlines()[-1] == f"42 {where}"
