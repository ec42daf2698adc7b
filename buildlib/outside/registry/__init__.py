"""The HTTP client of an image registry: manifests, tags, blobs. It does not know keys."""
