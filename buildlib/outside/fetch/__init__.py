"""Downloads: located, fetched in parallel, checked by sha256, put into the store.

The only part of the build that asks mirrors and package indexes. It knows sources and digests, but
not what a Debian package or a wheel is for. See docs/fetching.md.

    source    what a download is, and which are missing
    locate    its URLs under the mirrors of this site
    part      its partial file, which can be resumed
    transfer  one URL into a partial file
    fetcher   many downloads in parallel
    failures  the errors that a user reads
    air_gap   a folder of downloads for a site without a network
    progress  the progress line

Import these modules, but `source`, only where something is missing: they load urllib3.
"""
