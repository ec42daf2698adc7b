"""Debian without Debian: what apt resolved becomes a root file system, in Python.

The package knows Debian's formats and nothing of targets, keys or the engine.

    package   one locked package, as it stands in `images.lock`
    apt       what to ask apt, and its answer   (lock only)
    deb       the members of a .deb
    dpkgdb    the dpkg database of unpacked packages
    rootfs    packages to one deterministic tar
"""
