# How the launcher speaks: lines on standard error, and errors that one line explains.

#' Write one line to the container's log. Never pass a key, a payload or a request.
#'
#' @param ... Pieces of text.
log_line <- function(...) {
  cat("launch_IRkernel: ", ..., "\n", sep = "", file = stderr())
}

#' Fail with a condition of class `launcher_error`, which is shown as one line.
#'
#' @param ... Pieces of the text that says what is wrong.
#' @param code The launcher's exit code: 2 for wrong input, else 1.
fail <- function(..., code = 1L) {
  stop(structure(
    class = c("launcher_error", "error", "condition"),
    list(message = paste0(...), call = NULL, code = code)
  ))
}

#' Seconds on a clock that only counts differences.
now <- function() proc.time()[["elapsed"]]
