# What the notebook finds predefined for Spark: `spark`, `sc` and `sqlContext`.
#
# SparkR's where the distribution has it, else pyspark's, by way of reticulate. Trouble with Spark
# never keeps the kernel from running: whoever uses a name is told.

SPARK_NAMES <- c("spark", "sc", "sqlContext")

# pyspark has the main thread's SIGINT for itself, if it is there that a context is made; R would
# then hear no interrupt any more.
CREATE_IN_A_THREAD <- "
def create(driver):
    import os, threading
    os.environ.update(driver)
    made = {}
    def work():
        try:
            from pyspark.sql import SparkSession
            made['session'] = session = SparkSession.builder.getOrCreate()
            # Waiting for an answer has to end at a signal, and R's handlers have a plain read go on:
            # any Sys.sleep() puts them back. A read that has a limit is a poll, which always ends.
            waiting = getattr(session.sparkContext._gateway, 'java_parameters', None)
            if waiting is not None:
                waiting.read_timeout = 2000000  # seconds, as many as poll can: 23 days
        except BaseException as problem:
            made['problem'] = f'{type(problem).__name__}: {problem}'
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made
"

#' Define Spark's names in the user's environment.
#'
#' @param mode none, lazy (a session at the first use) or eager (at once).
offer_spark <- function(mode) {
  if (mode == "none") return(invisible())
  for (name in SPARK_NAMES) stand_in(name)
  if (mode == "eager") {
    tryCatch(spark_parts(), error = function(problem) {
      cat("launch_IRkernel: ", conditionMessage(problem), "\n", sep = "", file = stderr())
    })
  }
}

#' Let a name stand for a part of the session, which is created when somebody asks for it.
#'
#' The stand-in goes as soon as there is a session, or the user assigns something to the name.
#'
#' @param name One of SPARK_NAMES.
stand_in <- function(name) {
  makeActiveBinding(name, function(value) {
    if (!missing(value)) {
      replace_stand_in(name, value)
      return(invisible(value))
    }
    parts <- spark_parts()
    parts[[name]]
  }, globalenv())
}

replace_stand_in <- function(name, value) {
  if (exists(name, globalenv(), inherits = FALSE) && bindingIsActive(name, globalenv())) {
    rm(list = name, envir = globalenv())
    assign(name, value, envir = globalenv())
  }
}

spark_state <- new.env(parent = emptyenv()) # parts, once there is a session

#' The parts of the one session, which is created at the first call; an error if there is none.
spark_parts <- function() {
  if (is.null(spark_state$parts)) {
    spark_state$parts <- tryCatch(
      if (has_sparkr()) sparkr_parts() else pyspark_parts(),
      error = function(problem) stop("no Spark session: ", conditionMessage(problem), call. = FALSE)
    )
    for (name in SPARK_NAMES) replace_stand_in(name, spark_state$parts[[name]])
  }
  spark_state$parts
}

#' Whether the distribution at SPARK_HOME has SparkR.
has_sparkr <- function() {
  home <- Sys.getenv("SPARK_HOME")
  nzchar(home) && dir.exists(file.path(home, "R", "lib", "SparkR"))
}

sparkr_parts <- function() {
  library("SparkR", lib.loc = file.path(Sys.getenv("SPARK_HOME"), "R", "lib"), character.only = TRUE)
  session <- SparkR::sparkR.session()
  context <- SparkR::sparkR.callJMethod(session, "sparkContext")
  spark_state$cancel <- function() SparkR::sparkR.callJMethod(context, "cancelAllJobs")
  list(spark = session, sc = context, sqlContext = session)
}

pyspark_parts <- function() {
  find_pyspark()
  Sys.setenv(RETICULATE_REMAP_OUTPUT_STREAMS = "1") # what Python prints belongs into the notebook
  driver <- reticulate::dict(offer_driver())
  made <- reticulate::py_run_string(CREATE_IN_A_THREAD, local = TRUE)$create(driver)
  if (!is.null(made$problem)) stop(made$problem, call. = FALSE)
  context <- made$session$sparkContext
  spark_state$cancel <- function() context$cancelAllJobs()
  list(spark = made$session, sc = context, sqlContext = made$session)
}

#' Let Python find Spark's own modules, where the image has not done so.
find_pyspark <- function() {
  python <- file.path(Sys.getenv("SPARK_HOME"), "python")
  given <- strsplit(Sys.getenv("PYTHONPATH"), ":", fixed = TRUE)[[1]]
  if (!dir.exists(python) || python %in% given) return(invisible())
  py4j <- Sys.glob(file.path(python, "lib", "py4j-*.zip"))
  Sys.setenv(PYTHONPATH = paste(c(python, py4j, given), collapse = ":"))
}

#' Let pyspark use the JVM that runs this program, if it is spark-submit's (or YARN's).
#'
#' Master, mode and settings of the submission are known there and nowhere else, and in a cluster it
#' is the driver: a JVM of pyspark's own would be another application, in local mode. Spark offers
#' that JVM to R by the protocol of SparkR's backend; by it, a server for pyspark is started there.
#'
#' @return Variables by which pyspark finds the server; none where nobody submitted us.
offer_driver <- function() {
  port <- Sys.getenv("EXISTING_SPARKR_BACKEND_PORT")
  if (!nzchar(port)) return(list())
  backend <- socketConnection("127.0.0.1", as.integer(port), open = "r+b", blocking = TRUE)
  on.exit(close(backend))
  jvm <- function(...) call_backend(backend, ...)
  writeBin(as_text(Sys.getenv("SPARKR_BACKEND_AUTH_SECRET")), backend)
  if (read_text(backend) != "ok") stop("Spark's backend for R does not take our secret")
  settings <- jvm("org.apache.spark.SparkConf", "<init>")
  server <- jvm("org.apache.spark.api.python.Py4JServer", "<init>", settings)
  # Its threads have to be daemons, or the JVM would not end with us: so it is started by one.
  start <- jvm("java.lang.invoke.MethodType", "fromMethodDescriptorString", "()V", NULL)
  start <- jvm(jvm("java.lang.invoke.MethodHandles", "publicLookup"), "bind", server, "start", start)
  runnable <- jvm("java.lang.Class", "forName", "java.lang.Runnable")
  thread <- jvm("java.lang.invoke.MethodHandleProxies", "asInterfaceInstance", runnable, start)
  thread <- jvm("java.lang.Thread", "<init>", thread)
  jvm(thread, "setDaemon", TRUE)
  jvm(thread, "start")
  jvm(thread, "join")
  list(
    PYSPARK_GATEWAY_PORT = as.character(jvm(server, "getListeningPort")),
    PYSPARK_GATEWAY_SECRET = jvm(server, "secret")
  )
}

#' Call a method in the JVM, by SparkR's protocol (Spark's RBackendHandler and SerDe).
#'
#' @param backend The connection.
#' @param target The name of a class, or an object: a result of an earlier call.
#' @param method Its name; `<init>` makes an object.
#' @param ... Texts, TRUE, FALSE, NULL, and objects.
#' @return What the method gives: NULL, a text, a number, or an object.
call_backend <- function(backend, target, method, ...) {
  arguments <- lapply(list(...), function(value) {
    if (is.null(value)) return(charToRaw("n"))
    if (is.logical(value)) return(c(charToRaw("b"), as_int(value)))
    c(charToRaw(if (inherits(value, "jvm_object")) "j" else "c"), as_text(value))
  })
  is_class <- !inherits(target, "jvm_object")
  request <- c(as_int(is_class), as_text(target), as_text(method), as_int(length(arguments)))
  request <- c(request, unlist(arguments))
  writeBin(c(as_int(length(request)), request), backend)
  while ((status <- read_int(backend)) == 1L) NULL # it is still at work
  if (status != 0L) stop(sub("\n.*", "", read_text(backend)))
  kind <- rawToChar(readBin(backend, raw(), 1L))
  switch(kind,
    n = NULL,
    i = read_int(backend),
    c = read_text(backend),
    j = structure(read_text(backend), class = "jvm_object"),
    stop("Spark's backend for R answers with ", kind)
  )
}

as_int <- function(value) writeBin(as.integer(value), raw(), endian = "big")

as_text <- function(text) {
  bytes <- c(charToRaw(enc2utf8(unclass(text))), as.raw(0L))
  c(as_int(length(bytes)), bytes)
}

read_int <- function(connection) readBin(connection, 0L, endian = "big")

read_text <- function(connection) {
  bytes <- readBin(connection, raw(), read_int(connection))
  rawToChar(bytes[bytes != 0L])
}

#' Cancel what Spark runs, if there is a session.
cancel_spark_jobs <- function() {
  if (!is.null(spark_state$cancel)) try(spark_state$cancel(), silent = TRUE)
}
