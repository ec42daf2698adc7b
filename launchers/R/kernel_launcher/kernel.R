# IRkernel as the gateway needs it: on inherited ports, and not to be ended by strangers' messages
# or by an interrupt at the wrong moment.

FIRST_FD <- 3L # of the inherited sockets, in this order
FD_ORDER <- c("shell", "iopub", "stdin", "control", "hb")
ZMQ_USE_FD <- 89L # zmq.h; pbdZMQ has no name for it

#' The kernel, not running yet.
#'
#' @param connection_file Path of the connection file.
#' @param supervisor_port Where the supervisor takes requests.
#' @param at_interrupt Called when the user's code is interrupted.
new_kernel <- function(connection_file, supervisor_port, at_interrupt) {
  inherit_ports()
  let_interrupts_reach_user_code(at_interrupt)
  stop_at_the_first_error()
  kernel <- kernel_class()$new(connection_file = connection_file)
  kernel$supervisor_port <- supervisor_port
  kernel
}

#' Replace a function that IRkernel imports, for IRkernel alone.
#'
#' @param name Its name.
#' @param replacement The function to call instead.
replace_import <- function(name, replacement) {
  imports <- parent.env(asNamespace("IRkernel"))
  unlockBinding(name, imports)
  assign(name, replacement, envir = imports)
  lockBinding(name, imports)
}

#' Let ZMQ take over the listening sockets: each bind uses one, in the order of IRkernel's binds.
inherit_ports <- function() {
  bind_order <- c("hb", "iopub", "control", "stdin", "shell")
  fds <- FIRST_FD - 1L + match(bind_order, FD_ORDER)
  replace_import("zmq.bind", function(socket, endpoint, ...) {
    if (length(fds)) {
      pbdZMQ::zmq.setsockopt(socket, ZMQ_USE_FD, fds[1])
      fds <<- fds[-1]
    }
    pbdZMQ::zmq.bind(socket, endpoint, ...)
  })
}

#' Interrupts are suspended in the kernel's own code, which they would leave half done, and allowed
#' while the user's code runs.
#'
#' @param also Called at an interrupt, without arguments.
let_interrupts_reach_user_code <- function(also) {
  replace_import("evaluate", function(input, envir, ...) {
    # Without an environment it is IRkernel's own, before the user's, and nobody would catch it.
    if (missing(envir)) return(evaluate::evaluate(input, ...))
    withCallingHandlers(
      allowInterrupts(evaluate::evaluate(cell(input), envir, ...)),
      interrupt = function(pressed) suspendInterrupts(also())
    )
  })
}

#' The code of a cell, with the line ends that R's parser knows; R takes all three kinds in a file.
#'
#' @param code What a client has sent.
cell <- function(code) {
  structure(gsub("\r\n?", "\n", code), class = "launcher_cell")
}

#' Have nothing of a cell run after its first error, not even what is in the same line.
#'
#' evaluate looks for an error after each row of what it has parsed, and a row is a line: `a; b`. Of a
#' cell, each expression becomes a row of its own.
stop_at_the_first_error <- function() {
  registerS3method("parse_all", "launcher_cell", function(x, ...) {
    lines <- evaluate::parse_all(unclass(x), ...)
    counts <- pmax(lengths(lines$expr), 1L) # none in a comment
    if (all(counts == 1L)) return(lines)
    each <- rep(seq_along(counts), counts)
    rows <- data.frame(src = ifelse(duplicated(each), "", lines$src[each]))
    rows$expr <- Map(
      function(line, count, index) if (count == 1L) line else line[index],
      lines$expr[each], counts[each], sequence(counts)
    )
    rows
  }, envir = asNamespace("evaluate"))
}

#' Wait until one of the sockets has a message; an interrupt does not end the waiting.
#'
#' @param sockets ZMQ sockets.
#' @return For each, whether it has a message.
wait_for_message <- function(sockets) {
  readable <- pbdZMQ::ZMQ.PO()$POLLIN
  found <- logical(length(sockets))
  while (!any(found)) {
    tryCatch(
      allowInterrupts({
        pbdZMQ::zmq.poll(
          sockets, rep(readable, length(sockets)),
          MC = pbdZMQ::ZMQ.MC(check.eintr = TRUE)
        )
        Sys.sleep(0) # an interrupt that came just before the poll is not for the next cell
      }),
      interrupt = function(pressed) NULL
    )
    found <- vapply(seq_along(sockets), function(index) {
      bitwAnd(pbdZMQ::zmq.poll.get.revents(index), readable) != 0L
    }, NA)
  }
  found
}

#' A condition for messages that are not to be answered: unsigned, signed with another key, no
#' message at all.
unfit_message <- function() {
  structure(
    class = c("unfit_message", "error", "condition"),
    list(message = "a message that is not ours", call = NULL)
  )
}

#' Let the supervisor know that the kernel has been asked to end: as the gateway would, on its port.
#'
#' It then sees to it that the end comes in time, whatever .Last() does.
#'
#' @param port Where the supervisor takes requests.
announce_shutdown <- function(port) {
  ignore <- function(...) NULL
  # R allows interrupts wherever it waits for a socket, even if they are suspended.
  tryCatch(error = ignore, interrupt = ignore, {
    supervisor <- suppressWarnings(socketConnection(
      "127.0.0.1", port,
      blocking = TRUE, open = "wb", timeout = 1L
    ))
    writeChar('{"shutdown": 1}', supervisor, eos = NULL)
    close(supervisor)
  })
}

#' The class of the kernel, on top of IRkernel's own.
kernel_class <- function() {
  methods::setRefClass(
    "GatewayKernel",
    contains = IRkernel:::Kernel$className,
    where = environment(),
    fields = list(supervisor_port = "integer"),
    methods = list(
      # IRkernel lets such a message end the process.
      wire_to_msg = function(parts) {
        tryCatch(callSuper(parts), error = function(problem) stop(unfit_message()))
      },
      handle_shell = function() {
        tryCatch(callSuper(), unfit_message = function(ignored) NULL)
      },
      handle_control = function() {
        tryCatch(callSuper(), unfit_message = function(ignored) NULL)
      },
      abort_shell_msg = function() {
        tryCatch(callSuper(), unfit_message = function(ignored) NULL)
      },

      # Half a message on the wire would spoil all that follow.
      send_response = function(...) {
        suspendInterrupts(callSuper(...))
      },

      # IRkernel waits here in a way that no interrupt ends.
      handle_stdin = function() {
        repeat {
          pbdZMQ::zmq.poll(
            c(sockets$stdin), pbdZMQ::ZMQ.PO()$POLLIN,
            MC = pbdZMQ::ZMQ.MC(check.eintr = TRUE)
          )
          Sys.sleep(0) # raises the interrupt, if it was one
          if (!bitwAnd(pbdZMQ::zmq.poll.get.revents(1), pbdZMQ::ZMQ.PO()$POLLIN)) next
          value <- suspendInterrupts(tryCatch(
            wire_to_msg(
              pbdZMQ::zmq.recv.multipart(sockets$stdin, unserialize = FALSE)
            )$content$value,
            unfit_message = function(ignored) NULL
          ))
          if (!is.null(value)) return(value)
        }
      },

      shutdown = function(request) {
        announce_shutdown(supervisor_port)
        callSuper(request)
      },

      run = function() {
        options(jupyter.in_kernel = TRUE)
        repeat {
          # One a turn: handling a message may take others from the queue.
          found <- wait_for_message(c(sockets$hb, sockets$control, sockets$shell))
          switch(which(found)[1],
            hb_reply(),
            handle_control(),
            handle_shell()
          )
        }
      }
    )
  )
}
