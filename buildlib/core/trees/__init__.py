"""The two trees that graphs are loaded from: the working tree and a git commit."""
