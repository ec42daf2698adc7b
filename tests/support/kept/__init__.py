"""Which test files need not run: those that passed before with the same inputs.

A test file's key is made of all that its result can depend on. `facts` reads one source, `closure`
follows it to the files of this repository, `watch` notes what a run takes beyond that, `passes`
makes keys and keeps them, and `plugin` tells pytest. Only passes are kept. Where the inputs of a
file cannot be told, they are the whole repository: a test that runs for nothing costs seconds, and
one that is wrongly left out costs trust.

    .venv/bin/python -m tests.support.kept tests/unit/test_tar.py   # what its sources name
"""
