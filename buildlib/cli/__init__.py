"""The command line: parses words, finds verbs, prints answers and errors."""
