"""HTTP for all that asks the outside: files, package indexes, registries. See docs/fetching.md.

    address      an address taken apart, and what of it a message may show
    credentials  who we are: netrc's logins, those of `docker login`
    trust        which certificates are trusted
    proxies      the way out of this site
    connections  one request over connections that stay open; redirects
    retry        what is tried again, and after which wait
    errors       what went wrong, in words
    http         pages and files: all of it, for whoever only reads

`connections` and `http` load urllib3; import them where something is really asked. The others need
the standard library alone, and serve set-up, too.
"""
