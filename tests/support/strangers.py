"""Pieces of Dockerfiles that were not written for us."""

BROKEN_STAGES = [
    "FROM scratch AS test\nCOPY tests/ /t/\n",
    "FROM undeclared.io/image:1 AS test\nRUN true\n",
    "FROM scratch AS test\nCOPY --from=undeclared.io/image:1 /x /x\n",
    "FROM scratch AS test\nADD https://example.com/x /\n",
    "FROM scratch AS test\nRUN --mount=type=cache,target=/c true\n",
    "FROM scratch AS test\nARG HTTP_PROXY\n",
    "FROM --platform=$BUILDPLATFORM scratch AS test\n",
    "FROM scratch AS test\nCOPY --chmod=u+x a /a\n",
    "FROM scratch AS test\nENV X=${Y#z}\n",
    "FROM scratch AS test\nCOPY $UNSET/a /a\n",
    "FROM scratch AS test\nCOPY ../a /a\n",
    "FROM scratch AS test\nUSER root  # admin\n",
    "FROM undeclared.io/image:1 AS more\nFROM more AS test\nCOPY no /no\n",
]
"""Stages that are refused where they are built, and that Docker leaves alone where they are not."""

UNREADABLE_STAGES = [
    "FROM scratch AS test\nCOPY --link a /a\n",
    "FROM scratch AS test\nRUN --mount=type=tmpfs,target=/t,size=1m true\n",
    "FROM scratch AS test\nENV A=1 B\n",
    "FROM scratch AS test\nCOPY a\n",
    "FROM scratch AS test\nCOPY --from=7 /a /a\n",
    "ARG BASE\nFROM ${BASE} AS test\n",
    "FROM scratch AS test # comment\n",
]
"""Stages that engine 20.10 refuses where they are not built, too."""

COMMENTS = [
    ("USER root  # don't", "USER root"),
    ("WORKDIR /srv # where it runs", "WORKDIR /srv"),
    ("STOPSIGNAL SIGTERM # soft", "STOPSIGNAL SIGTERM"),
    ("EXPOSE 80 443 # web", "EXPOSE 80 443"),
    ("VOLUME /data # kept", "VOLUME /data"),
    ("COPY a /a # the file", "COPY a /a"),
    ("ENV A=1 B=2 # why", "ENV A=1 B=2"),
    ("LABEL a=1 #why=not", "LABEL a=1"),
    ("HEALTHCHECK NONE # off", "HEALTHCHECK NONE"),
    ('CMD ["a", "b"] # run', 'CMD ["a", "b"]'),
    ('COPY ["a", "/a"] # run', 'COPY ["a", "/a"]'),
    ("ONBUILD USER root # admin", "USER root"),
    ("FROM scratch AS b # last", "FROM scratch AS b"),
    ("FROM scratch # last", "FROM scratch"),
]
"""Instructions with a comment behind them that Docker takes for a part of them, and without it."""
