"""All that speaks to an image registry over HTTP: manifests, tags, blobs; nothing of keys."""
