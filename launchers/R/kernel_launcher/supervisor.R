# Watches over the kernel's process: one loop that does not block, in a process without user code.
#
# It serves the comm port, sends the report, and notes the kernel's end. It outlives nothing: when
# the kernel is gone the comm port closes (the gateway takes a refused connection for a dead kernel),
# what the kernel left running is ended, and `supervise` returns.

# Seconds. A stop is over within two, whatever the kernel does.
EXIT_GRACE <- 1.3 # after a shutdown request the kernel ends by itself; then SIGTERM
KILL_AFTER <- 1.75 # from the wish to stop to SIGKILL
LEFTOVER_GRACE <- 0.8 # for what the kernel left running (Spark's JVM tidies up) to end by itself
LONGEST_WAIT <- 0.25 # a child's end wakes the loop up; it may come just before the loop waits

# "Stop what you do" goes to the kernel and its children, as from a terminal, and as jupyter_client
# does it: system() ignores SIGINT in the parent while the child runs. Spark's JVM is started with
# SIGINT ignored. Other signals concern the kernel alone: HUP, INT, QUIT, KILL, TERM.
GROUP_SIGNALS <- c(1L, 2L, 3L, 9L, 15L)

#' A supervisor of one kernel process.
#'
#' @param kernel A processx process, the leader of a process group.
#' @param ready_file A file that is there when the kernel can stand an interrupt.
#' @param listener The comm port's server socket, or NULL.
new_supervisor <- function(kernel, ready_file, listener) {
  supervisor <- new.env(parent = emptyenv())
  supervisor$kernel <- kernel
  supervisor$ready_file <- ready_file
  supervisor$term_at <- supervisor$kill_at <- Inf
  supervisor$failure <- NULL
  supervisor$report <- NULL
  supervisor$comm <- new_comm_port(listener, function(request) obey(supervisor, request))
  if (is.null(listener)) supervisor$comm$closed <- TRUE
  supervisor
}

#' Watch until the kernel has ended.
#'
#' @param supervisor What `new_supervisor` gave.
#' @return The kernel's exit code, 128 + n if it ended by signal n.
supervise <- function(supervisor) {
  while (supervisor$kernel$is_alive()) {
    tryCatch(watch(supervisor), interrupt = function(pressed) {
      log_line("SIGINT received, ending the kernel")
      stop_kernel(supervisor, 0)
    })
  }
  comm_close(supervisor$comm)
  if (!is.null(supervisor$failure)) fail(supervisor$failure)
  code <- supervisor$kernel$get_exit_status()
  code <- if (is.null(code) || is.na(code)) 1L else if (code < 0L) 128L - code else code
  log_line("the kernel has ended with exit code ", code)
  code
}

watch <- function(supervisor) {
  wake_at <- min(supervisor$term_at, supervisor$kill_at, now() + LONGEST_WAIT)
  if (!is.null(supervisor$report)) wake_at <- min(wake_at, supervisor$report$wake_at)
  comm_wait(supervisor$comm, max(0, wake_at - now()))
  if (!is.null(supervisor$report)) watch_report(supervisor)
  if (now() >= supervisor$term_at) {
    supervisor$term_at <- Inf
    signal_kernel(supervisor, SIGTERM)
  }
  if (now() >= supervisor$kill_at) {
    supervisor$kill_at <- now() + 0.1
    signal_kernel(supervisor, SIGKILL)
  }
}

watch_report <- function(supervisor) {
  report_tick(supervisor$report)
  if (supervisor$report$state == "delivered") {
    log_line("the gateway has the connection info")
    supervisor$report <- NULL
  } else if (supervisor$report$state == "failed") {
    supervisor$failure <- paste0(
      "nobody takes the connection info: ", supervisor$report$problem
    )
    supervisor$report <- NULL
    stop_kernel(supervisor, 0)
  }
}

stop_kernel <- function(supervisor, grace) {
  supervisor$term_at <- min(supervisor$term_at, now() + grace)
  supervisor$kill_at <- min(supervisor$kill_at, now() + KILL_AFTER)
}

obey <- function(supervisor, request) {
  if (request$signum == SIGTERM) {
    stop_kernel(supervisor, 0)
  } else if (request$signum == SIGINT && !file.exists(supervisor$ready_file)) {
    log_line("an interrupt is passed over: the kernel is loading")
  } else if (request$signum) {
    signal_kernel(supervisor, request$signum)
  }
  if (request$shutdown) {
    log_line("the shutdown has been asked for")
    comm_close(supervisor$comm)
    stop_kernel(supervisor, EXIT_GRACE)
  }
}

signal_kernel <- function(supervisor, number) {
  if (!supervisor$kernel$is_alive()) return(invisible()) # its id may be somebody else's by now
  pid <- supervisor$kernel$get_pid()
  send_signal(if (number %in% GROUP_SIGNALS) union(pid, group_members(pid)) else pid, number)
}

#' End every process that is left: what the kernel started, or itself after an error.
#'
#' Those that make no use of SIGTERM are killed.
#'
#' @param mark The text given to `start_r`.
#' @param kill_at When to be rude (see `now`).
sweep_processes <- function(mark, kill_at = Inf) {
  kill_at <- min(now() + LEFTOVER_GRACE, kill_at)
  asked <- integer()
  while (length(left <- marked_processes(mark))) {
    if (now() > kill_at + 1) {
      log_line("some processes the kernel started cannot be ended")
      return(invisible())
    }
    send_signal(if (now() >= kill_at) left else setdiff(left, asked),
      if (now() >= kill_at) SIGKILL else SIGTERM)
    asked <- union(asked, left)
    Sys.sleep(0.02)
  }
}
