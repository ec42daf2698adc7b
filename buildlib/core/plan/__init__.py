"""What would be done and why: one plan that build, dry run, `why` and progress all read."""
