"""How bytes come in: HTTP, downloads, registries, Debian packages, Python, and the set-up."""
