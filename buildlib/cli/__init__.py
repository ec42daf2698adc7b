"""The command line: words are taken apart, verbs found, answers and errors told."""
