"""Which old images are kept, and how the others are removed, from the engine or a registry."""
