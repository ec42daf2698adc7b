"""The words of the build: labels, targets, trees, settings, locks. Pure data, no effects."""
