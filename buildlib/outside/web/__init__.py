"""The HTTP client for files, package indexes and registries. See docs/fetching.md.

    address      URLs: parsed, and redacted for messages
    credentials  logins from netrc and `docker login`
    trust        SSL contexts: which certificates are trusted
    proxies      which proxy a request goes through
    connections  one request over pooled connections; redirects
    retry        retry with back-off
    errors       errors of HTTP and of the connection, as sentences
    http         the client for pages and files, with all of the above

`connections` and `http` load urllib3, so import them only where a request is about to be sent. The
others need the standard library alone, so set-up uses them too.
"""
