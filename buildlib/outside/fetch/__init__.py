"""How bytes from outside enter: found, fetched in parallel, checked by sha256, kept in the store.

The only part of the build that speaks to mirrors and indexes. It knows sources and digests; what
a Debian package or a wheel is for, it must not know. See docs/fetching.md.

    source    what to fetch, and where from in principle
    locate    the addresses that stand for, under the mirrors of this site
    transfer  one file from one address into a half file that can be resumed
    fetcher   many downloads at once, and what is said when some fail
    carry     a folder to take to a site without a network
    progress  the line that shows how far it is

Requests are those of `outside.web`. Import modules from here only where something is missing from
the store: they load urllib3.
"""
