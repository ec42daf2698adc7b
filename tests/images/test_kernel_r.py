"""The R kernel: what its launcher needs is there."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.engine
NAME = "kernel-r"


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
