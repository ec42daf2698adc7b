"""The R kernel: what its launcher needs is there, and it is small and layered."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.engine
NAME = "kernel-r"
LIMIT = 1_400_000_000  # bytes


def test_what_the_launcher_needs_is_there(run):
    script = "for (name in c('digest', 'jsonlite', 'openssl', 'processx')) loadNamespace(name)"
    run(NAME, "Rscript", "--vanilla", "--default-packages=NULL", "-e", script)
    run(NAME, "setpriv", "--pdeathsig", "KILL", "--", "true")


def test_zmq_takes_over_sockets_that_listen(run):
    # the launcher's way to hand over ports (ZMQ_USE_FD), which pbdZMQ has no name for
    script = """
    server <- serverSocket(45000L)
    fds <- list.files('/proc/self/fd')
    targets <- Sys.readlink(file.path('/proc/self/fd', fds))
    fd <- as.integer(fds[startsWith(targets, 'socket:')])
    socket <- pbdZMQ::zmq.socket(pbdZMQ::zmq.ctx.new(), pbdZMQ::ZMQ.ST()$ROUTER)
    pbdZMQ::zmq.setsockopt(socket, 89L, fd)
    pbdZMQ::zmq.bind(socket, 'tcp://0.0.0.0:45000')
    cat('bound', fill = TRUE)
    """
    assert run(NAME, "Rscript", "-e", script) == "bound\n"


def test_launchers_are_in_place(run):
    found = run(NAME, "find", "/usr/local/bin", "-type", "f").split()
    assert "/usr/local/bin/bootstrap-kernel.sh" in found
    assert "/usr/local/bin/kernel-launchers/R/scripts/launch_IRkernel.R" in found
    assert not [path for path in found if "/python/" in path or "/scala/" in path]
    run(NAME, "test", "-x", "/usr/local/bin/bootstrap-kernel.sh", user="12345:100")


def test_configuration(config):
    found = config(NAME)
    assert "KERNEL_LANGUAGE=R" in found["Env"]
    assert found["Entrypoint"] == ["tini", "-g", "--"]
    assert found["Cmd"] == ["/usr/local/bin/bootstrap-kernel.sh"]
    assert found["Healthcheck"] == {"Test": ["NONE"]}


def test_size(engine, image):
    assert engine.images.get(image(NAME)).attrs["Size"] < LIMIT


def test_the_launchers_are_the_last_and_a_small_layer(engine, image):
    layers = [
        engine.images.get(image(name)).attrs["RootFS"]["Layers"] for name in ("r-notebook", NAME)
    ]
    assert layers[1][:-1] == layers[0]
    last = engine.images.get(image(NAME)).history()[0]
    assert "kernel_image_files.tar" in last["CreatedBy"]
    assert last["Size"] < 1_000_000
