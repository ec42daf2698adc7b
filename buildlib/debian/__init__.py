"""Debian without Debian: from a signed archive to a root file system, in Python.

The package knows Debian's formats and nothing of targets, keys or the engine. What needs the
network or a container takes a function for it (`get`, `run`), so every part is tested without.

    package   one locked package, as it stands in `images.lock`
    version   how Debian orders versions
    archive   suites of an archive: signatures, checksums, candidates   (lock only)
    resolve   the packages of a minimal system                          (lock only)
    apt       what apt would add to an image                            (lock only)
    deb       the members of a .deb
    dpkgdb    the dpkg database of unpacked packages
    rootfs    packages to one deterministic tar
"""
