"""Set-up: from a checkout and a bare Python to a `.venv` that equals the lock file.

Everything here runs on the standard library of Python 3.10 alone, before any package is there.
Of the rest of buildlib it may import what needs no more at import: `errors`, `pypi`, most of `web`
and `store.content`.
"""
