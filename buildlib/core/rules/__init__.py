"""Rules: one module each. What a `BUILD.py` imports of them stands in `buildlib.rules`."""
