"""Set-up: makes a `.venv` that equals the lock file, from a checkout and a bare Python.

It runs before any package is installed, on the standard library of Python 3.10. Of the rest of
buildlib it imports only modules that do the same: `errors`, `package_index`, most of `web`,
`store.content`.
"""
