"""What plain `doit` loads from us: `dodo.py`'s tasks, and our verbs as doit commands."""
