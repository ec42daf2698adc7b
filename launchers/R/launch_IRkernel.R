# Starts an R kernel for Jupyter Enterprise Gateway, watches over it, and ends with it.
#
# The program that kernelspecs and `bootstrap-kernel.sh` call: `Rscript launch_IRkernel.R OPTIONS`.
# What it does is in `kernel_launcher`, the folder beside it; docs/launchers.md has the picture.

local({
  compiler::enableJIT(0L) # compiling our few lines takes longer than they do
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1])
  folder <- file.path(dirname(normalizePath(file)), "kernel_launcher")
  # YARN links a file that it ships into the working folder, and an archive as a folder of its own.
  if (!dir.exists(folder)) folder <- normalizePath("launcher/kernel_launcher")
  # Nothing but base R is in reach of the modules: with their other packages named, they run under
  # `Rscript --default-packages=NULL`, which starts in a quarter of the time.
  launcher <- new.env(parent = baseenv())
  for (module in c(
    "messages", "options", "connection", "processes", "report", "comm", "supervisor", "launch"
  )) {
    sys.source(file.path(folder, paste0(module, ".R")), launcher)
  }
  code <- launcher$main(commandArgs(TRUE), folder)
  quit(save = "no", status = code, runLast = FALSE)
})
