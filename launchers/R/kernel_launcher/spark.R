# What the notebook finds predefined for Spark.

#' Offer `spark` and `sc`.
#'
#' @param mode none, lazy (a session at the first use) or eager (at once).
offer_spark <- function(mode) {
  if (mode == "none") return(invisible())
}
