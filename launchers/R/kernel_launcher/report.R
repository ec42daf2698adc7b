# The one message from launcher to gateway: where the kernel is, encrypted.
#
# `seal` makes the wire form, a report brings it there inside the supervisor's loop. Neither logs
# what it carries.

CONNECT_SECONDS <- 2L
FIRST_PAUSE <- 0.1 # between two tries, doubled each time
LONGEST_PAUSE <- 2
LOOK_SECONDS <- 0.02 # between two looks whether the gateway has closed

#' Encrypt the connection info for the gateway.
#'
#' AES in ECB mode and RSA with PKCS#1 v1.5 padding are nobody's choice today. They are what the
#' gateway's listener decrypts, and it takes nothing else. The AES key is new for each kernel.
#'
#' @param info A named list: what the gateway shall know.
#' @param public_key base64 of the DER form of an RSA key, as in the body of a PEM file.
#' @return The payload, raw.
seal <- function(info, public_key) {
  aes_key <- openssl::rand_bytes(16L)
  sealed_key <- tryCatch(
    {
      key <- openssl::read_pubkey(openssl::base64_decode(public_key), der = TRUE)
      stopifnot("of another kind" = inherits(key, "rsa"))
      openssl::rsa_encrypt(aes_key, key)
    },
    error = function(problem) fail("--public-key is not an RSA public key", code = 2L)
  )
  text <- charToRaw(enc2utf8(as.character(jsonlite::toJSON(info, auto_unbox = TRUE))))
  missing <- 16L - length(text) %% 16L
  padded <- c(text, rep(as.raw(missing), missing))
  message <- list(
    version = 1L,
    key = openssl::base64_encode(sealed_key),
    conn_info = openssl::base64_encode(digest::AES(aes_key, mode = "ECB")$encrypt(padded))
  )
  charToRaw(openssl::base64_encode(charToRaw(jsonlite::toJSON(message, auto_unbox = TRUE))))
}

#' A report: sends the payload again and again until the gateway has it.
#'
#' The gateway reads to the end and closes, without a word, so its orderly close is the receipt. R
#' can close a socket as a whole only, and then hears no more of it; but the operating system's
#' table of connections tells: TIME_WAIT after the other side has closed, too, no entry after a
#' reset (it restarted, its queue was full, a proxy had nobody behind it), which asks for a new try.
#'
#' @param address List of host and port.
#' @param payload What `seal` gave.
#' @param deadline When trying ends (see `now`).
new_report <- function(address, payload, deadline) {
  report <- new.env(parent = emptyenv())
  report$address <- address
  report$payload <- payload
  report$deadline <- deadline
  report$state <- "waiting" # for wake_at; "sent"; "delivered"; "failed"
  report$problem <- "no answer"
  report$pause <- FIRST_PAUSE
  report$wake_at <- 0
  report
}

#' Do what is due.
#'
#' @param report What `new_report` gave.
report_tick <- function(report) {
  if (now() < report$wake_at || report$state %in% c("delivered", "failed")) return(invisible())
  if (report$state == "sent") {
    look_for_receipt(report)
  } else if (now() < report$deadline) {
    send_report(report)
  } else {
    report$state <- "failed"
  }
}

send_report <- function(report) {
  before <- open_sockets()
  socket <- tryCatch(
    # Blocks, but not for long, and nobody knows the comm port yet.
    suppressWarnings(socketConnection(
      address_of(report$address$host), report$address$port,
      blocking = TRUE, open = "w+b", timeout = CONNECT_SECONDS
    )),
    error = function(problem) NULL
  )
  if (is.null(socket)) {
    try_again(report, paste("cannot connect to port", report$address$port))
    return()
  }
  after <- open_sockets()
  inode <- after[setdiff(names(after), names(before))]
  report$connection <- connection_of(inode)
  sent <- tryCatch(
    {
      writeBin(report$payload, socket)
      TRUE
    },
    error = function(problem) FALSE
  )
  close(socket)
  if (!sent) {
    try_again(report, "the connection was reset")
    return()
  }
  report$state <- "sent"
  report$wake_at <- 0
  report_tick(report)
}

look_for_receipt <- function(report) {
  state <- if (is.null(report$connection)) "unknown" else state_of(report$connection)
  if (state %in% c("TIME_WAIT", "unknown")) {
    report$state <- "delivered"
  } else if (state == "gone") {
    try_again(report, "the connection was reset")
  } else if (now() >= report$deadline) {
    # Sent whole to somebody who has not refused it: the gateway, with a long queue.
    report$state <- "delivered"
  } else {
    report$wake_at <- now() + LOOK_SECONDS
  }
}

try_again <- function(report, problem) {
  report$problem <- problem
  report$state <- "waiting"
  report$wake_at <- min(now() + report$pause, report$deadline)
  report$pause <- min(2 * report$pause, LONGEST_PAUSE)
}

#' The operating system's TCP connections; NULL where it has no such table.
tcp_table <- function() {
  lines <- tryCatch(
    suppressWarnings(readLines("/proc/self/net/tcp", warn = FALSE)),
    error = function(problem) NULL
  )
  if (length(lines) < 1L) return(NULL)
  strsplit(trimws(lines[-1]), "[[:space:]]+")
}

#' Both ends of the connection that a socket is, as the table writes them.
#'
#' @param inode The socket's inode number.
#' @return Two texts; none if it is gone already; NULL where there is no table.
connection_of <- function(inode) {
  table <- tcp_table()
  if (is.null(table)) return(NULL)
  for (fields in table) {
    if (length(inode) == 1L && fields[10] == inode) return(fields[2:3])
  }
  character()
}

#' What has become of a connection: TIME_WAIT, open, gone, or unknown.
#'
#' @param ends What `connection_of` gave.
state_of <- function(ends) {
  table <- tcp_table()
  if (is.null(table)) return("unknown")
  for (fields in table) {
    if (identical(fields[2:3], ends)) return(if (fields[4] == "06") "TIME_WAIT" else "open")
  }
  "gone"
}
