"""Proof that a container image runs a kernel under Jupyter Enterprise Gateway.

`python -m verify IMAGE` drives containers of an image as the gateway would, `python -m verify
--gateway IMAGE` drives the real gateway. Works on anybody's image: of the build system it knows
the errors only, and the build system knows nothing of it. docs/verify.md has cases and rules.
"""
