# The kernel's process, signals, and what the kernel leaves running. Knows nothing of kernels.

RESOLVER <- "RES_OPTIONS" # resolv.conf(5)
MARK <- "KERNEL_LAUNCHER_MARK" # in the environment of all that comes from the kernel's process
SIGNALS <- 0:64
# Objects (of 56 bytes) until R first looks for garbage. While packages are loaded there is none, and
# looking for it takes a quarter of the start.
FIRST_OBJECTS <- "1500k"
SIGINT <- 2L
SIGKILL <- 9L
SIGTERM <- 15L

#' Start R in a session of its own, with inherited sockets.
#'
#' @param script The program.
#' @param arguments Its arguments.
#' @param fds File descriptors, which the process finds as 3, 4, 5, ...
#' @param mark A text by which `marked_processes` finds it and whatever it starts.
#' @return A processx process.
start_r <- function(script, arguments, fds, mark) {
  command <- c(
    file.path(R.home("bin"), "R"), "--no-echo", "--no-restore", "--no-save",
    paste0("--min-nsize=", FIRST_OBJECTS), paste0("--file=", script), "--args", arguments
  )
  # The kernel goes with us even if we are killed: R has no means to see that coming.
  setpriv <- Sys.which("setpriv")
  if (nzchar(setpriv)) command <- c(setpriv, "--pdeathsig", "KILL", "--", command)
  # JPY_PARENT_PID is about a process of the gateway, the others are about us.
  env <- unclass(Sys.getenv())
  ours <- c("R_DEFAULT_PACKAGES", "R_SESSION_TMPDIR", "JPY_PARENT_PID", MARK, RESOLVER)
  env <- c(env[!names(env) %in% ours], resolver_options)
  env[[MARK]] <- mark
  processx::process$new(
    command[1], command[-1],
    stdin = NULL, stdout = "", stderr = "",
    connections = lapply(fds, processx::conn_create_fd, close = FALSE),
    poll_connection = FALSE, env = env
  )
}

resolver_options <- NULL # RES_OPTIONS as they were, for the kernel; a named vector

#' Ask no name server from now on, in this process.
#'
#' R looks up the name of whoever connects to a server socket, and makes no use of it. A name server
#' that does not answer would hold up the comm port, and with it the supervisor, for 10 s each time.
#' The C library reads this once; `address_of` has another process ask.
ask_no_name_server <- function() {
  before <- Sys.getenv(RESOLVER, NA)
  if (!is.na(before)) {
    names(before) <- RESOLVER
    resolver_options <<- before
  }
  do.call(Sys.setenv, structure(list("attempts:0"), names = RESOLVER))
}

#' The IPv4 address of a host; its name, where that cannot be told.
#'
#' @param host A name, or an address.
address_of <- function(host) {
  if (grepl("^[0-9.]+$", host) || !nzchar(Sys.which("getent"))) return(host)
  env <- if (is.null(resolver_options)) "attempts:2" else resolver_options
  found <- suppressWarnings(system2(
    "getent", c("ahostsv4", shQuote(host)),
    stdout = TRUE, stderr = FALSE, env = paste0(RESOLVER, "=", shQuote(env))
  ))
  if (length(found)) sub(" .*", "", found[1]) else host
}

#' Send a signal; a process that is gone is no error.
#'
#' @param pids Processes.
#' @param number The signal.
send_signal <- function(pids, number) {
  if (length(pids)) tools::pskill(pids, number)
  invisible()
}

#' All processes there are, from /proc; none where there is none.
all_processes <- function() {
  as.integer(grep("^[0-9]+$", list.files("/proc"), value = TRUE))
}

#' Processes of a process group.
#'
#' @param group Its number.
group_members <- function(group) {
  Filter(function(pid) {
    stat <- tryCatch(
      suppressWarnings(readLines(file.path("/proc", pid, "stat"), n = 1L, warn = FALSE)),
      error = function(gone) character()
    )
    # The name, in parentheses, may hold anything; the group is third after it.
    fields <- strsplit(sub("^.*[)] ", "", paste(stat, collapse = " ")), " ", fixed = TRUE)[[1]]
    length(fields) > 3L && fields[3] == as.character(group) && fields[1] != "Z"
  }, all_processes())
}

#' Processes that carry a mark in their environment, wherever they hide.
#'
#' @param mark The text given to `start_r`.
marked_processes <- function(mark) {
  wanted <- charToRaw(paste0(MARK, "=", mark))
  Filter(function(pid) {
    found <- tryCatch(
      suppressWarnings(read_all(file.path("/proc", pid, "environ"))),
      error = function(gone_or_not_ours) raw()
    )
    length(found) > 0L && length(grepRaw(wanted, found, fixed = TRUE)) > 0L
  }, all_processes())
}

read_all <- function(path) {
  file <- file(path, "rb", raw = TRUE)
  on.exit(close(file))
  readBin(file, "raw", 2^20)
}
