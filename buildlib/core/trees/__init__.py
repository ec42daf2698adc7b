"""The two kinds of trees: the working tree and a git commit."""
