"""A release: checked, stamped, verified, published, and written down."""
