# The launcher's command line and environment. Knows nothing of what is done with them.

DEFAULT_LAUNCH_TIMEOUT <- 30 # seconds, as the gateway's
PORT_BOUNDS <- c(1024L, 65535L) # the gateway takes port ranges within these only
SPARK_MODES <- c("none", "lazy", "eager") # the first is the default

OPTION_NAMES <- c(
  "kernel-id", # the id the gateway gave this kernel
  "response-address", # host:port that takes the connection info
  "public-key", # the gateway's RSA key (base64 of a DER SubjectPublicKeyInfo)
  "port-range", # lower..upper for all ports; 0..0 or nothing: any
  "spark-context-initialization-mode",
  "customAppName" # upstream's launcher takes it, and makes no use of it
)
OLD_PREFIX <- "RemoteProcessProxy."

#' Read the options in both spellings, `--kernel-id` and `--RemoteProcessProxy.kernel-id`.
#'
#' The plain spelling wins; an option without a value counts as not given.
#'
#' @param argv The arguments.
#' @param env The environment (a named vector), for the smallest size of a port range.
#' @return A list: `kernel_id`, `response_address` (list of host and port, or NULL), `public_key`,
#'   `port_range` (two numbers, or NULL), `spark_mode`, `connection_file` (or NULL).
parse_options <- function(argv, env = Sys.getenv()) {
  given <- split_arguments(argv)
  value <- function(name) {
    plain <- given$options[[name]]
    old <- given$options[[paste0(OLD_PREFIX, name)]]
    if (!is.null(plain) && nzchar(plain)) plain else if (is.null(old)) "" else old
  }
  kernel_id <- value("kernel-id")
  if (!nzchar(kernel_id) && !is.null(given$positional)) {
    kernel_id <- sub("[.][^.]*$", "", basename(given$positional))
  }
  if (!nzchar(kernel_id)) fail("--kernel-id is missing", code = 2L)
  response_address <- parse_address(value("response-address"))
  if (!is.null(response_address) && !nzchar(value("public-key"))) {
    fail("--public-key is missing: a report must be encrypted", code = 2L)
  }
  spark_mode <- value("spark-context-initialization-mode")
  if (!nzchar(spark_mode)) spark_mode <- SPARK_MODES[1]
  if (!spark_mode %in% SPARK_MODES) {
    fail(
      "--spark-context-initialization-mode is ", sQuote(spark_mode, FALSE), ", not one of ",
      paste(SPARK_MODES, collapse = ", "),
      code = 2L
    )
  }
  list(
    kernel_id = kernel_id,
    response_address = response_address,
    public_key = value("public-key"),
    port_range = parse_port_range(value("port-range"), env),
    spark_mode = spark_mode,
    connection_file = given$positional
  )
}

#' Split arguments into options with their values, and the one positional argument there may be.
#'
#' @param argv The arguments: `--name value`, `--name=value`, `--name` (no value), `value`.
split_arguments <- function(argv) {
  known <- c(OPTION_NAMES, paste0(OLD_PREFIX, OPTION_NAMES))
  found <- list()
  positional <- NULL
  name <- NULL # an option that waits for its value
  for (argument in argv) {
    if (startsWith(argument, "--")) {
      parts <- regmatches(argument, regexec("^--([^=]*)(=(.*))?$", argument))[[1]]
      name <- parts[2]
      if (!name %in% known) fail("unrecognized arguments: --", name, code = 2L)
      found[[name]] <- parts[4]
      if (nzchar(parts[3])) name <- NULL
    } else if (!is.null(name)) {
      found[[name]] <- argument
      name <- NULL
    } else if (is.null(positional)) {
      positional <- argument
    } else {
      fail("unrecognized arguments: ", argument, code = 2L)
    }
  }
  if (identical(positional, "")) positional <- NULL
  list(options = found, positional = positional)
}

#' Split `host:port`; NULL for empty text.
#'
#' @param text An address.
parse_address <- function(text) {
  if (!nzchar(text)) return(NULL)
  parts <- regmatches(text, regexec("^(.+):([0-9]{1,5})$", text))[[1]]
  port <- if (length(parts)) as.integer(parts[3]) else 0L
  if (port < 1L || port > PORT_BOUNDS[2]) {
    fail("--response-address is ", sQuote(text, FALSE), ", not host:port", code = 2L)
  }
  list(host = gsub("^\\[|\\]$", "", parts[2]), port = port)
}

#' Read `lower..upper`, both included; NULL (any port) for empty text and equal bounds.
#'
#' The least size (upper - lower) is MIN_PORT_RANGE_SIZE, else EG_MIN_PORT_RANGE_SIZE, else 1000.
#'
#' @param text A port range.
#' @param env The environment, a named vector.
parse_port_range <- function(text, env) {
  if (!nzchar(text)) return(NULL)
  bounds <- regmatches(text, regexec("^\\s*([0-9]{1,5})\\s*[.][.]\\s*([0-9]{1,5})\\s*$", text))[[1]]
  if (!length(bounds)) {
    fail("--port-range is ", sQuote(text, FALSE), ", not lower..upper", code = 2L)
  }
  range <- as.integer(bounds[2:3])
  if (range[1] == range[2]) return(NULL)
  if (range[1] < PORT_BOUNDS[1] || range[1] > range[2] || range[2] > PORT_BOUNDS[2]) {
    fail("--port-range ", text, " is not a range within 1024..65535", code = 2L)
  }
  least <- first_set(env, c("MIN_PORT_RANGE_SIZE", "EG_MIN_PORT_RANGE_SIZE"), "1000")
  if (!grepl("^[0-9]{1,9}$", least)) {
    fail("MIN_PORT_RANGE_SIZE is ", sQuote(least, FALSE), ", not a number", code = 2L)
  }
  if (range[2] - range[1] < as.integer(least)) {
    fail("--port-range ", text, " is too small: at least ", least, " ports", code = 2L)
  }
  range
}

#' Seconds the gateway waits for the report; values that are no such number are passed over.
#'
#' @param env The environment, a named vector.
launch_timeout <- function(env = Sys.getenv()) {
  for (name in c("KERNEL_LAUNCH_TIMEOUT", "EG_KERNEL_LAUNCH_TIMEOUT")) {
    seconds <- suppressWarnings(as.numeric(first_set(env, name, "")))
    if (!is.na(seconds) && seconds > 0 && seconds < 86400) return(seconds)
  }
  DEFAULT_LAUNCH_TIMEOUT
}

#' The value of the first variable that is set to something.
#'
#' @param env The environment, a named vector.
#' @param names Names of variables, in the order in which they count.
#' @param default Where none of them is set.
first_set <- function(env, names, default) {
  values <- env[names]
  values <- values[!is.na(values) & nzchar(values)]
  if (length(values)) values[[1]] else default
}
