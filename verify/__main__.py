"""The command line: `python -m verify IMAGE`, `python -m verify --gateway IMAGE [IMAGE…]`.

Heavy imports (docker, jupyter_client) happen once the words are understood.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from buildlib.errors import BuildError, InputError
from verify import results, stopping
from verify.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from verify.engine import Engine
    from verify.pace import Pace
    from verify.results import Board, Case, Result

CONTEXT = "VERIFY_CONTEXT"
"""The variable that has the context of `--context`; `./doitw verify` hands it on."""
PLATFORMS = {
    "swarm": "python_swarm",
    "kubernetes": "python_kubernetes",
    "demo": "spark_python_yarn_client",
}
"""Options that choose one, and the kernelspec that is started where none is named."""
LAUNCH_TIMEOUT = 30.0  # the gateway's EG_KERNEL_LAUNCH_TIMEOUT


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message, fix="python -m verify --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases that were asked for; returns the exit code (docs/verify.md lists them)."""
    stopping.install()
    try:
        options = _parse(argv)
        return _gateway(options) if options.gateway else _image(options)
    except BuildError as error:
        print(error.render(), file=sys.stderr)
        return error.exit_code
    except OSError as error:  # the errors of requests are OSErrors, too
        print(
            f"error: the Docker Engine went away: {error}\n"
            "  fix: start it again, then docker ps --filter label=verify, and remove what is left",
            file=sys.stderr,
        )
        return 2
    except stopping.Stopped as stopped:
        print(f"{stopped}; what was started has been removed", file=sys.stderr)
        return stopped.code


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="python -m verify",
        description="Does a container image run a kernel under Jupyter Enterprise Gateway?",
        epilog="exit codes: 0 yes, 1 a rule is broken, 2 a fault of verify, 3 wrong input, "
        "130 and 143 stopped",
    )
    add = parser.add_argument
    add("images", nargs="*", metavar="IMAGE",
        help="the kernel image, which is in the engine; with --gateway: what its kernelspecs shall "
        "run, rather than what they name")  # fmt: skip
    add("--gateway", metavar="IMAGE", help="run the real gateway of this image instead")
    add("--kernelspec", nargs="+", action="extend", metavar="NAME", default=[],
        help="with --gateway: those to start (python_docker, or python_swarm)")  # fmt: skip
    add("--kernels-only", action="store_true",
        help="with --gateway: only the life of a kernel of each kernelspec")  # fmt: skip
    add("--swarm", action="store_true", help="with --gateway: as a service of a swarm")
    add("--kubernetes", action="store_true",
        help="with --gateway: on a Kubernetes cluster, as ./doitw deploy does")  # fmt: skip
    add("--demo", action="store_true",
        help="with --gateway: the demo with its own YARN, as ./doitw deploy does")  # fmt: skip
    add("--context", metavar="NAME", default=os.environ.get(CONTEXT, ""),
        help=f"with --kubernetes: the cluster, which has to be said (or {CONTEXT})")  # fmt: skip
    add("--language", metavar="NAME",
        help=f"{', '.join(LANGUAGES)} (default: the image's KERNEL_LANGUAGE)")  # fmt: skip
    add("--case", nargs="+", action="extend", metavar="NAME", default=[], help="run only these")
    add("--list", action="store_true", help="list the cases, run nothing")
    add("--json", metavar="FILE", help="write the results there, too; - for standard output")
    add("--timeout", type=float, default=LAUNCH_TIMEOUT, metavar="S",
        help="seconds a kernel has to report (default: %(default)g, as the gateway's)")  # fmt: skip
    add("--progress", action="store_true", help=argparse.SUPPRESS)  # for ./doitw verify
    add("--debug", action="store_true", help="show a traceback where verify itself fails")
    options = parser.parse_args(argv)
    if len(options.images) != 1 and not options.gateway and not options.list:
        fix = "python -m verify elyra/kernel-py:dev"
        raise InputError("name one image, of a kernel or with --gateway", fix=fix)
    platforms = [name for name in PLATFORMS if getattr(options, name)]
    if (options.kernelspec or options.kernels_only or platforms) and not options.gateway:
        words = ", ".join(["--kernelspec", "--kernels-only", *(f"--{each}" for each in PLATFORMS)])
        raise InputError(f"{words} go with --gateway IMAGE")
    if len(platforms) > 1:
        words = " and ".join(f"--{name}" for name in platforms)
        raise InputError(f"{words} are several platforms", fix="name one of them")
    if options.kubernetes and not options.context and not options.list:
        raise InputError(
            "--kubernetes makes and removes namespaces on a cluster: say on which",
            fix="--context NAME  # one of: kubectl config get-contexts --output=name",
        )
    if options.timeout <= 0:
        raise InputError(
            f"--timeout is {options.timeout:g}, which leaves no time", fix="--timeout 30"
        )
    return options


def _image(options: argparse.Namespace) -> int:
    from verify.cases import NAMES, cases

    for name in options.case:  # before anything costs time
        _known(name, NAMES, "case")
    if options.list:
        language = LANGUAGES[_known(options.language or "python", LANGUAGES, "language")]
        return _list(cases(language, None))
    from verify.engine import Engine
    from verify.lab import Lab

    engine = Engine()
    engine.remove_dead()
    image = options.images[0]
    found = engine.image(image)
    name = _language(options.language, _environment(found))
    spark = _environment(found).get("SPARK_HOME", "") != ""
    chosen = _choose(cases(LANGUAGES[name], None, spark=spark), options.case)
    about = {"image": image, "image_id": found["Id"], "language": name}
    with _cleared(engine) as at_end, _paced(engine, found["Id"]) as pace:
        lab = Lab(engine, found["Id"], name, LANGUAGES[name], options.timeout, pace)
        at_end.callback(lab.close)
        every = cases(LANGUAGES[name], lab, spark=spark)
        ready = [case for case in every if case.name in chosen]
        return _run(ready, options, about, f"{image} ({name})", pace)


def _gateway(options: argparse.Namespace) -> int:
    from verify.gateway_cases import cases

    chosen_platforms = [name for name in PLATFORMS if getattr(options, name)]
    default = PLATFORMS[chosen_platforms[0]] if chosen_platforms else "python_docker"
    # The gateway lists and knows them in lower case.
    kernelspecs = list(dict.fromkeys(name.lower() for name in options.kernelspec)) or [default]
    which = {
        "kernels_only": options.kernels_only,
        "swarm": options.swarm,
        "cluster": options.kubernetes,
        "yarn": options.demo,
    }
    listed = cases(None, kernelspecs, **which)
    if options.list:
        return _list(listed)
    chosen = _choose(listed, options.case)
    from verify.engine import Engine
    from verify.platforms import DOCKER, SWARM
    from verify.server import Server

    place = SWARM if options.swarm else DOCKER
    if options.kubernetes:
        from verify.cluster import Cluster

        place = Cluster(options.context).place()
    if options.demo:
        from verify import demo

        place = demo.place()
    engine = Engine()
    engine.remove_dead()
    if place.cluster:
        place.cluster.remove_dead()
    found = engine.image(options.gateway)
    about = {
        "image": options.gateway,
        "image_id": found["Id"],
        "language": "",
        "kernelspecs": kernelspecs,
        "kernel_images": options.images,
        "swarm": options.swarm,
    }
    if place.cluster:
        about["kubernetes"] = place.cluster.version
    with _cleared(engine) as at_end, _paced(engine, found["Id"]) as pace:
        server = Server(
            engine, place, found, options.timeout, pace, options.images, options.gateway
        )
        about["kernel_image_ids"] = dict(server.images.values())
        if options.kernels_only:
            server.cull_seconds = 0  # never
        at_end.callback(server.close)
        every = cases(server, kernelspecs, **which)
        ready = [case for case in every if case.name in chosen]
        title = f"{options.gateway} ({', '.join(kernelspecs)})"
        return _run(ready, options, about, title, pace)


def _run(
    cases: Sequence[Case],
    options: argparse.Namespace,
    about: dict[str, Any],
    title: str,
    pace: Pace,
) -> int:
    out = sys.stderr if options.json == "-" else sys.stdout
    board = results.Board(out, progress=options.progress)
    board.title(title)
    found: list[Result] = results.run(cases, board, pace, debug=options.debug)
    _conclude(board, found)
    if options.json:
        machine = {"pace": round(pace.most, 2), "bare_start": round(pace.bare, 3)}
        results.write_json(options.json, {**about, "machine": machine}, found)
    return results.exit_code(found)


def _conclude(board: Board, found: Sequence[Result]) -> None:
    failed = sum(not result.ok for result in found)
    slow = sum(result.word == "slow" for result in found)
    seconds = sum(result.seconds for result in found)
    counted = f"{len(found)} cases, {failed} failed" + (f", {slow} slow" if slow else "")
    board.title(f"{results.verdict(found)}: {counted}, {seconds:.1f} s")


@contextlib.contextmanager
def _paced(engine: Engine, image: str) -> Iterator[Pace]:
    """Take turns with other proofs, and know the machine's pace from the start."""
    from verify.pace import Pace
    from verify.turns import Turns, usual_path

    turns = Turns(usual_path())
    turns.join()
    try:
        pace = Pace(lambda: engine.start_bare(image), turns)
        with pace.alone():
            pace.measure()
        yield pace
    finally:
        turns.leave()


@contextlib.contextmanager
def _cleared(engine: Engine) -> Iterator[contextlib.ExitStack]:
    """Remove at the end what was made, and let no second ^C stop that."""
    with contextlib.ExitStack() as at_end:
        at_end.callback(engine.clear)
        try:
            yield at_end
        finally:
            stopping.ignore()


def _choose(cases: Sequence[Case], names: Sequence[str]) -> set[str]:
    """The cases asked for, all if none is named.

    Raises:
        InputError: there is none of that name.
    """
    known = [case.name for case in cases]
    return {_known(name, known, "case") for name in names} or set(known)


def _environment(image: Mapping[str, Any]) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in image["Config"].get("Env") or ())


def _language(wanted: str | None, env: Mapping[str, str]) -> str:
    if wanted:
        return _known(wanted.lower(), LANGUAGES, "language")
    of_image = env.get("KERNEL_LANGUAGE", "")
    return _known(of_image.lower() or "python", LANGUAGES, "language")


def _known(name: str, known: Any, what: str) -> str:
    if name in known:
        return name
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
    option = f"--{what} {near[0]}" if near else "python -m verify --list"
    raise InputError(f"there is no {what} {name!r}{hint}", fix=option)


def _list(cases: Sequence[Case]) -> int:
    for case in cases:
        print(f"{case.name:<24} {case.about}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
