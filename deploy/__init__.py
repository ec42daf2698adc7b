"""Starting and removing a gateway with its kernels: what the files of this folder describe.

`python -m deploy` does it; `./doitw deploy` builds the images first, and runs it as a child. Of the
build system it knows the errors, and the room that talks to the engine; the build system knows
nothing of it. docs/deploy.md tells how it is used, docs/design/platforms.md how it is made.
"""
