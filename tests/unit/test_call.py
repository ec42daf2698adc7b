"""The command line: nothing that is typed is ignored."""

from __future__ import annotations

import pytest

from buildlib.cli.call import corrected, first_word, parse, retyped
from buildlib.cli.common import with_variables
from buildlib.cli.verb import DRY_RUN, HELP, JOBS, JSON, VARIABLES, VERBOSITY, Call, Option, Verb
from buildlib.errors import InputError

BUILD = Verb(
    "build",
    "",
    lambda _: 0,
    words="[TARGET…]",
    options=(JOBS, VERBOSITY, DRY_RUN, JSON, Option("--to", "", "FOLDER")),
    variables=VARIABLES,
)
TEST = BUILD._replace(name="test", options=(Option("--fast", ""),), passes=True)


def call(*words: str) -> Call:
    return parse(BUILD, words, "")


@pytest.mark.parametrize(
    "words",
    [
        ("--json", "-n", "4", "py", "//images/..."),
        ("py", "//images/...", "--json", "-n", "4"),
        ("py", "--json", "//images/...", "-n4"),
        ("py", "--jobs=4", "//images/...", "--json"),
        ("-n=4", "py", "//images/...", "--json"),
    ],
)
def test_options_may_stand_anywhere(words: tuple[str, ...]) -> None:
    found = call(*words)
    assert found.words == ("py", "//images/...")
    assert found.options == {"json": True, "jobs": "4"}
    assert found.number("jobs", 1) == 4
    assert found.flag("json")
    assert not found.flag("dry-run")


def test_a_misspelt_name_is_mended_where_it_stands() -> None:
    assert corrected(["py3", "-n", "3"], "py3", "py") == "py -n 3"
    assert corrected(["deps(py3) - py3:x"], "py3", "py") == "'deps(py) - py3:x'"


@pytest.mark.parametrize(
    ("words", "fix", "mended"),
    [
        (
            ("push", "a b", "registry=http://x"),
            "REGISTRY=r.example.com:5000  # or another",
            "./doitw push 'a b' REGISTRY=r.example.com:5000  # or another",
        ),
        (("plan", "py"), "REGISTRY=r.example.com:5000", "REGISTRY=r.example.com:5000"),
        (("build", "FLAVOUR=x"), 'flavour = "debian"', 'flavour = "debian"'),
    ],
)
def test_a_fix_of_a_value_is_the_line_that_was_typed(
    words: tuple[str, ...], fix: str, mended: str
) -> None:
    assert retyped(words, fix) == mended


@pytest.mark.parametrize(
    ("word", "meant", "fix"),
    [
        ("-j4", "-n", "./doitw build --help"),  # as in make
        ("-j", "-n", "./doitw build --help"),
        ("--jsno", "--json", "./doitw build --json"),
        ("--dryrun", "--dry-run", "./doitw build --dry-run"),
        ("--job", "--jobs", "./doitw build --help"),  # whose value is missing
        ("--verbose", "--verbosity", "./doitw build --help"),
        ("--job=4", "--jobs", "./doitw build --help"),
    ],
)
def test_a_misspelt_option_is_told_with_the_nearest(word: str, meant: str, fix: str) -> None:
    with pytest.raises(InputError) as refused:
        call(word)
    name = word.partition("=")[0]
    assert refused.value.what == f"build has no option {name}; did you mean {meant}?"
    assert refused.value.fix == fix


@pytest.mark.parametrize("word", ["--zzz", "-q", "-zzz", "--", "---", "-"])
def test_an_option_like_none(word: str) -> None:
    if word in ("--", "-"):
        assert call(word).options == {}
        return
    with pytest.raises(InputError, match="build has no option"):
        call(word)


def test_an_option_of_another_verb_is_refused() -> None:
    with pytest.raises(InputError, match="build has no option --check"):
        call("--check")


@pytest.mark.parametrize("words", [("--json=yes",), ("--dry-run=no",), ("--json=",)])
def test_a_flag_takes_no_value(words: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="takes no value"):
        call(*words)


@pytest.mark.parametrize(
    "words",
    [("--jobs",), ("py", "-n"), ("--jobs", "--json"), ("--to", "--json"), ("--jobs=",), ("-n=",)],
)
def test_an_option_that_lacks_its_value_is_told(words: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="needs a value") as refused:
        call(*words)
    assert refused.value.fix


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "0", "\u00b2", "\u0663", ""])
def test_what_is_no_number_of_jobs_is_told(value: str) -> None:
    with pytest.raises(InputError) as refused:
        call(f"--jobs={value}").number("jobs", 3)
    assert refused.value.fix


def test_variables_have_one_spelling() -> None:
    assert call("VERSION=2.5.0").variables == {"VERSION": "2.5.0"}
    assert call("py", "version=2.5.0").variables == {"VERSION": "2.5.0"}
    assert call("REGISTRY=").variables == {"REGISTRY": ""}
    assert call("REGISTRY=a=b").variables == {"REGISTRY": "a=b"}


def test_a_variable_has_one_value() -> None:
    assert call("VERSION=2.5.0", "version=2.5.0").variables == {"VERSION": "2.5.0"}
    with pytest.raises(InputError, match=r"VERSION is given twice: 2\.5\.0 and 2\.5\.1"):
        call("VERSION=2.5.0", "VERSION=2.5.1")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("VERSON=2.5.0", "VERSION"), ("ORGANISATION=x", "ORGANIZATION"), ("registri=x", "REGISTRY")],
)
def test_a_misspelt_variable_is_told_with_the_nearest(word: str, meant: str) -> None:
    name, _, value = word.partition("=")
    with pytest.raises(InputError) as refused:
        call(word)
    assert refused.value.what == f"unknown variable {name}; did you mean {meant}?"
    assert refused.value.fix == f"{meant}={value}"


def test_a_variable_like_none_is_told_with_all() -> None:
    with pytest.raises(InputError, match="unknown variable X") as refused:
        call("X=1")
    assert refused.value.fix is not None
    assert all(each.name in refused.value.fix for each in VARIABLES)


@pytest.mark.parametrize(
    ("fix", "told"),
    [
        ("./doitw lock apt //x", "./doitw lock apt //x FLAVOUR=b"),
        ("./doitw build //x  # or so", "./doitw build //x FLAVOUR=b  # or so"),
        ("docker ps; ./doitw lock", "docker ps; ./doitw lock FLAVOUR=b"),
        ("./doitw plan FLAVOUR=a", "./doitw plan FLAVOUR=a"),
        ("./doitw help build", "./doitw help build"),
        ('python = "3.13"', 'python = "3.13"'),
    ],
)
def test_a_fix_that_calls_us_again_has_the_variables_of_the_call(fix: str, told: str) -> None:
    assert with_variables(fix, {"FLAVOUR": "b", "VERSION": "1.2.3"}) == told
    assert with_variables(fix, {}) == fix


def test_a_variable_that_the_verb_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match="plan takes no VERSION"):
        parse(BUILD._replace(name="plan", variables=()), ["VERSION=1"], "")


def test_what_follows_two_dashes_is_as_it_is() -> None:
    assert call("--json", "--", "--json", "X=1").words == ("--json", "X=1")


def test_a_label_with_an_equals_sign_is_no_variable() -> None:
    assert call("//a=b").words == ("//a=b",)


def test_a_verb_that_passes_words_on_changes_none() -> None:
    words = ["-k", "name", "--fast", "tests/unit", "-x", "A=1", "--lf", "-n4", "--", "--fast"]
    found = parse(TEST, words, "here")
    assert found.words == ("-k", "name", "tests/unit", "-x", "A=1", "--lf", "-n4", "--fast")
    assert found.options == {"fast": True}
    assert found.folder == "here"


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("build", "build"),
        ("--json plan py", "plan"),
        ("-n 4 build", "build"),
        ("-n4 build", "build"),
        ("--jobs=4 py", "py"),
        ("VERSION=1 release", "release"),
        ("--json", None),
        ("", None),
        ("-n", None),
        ("//a=b", "//a=b"),
        ("--port 8889 deploy compose", "deploy"),
        ("--port=8889 deploy compose", "deploy"),
        ("--yes --keep-commits 3 prune", "prune"),
        ("--unknown plan", "plan"),
    ],
)
def test_the_verb_is_the_first_word_that_is_nothing_else(words: str, first: str | None) -> None:
    assert first_word(words.split()) == first


def test_a_verb_of_no_words_refuses_them_but_helps() -> None:
    prune = BUILD._replace(name="prune", words="")
    with pytest.raises(InputError, match="prune takes no targets, but py was given"):
        parse(prune, ["py"], "")
    assert parse(prune._replace(options=(HELP,)), ["py", "--help"], "").flag("help")
