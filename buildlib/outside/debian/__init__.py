"""Makes a Debian root file system in Python, from the packages that apt resolved.

The package knows Debian's formats, but not targets, keys or the engine.

    apt       scripts that ask apt, and its answer   (lock only)
    deb       the members of a .deb
    dpkgdb    the dpkg database of unpacked packages
    rootfs    packages to one deterministic tar
"""
