"""HTTP, downloads, registries, Debian packages, package indexes and set-up."""
