"""What of the past is kept, and how the rest is removed, here and in a registry."""
