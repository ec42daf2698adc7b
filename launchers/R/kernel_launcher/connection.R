# Ports and the connection file. Knows nothing of processes and of the gateway.
#
# No port is chosen, freed and bound again: `open_ports` keeps what it has found, and the kernel's
# process inherits the listening sockets. So nobody can take a port in between, and a client may
# connect before the kernel has finished loading; the operating system lets it wait.

PORT_NAMES <- c("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
ALL_INTERFACES <- "0.0.0.0"
ANY_PORT <- c(32768L, 60999L) # where there is no range: Linux' own choice of ports for anybody

#' File descriptors of this process that are sockets; their inode numbers, named by descriptor.
open_sockets <- function() {
  fds <- list.files("/proc/self/fd")
  targets <- Sys.readlink(file.path("/proc/self/fd", fds))
  is_socket <- startsWith(targets, "socket:")
  stats <- gsub("[^0-9]", "", targets[is_socket])
  names(stats) <- fds[is_socket]
  stats
}

#' Listen on ports of all interfaces. The operating system's own limit is the backlog.
#'
#' @param count How many.
#' @param range The lower and the upper bound, both included; NULL: any.
#' @return A list of ports, each a list of `port`, `socket` and `fd`.
open_ports <- function(count, range) {
  bounds <- if (is.null(range)) ANY_PORT else range
  candidates <- bounds[1] - 1L + sample.int(bounds[2] - bounds[1] + 1L)
  ports <- list()
  before <- open_sockets()
  for (port in candidates) {
    socket <- tryCatch(suppressWarnings(serverSocket(port)), error = function(taken) NULL)
    if (is.null(socket)) next
    after <- open_sockets()
    fd <- as.integer(setdiff(names(after), names(before)))
    before <- after
    ports <- c(ports, list(list(port = port, socket = socket, fd = fd)))
    if (length(ports) == count) return(ports)
  }
  fail("no port to listen on: all ports of the range are taken")
}

#' Text of random hexadecimal digits, from the operating system's source for keys.
#'
#' @param bytes How many bytes are behind it.
random_hex <- function(bytes) {
  source <- file("/dev/urandom", "rb", raw = TRUE)
  on.exit(close(source))
  paste(format(readBin(source, "raw", bytes)), collapse = "")
}

#' What the kernel and its clients must know of each other.
#'
#' @param ports What `open_ports` gave, in the order of PORT_NAMES.
connection_info <- function(ports) {
  numbers <- lapply(ports, function(port) port$port)
  names(numbers) <- PORT_NAMES
  c(numbers, list(
    ip = ALL_INTERFACES, # the gateway puts in the address it knows us under
    transport = "tcp",
    signature_scheme = "hmac-sha256",
    key = random_hex(32L),
    kernel_name = ""
  ))
}

#' Write the connection file for this user's eyes only.
#'
#' All values are numbers, or texts of ours that need no escape in JSON.
#'
#' @param info What `connection_info` gave.
#' @param path Where; nothing may be there.
write_connection_file <- function(info, path) {
  mask <- Sys.umask("077")
  on.exit(Sys.umask(mask))
  if (file.exists(path) || !suppressWarnings(file.create(path))) {
    fail("cannot write the connection file ", path)
  }
  quoted <- vapply(info, function(value) {
    if (is.character(value)) dQuote(value, FALSE) else format(value)
  }, "")
  lines <- paste0("  ", dQuote(names(info), FALSE), ": ", quoted, collapse = ",\n")
  cat("{\n", lines, "\n}\n", sep = "", file = path)
}
