"""A build system for families of container images: one declared graph, keyed by content."""
