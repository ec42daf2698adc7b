"""Dockerfiles and `.dockerignore` files, parsed without an engine.

`parse` parses a Dockerfile, `check` compares it with a target's declaration, `ignore` decides which
files of a folder reach the builder. Nothing here reads a file, starts a process or knows a rule.
"""
