"""The plan of a build, with reasons: build, dry run, `why` and progress all read it."""
