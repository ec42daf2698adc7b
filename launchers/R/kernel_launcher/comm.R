# The comm port: the gateway's one-way requests, one JSON object a connection.
#
# Anybody who reaches the port can write to it, so a connection may be empty, malformed, endless, one
# of thousands: it is dropped, and the others are served. The gateway waits 5 ms for a connection;
# the operating system accepts it in that time, whatever we are doing (R listens with the largest
# backlog that the system allows).

REQUEST_SECONDS <- 2 # a request must be complete by then,
REQUEST_BYTES <- 4096L # not be longer than this,
ACCEPTS_PER_TURN <- 100L
OPEN_REQUESTS <- 60L # and have fewer than so many open ones behind it: R has 128 connections in all

#' Read one request.
#'
#' @param received The bytes.
#' @return A list of `signum` (0: none) and `shutdown`; NULL if it is no valid request.
parse_request <- function(received) {
  request <- tryCatch(
    {
      text <- rawToChar(received) # fails at a zero
      stopifnot(validUTF8(text))
      jsonlite::parse_json(text) # fromJSON would take the text for an address, if it looks like one
    },
    error = function(problem) NULL
  )
  fields <- names(request)
  if (!is.list(request) || !any(c("signum", "shutdown") %in% fields)) return(NULL)
  signum <- if ("signum" %in% fields) request$signum else 0L
  if (!is.integer(signum) || length(signum) != 1L || !signum %in% SIGNALS) return(NULL)
  shutdown <- request$shutdown
  list(signum = signum, shutdown = is.numeric(shutdown) && length(shutdown) == 1L && shutdown == 1)
}

#' Serve a listening socket within somebody's loop.
#'
#' @param listener The server socket.
#' @param obey Called with each request.
new_comm_port <- function(listener, obey) {
  port <- new.env(parent = emptyenv())
  port$listener <- listener
  port$obey <- obey
  port$open <- list() # oldest first: socket, received, deadline
  port$closed <- FALSE
  port$complained <- FALSE
  port
}

#' Wait for requests, obey them, and drop what takes too long.
#'
#' @param port What `new_comm_port` gave.
#' @param seconds How long to wait at most.
comm_wait <- function(port, seconds) {
  sockets <- if (port$closed) list() else list(port$listener)
  sockets <- c(sockets, lapply(port$open, function(one) one$socket))
  if (!length(sockets)) {
    Sys.sleep(seconds)
    return(invisible())
  }
  if (length(port$open)) seconds <- min(seconds, max(0, port$open[[1]]$deadline - now()))
  ready <- socketSelect(sockets, timeout = seconds)
  if (any(ready)) {
    # The open ones first, while `ready` still fits: from the last, so that dropping moves none.
    for (index in rev(which(ready[-1]))) comm_read(port, index)
    if (ready[1]) comm_accept(port)
  }
  while (length(port$open) && port$open[[1]]$deadline <= now()) {
    comm_refuse(port, 1L, "not complete in time")
  }
}

comm_accept <- function(port) {
  for (turn in seq_len(ACCEPTS_PER_TURN)) {
    comm_accept_one(port)
    if (port$closed || !socketSelect(list(port$listener), timeout = 0)) return(invisible())
  }
}

comm_accept_one <- function(port) {
  if (port$closed) return(invisible()) # by a request just served
  if (length(port$open) >= OPEN_REQUESTS) comm_refuse(port, 1L, "too many at once")
  socket <- tryCatch(
    suppressWarnings(socketAccept(port$listener, blocking = FALSE, open = "rb", timeout = 1L)),
    error = function(gone_again) NULL
  )
  if (is.null(socket)) return(invisible())
  one <- list(socket = socket, received = raw(), deadline = now() + REQUEST_SECONDS)
  port$open <- c(port$open, list(one))
  # Mostly all is there by now.
  if (socketSelect(list(socket), timeout = 0)) comm_read(port, length(port$open))
}

comm_read <- function(port, index) {
  if (index > length(port$open)) return(invisible()) # the port was closed meanwhile
  piece <- tryCatch(
    readBin(port$open[[index]]$socket, "raw", REQUEST_BYTES),
    error = function(reset) raw()
  )
  received <- c(port$open[[index]]$received, piece)
  port$open[[index]]$received <- received
  ended <- !length(piece)
  text_end <- Position(function(byte) byte > 0x20, as.integer(received), right = TRUE, nomatch = 0L)
  if (length(received) > REQUEST_BYTES) {
    comm_refuse(port, index, "too long")
  } else if (!length(received)) {
    comm_drop(port, index) # a port scan, a health check
  } else if (ended || (text_end && received[text_end] == charToRaw("}"))) {
    request <- parse_request(received)
    if (!is.null(request)) {
      comm_drop(port, index)
      port$obey(request)
    } else if (ended) { # else that brace was perhaps not the last
      comm_refuse(port, index, "malformed")
    }
  }
}

comm_refuse <- function(port, index, reason) {
  if (!port$complained) { # once: a storm of garbage must not fill the log
    port$complained <- TRUE
    log_line("dropped a connection to the comm port: ", reason, " (further ones in silence)")
  }
  comm_drop(port, index)
}

comm_drop <- function(port, index) {
  close(port$open[[index]]$socket)
  port$open[[index]] <- NULL
}

#' Refuse connections from now on: to the gateway, the kernel is gone.
#'
#' @param port What `new_comm_port` gave.
comm_close <- function(port) {
  if (port$closed) return(invisible())
  port$closed <- TRUE
  close(port$listener)
  for (one in port$open) close(one$socket)
  port$open <- list()
}
