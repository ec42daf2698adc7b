"""Dockerfiles and `.dockerignore` files, parsed without an engine.

`parse` parses a Dockerfile; `check`, `bases`, `secrets` and `limits` compare it with a target's
declaration and with what engines can do; `ignore` decides which files of a folder reach the
builder. Nothing here reads a file, starts a process or knows a rule.
"""
