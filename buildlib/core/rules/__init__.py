"""Rules: one module each. A `BUILD.py` imports their functions from `buildlib.rules`."""
