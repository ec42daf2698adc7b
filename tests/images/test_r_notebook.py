"""R and its packages: they load, plots need no X, packages can be added, nothing needless is in."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.engine
NAME = "r-notebook"
PACKAGES = [
    "caret",
    "crayon",
    "devtools",
    "e1071",
    "forecast",
    "hexbin",
    "htmltools",
    "htmlwidgets",
    "IRkernel",
    "randomForest",
    "RCurl",
    "recipes",
    "rmarkdown",
    "RODBC",
    "rsample",
    "RSQLite",
    "shiny",
    "tidyverse",
]
USERS = (None, "12345:100", "2000:0")


def test_every_package_loads(run):
    script = "".join(f"suppressPackageStartupMessages(library({name}));" for name in PACKAGES)
    assert run(NAME, "Rscript", "-e", script + "cat('all\\n')").endswith("all\n")


@pytest.mark.parametrize("user", USERS)
def test_plots_need_no_x_server(run, user):
    script = """
    png('/tmp/plot.png'); plot(1:3, main = 'text'); invisible(dev.off())
    cat(file.size('/tmp/plot.png') > 2000, capabilities('cairo'), '\\n')
    """
    assert run(NAME, "Rscript", "-e", script, user=user) == "TRUE TRUE \n"


def test_what_users_install_has_a_place(run):
    script = """
    mkdir -p /tmp/extra/R
    printf 'Package: extra\nVersion: 1.0\nTitle: Extra\nDescription: One.\nLicense: MIT\n'\
'Author: A\nMaintainer: A <a@example.org>\n' >/tmp/extra/DESCRIPTION
    echo 'export(answer)' >/tmp/extra/NAMESPACE
    echo 'answer <- function() 42' >/tmp/extra/R/extra.R
    Rscript -e 'install.packages("/tmp/extra", repos = NULL, type = "source", quiet = TRUE)'
    Rscript -e 'cat(extra::answer(), find.package("extra"), fill = TRUE)'
    """
    for user in ("1000", "12345:100"):
        found = run(NAME, "bash", "-e", "-c", script, user=user)
        assert found == "42 /opt/conda/lib/R/library/extra\n"


def test_there_is_no_java_latex_or_x(run):
    script = "for program in java latex Xorg Xvfb gfortran; do command -v $program || true; done"
    assert run(NAME, "bash", "-c", script) == ""


def test_size(engine, image):
    assert engine.images.get(image(NAME)).attrs["Size"] < 750_000_000
