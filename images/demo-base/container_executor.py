#!/usr/bin/python3 -IS
"""Runs YARN's containers as the users who asked for them: what the NodeManager may do as root.

Hadoop's own program of this name is native code that no registry has. This one takes the same
arguments and gives the same exit codes (Hadoop 3.3's LinuxContainerExecutor is written against
them), and reads settings of the same names from container-executor.cfg.

It is reached by sudo and trusts none of its arguments. As root it does two things: it makes folders
that belong to a user, below the configured ones, and it becomes that user. Whatever else there is
to do is done as the user, or as the NodeManager's user where files are the NodeManager's. So a
hostile argument gives nobody more than what these two users have.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

SELF = "/opt/hadoop/libexec/container-executor"
CONFIG = "/opt/hadoop/etc/container-executor.cfg"

# What the NodeManager understands.
ARGUMENTS, USER_NAME, COMMAND, ROOT_DIRS, SIGNAL, NO_PROCESS = 1, 2, 3, 5, 8, 9
CONTAINER_ID, PERMISSIONS, CONFIG_FILE, DISABLED, WORK_DIR = 37, 22, 24, 32, 35

APPLICATION = re.compile(r"application_[0-9]+_[0-9]+", re.ASCII)
CONTAINER = re.compile(r"container_(e[0-9]+_)?[0-9]+_[0-9]+_[0-9]+_[0-9]+", re.ASCII)
NAME = re.compile(r"[a-z_][a-z0-9_-]*", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
SIGNALS = (0, signal.SIGQUIT, signal.SIGKILL, signal.SIGTERM)
"""What the NodeManager sends: it asks, wants a list of threads, ends, ends at once."""


class Refused(Exception):
    """What was asked for is not done.

    Args:
        code: Exit code that the NodeManager understands.
        why: A sentence for its log.
    """

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class Settings:
    """What root has decided."""

    manager: int
    """User id of the NodeManager."""
    group: int
    """Group that may read what users' containers keep: the NodeManager is in it, they are not."""
    local_dirs: tuple[str, ...]
    log_dirs: tuple[str, ...]
    banned: frozenset[str]
    least_id: int


@dataclass(frozen=True)
class User:
    """Who a container runs as."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


# --- Settings and arguments -----------------------------------------------------------------------


def read_settings(path: str, caller: int) -> Settings:
    """The settings, if nobody but root could have written them."""
    try:
        with open(path, encoding="ascii") as file:
            about = os.fstat(file.fileno())
            lines = file.read().splitlines()
    except OSError as error:
        raise Refused(CONFIG_FILE, f"{path}: {error.strerror}") from error
    if about.st_uid != 0 or about.st_mode & 0o022:
        raise Refused(CONFIG_FILE, f"{path}: others than root may write it")
    found = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    try:
        manager = pwd.getpwnam(found["nodemanager.user"]).pw_uid
        settings = Settings(
            manager,
            grp.getgrnam(found["yarn.nodemanager.linux-container-executor.group"]).gr_gid,
            tuple(found["yarn.nodemanager.local-dirs"].split(",")),
            tuple(found["yarn.nodemanager.log-dirs"].split(",")),
            frozenset(found["banned.users"].split(",")),
            int(found["min.user.id"]),
        )
    except (KeyError, ValueError) as error:
        raise Refused(CONFIG_FILE, f"{path}: {error}") from error
    if caller != manager:
        raise Refused(PERMISSIONS, f"user {caller} is not the NodeManager's")
    return settings


def find_user(name: str, settings: Settings) -> User:
    """The user, if containers may run as it."""
    if not NAME.fullmatch(name) or name in settings.banned:
        raise Refused(USER_NAME, f"no container runs as {name!r}")
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise Refused(USER_NAME, f"there is no user {name} on this host") from error
    if entry.pw_uid < settings.least_id or entry.pw_gid in (0, settings.group):
        raise Refused(USER_NAME, f"no container runs as {name}: it belongs to the system")
    return User(name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell)


def checked(text: str, pattern: re.Pattern[str], what: str) -> str:
    """An identifier of YARN's, which becomes part of paths."""
    if not pattern.fullmatch(text):
        raise Refused(CONTAINER_ID, f"{text!r} is no {what}")
    return text


def chosen(text: str, known: tuple[str, ...]) -> list[str]:
    """The folders that the NodeManager names, all of them configured ones."""
    found = text.split("%")
    if not found or not set(found) <= set(known):
        raise Refused(ROOT_DIRS, f"{text!r} is not below {', '.join(known)}")
    return found


def below(path: str, roots: tuple[str, ...]) -> str:
    """A path in the shortest form, which lies below one of these folders."""
    if "\0" in path or os.path.normpath(path) != path.rstrip("/"):
        raise Refused(ROOT_DIRS, f"{path!r} is not a plain path")
    plain = path.rstrip("/")
    if not any(plain.startswith(f"{root}/") for root in roots):
        raise Refused(ROOT_DIRS, f"{path!r} is not below {', '.join(roots)}")
    return plain


# --- Users ----------------------------------------------------------------------------------------


def become(user: User) -> None:
    """Be the user from here on, with no way back."""
    os.initgroups(user.name, user.gid)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


@contextlib.contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Touch files as somebody else for a while."""
    groups = os.getgroups()
    os.setgroups([gid])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


# --- Folders and files ----------------------------------------------------------------------------


def open_folder(path: str) -> int:
    """A handle of a folder, with no link on the way to it."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open("/", flags)
    for part in path.strip("/").split("/"):
        try:
            inner = os.open(part, flags, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


def give_folder(path: str, user: User, settings: Settings) -> None:
    """Make a folder that is the user's own and that the NodeManager may read."""
    parent, name = os.path.split(path)
    try:
        outer = open_folder(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=outer)
        folder = os.open(
            name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=outer
        )
    except OSError as error:
        raise Refused(WORK_DIR, f"{path}: {error.strerror}") from error
    try:
        owner = os.fstat(folder).st_uid
        if owner == 0 and not os.listdir(folder):  # made just now
            os.fchown(folder, user.uid, settings.group)
            os.fchmod(folder, 0o2750)
        elif owner != user.uid:
            raise Refused(WORK_DIR, f"{path} belongs to user {owner}, not to {user.name}")
    finally:
        os.close(folder)
        os.close(outer)


def read_as_manager(path: str, settings: Settings) -> bytes:
    """A file of the NodeManager's, read with its rights."""
    below(path, settings.local_dirs)
    with acting_as(settings.manager, settings.group):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            return file.read()


def write_as_manager(path: str, text: str, settings: Settings) -> None:
    """A file of the NodeManager's, there in whole or not at all."""
    below(path, settings.local_dirs)
    with acting_as(settings.manager, settings.group):
        new = f"{path}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(new, flags, 0o644), "w", encoding="ascii") as file:
            file.write(text)
        os.replace(new, path)


def write_as_user(path: str, data: bytes, mode: int) -> None:
    """A file of the user's. The caller has become the user."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, mode), "wb") as file:
        file.write(data)


def give_user_folders(user: User, local_dirs: list[str], settings: Settings) -> None:
    """The folders that all of a user's applications share."""
    for local in local_dirs:
        give_folder(f"{local}/usercache/{user.name}", user, settings)


def give_log_folders(application: str, user: User, logs: list[str], settings: Settings) -> None:
    """The folders of an application's logs."""
    for log in logs:
        give_folder(f"{log}/{application}", user, settings)


# --- Commands -------------------------------------------------------------------------------------


def initialize(words: list[str], user: User, settings: Settings) -> int:
    """Fetch what a container needs: APPLICATION CONTAINER TOKENS LOCAL-DIRS LOG-DIRS COMMAND..."""
    try:
        application, container, token_file, local_text, log_text, program, *options = words
    except ValueError as error:
        raise Refused(ARGUMENTS, f"{len(words)} arguments are too few") from error
    checked(application, APPLICATION, "application")
    checked(container, CONTAINER, "container")
    local_dirs = chosen(local_text, settings.local_dirs)
    logs = chosen(log_text, settings.log_dirs)
    tokens = read_as_manager(token_file, settings)
    give_user_folders(user, local_dirs, settings)
    give_log_folders(application, user, logs, settings)
    become(user)
    for log in logs:
        os.makedirs(f"{log}/{application}/{container}", 0o750, exist_ok=True)
    for local in local_dirs:
        own = f"{local}/usercache/{user.name}"
        for folder in ("appcache", "filecache", f"appcache/{application}"):
            os.makedirs(f"{own}/{folder}", 0o710, exist_ok=True)
    work = f"{local_dirs[0]}/usercache/{user.name}/appcache/{application}"
    write_as_user(f"{work}/{os.path.basename(token_file)}", tokens, 0o600)
    os.chdir(work)
    run([program, *options], user)


def launch(words: list[str], user: User, settings: Settings) -> int:
    """Run a container, and give what it ends with.

    APPLICATION CONTAINER WORK-DIR SCRIPT TOKENS --http PID-FILE LOCAL-DIRS LOG-DIRS RESOURCES
    """
    try:
        application, container, work, script_file, token_file, http, *rest = words
        pid_file, local_text, log_text, resources = rest
    except ValueError as error:
        raise Refused(ARGUMENTS, f"{len(words)} arguments, and not 10") from error
    checked(application, APPLICATION, "application")
    checked(container, CONTAINER, "container")
    if http != "--http" or resources != "cgroups=none":
        raise Refused(DISABLED, f"there is no {http} and no {resources} here")
    local_dirs = chosen(local_text, settings.local_dirs)
    logs = chosen(log_text, settings.log_dirs)
    places = [f"{local}/usercache/{user.name}/appcache/{application}" for local in local_dirs]
    if work not in [f"{place}/{container}" for place in places]:
        raise Refused(ROOT_DIRS, f"{work!r} is not the folder of this container")
    for path in (script_file, token_file, pid_file):
        below(path, settings.local_dirs)
    script, tokens = (read_as_manager(path, settings) for path in (script_file, token_file))
    give_user_folders(user, local_dirs, settings)
    give_log_folders(application, user, logs, settings)

    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        with failing_with(WORK_DIR):
            os.close(go)
            os.setsid()
            become(user)
            for folder in [f"{log}/{application}" for log in logs] + places:
                os.makedirs(f"{folder}/{container}", 0o750, exist_ok=True)
            os.makedirs(f"{work}/tmp", 0o750, exist_ok=True)  # noqa: S108  # the container's own
            write_as_user(f"{work}/launch_container.sh", script, 0o700)
            write_as_user(f"{work}/container_tokens", tokens, 0o600)
            os.chdir(work)
            if os.read(ready, 1):  # the NodeManager knows whom to signal
                run([f"{work}/launch_container.sh"], user)
    os.close(ready)
    write_as_manager(pid_file, str(child), settings)
    os.write(go, b"x")
    os.close(go)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 128 - code if code < 0 else code  # as a shell says which signal it was
    write_as_manager(f"{pid_file}.exitcode", str(code), settings)
    return code


def send(words: list[str], user: User, settings: Settings) -> int:
    """Signal a container: PROCESS SIGNAL. Nothing that is not the user's is reached."""
    del settings
    try:
        process, number = (int(checked(word, NUMBER, "number")) for word in words)
    except ValueError as error:
        raise Refused(ARGUMENTS, "a process and a signal are wanted, as numbers") from error
    if process <= 1 or number not in SIGNALS:  # 0 is this group, 1 is init
        raise Refused(ARGUMENTS, f"process {process} gets no signal {number}")
    become(user)
    try:
        os.killpg(process, number)
    except ProcessLookupError as error:
        raise Refused(NO_PROCESS, f"there is no group of processes {process}") from error
    except PermissionError as error:
        raise Refused(SIGNAL, f"group {process} is not {user.name}'s") from error
    return 0


def delete(words: list[str], user: User, settings: Settings) -> int:
    """Delete as the user: PATH, or PATH FOLDER... for that path in each of the folders."""
    if not words:
        raise Refused(ARGUMENTS, "nothing to delete")
    roots = settings.local_dirs + settings.log_dirs
    path, folders = words[0], words[1:]
    whole = [f"{folder.rstrip('/')}/{path}".rstrip("/") for folder in folders] or [path]
    failed = 0
    for each in [below(each, roots) for each in whole]:
        child = os.fork()
        if child == 0:
            with failing_with(WORK_DIR):
                become(user)
                remove(each)
                os._exit(0)
        failed |= os.waitpid(child, 0)[1]
        # The folder that an application's logs are in is in a folder of the NodeManager's.
        with acting_as(settings.manager, settings.group), contextlib.suppress(OSError):
            os.rmdir(each)
    return WORK_DIR if failed else 0


def remove(path: str) -> None:
    """Remove what is there as far as its owner may; a link goes, and not what it names."""
    if os.path.islink(path) or not os.path.isdir(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    failed: list[str] = []
    shutil.rmtree(path, onerror=lambda _call, place, _error: failed.append(place))
    if [place for place in failed if place != path] or (os.path.isdir(path) and os.listdir(path)):
        raise OSError(f"{path}: not all of it could be deleted")


def names(words: list[str], user: User, settings: Settings) -> int:
    """List a folder as the user: PATH."""
    if len(words) != 1:
        raise Refused(ARGUMENTS, "one folder is wanted")
    path = below(words[0], settings.local_dirs + settings.log_dirs)
    become(user)
    try:
        found = sorted(os.listdir(path))
    except OSError as error:
        raise Refused(WORK_DIR, f"{path}: {error.strerror}") from error
    print("\n".join(found))
    return 0


COMMANDS = {"0": initialize, "1": launch, "2": send, "3": delete, "5": names}


# --- Processes ------------------------------------------------------------------------------------


def run(command: list[str], user: User) -> NoReturn:
    """Become a command, with nothing of root's environment."""
    os.umask(0o027)
    environment = {
        "HOME": user.home,
        "LANG": "C.UTF-8",
        "LOGNAME": user.name,
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "SHELL": user.shell,
        "USER": user.name,
    }
    os.execve(command[0], command, environment)


@contextlib.contextmanager
def failing_with(code: int) -> Iterator[None]:
    """End this process, which is a child, where something fails."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001  # a child never runs its parent's code
        print(f"container-executor: {error}", file=sys.stderr, flush=True)
    os._exit(code)


def obey(words: list[str], caller: int) -> int:
    """Do what the NodeManager asks for, as root."""
    settings = read_settings(CONFIG, caller)
    if words == ["--checksetup"]:
        return 0
    try:
        name, again, command, *rest = words
    except ValueError as error:
        raise Refused(ARGUMENTS, "USER USER COMMAND [ARGUMENT...] are wanted") from error
    user = find_user(name, settings)
    if again != name:
        raise Refused(USER_NAME, f"{again!r} is not {name}")
    if command not in COMMANDS:
        raise Refused(COMMAND, f"there is no command {command!r}")
    return COMMANDS[command](rest, user, settings)


def main(words: list[str]) -> int:
    """Become root by sudo, and say in the NodeManager's words how it went."""
    if os.geteuid() != 0:
        os.execv("/usr/bin/sudo", ["sudo", "--non-interactive", SELF, *words])
    os.umask(0)
    try:
        return obey(words, int(os.environ.get("SUDO_UID", "-1")))
    except Refused as error:
        print(f"container-executor: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"container-executor: {error}", file=sys.stderr)
        return WORK_DIR


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
