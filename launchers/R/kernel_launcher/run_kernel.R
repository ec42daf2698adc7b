# The kernel's own process: `launch.R` starts it with inherited sockets. Knows nothing of the gateway.
#
# Arguments: the connection file, a file to write when the kernel is ready, the Spark mode, the port
# on which the supervisor takes requests, `temporary` or `given`: the kind of connection file. Interrupts are suspended until then: R would stop loading.

suspendInterrupts(local({
  # What runs once or twice is not worth compiling: a tenth of the start.
  jit <- compiler::enableJIT(0L)
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1])
  arguments <- commandArgs(TRUE)
  # The methods that the kernel inherits look for IRkernel's functions there.
  modules <- new.env(parent = asNamespace("IRkernel"))
  for (module in c("kernel", "spark")) {
    sys.source(file.path(dirname(file), paste0(module, ".R")), modules)
  }
  kernel <- modules$new_kernel(
    arguments[1], as.integer(arguments[4]), modules$cancel_spark_jobs
  )
  modules$offer_spark(arguments[3])
  # It holds the key, and nobody else needs it (but who has asked for it at a place of his choice).
  if (arguments[5] == "temporary") unlink(arguments[1])
  cat(tempdir(), "\n", sep = "", file = arguments[2])
  compiler::enableJIT(jit)
  kernel$run()
}))
