"""Making targets: builds, the lock, and what is pulled from a registry or published to it."""
