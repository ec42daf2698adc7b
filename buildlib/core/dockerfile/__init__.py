"""Dockerfiles and `.dockerignore` files, understood without an engine.

`parse` reads a Dockerfile, `check` compares it with what a target declares, `ignore` decides
what of a folder reaches the builder. Nothing here reads a file, starts a process or knows a rule:
texts and answers go in and out as values.
"""
