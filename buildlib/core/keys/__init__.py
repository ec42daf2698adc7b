"""Keys: the one notion of 'the same'. Pure functions of a tree, the lock and the settings."""
