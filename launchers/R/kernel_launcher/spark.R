# What the notebook finds predefined for Spark: `spark`, `sc` and `sqlContext`.
#
# SparkR's where the distribution has it, else pyspark's, by way of reticulate. Trouble with Spark
# never keeps the kernel from running: whoever uses a name is told.

SPARK_NAMES <- c("spark", "sc", "sqlContext")

# pyspark has the main thread's SIGINT for itself, if it is there that a context is made; R would
# then hear no interrupt any more.
CREATE_IN_A_THREAD <- "
def create():
    import threading
    made = {}
    def work():
        try:
            from pyspark.sql import SparkSession
            made['session'] = SparkSession.builder.getOrCreate()
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
  made <- reticulate::py_run_string(CREATE_IN_A_THREAD, local = TRUE)$create()
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

#' Cancel what Spark runs, if there is a session.
cancel_spark_jobs <- function() {
  if (!is.null(spark_state$cancel)) try(spark_state$cancel(), silent = TRUE)
}
