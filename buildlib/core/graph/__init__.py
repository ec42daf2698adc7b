"""The graph of declared targets: complete, checked, and free of effects."""
