"""Starts and removes a gateway with its kernels, as the files of this folder describe them.

`python -m deploy` does it; `./doitw deploy` builds the images first, then runs it as a child. It
uses the errors and the engine room of the build system, which in turn does not import it.
docs/deploy.md says how to use it, docs/design/platforms.md how it is made.
"""
