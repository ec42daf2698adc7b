# Puts the launcher together: ports, kernel process, report, supervision, tidying up.

#' Run the launcher.
#'
#' @param argv The command line.
#' @param folder Where the modules are.
#' @return The exit code.
main <- function(argv, folder) {
  deadline <- now() + launch_timeout()
  tryCatch(
    {
      options <- parse_options(argv)
      ask_no_name_server()
      launch(options, folder, deadline)
    },
    launcher_error = function(problem) {
      log_line("error: ", conditionMessage(problem))
      problem$code
    }
  )
}

#' Run a kernel to its end.
#'
#' @param options What `parse_options` gave.
#' @param folder Where the modules are.
#' @param deadline When the gateway must have the connection info (see `now`).
#' @return The launcher's exit code.
launch <- function(options, folder, deadline) {
  ports <- open_ports(length(PORT_NAMES) + 1L, options$port_range)
  comm <- ports[[length(ports)]]
  ports <- ports[-length(ports)]
  info <- connection_info(ports)
  files <- temporary_files(options)
  on.exit(unlink(c(files$connection, files$ready)))
  write_connection_file(info, files$connection)
  mark <- random_hex(16L)
  told <- !is.null(options$response_address)
  kernel <- start_r(
    file.path(folder, "run_kernel.R"),
    c(files$connection, files$ready, options$spark_mode, comm$port, files$kind),
    vapply(ports, function(port) port$fd, 0L), mark
  )
  supervisor <- new_supervisor(kernel, files$ready, comm$socket)
  on.exit(tidy_up(kernel, mark, supervisor$kill_at, files), add = TRUE, after = FALSE)
  for (port in ports) close(port$socket) # the kernel alone has them now: with it, the ports go
  if (told) {
    # The kernel loads meanwhile. Its ids, not ours: what the gateway may do by `kill` when the comm
    # port fails is meant for the kernel.
    pid <- kernel$get_pid()
    facts <- list(kernel_id = options$kernel_id, comm_port = comm$port, pid = pid, pgid = pid)
    payload <- seal(c(info, facts), options$public_key)
    supervisor$report <- new_report(options$response_address, payload, deadline)
  }
  supervise(supervisor)
}

#' Paths of the connection file (and of what kind that is), and of the file by which the kernel says that it is ready.
#'
#' @param options What `parse_options` gave.
temporary_files <- function(options) {
  folder <- dirname(tempdir()) # not the session's own, which stays behind if we are killed
  safe_id <- substr(gsub("[^A-Za-z0-9.-]", "_", options$kernel_id), 1L, 100L)
  path <- tempfile(paste0("kernel-", safe_id, "_"), folder, ".json")
  given <- options$connection_file
  kind <- if (!is.null(given) && dir.exists(dirname(given))) "given" else "temporary"
  if (kind == "given") path <- given
  list(connection = path, kind = kind, ready = file.path(tempdir(), "ready"))
}

#' End what is left, and remove the temporary folder of a kernel that could not do so itself.
#'
#' @param kernel A processx process.
#' @param mark The text given to `start_r`.
#' @param kill_at See `sweep_processes`.
#' @param files What `temporary_files` gave.
tidy_up <- function(kernel, mark, kill_at, files) {
  if (kernel$is_alive()) kernel$kill()
  sweep_processes(mark, kill_at)
  left <- if (file.exists(files$ready)) readLines(files$ready) else character()
  if (length(left) == 1L && startsWith(basename(left), "Rtmp")) unlink(left, recursive = TRUE)
}
