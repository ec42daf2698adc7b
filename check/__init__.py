"""Checks what users write for themselves: kernelspecs of their own.

`./doitw check kernelspec DIR` runs `python -m check` as a child. It reads files, asks engine and
registry for images, and changes nothing. Of the build system it uses the errors and the two rooms
that ask (`engine`, `outside.registry`), and the build system does not import it.
docs/own-kernelspec.md says how to use it.
"""
