"""R with the packages of docker-stacks' r-notebook, from Debian."""

from buildlib.rules import docker_image

docker_image(
    name="r-notebook",
    parent="//images/bases/minimal-notebook",
    srcs=["Rprofile.site"],
    apt=[
        "r-base-core",
        "r-cran-caret",
        "r-cran-crayon",
        "r-cran-devtools",
        "r-cran-e1071",
        "r-cran-forecast",
        "r-cran-hexbin",
        "r-cran-htmltools",
        "r-cran-htmlwidgets",
        "r-cran-irkernel",
        "r-cran-randomforest",
        "r-cran-rcurl",
        "r-cran-recipes",
        "r-cran-rmarkdown",
        "r-cran-rodbc",
        "r-cran-rsample",
        "r-cran-rsqlite",
        "r-cran-shiny",
        "r-cran-tidyverse",
        "unixodbc",
    ],
    flavours=["debian"],
    description="R with the packages of docker-stacks' r-notebook, for kernels",
    licenses="BSD-3-Clause",
    doc="R with its usual packages",
)
