"""What is the R launcher's alone; `test_launcher_contract.py` has what each one does."""

from __future__ import annotations

import pytest
from r_kernel import RKernel, run_r

pytestmark = pytest.mark.engine


@pytest.fixture
def launcher():
    return RKernel


def test_the_kernel_has_nothing_that_the_launcher_needs(launch):
    kernel = launch()
    assert kernel.run("cat(Sys.getenv(c('JPY_PARENT_PID', 'RES_OPTIONS')), ls())") == "  "


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("y <- 'old'; y <- notthere; y <- 'RAN'\ncat(y)", "ERROR"),  # nor the next line
        ("cat(1); cat(2); { cat(3); stop('x') }; cat(4)", "123ERROR"),
        ("f <- function(a) {\n  a * 2 }; cat(f(21)); # a; b\n# c; d", "42"),
        ("cat('a;b\n'); cat(\n  'c')", "a;b\nc"),
        ("cat('a'); cat('\r\nb')\rcat('c')", "a\nbc"),
        ("cat(1); cat(", "ERROR"),  # of which nothing runs
    ],
)
def test_a_line_of_several_expressions_ends_at_its_first_error(launch, code, said):
    kernel = launch()
    answer = kernel.run(code)
    assert answer.partition(":")[0] == said, answer
    assert kernel.run("cat(get0('y', ifnotfound = 'none'))") == ("old" if "old" in code else "none")


def test_plots_of_a_line_belong_together(launch):
    kernel = launch()
    assert kernel.run("plot(1); lines(1:2)\nlines(2:1); cat('drawn')") == "drawn"


OPTIONS = r"""
options <- function(...) tryCatch(
  parse_options(c("--kernel-id", "k", ...), character())$spark_mode,
  launcher_error = function(problem) paste("error", problem$code)
)
answers <- c(options("--customAppName", "x"), options("--cluster-type", "spark"))
cat(answers, sep = "\n")
"""


def test_an_option_of_upstreams_launcher_is_taken_and_those_of_pythons_are_not():
    assert run_r(OPTIONS, "messages", "options").splitlines() == ["none", "error 2"]


def test_a_name_server_that_does_not_answer_holds_up_nothing():
    # R asks for the name of whoever connects; 192.0.2.1 is nobody's (RFC 5737)
    script = """
    ask_no_name_server()
    server <- serverSocket(45000L)
    client <- socketConnection("127.0.0.1", 45000L, blocking = FALSE, open = "wb")
    writeLines("192.0.2.1 never", "/dev/null")
    before <- proc.time()[["elapsed"]]
    nsl <- suppressWarnings(utils::nsl("name.invalid"))
    cat(is.null(nsl), proc.time()[["elapsed"]] - before < 1)
    """
    assert run_r(script, "messages", "processes", options=["--dns=192.0.2.1"]) == "TRUE TRUE"
